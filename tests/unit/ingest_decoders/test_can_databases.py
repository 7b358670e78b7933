"""The CAN decoder on databases made up at random: every value is the one cantools gives."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import CatalogueError
from ingest.can import EXTENDED, CanDecoder
from ingest.can.database import parse_dbc
from ingest.can.identifiers import IdentifierIndex, mask_j1939
from tests.effort import examples

HEAD = 'VERSION ""\n\nNS_ :\n\nBS_:\n\nBU_: X\n\n'
SCALES = st.sampled_from(["1", "1.0", "0.1", "-2", "3", "1000000", "0.03125", "-0.5", "7.0", "1e-07"])
OFFSETS = st.sampled_from(["0", "-40", "0.5", "1000000007", "-273.15", "4503599627370497"])


@dataclass
class Lines:
    """A message of a database while it is drawn."""

    identifier: int
    first: int  #: byte that signals may begin at
    size: int  #: bytes
    signals: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)


@st.composite
def place(draw: st.DrawFn, first: int, size: int) -> tuple[int, int, bool]:
    """Return start bit, length and byte order of a signal in ``size`` bytes from byte ``first`` on."""
    is_big_endian = draw(st.booleans())
    low = draw(st.integers(0, 8 * size - 1))
    length = draw(st.integers(1, min(64, 8 * size - low)))
    bit = 8 * first + low
    return (8 * (bit // 8) + 7 - bit % 8 if is_big_endian else bit), length, is_big_endian


@st.composite
def databases(draw: st.DrawFn) -> str:
    """Return a database of a few messages: plain, or multiplexed once or twice by value and by range."""
    text = [HEAD]
    tail: list[str] = []
    for number in range(draw(st.integers(1, 4))):
        identifier = 0x100 + number if draw(st.booleans()) else EXTENDED | 0x18FF0000 + 256 * number
        size = draw(st.sampled_from([1, 2, 4, 7, 8, 8, 8, 12, 48, 64]))
        depth = draw(st.integers(0, 2)) if size > 4 else 0
        lines = Lines(identifier, 2 if depth else 0, size)
        for _ in range(draw(st.integers(1, 6))):
            draw_signal(draw, lines)
        if depth:
            order = draw(st.sampled_from(["7|8@0+", "0|8@1+"]))
            lines.signals.append(f' SG_ Outer M : {order} (1,0) [0|0] "" X')
            for low, high in ((0, 0), (1, 3), (4, 200)):
                draw_signal(draw, lines, mark=f"m{low}", selected=f"Outer {low}-{high}")
        if depth == 2:
            lines.signals.append(' SG_ Inner m5M : 8|4@1+ (1,0) [0|0] "" X')
            lines.ranges.append(f"SG_MUL_VAL_ {identifier} Inner Outer 4-200;")
            for low, high in ((0, 7), (9, 9)):
                draw_signal(draw, lines, mark=f"m{low}", selected=f"Inner {low}-{high}")
        text += [f"BO_ {identifier} M{number}: {size} X", *lines.signals, ""]
        tail += lines.types + lines.ranges
    return "\n".join([*text, *tail]) + "\n"


def draw_signal(draw: st.DrawFn, lines: Lines, *, mark: str = "", selected: str | None = None) -> None:
    """Add one signal; with multiplexers, behind their two bytes."""
    identifier = lines.identifier
    start, length, is_big_endian = draw(place(lines.first, lines.size - lines.first))
    kind = 0
    if length in (16, 32, 64) and draw(st.booleans()):
        kind = {16: 1, 32: 1, 64: 2}[length]
    sign = "-" if kind or draw(st.booleans()) else "+"
    name = f"S{len(lines.signals)}"
    scale, offset = draw(SCALES), draw(OFFSETS)
    lines.signals.append(
        f' SG_ {name} {mark} : {start}|{length}@{int(not is_big_endian)}{sign} ({scale},{offset}) [0|0] "" X'
    )
    if kind:
        lines.types.append(f"SIG_VALTYPE_ {identifier} {name} : {kind};")
    if selected is not None:
        lines.ranges.append(f"SG_MUL_VAL_ {identifier} {name} {selected};")


def decode(
    dbc: str, can_id: list[int], payloads: list[bytes], width: int, **options: Any
) -> list[dict[str, float]]:
    """Return the values of each frame."""
    decoder = CanDecoder(dbc, {}, grid_s=0.001, cell_count=0, probe_count=0, wheel_count=0, **options)
    data = np.full((len(payloads), width), 0xA5, dtype=np.uint8)  # what follows a frame must not matter
    for row, payload in zip(data, payloads, strict=True):
        row[: len(payload)] = np.frombuffer(payload, dtype=np.uint8)
    n = len(payloads)
    extra = decoder.decode(
        np.zeros(n, np.int32),
        np.arange(n, dtype=np.int64) * 1000,
        np.array(can_id, dtype=np.uint32),
        np.array([len(payload) for payload in payloads], dtype=np.int64),
        data,
    ).extra
    found: list[dict[str, float]] = [{} for _ in range(n)]
    rows = (extra.time_us // 1000).tolist()
    for row, signal, value in zip(rows, extra.signal.tolist(), extra.value.tolist(), strict=True):
        assert extra.names[signal] not in found[row]
        found[row][extra.names[signal]] = value
    return found


def expected(message: Any, payload: bytes) -> dict[str, float] | None:
    """Return what cantools gives, without what is not finite; None where it refuses the frame."""
    try:
        values = message.decode(payload, decode_choices=False, allow_truncated=True)
    except Exception:
        return None
    numbers = {f"{message.name}.{name}": float(value) for name, value in values.items()}
    return {name: value for name, value in numbers.items() if np.isfinite(value)}


def random_frames(random: Any, messages: dict[int, Any], count: int) -> tuple[list[int], list[bytes]]:
    """Return frames of every message, some cut short, with multiplexer values that often exist."""
    can_id, payloads = [], []
    for identifier, message in messages.items():
        for _ in range(count):
            payload = bytearray(random.randbytes(message.length))
            if message.is_multiplexed():
                payload[0] = random.choice([0, 1, 2, 3, 4, 100, 200, 201])
                payload[1] = random.choice([0, 7, 8, 9])
            if random.random() < 0.3:
                del payload[random.randrange(len(payload) + 1) :]
            can_id.append(identifier)
            payloads.append(bytes(payload))
    return can_id, payloads


def by_id(dbc: str) -> dict[int, Any]:
    return {m.frame_id | (EXTENDED if m.is_extended_frame else 0): m for m in parse_dbc(dbc).messages}


@settings(max_examples=examples(30), deadline=None)
@given(dbc=databases(), random=st.randoms(use_true_random=False))
def test_every_value_is_that_of_cantools(dbc: str, random: Any) -> None:
    messages = by_id(dbc)
    can_id, payloads = random_frames(random, messages, 6)
    width = 8 if all(message.length <= 8 for message in messages.values()) else random.choice([64, 67])

    found = decode(dbc, can_id, payloads, width)

    for values, identifier, payload in zip(found, can_id, payloads, strict=True):
        wanted = expected(messages[identifier], payload)
        assert wanted is None or values == wanted


@settings(max_examples=examples(20), deadline=None)
@given(dbc=databases(), random=st.randoms(use_true_random=False))
def test_the_grid_keeps_the_last_value_of_each_signal_vehicle_and_second(dbc: str, random: Any) -> None:
    can_id, payloads = random_frames(random, by_id(dbc), 12)
    each = decode(dbc, can_id, payloads, 64)
    vehicle = [random.randrange(3) for _ in payloads]
    time_us = [random.randrange(4_000_000) for _ in payloads]
    wanted: dict[tuple[int, int, str], float] = {}
    for i in sorted(range(len(payloads)), key=lambda i: (time_us[i], i)):
        for name, value in each[i].items():
            wanted[vehicle[i], time_us[i] // 1_000_000, name] = value
    decoder = CanDecoder(dbc, {}, grid_s=1.0, cell_count=0, probe_count=0, wheel_count=0)
    data = np.zeros((len(payloads), 64), dtype=np.uint8)
    for row, payload in zip(data, payloads, strict=True):
        row[: len(payload)] = np.frombuffer(payload, dtype=np.uint8)

    decoded = decoder.decode(
        np.array(vehicle, dtype=np.int32),
        np.array(time_us, dtype=np.int64),
        np.array(can_id, dtype=np.uint32),
        np.array([len(payload) for payload in payloads], dtype=np.uint8),
        data,
    )

    extra = decoded.extra
    names = [extra.names[signal] for signal in extra.signal.tolist()]
    seconds = (extra.time_us // 1_000_000).tolist()
    keys = list(zip(extra.vehicle_index.tolist(), seconds, names, strict=True))
    assert dict(zip(keys, extra.value.tolist(), strict=True)) == wanted
    assert len(keys) == len(wanted)
    assert decoded.counts == Counter(name for values in each for name in values)
    assert [vehicle[i] for i in extra.last_frame.tolist()] == extra.vehicle_index.tolist()


@pytest.mark.parametrize("sign", ["+", "-"])
@pytest.mark.parametrize(
    ("scale", "offset"), [("1", "0"), ("3", "1"), ("1", "4503599627370497"), ("7", "0.5")]
)
def test_integers_above_what_a_double_counts_are_rounded_once(sign: str, scale: str, offset: str) -> None:
    dbc = HEAD + f'BO_ 256 M: 8 X\n SG_ S : 0|64@1{sign} ({scale},{offset}) [0|0] "" X\n'
    (message,) = parse_dbc(dbc).messages
    numbers = [2**53 + 1, 2**63 - 1, 2**64 - 1, 2**62 + 2**9 + 1, 6148914691236517205]
    payloads = [number.to_bytes(8, "little") for number in numbers]

    found = decode(dbc, [256] * len(payloads), payloads, 8)

    assert found == [expected(message, payload) for payload in payloads]


def test_half_floats_are_read_in_both_byte_orders() -> None:
    dbc = HEAD + (
        'BO_ 256 M: 8 X\n SG_ A : 3|16@1- (1,0) [0|0] "" X\n SG_ B : 39|16@0- (2,1) [0|0] "" X\n\n'
        "SIG_VALTYPE_ 256 A : 1;\nSIG_VALTYPE_ 256 B : 1;\n"
    )
    raw = int(np.array([1.5], np.float16).view(np.uint16)[0])
    payload = (raw << 3).to_bytes(4, "little") + raw.to_bytes(2, "big") + bytes(2)

    assert decode(dbc, [256], [payload], 8) == [{"M.A": 1.5, "M.B": 4.0}]


@pytest.mark.parametrize("length", [8, 24])
def test_floats_of_a_length_that_does_not_exist_are_left_out_and_refused_in_a_map(length: int) -> None:
    dbc = HEAD + (
        f'BO_ 256 M: 8 X\n SG_ A : 0|{length}@1- (1,0) [0|0] "" X\n SG_ B : 32|8@1+ (1,0) [0|0] "" X\n\n'
        "SIG_VALTYPE_ 256 A : 1;\n"
    )

    assert decode(dbc, [256], [bytes(8)], 8) == [{"M.B": 0.0}]
    with pytest.raises(CatalogueError, match=f"'M.A': {length} bits, a float must have 16, 32 or 64"):
        CanDecoder(dbc, {"M.A": {"alias": "speed"}}, grid_s=1.0, cell_count=0, probe_count=0, wheel_count=0)


def test_payloads_of_a_transport_protocol_are_as_long_as_they_are() -> None:
    dbc = HEAD + (
        'BO_ 256 Long: 4095 X\n SG_ First : 0|8@1+ (1,0) [0|0] "" X\n'
        ' SG_ Across : 8188|13@1+ (1,0) [0|0] "" X\n SG_ Last : 32759|8@0- (1,0) [0|0] "" X\n'
    )
    (message,) = parse_dbc(dbc).messages
    rng = np.random.default_rng(3)
    payloads = [rng.bytes(4095), rng.bytes(1030), rng.bytes(1), b""]

    found = decode(dbc, [256] * 4, payloads, 4095)

    assert found == [expected(message, payload) for payload in payloads]
    assert [len(values) for values in found] == [3, 2, 1, 0]


def test_a_value_that_is_no_number_leaves_the_one_before_it_in_its_grid_cell() -> None:
    dbc = HEAD + 'BO_ 256 M: 4 X\n SG_ F : 0|32@1- (1,0) [0|0] "" X\n\nSIG_VALTYPE_ 256 F : 1;\n'
    decoder = CanDecoder(dbc, {}, grid_s=1.0, cell_count=0, probe_count=0, wheel_count=0)
    values = np.array([1.5, np.nan, 2.5, np.inf], dtype=np.float32)

    decoded = decoder.decode(
        np.zeros(4, np.int32),
        np.array([0, 1000, 1_000_000, 1_001_000], dtype=np.int64),
        np.full(4, 256, np.uint32),
        np.full(4, 4, np.uint8),
        values.view(np.uint8).reshape(4, 4),
    )

    assert (decoded.extra.value.tolist(), decoded.extra.time_us.tolist()) == ([1.5, 2.5], [0, 1_000_000])
    assert (decoded.counts, decoded.masked) == ({"M.F": 2}, {"M.F: out of range": 2})


def test_unfinite_frames_of_a_batch_larger_than_a_piece_are_left_out_alone() -> None:
    dbc = HEAD + (
        'BO_ 256 M: 8 X\n SG_ F : 0|32@1- (1,0) [0|0] "" X\n SG_ N : 32|32@1+ (1,0) [0|0] "" X\n\n'
        "SIG_VALTYPE_ 256 F : 1;\n"
    )
    n = 40_000
    data = np.zeros((n, 2), dtype=np.float32)
    data[:, 0] = np.where(np.arange(n) % 1000 == 0, np.nan, np.arange(n))
    decoder = CanDecoder(dbc, {}, grid_s=0.001, cell_count=0, probe_count=0, wheel_count=0)

    decoded = decoder.decode(
        np.zeros(n, np.int32),
        np.arange(n, dtype=np.int64) * 1000,
        np.full(n, 256, np.uint32),
        np.full(n, 8, np.uint8),
        data.view(np.uint8).reshape(n, 8),
    )

    extra = decoded.extra
    is_float = np.array([extra.names[s] == "M.F" for s in extra.signal.tolist()])
    assert decoded.counts == {"M.F": n - 40, "M.N": n}
    np.testing.assert_array_equal(extra.value[is_float], extra.time_us[is_float] // 1000)
    assert (is_float.sum(), extra.value.size) == (n - 40, 2 * n - 40)


@settings(max_examples=examples(50), deadline=None)
@given(
    known=st.lists(st.integers(0, 2**32 - 1), max_size=300, unique=True),
    others=st.lists(st.integers(0, 2**32 - 1), max_size=50),
)
def test_identifiers_are_found_and_others_are_not(known: list[int], others: list[int]) -> None:
    asked = [*known, *others]

    found = IdentifierIndex(known).find(np.array(asked, dtype=np.uint32)).tolist()

    assert found == [known.index(identifier) if identifier in known else -1 for identifier in asked]


def test_more_identifiers_than_a_hash_table_is_made_for_are_found_too() -> None:
    known = np.random.default_rng(1).choice(2**32, 5000, replace=False).astype(np.uint32)

    found = IdentifierIndex(known.tolist()).find(np.concatenate((known, known + np.uint32(1))))

    assert found[:5000].tolist() == list(range(5000))


@pytest.mark.parametrize(
    ("identifier", "masked"),
    [
        (0x98FEF433, 0x80FEF400),  # PDU2: priority and sender go
        (0x8CF00400, 0x80F00400),
        (0x98EAFF21, 0x80EA0000),  # PDU1: the receiver goes, too
        (0x7E8, 0x7E8),  # a standard identifier stays
    ],
)
def test_j1939_identifiers_are_reduced_to_their_parameter_group(identifier: int, masked: int) -> None:
    assert mask_j1939(np.array([identifier], dtype=np.uint32)).tolist() == [masked]


J1939 = (
    HEAD
    + """BO_ 2566844926 EEC1: 8 X
 SG_ EngineSpeed : 24|16@1+ (0.125,0) [0|8031.875] "rpm" X

BO_ 2566844681 FromNine: 8 X
 SG_ Other : 0|8@1+ (1,0) [0|0] "" X

BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","ExtendedCAN","reserved","J1939PG";
BA_DEF_DEF_ "VFrameFormat" "ExtendedCAN";
BA_ "VFrameFormat" BO_ 2566844926 3;
"""
)


def test_messages_declared_to_be_j1939_are_found_whoever_sends_them_and_exact_ones_first() -> None:
    payload = bytes([7, 0, 0, 0x40, 0x1F, 0, 0, 0])

    found = decode(J1939, [0x8CFEF121, 2566844681, 0x8CFEF221], [payload] * 3, 8)

    assert found == [{"EEC1.EngineSpeed": 1000.0}, {"FromNine.Other": 7.0}, {}]


def test_a_caller_may_say_how_identifiers_are_compared() -> None:
    payload = bytes([7, 0, 0, 0x40, 0x1F, 0, 0, 0])

    found = decode(
        J1939,
        [2566844681 ^ 0x0400_0000, 2566844926],
        [payload] * 2,
        8,
        normalise=lambda ids: ids & np.uint32(0x80FFFFFF),
    )

    assert found == [{"FromNine.Other": 7.0}, {"EEC1.EngineSpeed": 1000.0}]
