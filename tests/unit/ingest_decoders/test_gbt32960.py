"""GB/T 32960 frames of both editions, against values worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.records import Family
from ingest.coordinates import gcj02_to_wgs84
from ingest.errors import PayloadError
from ingest.gbt32960 import GbtFrame, decode_frame, restamp_frame, split_frames


def decode(text: str) -> GbtFrame:
    return decode_frame(bytes.fromhex(text))


def drive_of(frame: GbtFrame) -> dict[str, float]:
    return next(
        (
            {a: float(v[0]) for a, v in columns.items()}
            for family, columns, _ in frame.families
            if family is Family.DRIVE
        ),
        {},
    )


def cells_of(frame: GbtFrame) -> tuple[dict[str, list[float]], dict[str, int]]:
    columns, keys = next((c, k) for family, c, k in frame.families if family is Family.CELL)
    return {alias: values[0].tolist() for alias, values in columns.items()}, dict(keys)


def test_login_carries_its_serial_number_and_card(gbt: Any) -> None:
    frame = decode(gbt.hex("login"))

    assert (frame.vin, frame.edition, frame.command) == (gbt.VIN, 2016, 1)
    assert frame.events[0].kind == "login"
    assert frame.events[0].data == {
        "serial": 7,
        "iccid": "89860000000000000001",
        "sub_packs": 1,
        "pack_codes": ["PK01"],
    }


def test_time_is_china_time(gbt: Any) -> None:
    expected = datetime(2026, 1, 15, 0, 30, tzinfo=UTC)

    assert decode(gbt.hex("short")).time_us == round(expected.timestamp()) * 1_000_000


def test_parked_vehicle_reads_as_published(gbt: Any) -> None:
    drive = drive_of(decode(gbt.hex("short")))

    assert drive == {
        "vehicle.state": 2,
        "charging": 3,
        "speed": 0,
        "odometer": 540.5,
        "pack.voltage": 321.8,
        "pack.current": -1.0,
        "soc": 51,
        "dcdc.state": 1,
        "gear": 126,
        "insulation": 1093,
        "accelerator": 0,
        "brake": 77,
        "longitude": 121.4737,
        "latitude": 31.2304,
    }


def test_full_frame_flips_the_pack_current_and_leaves_the_motor_current(gbt: Any) -> None:
    frame = decode(gbt.hex("full"))
    drive = drive_of(frame)
    cells, keys = cells_of(frame)

    assert (drive["speed"], drive["pack.voltage"], drive["pack.current"]) == (46.8, 29.8, 48.3)
    assert (drive["motor.speed"], drive["motor.torque"], drive["motor.current"]) == (2151, -58.5, -40.3)
    assert (drive["inverter.temperature"], drive["motor.temperature"]) == (37, 68)
    assert cells["cell.voltage"] == [3.721, 3.724, 3.723, 3.745, 3.722, 3.724, 3.723, 3.690]
    assert cells["cell.temperature"] == [35, 36, 34, 33]
    assert keys == {"sub_pack": 1, "first_cell": 1}
    assert frame.extra["extreme.cell_min.number"] == 8
    assert frame.extra["extreme.cell_max.number"] == 4


def test_alarm_block_becomes_one_event_with_flags_and_codes(gbt: Any) -> None:
    (event,) = decode(gbt.hex("alarm")).events

    assert (event.kind, event.source, event.level, event.is_hist) == ("alarm", "gbt32960", 3, False)
    assert event.data["bits"] == [1, 10, 11, 13]
    assert event.data["codes"] == {"battery": ["00010003"], "other": ["00080002", "00090025"]}


def test_sentinels_are_missing_and_counted_by_kind(gbt: Any) -> None:
    frame = decode(gbt.hex("sentinels"))

    assert drive_of(frame) == {}
    assert {name for name in frame.masked if name.endswith("abnormal")} == {
        "pack.voltage: abnormal",
        "soc: abnormal",
        "brake: abnormal",
    }
    assert frame.masked["insulation: invalid"] == 1
    assert not any(name.startswith("extreme") for name in frame.extra)


def test_resupply_is_marked_and_keeps_the_place_of_its_cells(gbt: Any) -> None:
    frame = decode(gbt.hex("resupply"))
    cells, keys = cells_of(frame)

    assert frame.is_resupply
    assert drive_of(frame) == {"pack.voltage": 640.3, "pack.current": 223.3}
    assert keys == {"sub_pack": 1, "first_cell": 201}
    assert cells["cell.voltage"] == [3.330, 3.331, 3.348, 3.286]
    assert frame.extra["sub_pack.1.cells"] == 384


def test_2025_edition_reads_with_its_own_offsets_and_thermal_event(gbt: Any) -> None:
    frame = decode(gbt.hex("edition_2025"))
    drive = drive_of(frame)
    cells, keys = cells_of(frame)

    assert frame.edition == 2025
    assert (drive["pack.voltage"], drive["pack.current"], drive["soc"]) == (713.8, -2.2, 75)
    assert (drive["motor.speed"], drive["motor.torque"], drive["motor.temperature"]) == (2151, -58.5, 68)
    assert cells == {"cell.voltage": [3.957, 3.960, 3.958, 3.961], "cell.temperature": [30, 31]}
    assert keys == {"sub_pack": 1, "first_cell": 1}
    assert (frame.events[0].level, frame.events[0].data["names"]) == (2, ["battery_thermal_event"])
    assert frame.events[0].data["levels"] == {"23": 2}
    assert not frame.rejects


def test_chinese_map_coordinates_are_stored_as_wgs84(gbt: Any) -> None:
    drive = drive_of(decode(gbt.hex("edition_2025")))

    assert 0.003 < 121.4737 - drive["longitude"] < 0.006
    assert 0.001 < drive["latitude"] - 31.2304 < 0.003
    assert gcj02_to_wgs84(2.35, 48.85) == (2.35, 48.85)


def test_bad_checksum_is_refused(gbt: Any) -> None:
    with pytest.raises(PayloadError) as caught:
        decode(gbt.hex("short")[:-2] + "00")

    assert caught.value.reason == "bad_checksum"
    assert caught.value.detail.startswith("BCC: 00")


@pytest.mark.parametrize(
    "vector", ["login", "short", "full", "alarm", "sentinels", "resupply", "edition_2025"]
)
def test_frame_cut_at_any_byte_is_refused(gbt: Any, vector: str) -> None:
    whole = bytes.fromhex(gbt.hex(vector))
    for length in range(len(whole)):
        with pytest.raises(PayloadError) as caught:
            decode_frame(whole[:length])
        assert caught.value.reason == "wrong_length"


@pytest.mark.parametrize(
    "vector", ["login", "short", "full", "alarm", "sentinels", "resupply", "edition_2025"]
)
def test_data_unit_cut_at_any_byte_keeps_what_came_before(gbt: Any, vector: str) -> None:
    whole = bytes.fromhex(gbt.hex(vector))
    data = whole[24:-1]
    full = decode_frame(whole)
    for length in range(6, len(data)):
        frame = decode_frame(gbt.build(data[:length], command=whole[2], start=whole[:2]))
        assert set(drive_of(frame)) <= set(drive_of(full))
        assert len(frame.rejects) <= 1


@pytest.mark.parametrize("start", [b"##", b"$$"])
@given(data=st.binary(max_size=200))
def test_any_data_unit_decodes_or_is_refused(gbt: Any, start: bytes, data: bytes) -> None:
    frame = decode_frame(gbt.build(gbt.TIME + data, start=start))

    assert frame.time_us is not None
    assert all(
        np.isfinite(values).any() or values.size for _, c, _ in frame.families for values in c.values()
    )


def test_unknown_block_ends_the_frame_as_a_reject_and_keeps_what_came_before(gbt: Any) -> None:
    position = bytes.fromhex("0500073d8aa401dc89c0")

    frame = decode_frame(gbt.build(gbt.TIME + position + b"\x44\x01\x02" + position))

    assert drive_of(frame)["latitude"] == 31.2304
    assert frame.rejects == [("unknown_block", "block type 44 at byte 40: 13 bytes not read")]


def test_makers_block_is_kept_and_what_follows_is_read(gbt: Any) -> None:
    frame = decode_frame(
        gbt.build(gbt.TIME + b"\x80\x00\x04\xde\xad\xbe\xef" + bytes.fromhex("0500073d8aa401dc89c0"))
    )

    assert frame.oem_blocks == [(0x80, b"\xde\xad\xbe\xef")]
    assert drive_of(frame)["longitude"] == 121.4737


def test_hemispheres_follow_the_status_bits_and_no_fix_is_no_position(gbt: Any) -> None:
    south_west = decode_frame(gbt.build(gbt.TIME + bytes.fromhex("0506073d8aa401dc89c0")))
    no_fix = decode_frame(gbt.build(gbt.TIME + bytes.fromhex("0501073d8aa401dc89c0")))

    assert drive_of(south_west) == {"longitude": -121.4737, "latitude": -31.2304}
    assert drive_of(no_fix) == {}
    assert no_fix.masked == {"position: not fixed": 1}


def test_fields_nobody_fills_are_missing(gbt: Any) -> None:
    probes = b"\x09\x01\x01\x00\x04" + bytes(4)
    motor = (
        b"\x02\x01\x01\x01"
        + bytes([77])
        + (22_151).to_bytes(2, "big")
        + bytes(2)
        + bytes([108])
        + b"\x01\x2a\x25\x7d"
    )

    frame = decode_frame(gbt.build(gbt.TIME + probes + motor))

    assert frame.masked["cell.temperature: unpopulated"] == 4
    assert frame.masked["motor.torque: unpopulated"] == 1
    assert "motor.torque" not in drive_of(frame)
    assert drive_of(frame)["motor.speed"] == 2151


def test_second_motor_goes_to_the_extra_signals(gbt: Any) -> None:
    motor = (
        bytes([2, 77])
        + (22_151).to_bytes(2, "big")
        + (20_100).to_bytes(2, "big")
        + bytes([108])
        + b"\x01\x2a\x25\x7d"
    )

    frame = decode_frame(gbt.build(gbt.TIME + b"\x02\x02\x01" + motor + b"\x02" + motor))

    assert drive_of(frame)["motor.torque"] == 10.0
    assert frame.extra["motor.2.torque"] == 10.0


def test_brake_without_a_percentage_is_on(gbt: Any) -> None:
    data = bytearray(bytes.fromhex(gbt.hex("short"))[24:-1])
    data[26] = 0x65

    frame = decode_frame(gbt.build(bytes(data)))

    assert "brake" not in drive_of(frame)
    assert frame.extra["brake.is_on"] == 1.0


@pytest.mark.parametrize("month_day", [b"\x00\x0f", b"\x0d\x0f", b"\x02\x1e", b"\xff\xff"])
def test_impossible_time_is_refused(gbt: Any, month_day: bytes) -> None:
    with pytest.raises(PayloadError, match="bad_time"):
        decode_frame(gbt.build(b"\x1a" + month_day + b"\x08\x1e\x00"))


def test_encrypted_frame_is_a_reject_not_a_crash(gbt: Any) -> None:
    frame = decode_frame(gbt.build(bytes(48), encryption=3))

    assert frame.rejects[0][0] == "encrypted"
    assert not frame.families


def test_repeated_alarm_block_gives_one_event(gbt: Any) -> None:
    block = bytes.fromhex(gbt.hex("alarm"))[30:-1]

    assert len(decode_frame(gbt.build(gbt.TIME + block + block)).events) == 1


def test_alarm_counts_of_ff_carry_no_codes(gbt: Any) -> None:
    frame = decode_frame(gbt.build(gbt.TIME + b"\x07\x02\x00\x00\x00\x02\xff\xfe\xff\xff"))

    assert not frame.rejects
    assert frame.events[0].data == {"flags": 2, "bits": [1], "names": ["battery_over_temperature"]}


def test_stream_is_resynchronised_byte_by_byte(gbt: Any) -> None:
    good, other = bytes.fromhex(gbt.hex("short")), bytes.fromhex(gbt.hex("edition_2025"))
    damaged = bytearray(good)
    damaged[40] ^= 1

    found = list(split_frames(b"##noise" + good + bytes(damaged) + b"$" + other + good[:30]))

    assert found == [good, other]


def test_restamped_frame_says_the_same_of_another_vehicle_at_another_time(gbt: Any) -> None:
    whole = bytes.fromhex(gbt.hex("full"))

    moved = decode_frame(restamp_frame(whole, vin="ANXNTEST000000002", time_us=1_790_000_000_400_000))

    assert (moved.vin, moved.time_us) == ("ANXNTEST000000002", 1_790_000_000_000_000)
    assert drive_of(moved) == drive_of(decode_frame(whole))
    assert restamp_frame(whole, vin=gbt.VIN) == whole
