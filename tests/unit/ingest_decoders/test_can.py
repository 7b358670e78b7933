"""The vectorised CAN decoder against cantools and against values worked out by hand."""

from __future__ import annotations

import struct
from typing import Any

import cantools.database
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import CatalogueError
from data.records import Family
from ingest.can import CanDecoded, CanDecoder, build_can_payload, parse_can_payload
from ingest.errors import PayloadError

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
def test_payload_built_from_frames_reads_back(width: int) -> None:
    rng = np.random.default_rng(1)
    time_us = 1_700_000_000_000_123 + np.arange(5, dtype=np.int64) * 777
    can_id = rng.integers(0, 2**32, 5, dtype=np.uint32)
    length = rng.integers(0, width, 5, dtype=np.uint8)
    data = rng.integers(0, 256, (5, width), dtype=np.uint8)

    t0_ms, payload = build_can_payload(time_us, can_id, length, data)
    back = parse_can_payload(payload, t0_ms, is_fd=width == 64)

    for expected, actual in zip((time_us, can_id, np.zeros(5), length, data), back, strict=True):
        np.testing.assert_array_equal(expected, actual)


@pytest.mark.parametrize(("is_fd", "size"), [(False, 18), (True, 74)])
def test_payload_that_is_no_whole_number_of_records_is_refused(is_fd: bool, size: int) -> None:
    with pytest.raises(PayloadError, match=f"must be a multiple of {size}"):
        parse_can_payload(bytes(size + 1), 0, is_fd=is_fd)
    with pytest.raises(PayloadError, match="record 0 has length 65"):
        parse_can_payload(bytes([0] * 9 + [65]) + bytes(size - 10), 0, is_fd=is_fd)


Field = tuple[
    int, int, bool, bool, float, float, int
]  # start, length, big-endian, signed, scale, offset, kind


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, int, int, list[Field]]:
    """Return a DBC of one message with signals of every kind, its identifier, length and signals."""
    size = draw(st.sampled_from([1, 3, 7, 8, 12, 48, 64]))
    identifier = draw(st.sampled_from([0x123, 0x7FF, 0x18FEF433 | 0x80000000]))
    is_multiplexed = size > 2 and draw(st.booleans())
    position = 1 if is_multiplexed else 0
    fields: list[Field] = []
    while position < size and len(fields) < 10:
        chunk = min(draw(st.integers(1, 9)), size - position)
        kind = draw(st.sampled_from([0, 0, 0, 1, 2]))  # integer, float32, float64
        shift = draw(st.integers(0, 7))
        length = draw(st.integers(1, max(1, min(64, 8 * chunk - shift))))
        if kind and chunk >= 4 * kind:
            shift, length = min(shift, 8 * chunk - 32 * kind), 32 * kind
        else:
            kind = 0
        is_big_endian = draw(st.booleans())
        bit = 8 * position + shift
        start = 8 * (bit // 8) + 7 - bit % 8 if is_big_endian else bit
        scale = draw(st.sampled_from([1.0, 0.1, -2.0, 0.03125]))
        offset = draw(st.sampled_from([0.0, -40.0, 0.5]))
        fields.append((start, length, is_big_endian, draw(st.booleans()), scale, offset, kind))
        position += chunk
    lines = [f"BO_ {identifier} M: {size} X"]
    types = []
    if is_multiplexed:
        lines.append(' SG_ Selector M : 0|8@1+ (1,0) [0|0] "" X')
    for i, (start, length, is_big_endian, is_signed, scale, offset, kind) in enumerate(fields):
        place = f"m{i % 3} " if is_multiplexed and i % 2 else ""
        order, sign = "0" if is_big_endian else "1", "-" if is_signed or kind else "+"
        lines.append(f' SG_ S{i} {place}: {start}|{length}@{order}{sign} ({scale},{offset}) [0|0] "" X')
        if kind:
            types.append(f"SIG_VALTYPE_ {identifier} S{i} : {kind};")
    dbc = 'VERSION ""\n\nNS_ :\n\nBS_:\n\nBU_: X\n\n' + "\n".join(lines) + "\n\n" + "\n".join(types) + "\n"
    return dbc, identifier, size, fields


@settings(max_examples=60, deadline=None)
@given(message=messages(), random=st.randoms(use_true_random=False), frame_count=st.integers(1, 8))
def test_values_equal_those_of_cantools(message: Any, random: Any, frame_count: int) -> None:
    dbc, identifier, size, _ = message
    payloads = [random.randbytes(size) for _ in range(frame_count)]
    payloads = [bytes([payload[0] % 4]) + payload[1:] for payload in payloads]
    reference = cantools.database.can.Database(strict=False)
    reference.add_dbc_string(dbc)
    decoder = make_decoder(dbc, {}, grid_s=0.001)

    result = decode(
        decoder, *((0, 1000 * i, identifier, p) for i, p in enumerate(payloads)), width=8 if size <= 8 else 64
    )

    ours = {(time_us // 1000, name): value for _, time_us, name, value in extra_rows(result)}
    for i, payload in enumerate(payloads):
        try:
            theirs = reference.decode_message(identifier & 0x1FFFFFFF, payload, decode_choices=False)
        except cantools.database.errors.DecodeError:
            continue  # cantools refuses a whole frame for an unknown multiplexer value
        assert isinstance(theirs, dict)
        expected = {f"M.{name}": float(value) for name, value in theirs.items() if np.isfinite(float(value))}
        assert {n: v for (t, n), v in ours.items() if t == i} == pytest.approx(expected, rel=1e-15, abs=0)
