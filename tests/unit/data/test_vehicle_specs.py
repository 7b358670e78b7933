from __future__ import annotations

from dataclasses import replace

import pytest

from data.errors import ReferenceDataError
from data.vehicle_specs import check_fits, find_like, find_spec

SEDAN = find_spec("anxin-sedan-96-ncm")
HATCH = find_spec("anxin-hatch-96-ncm-2p")


def test_recording_resembles_the_model_with_its_cells_and_probes() -> None:
    assert (SEDAN.cell_count, HATCH.cell_count) == (96, 96)
    assert find_like(replace(HATCH, model_id="recording")) == HATCH
    assert find_like(replace(SEDAN, model_id="recording", chemistry="LFP")) == SEDAN


def test_recording_without_a_pack_resembles_any_model() -> None:
    assert find_like(replace(SEDAN, cell_count=0, probe_count=0)).cell_count > 0


@pytest.mark.parametrize("odd", [{"cell_count": 192}, {"probe_count": 7}])
def test_recording_that_no_model_could_send_is_refused(odd: dict[str, int]) -> None:
    with pytest.raises(ReferenceDataError, match=r"cells and .* probes, no vehicle model has"):
        find_like(replace(SEDAN, **odd))  # type: ignore[arg-type]


def test_model_that_could_not_send_the_recording_is_refused() -> None:
    check_fits(SEDAN, replace(SEDAN, probe_count=0))
    with pytest.raises(ReferenceDataError, match="has 96 cells, vehicle model 'anxin-sedan-88-ncm' has 88"):
        check_fits(find_spec("anxin-sedan-88-ncm"), SEDAN)
    with pytest.raises(ReferenceDataError, match="has 4 probes, vehicle model 'anxin-sedan-96-ncm' has 24"):
        check_fits(SEDAN, HATCH)


def test_models_of_a_database_take_the_place_of_the_shipped_ones() -> None:
    lab = replace(SEDAN, model_id="lab-cell", cell_count=1, probe_count=1)

    assert find_like(replace(lab, model_id="recording"), [SEDAN, lab]) == lab
    assert find_spec("lab-cell", [SEDAN, lab]) == lab
    with pytest.raises(ReferenceDataError, match="'lab-cell': must be one of anxin-sedan-96-ncm"):
        find_spec("lab-cell", [SEDAN])
