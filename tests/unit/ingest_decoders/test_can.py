"""The vectorised CAN decoder against cantools and against values worked out by hand."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from data.errors import CatalogueError
from data.records import Family
from ingest.can import CanDecoded, CanDecoder, parse_can_payload
from ingest.errors import PayloadError
from simulators.replay import CanRecording

SIMPLE = """VERSION ""

NS_ :
  NS_DESC_

BO_ 256 Body: 8 XXX
 SG_ Speed : 0|16@1+ (0.1,0) [0|0] "km/h" XXX
 SG_ Current : 23|16@0- (0.1,0) [0|0] "A" XXX
 SG_ State : 32|8@1+ (1,0) [0|0] "" XXX

BO_ 2147484160 Tires: 4 XXX
 SG_ FL : 0|8@1+ (1,0) [0|0] "psi" XXX
 SG_ FR : 8|8@1+ (1,0) [0|0] "psi" XXX
 SG_ RL : 16|8@1+ (1,0) [0|0] "psi" XXX
 SG_ RR : 24|8@1+ (1,0) [0|0] "psi" XXX

VAL_ 256 State 15 "SNA" 1 "on" ;
"""
KPA = {"alias": "tire.pressure", "scale": 5.0}
MAP: dict[str, dict[str, Any]] = {
    "Body.Speed": {"alias": "speed"},
    "Body.Current": {"alias": "pack.current", "scale": -1.0},
    "Tires.FL": {**KPA, "index": 0},
    "Tires.FR": {**KPA, "index": 1},
    "Tires.RL": {**KPA, "index": 2},
    "Tires.RR": {**KPA, "index": 3},
}
TIRES_ID = 512 | 0x80000000
SECOND = 1_000_000


def make_decoder(dbc: str = SIMPLE, signal_map: Any = None, **overrides: Any) -> CanDecoder:
    sizes: dict[str, Any] = {"grid_s": 1.0, "cell_count": 8, "probe_count": 2, "wheel_count": 4}
    return CanDecoder(dbc, MAP if signal_map is None else signal_map, **(sizes | overrides))


def decode(decoder: CanDecoder, *frames: tuple[int, int, int, bytes], width: int = 8) -> CanDecoded:
    data = np.zeros((len(frames), width), dtype=np.uint8)
    for i, (_, _, _, payload) in enumerate(frames):
        data[i, : len(payload)] = np.frombuffer(payload, dtype=np.uint8)
    return decoder.decode(
        np.array([f[0] for f in frames], dtype=np.int32),
        np.array([f[1] for f in frames], dtype=np.int64),
        np.array([f[2] for f in frames], dtype=np.uint32),
        np.array([len(f[3]) for f in frames], dtype=np.uint8),
        data,
    )


def extra_rows(decoded: CanDecoded) -> list[tuple[int, int, str, float]]:
    """Return vehicle, time, name and value of signals without a map."""
    extra = decoded.extra
    names = [extra.names[signal] for signal in extra.signal.tolist()]
    return list(
        zip(extra.vehicle_index.tolist(), extra.time_us.tolist(), names, extra.value.tolist(), strict=True)
    )


def body(speed: int, current: int = 0, state: int = 0) -> bytes:
    return struct.pack("<H", speed) + struct.pack(">h", current) + bytes([state, 0, 0, 0])


def test_dbc_without_bs_and_bu_sections_loads_as_it_is() -> None:
    assert set(make_decoder().messages) == {256, TIRES_ID}


def test_both_byte_orders_signs_and_scales_reach_catalogue_units() -> None:
    result = decode(make_decoder(), (0, 5 * SECOND, 256, body(468, -483)))

    (drive,) = result.families
    columns = drive.columns
    assert (drive.family, drive.vehicle_index.tolist(), drive.time_us.tolist()) == (
        Family.DRIVE,
        [0],
        [5 * SECOND],
    )
    assert columns["speed"].tolist() == pytest.approx([46.8])
    assert columns["pack.current"].tolist() == pytest.approx([48.3])


def test_last_value_of_each_grid_cell_counts_whatever_the_order_of_arrival() -> None:
    frames = [
        (1, 1_900_000, 256, body(30)),
        (0, 1_100_000, 256, body(10)),
        (0, 1_800_000, 256, body(20)),
        (0, 2_000_000, 256, body(40)),
        (1, 1_200_000, 256, body(90)),
    ]

    (drive,) = decode(make_decoder(), *frames).families

    speed = drive.columns["speed"].round(3).tolist()
    assert list(zip(drive.vehicle_index.tolist(), drive.time_us.tolist(), speed, strict=True)) == [
        (0, SECOND, 2.0),
        (0, 2 * SECOND, 4.0),
        (1, SECOND, 3.0),
    ]


def test_wheels_are_gathered_into_one_row_and_unmapped_signals_handed_out() -> None:
    result = decode(
        make_decoder(), (0, SECOND, TIRES_ID, bytes([50, 51, 52, 53])), (0, SECOND, 256, body(0, state=1))
    )

    tire = next(found.columns for found in result.families if found.family is Family.TIRE)
    np.testing.assert_array_equal([[250, 255, 260, 265]], tire["tire.pressure"])
    assert extra_rows(result) == [(0, SECOND, "Body.State", 1.0)]
    assert result.counts == {"tire.pressure": 4, "speed": 1, "pack.current": 1, "Body.State": 1}


def test_sentinel_on_every_wheel_is_missing_and_on_one_wheel_a_pressure() -> None:
    result = decode(
        make_decoder(), (0, SECOND, TIRES_ID, bytes([51] * 4)), (1, SECOND, TIRES_ID, bytes([51, 50, 51, 51]))
    )

    (tire,) = result.families
    assert tire.vehicle_index.tolist() == [1]
    np.testing.assert_array_equal([[255, 250, 255, 255]], tire.columns["tire.pressure"])
    assert result.masked == {"tire.pressure: sentinel": 4}


def test_short_frames_unknown_ids_and_values_out_of_range_are_counted() -> None:
    result = decode(
        make_decoder(),
        (0, SECOND, 256, body(4000)[:3]),
        (0, SECOND, 0x7FF, b"\x00"),
        (0, SECOND, 256 | 0x80000000, bytes(8)),
    )

    assert result.families == []
    assert result.unknown_ids == {0x7FF: 1, 256 | 0x80000000: 1}
    assert result.masked == {
        "speed: out of range": 1,
        "Body.Current: frame too short": 1,
        "Body.State: frame too short": 1,
    }


def test_values_that_mean_not_available_are_missing() -> None:
    signal_map = {"Body.State": {"alias": "charging"}, "Body.Speed": {"alias": "speed", "missing": [46.8]}}

    result = decode(make_decoder(signal_map=signal_map), (0, SECOND, 256, body(468, state=15)))

    assert result.families == []
    assert result.masked == {"speed: out of range": 1, "charging: out of range": 1}


def test_batch_without_frames_gives_nothing() -> None:
    result = decode(make_decoder())

    assert (result.families, result.unknown_ids, result.counts, result.extra.value.size) == ([], {}, {}, 0)


@pytest.mark.parametrize(
    ("signal_map", "words"),
    [
        ({"Body.Nothing": {"alias": "speed"}}, "no such Message.Signal"),
        ({"Body.Speed": {"alias": "velocity"}}, "alias 'velocity' is not in the catalogue"),
        ({"Tires.FL": {"alias": "tire.pressure", "index": 4}}, "index 4 must be from 0 to 3"),
        ({"Tires.FL": {"alias": "tire.pressure"}}, "index None must be from 0 to 3"),
        ({"Body.Speed": {"alias": "speed", "factor": 2}}, "'factor' is none of"),
        ({"Body.Speed": {"alias": "speed", "scale": "x"}}, "must be numbers"),
    ],
)
def test_map_that_contradicts_dbc_or_catalogue_is_refused(signal_map: Any, words: str) -> None:
    with pytest.raises(CatalogueError, match=words):
        make_decoder(signal_map=signal_map)


def test_broken_dbc_and_impossible_grid_are_refused() -> None:
    with pytest.raises(CatalogueError, match="DBC: "):
        make_decoder("BO_ nonsense", {})
    with pytest.raises(CatalogueError, match="grid_s 0"):
        make_decoder(grid_s=0)


def test_payload_records_are_read_by_one_view() -> None:
    payload = struct.pack("<IIBB8s", 0, 256, 0, 8, body(1)) + struct.pack(
        "<IIBB8s", 1500, TIRES_ID, 1, 4, bytes([1, 2, 3, 4, 0, 0, 0, 0])
    )

    time_us, can_id, flags, length, data = parse_can_payload(payload, 1_700_000_000_000, is_fd=False)

    assert time_us.tolist() == [1_700_000_000_000_000, 1_700_000_000_001_500]
    assert can_id.tolist() == [256, TIRES_ID]
    assert (flags.tolist(), length.tolist(), data.shape) == ([0, 1], [8, 4], (2, 8))


@pytest.mark.parametrize("width", [8, 64])
def test_payload_as_vehicles_build_it_reads_back(width: int) -> None:
    rng = np.random.default_rng(1)
    time_us = 1_700_000_000_000_123 + np.arange(5, dtype=np.int64) * 777
    can_id = rng.integers(0, 2**32, 5, dtype=np.uint32)
    length = rng.integers(0, width, 5, dtype=np.uint8)
    data = rng.integers(0, 256, (5, width), dtype=np.uint8)

    t0_ms = 1_700_000_000_000
    sent = CanRecording.of("main", time_us, can_id, length, data).frames
    sent["us"] = time_us - t0_ms * 1000
    back = parse_can_payload(sent.tobytes(), t0_ms, is_fd=width == 64)

    for expected, actual in zip((time_us, can_id, np.zeros(5), length, data), back, strict=True):
        np.testing.assert_array_equal(expected, actual)


@pytest.mark.parametrize(("is_fd", "size"), [(False, 18), (True, 74)])
def test_payload_that_is_no_whole_number_of_records_is_refused(is_fd: bool, size: int) -> None:
    with pytest.raises(PayloadError, match=f"must be a multiple of {size}"):
        parse_can_payload(bytes(size + 1), 0, is_fd=is_fd)
    with pytest.raises(PayloadError, match="record 0 has length 65"):
        parse_can_payload(bytes([0] * 9 + [65]) + bytes(size - 10), 0, is_fd=is_fd)
