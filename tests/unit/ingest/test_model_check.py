"""A vehicle model is checked before it is stored: what it yields, what is wrong, what stays unmapped."""

from __future__ import annotations

from typing import Any

import pytest

from data.reference_rows import read_reference
from ingest.model_check import ModelCheck, check_model
from ingest.transport import BusDecoder

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


def test_signals_that_standards_define_may_be_mapped_as_the_decoder_reads_them() -> None:
    j1939 = DBC.replace("BO_ 256", "BO_ 2364540158") + (
        'BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","ExtendedCAN","reserved","J1939PG";\n'
        'BA_DEF_DEF_ "VFrameFormat" "J1939PG";\n'
    )
    signal_map = {"OBD2.VehicleSpeed": {"alias": "speed"}, "HVESSD2.StateOfCharge": {"alias": "soc"}}

    found = check(signal_map, j1939)

    BusDecoder(j1939, signal_map, grid_s=1.0, cell_count=96, probe_count=24, wheel_count=4)
    assert (found.yields, found.errors) == ({"soc": (1, 1), "speed": (1, 1)}, ())


def test_a_wrong_entry_of_a_standard_signal_is_named() -> None:
    found = check(
        {
            "OBD2.VehicleSpeed": {"alias": "sped"},
            "OBD2.Sped": {"alias": "speed"},
            "CCVS1.VehicleSpeed": {"alias": "speed"},
        }
    )

    assert len(found.errors) == 3
    for says in (
        "'OBD2.VehicleSpeed': alias 'sped' is not in the catalogue",
        "'OBD2.Sped': the DBC has no such Message.Signal",
        "'CCVS1.VehicleSpeed': the standard group is not read beside this DBC: none of its",
    ):
        assert any(says in error for error in found.errors), says


def test_a_standard_group_that_the_dbc_has_under_another_name_is_not_read() -> None:
    dbc = DBC.replace("BO_ 256", "BO_ 2566844926") + (
        'BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","ExtendedCAN","reserved","J1939PG";\n'
        'BA_DEF_DEF_ "VFrameFormat" "J1939PG";\n'
    )

    (error,) = check({"CCVS1.VehicleSpeed": {"alias": "speed"}}, dbc).errors

    assert "it has PGN 65265 itself" in error


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
