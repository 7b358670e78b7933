"""A CBOR payload says the same read quickly, among others of its layout, and read patiently alone."""

from __future__ import annotations

import random
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.catalogue import load_catalogue
from data.records import Vin
from ingest import native
from ingest.errors import PayloadError
from ingest.messages import Message, Model, Tele, Vehicle
from ingest.tele import decode_tele, stack_tele

VIN = Vin("LKFUZZ00000000001")
MODEL = Model(model_id="m", cell_count=3, probe_count=2, wheel_count=4, grid_s=1.0, dbc=None, signal_map={})
VEHICLE = Vehicle(1, MODEL)
HEAD = {"v": 1, "hist": 0, "boot": "b1", "seq": 7, "sent": 1_700_000_000_000}
TIMES = [1_700_000_000_000, 1_700_000_001_000, 1_700_000_002_000]
Columns = dict[str, list[Any]]


def payload_of(**columns: Any) -> bytes:
    return cbor2.dumps(HEAD | {"t": TIMES, "s": columns})


ODD = [0.5, float("nan"), 1e300]
SOUND = (
    payload_of(speed=[1.5, 2.5, 3.5]),
    payload_of(**{"speed": [1.5, 2.5, 3.5], "tire.pressure": [[240.5, 241.5, 242.5, 243.5]] * 3}),
    payload_of(**{"cell.voltage": [[3.7, 3.8, 3.9]] * 3, "cell.temperature": [[21.5, 22.5]] * 3, "soc": ODD}),
    payload_of(speed=cbor2.CBORTag(85, np.array([1.5, 2, 3], "<f4").tobytes())),
    payload_of(
        **{
            "tire.pressure": cbor2.CBORTag(
                40, [[3, 4], cbor2.CBORTag(81, np.arange(12.0).astype(">f4").tobytes())]
            )
        }
    ),
)  # fmt: skip


def patiently(payload: bytes) -> Columns | None:
    """What a payload says, None where it is put aside."""
    try:
        whole, typed = native._parse_typed(payload)
        native._check_head(whole, VIN)
        parts, _ = decode_tele(
            Tele(whole.t, whole.s | typed, has_arrays=bool(typed)), MODEL, load_catalogue()
        )
    except PayloadError:
        return None
    return {a: [part.time_us.tolist(), c.tolist()] for part in parts for a, c in part.columns.items()}


def quickly(payloads: list[bytes]) -> list[Columns | None]:
    """What payloads say that are read together."""
    messages, at = [], {}
    for i, payload in enumerate(payloads):
        try:
            envelope, tele = native.parse_tele(payload, VIN)
        except PayloadError:
            continue
        at[len(messages)] = i
        messages.append(Message(vehicle=VEHICLE, received_us=0, envelope=envelope, tele=tele))
    stacked = stack_tele(messages, load_catalogue())
    said: list[Columns | None] = [None] * len(payloads)
    for m, i in at.items():
        if m in stacked.bad:
            continue
        said[i] = {
            alias: [part.time_us[index == m].tolist(), column[index == m].tolist()]
            for part, index in stacked.parts
            for alias, column in part.columns.items()
            if (index == m).any()
        }
    return said


def mutate(payload: bytes, rng: random.Random) -> bytes:
    """Change the columns by bytes that matter to CBOR: heads of arrays, floats, null, break."""
    out = bytearray(payload)
    first = payload.find(b"\x61s") + 2
    for _ in range(rng.choice((1, 1, 2, 3))):
        odd = rng.choice(
            (0x80, 0x82, 0x83, 0x84, 0x98, 0x9F, 0xF6, 0xF9, 0xFA, 0xFB, 0xFF, 0xA1, rng.randrange(256))
        )
        out[rng.randrange(first, len(out))] = odd
    return bytes(out)


def assert_same(left: list[Columns | None], right: list[Columns | None]) -> None:
    np.testing.assert_equal(left, right)  # NaN equals NaN


@pytest.mark.parametrize("payload", SOUND)
def test_sound_payloads_say_the_same_both_ways(payload: bytes) -> None:
    assert patiently(payload)
    assert_same(quickly([payload, payload]), [patiently(payload)] * 2)


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**48))
def test_damaged_payloads_say_the_same_both_ways(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secret
    payload = rng.choice(SOUND)
    batch = [mutate(payload, rng) if rng.random() < 0.6 else payload for _ in range(rng.choice((1, 2, 5)))]

    assert_same(quickly(batch), [patiently(payload) for payload in batch])


def test_a_later_row_of_another_length_is_put_aside() -> None:
    sound = SOUND[1]
    head = sound.rindex(b"\x84\xfb")  # of the last row
    damaged = sound[:head] + b"\x83" + sound[head + 1 :]

    assert patiently(damaged) is None
    assert_same(quickly([damaged]), [None])
