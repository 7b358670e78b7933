"""A payload says the same read quickly, among others of its layout, and read patiently alone."""

from __future__ import annotations

import json
import random
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.catalogue import load_catalogue
from data.records import Vin
from ingest import native, payloads
from ingest.errors import PayloadError
from ingest.messages import Envelope, Message, Model, Tele, Vehicle
from ingest.tele import decode_tele, stack_tele
from tests.effort import examples
from tests.fuzz.mutation import mutate_payload

VIN = Vin("LKFUZZ00000000001")
MODEL = Model(model_id="m", cell_count=3, probe_count=2, wheel_count=4, grid_s=1.0, dbc=None, signal_map={})
VEHICLE = Vehicle(1, MODEL)
HEAD = {"v": 1, "hist": 0, "boot": "b1", "seq": 7, "sent": 1_700_000_000_000}
TIMES = [1_700_000_000_000, 1_700_000_001_000, 1_700_000_002_000]
#: Envelope, and times and values by alias, of each sample.
Said = tuple[Envelope | None, dict[str, list[Any]]]


def payload_of(**columns: Any) -> bytes:
    return cbor2.dumps(HEAD | {"t": TIMES, "s": columns})


ODD = [0.5, float("nan"), 1e300]
WHEELS = {"tire.pressure": [[240.5, 241.5, 242.5, 243.5]] * 3}
SOUND = (
    payload_of(speed=[1.5, 2.5, 3.5]),
    payload_of(speed=[1.5, 2.5, 3.5], **WHEELS),
    payload_of(**{"cell.voltage": [[3.7, 3.8, 3.9]] * 3, "cell.temperature": [[21.5, 22.5]] * 3, "soc": ODD}),
    payload_of(speed=cbor2.CBORTag(85, np.array([1.5, 2, 3], "<f4").tobytes())),
    payload_of(
        **{
            "tire.pressure": cbor2.CBORTag(
                40, [[3, 4], cbor2.CBORTag(81, np.arange(12.0).astype(">f4").tobytes())]
            )
        }
    ),
    cbor2.dumps({"t": cbor2.CBORTag(79, np.array(TIMES).tobytes()), **HEAD, "s": {"speed": ODD}}),
    cbor2.dumps({"s": {"speed": ODD}, "t": TIMES, **HEAD, "vin": VIN}),
    json.dumps(HEAD | {"t": TIMES, "s": {"speed": [1.5, None, 3], **WHEELS}}).encode(),
    json.dumps({"note": ["x", 1e300]} | HEAD | {"t": TIMES, "s": {"speed": ODD[:1] * 3}}).encode(),
)
#: The key ``s`` in its shortest form, its value an empty map.
LATE = b"\x61s\xa0"


def patiently(payload: bytes) -> Said | None:
    """What a payload says, None where it is put aside."""
    try:
        whole, typed = native._parse_typed(payload)
        native._check_head(whole, VIN)
        parts, _ = decode_tele(
            Tele(whole.t, whole.s | typed, has_arrays=bool(typed)), MODEL, load_catalogue()
        )
    except PayloadError:
        return None
    columns = {a: [part.time_us.tolist(), c.tolist()] for part in parts for a, c in part.columns.items()}
    return payloads.envelope_of(whole), columns


def quickly(payloads: list[bytes]) -> list[Said | None]:
    """What payloads say that are read together."""
    messages: list[Message] = []
    at: dict[int, int] = {}
    for i, payload in enumerate(payloads):
        try:
            envelope, tele = native.parse_tele(payload, VIN)
        except PayloadError:
            continue
        at[len(messages)] = i
        messages.append(Message(vehicle=VEHICLE, received_us=0, envelope=envelope, tele=tele))
    stacked = stack_tele(messages, load_catalogue())
    said: list[Said | None] = [None] * len(payloads)
    for m, i in at.items():
        if m in stacked.bad:
            continue
        columns = {
            alias: [part.time_us[index == m].tolist(), column[index == m].tolist()]
            for part, index in stacked.parts
            for alias, column in part.columns.items()
            if (index == m).any()
        }
        said[i] = (messages[m].envelope, columns)
    return said


def mutate(payload: bytes, rng: random.Random) -> bytes:
    """Damage a payload: its structure, its head and columns, or just bytes that matter to CBOR."""
    way = rng.random()
    if way < 0.4:
        return mutate_payload(payload, rng)
    out = bytearray(payload)
    first = 0 if way < 0.7 else payload.find(b"\x61s") + 2
    for _ in range(rng.choice((1, 1, 2, 3))):
        odd = rng.choice(
            (0x80, 0x82, 0x83, 0x84, 0x98, 0x9F, 0xF6, 0xF9, 0xFA, 0xFB, 0xFF, 0xA1, rng.randrange(256))
        )
        out[rng.randrange(first, len(out))] = odd
    return bytes(out)


def assert_same(left: list[Said | None], right: list[Said | None]) -> None:
    np.testing.assert_equal(left, right)  # NaN equals NaN


@pytest.mark.parametrize("payload", SOUND)
def test_sound_payloads_say_the_same_both_ways(payload: bytes) -> None:
    assert patiently(payload)
    assert_same(quickly([payload, payload]), [patiently(payload)] * 2)


@settings(max_examples=examples(600), deadline=None)
@given(seed=st.integers(0, 2**48))
def test_damaged_payloads_say_the_same_both_ways(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secret
    payload = rng.choice(SOUND)
    batch = [mutate(payload, rng) if rng.random() < 0.8 else payload for _ in range(rng.choice((1, 2, 5)))]

    assert_same(quickly(batch), [patiently(payload) for payload in batch])


def test_a_later_row_of_another_length_is_put_aside() -> None:
    sound = SOUND[1]
    head = sound.rindex(b"\x84\xfb")  # of the last row
    damaged = sound[:head] + b"\x83" + sound[head + 1 :]

    assert patiently(damaged) is None
    assert_same(quickly([damaged]), [None])


def test_a_typed_array_takes_no_place_of_a_map() -> None:
    payload = cbor2.dumps(HEAD | {"t": TIMES, "s": cbor2.CBORTag(86, np.zeros(3).tobytes())})

    assert patiently(payload) is None
    assert_same(quickly([payload]), [None])


def test_a_head_that_ends_early_is_put_aside() -> None:
    """Two times where three were: the third, and what follows, is no entry of the map any more."""
    sound = payload_of(speed=[1.5, 2.5])
    damaged = sound.replace(b"\x61t\x83", b"\x61t\x82")

    assert damaged != sound
    assert patiently(damaged) is None
    assert_same(quickly([damaged]), [None])


@pytest.mark.parametrize("count", [-2, -1, 1])
def test_a_map_of_another_size_is_put_aside(count: int) -> None:
    sound = SOUND[0]
    damaged = bytes([sound[0] + count]) + sound[1:]

    assert patiently(damaged) is None
    assert_same(quickly([damaged]), [None])


@pytest.mark.parametrize("payload", [payload for payload in SOUND if payload[:1] != b"{"])
def test_nothing_may_follow_the_map(payload: bytes) -> None:
    for rest in (b"\0", LATE, payload):
        assert patiently(payload + rest) is None
        assert_same(quickly([payload + rest]), [None])
    assert native.parse_envelope(payload + LATE) is not None  # its number has come


@pytest.mark.parametrize("value", [b'"\xff"', b"1e999", b"1" * 5000, b'"\\ud800"'])
def test_a_field_that_nobody_knows_is_held_to_the_rules_of_json(value: bytes) -> None:
    sound = SOUND[-1]
    damaged = sound.replace(b"1e+300", value)

    assert damaged != sound
    assert patiently(sound)
    assert patiently(damaged) is None
    assert_same(quickly([damaged, sound]), [None, patiently(sound)])


def test_only_a_key_of_the_outer_map_begins_the_columns() -> None:
    columns = cbor2.dumps({"speed": ODD})
    inner = cbor2.dumps(HEAD | {"t": TIMES, "x": {"s": 0}})[:-1] + columns
    text = cbor2.dumps(HEAD | {"t": TIMES, "x": b"as"})[:-3] + b"\x43\x61s\xf6" + columns
    twice = cbor2.dumps(HEAD | {"t": TIMES})[1:] + b"\x78\x01s\xf6" + b"\x61s" + columns

    for payload in (inner, text, bytes([0xA8]) + twice, bytes([0xA7]) + twice):
        assert_same(quickly([payload]), [patiently(payload)])
