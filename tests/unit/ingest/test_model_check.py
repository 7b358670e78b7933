"""A vehicle model is checked before it is stored: what it yields, what is wrong, what stays unmapped."""

from __future__ import annotations

from typing import Any

import pytest

from data.reference_rows import read_reference
from ingest.model_check import ModelCheck, check_model

DBC = """VERSION ""
BU_: X
BO_ 256 Drive: 8 X
 SG_ Speed : 0|16@1+ (0.1,0) [0|400] "km/h" X
 SG_ Front : 16|8@1+ (0.01,0) [0|5] "bar" X
 SG_ Strange : 24|16@1+ (1,0) [0|65535] "" X
"""
LENGTHS = {"wheel": 4, "cell": 96, "probe": 24}


def check(signal_map: dict[str, dict[str, Any]], dbc: str | None = DBC) -> ModelCheck:
    return check_model(dbc, signal_map, array_lengths=LENGTHS)


def test_what_a_map_yields_and_what_it_leaves_is_told() -> None:
    found = check(
        {
            "Drive.Speed": {"alias": "speed"},
            "Drive.Front": {"alias": "tire.pressure", "index": 0, "scale": 100},
        }
    )

    assert found == ModelCheck(
        yields={"speed": (1, 1), "tire.pressure": (1, 4)},
        errors=(),
        warnings=(),
        unmapped=("Drive.Strange",),
    )


def test_every_wrong_entry_is_named_not_only_the_first() -> None:
    found = check(
        {
            "Drive.Sped": {"alias": "speed"},
            "Drive.Speed": {"alias": "sped"},
            "Drive.Front": {"alias": "tire.pressure", "index": 4},
            "Drive.Strange": {"alias": "soc", "colour": 1},
        }
    )

    assert len(found.errors) == 4
    for says in ("'Drive.Sped': the DBC has no", "alias 'sped'", "index 4 must be from 0 to 3", "'colour'"):
        assert any(says in error for error in found.errors), says


def test_a_unit_that_is_not_the_catalogues_needs_a_scale() -> None:
    (error,) = check({"Drive.Front": {"alias": "tire.pressure", "index": 0}}).errors

    assert "unit 'bar' must become 'kPa' of tire.pressure: give scale = 100" in error


def test_two_signals_for_one_element_are_a_warning() -> None:
    (warning,) = check({"Drive.Speed": {"alias": "speed"}, "Drive.Strange": {"alias": "speed"}}).warnings

    assert "gives speed 0 as 'Drive.Speed' does" in warning


@pytest.mark.parametrize(("dbc", "says"), [("not a DBC", "DBC"), (None, "a map without a dbc")])
def test_a_dbc_that_cannot_be_read_or_is_missing_is_an_error(dbc: str | None, says: str) -> None:
    (error,) = check({"Drive.Speed": {"alias": "speed"}}, dbc).errors

    assert says in error


def test_the_shipped_models_are_right() -> None:
    from importlib import resources

    for row in read_reference().models:
        dbc = row.dbc and resources.files("data").joinpath("dbc", row.dbc).read_text("utf-8")
        lengths = {"wheel": len(row.wheels), "cell": row.cell_count, "probe": row.probe_count}
        found = check_model(dbc, row.signal_map, array_lengths=lengths)
        assert (found.errors, found.warnings) == ((), ()), row.model_id


def test_a_transport_that_does_not_exist_is_an_error() -> None:
    dbc = DBC + (
        'BA_DEF_ BO_ "TransportProtocolType" STRING ;\nBA_DEF_DEF_ "TransportProtocolType" "";\n'
        'BA_ "TransportProtocolType" BO_ 256 "PIGEON";\n'
    )

    assert any("TransportProtocolType 'PIGEON' must be" in error for error in check({}, dbc).errors)
