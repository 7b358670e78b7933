"""Signals out of MF4 recordings: the values of asammdf's own extraction."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.errors import CatalogueError
from ingest.bench.mf4 import bench_mf4

pytest.importorskip("asammdf", reason="asammdf is an extra")
pytestmark = pytest.mark.recorded


@pytest.mark.parametrize(
    ("mf4", "dbc", "values"),
    [
        ("2F6913DB_gnss_00000001.MF4", "gnss.dbc", 17_059),
        ("asammdf_basics_00000001.MF4", "CSS-Electronics-SAE-J1939-DEMO.dbc", 7_986),
        ("2F6913DB_gnss_00000001.MF4", "can1-hyundai-kia-uds-v2.4.dbc", 764),
    ],
)
def test_every_value_is_that_of_asammdf(recordings: Path, mf4: str, dbc: str, values: int) -> None:
    folder = recordings / "can_uds"

    result = bench_mf4(folder / mf4, folder / dbc, rounds=1)

    assert result["equal"] is True
    assert (result["values"], result["asammdf_values"]) == (values, values)
    assert set(result["unit"]) < set(result)


def test_a_database_that_finds_nothing_is_refused(recordings: Path) -> None:
    folder = recordings / "can_uds"

    with pytest.raises(CatalogueError, match="finds no signal in it"):
        bench_mf4(folder / "3BA199E2_00000164_00000001.MF4", folder / "tp_uds.dbc", rounds=1)


def test_a_file_that_is_not_there_is_named(recordings: Path) -> None:
    with pytest.raises(CatalogueError, match=r"none\.MF4: is not a file"):
        bench_mf4(recordings / "none.MF4", recordings / "can_uds" / "gnss.dbc", rounds=1)
