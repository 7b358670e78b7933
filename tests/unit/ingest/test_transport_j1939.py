"""From frames to signals and trouble codes: groups, tires and trouble codes of J1939."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.transport import BusDecoder, looks_like_j1939
from simulators.encode_transport import j1939_frames
from tests.unit.ingest.buses import (
    J1939,
    codes,
    decode,
    decoder,
    signals,
)


def test_j1939_groups_are_found_whoever_sends_them_and_however_long() -> None:
    found = decode(
        decoder(J1939, {"CCVS1.Speed": {"alias": "speed"}}),
        [
            *j1939_frames(65265, bytes.fromhex("f70050ffffffffff"), source=0x2F),
            *j1939_frames((2564817150 >> 8) & 0x3FFFF, bytes(range(20)), source=0x21),
        ],
    )

    assert signals(found) == {"speed": 80.0, "Own.Last": 19.0}


def test_not_available_and_error_are_missing_and_counted() -> None:
    for raw, reason in (("ffff", "not available"), ("00fe", "error")):
        found = decode(decoder(J1939), j1939_frames(65265, bytes.fromhex(f"ff{raw}ffffffffff"), source=0))

        assert signals(found) == {}
        assert found.masked == {f"CCVS1.Speed: {reason}": 1}


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        ("0000", (0, -1600, 0, -273)),
        ("4d1f", (400.65, -1199.35, 12.5203125, -22.59375)),
        ("fffa", (None, 1612.75, None, 1734.96875)),
    ],
)
def test_groups_of_the_high_voltage_battery_have_the_published_ranges(
    raw: str, values: tuple[float | None, ...]
) -> None:
    """SPN 5919 to 5921 and the cell temperatures begin at 0 V, -1600 A, 0 % and -273 degC.

    At 0xFAFF they are 3,212.75 V, 1,612.75 A, 100.398 % and 1,734.97 degC: no pack, no charge is like that.
    """
    found = signals(
        decode(
            decoder(J1939),
            [
                (0x8CF09021, bytes.fromhex("ffffffff" + raw + raw)),
                (0x8CF09121, bytes.fromhex(raw + "ffffffffffff")),
                (0x8CF09221, bytes.fromhex(raw + "ffffffffffff")),
            ],
        )
    )

    names = ("pack.voltage", "HVESSD1.BatteryCurrent", "soc", "HVESSD3.HighestCellTemperature")
    assert tuple(found.get(name) for name in names) == pytest.approx(values)


@pytest.mark.parametrize(("wheels", "place"), [(6, 4), (8, None), (10, 4)])
def test_a_tire_has_a_place_where_the_number_of_wheels_tells_the_axles(
    wheels: int, place: int | None
) -> None:
    of = BusDecoder(J1939, {}, grid_s=1.0, cell_count=0, probe_count=0, wheel_count=wheels)

    found = signals(decode(of, [(0x98FEF433, bytes.fromhex("12E100244100005F"))]))

    if place is None:
        assert (found["TIRE.Pressure12"], "tire.pressure" in found) == (900, False)
    else:
        assert found["tire.pressure"][place] == 900


def test_tire_condition_tells_its_tire_by_location() -> None:
    """SPN 241 4 kPa/bit, SPN 242 0.03125 K/bit from -273 degC; 00E100244100005F was seen on a bus."""
    found = signals(
        decode(
            decoder(J1939),
            [
                (0x98FEF433, bytes.fromhex("00E100244100005F")),
                (0x98FEF433, bytes.fromhex("113C00250000FF5F")),
            ],
        )
    )

    assert found["tire.pressure"] == pytest.approx([900, np.nan, np.nan, 240], nan_ok=True)
    assert found["tire.temperature"][0] == 15.0


def test_dm1_is_read_from_one_frame_and_from_a_broadcast() -> None:
    """SPN 1569 FMI 31 with the amber lamp lit; SPN 520211 = 0x7F013 needs all 19 bits."""
    one = bytes.fromhex("04ff 2106 1f 05 ffff")
    many = bytes.fromhex("00ff 2106 1f 05 13f0e3 81 0000 00 00")

    found = decode(
        decoder(J1939), [*j1939_frames(65226, one, source=0), *j1939_frames(65226, many, source=0x27)]
    )

    assert codes(found) == [
        ("J1939-00", "SPN1569-FMI31", 0x80 | 0x29),
        ("J1939-27", "SPN1569-FMI31", 0x29),
        ("J1939-27", "SPN520211-FMI3", 0x29),
    ]
    assert found.masked["j1939:old conversion method"] == 1


def test_dm2_codes_have_been_active_and_dm1_without_codes_has_none() -> None:
    none = bytes.fromhex("f3ff00000000ffff")
    past = bytes.fromhex("00ff 2106 1f 05 ffff")

    found = decode(
        decoder(J1939), [*j1939_frames(65226, none, source=0), *j1939_frames(65227, past, source=1)]
    )

    assert codes(found) == [("J1939-01", "SPN1569-FMI31", 0x28)]


def test_a_log_is_taken_for_j1939_by_its_groups() -> None:
    ids = np.array([0x98FEF100, 0x98FEF547, 0x98FEC117, 0x065], np.uint32)

    assert looks_like_j1939(ids)
    assert not looks_like_j1939(ids[1:])
    assert looks_like_j1939(ids[:1])
    assert not looks_like_j1939(np.array([0x97F00010], np.uint32))
