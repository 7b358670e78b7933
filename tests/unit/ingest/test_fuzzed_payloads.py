"""Whatever comes in, something is said of it: no exception, no silence, and nobody else's rows change."""

from __future__ import annotations

import gc
import json
import random
from functools import cache
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import Family
from ingest.families import FamilyBatch
from tests.effort import examples
from tests.fuzz.corpus import GOOD_VIN, NOW_MS, TOPICS, sound_messages
from tests.fuzz.mutation import mutate_payload, mutate_topic
from tests.fuzz.reading import Reader

SOUND = sound_messages()
GOOD_ID = 2
#: Its made-up frame contradicts the others of the same instant; which one counts is not told.
CAN_FD = 4
GOOD = [m for n, m in enumerate(sound_messages(GOOD_VIN)) if n != CAN_FD and GOOD_VIN in m[0]]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
json_trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "v boot seq sent hist origin vin t s t0 f fd frame kind level codes data model firmware tz prev online"
)
fields = st.sampled_from(FIELDS.split())


@cache
def read_alone() -> dict[Family, FamilyBatch]:
    return Reader().read(GOOD).families


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@pytest.mark.parametrize("number", range(len(SOUND)))
def test_every_seed_is_read_without_a_reject(number: int) -> None:
    reader = Reader()

    reader.read([SOUND[number]])

    assert (reader.account.read, reader.account.rejected) == (1, 0)
    assert not reader.account.reasons


@settings(max_examples=examples(400), deadline=None)
@given(number=st.integers(0, len(SOUND) - 1), seed=st.integers(0, 2**48))
def test_mutated_messages_are_read_or_put_aside(reader: Reader, number: int, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secret
    topic, payload = SOUND[number]

    reader.read([(mutate_topic(topic, rng), mutate_payload(payload, rng))])

    reader.account.check()


@settings(max_examples=examples(200), deadline=None)
@given(
    topic=st.sampled_from(TOPICS),
    change=st.dictionaries(fields, json_trees, max_size=5),
    base=st.sampled_from([payload for _, payload in SOUND if payload[:1] == b"{"]),
    encode=st.sampled_from([lambda tree: json.dumps(tree).encode(), cbor2.dumps]),
)
def test_any_field_may_hold_anything(
    reader: Reader, topic: str, change: dict[str, Any], base: bytes, encode: Any
) -> None:
    reader.read([(topic, encode(json.loads(base) | change))])

    reader.account.check()


@settings(max_examples=examples(150), deadline=None)
@given(
    topic=st.text(max_size=80) | st.sampled_from(TOPICS).map(lambda t: t + "/x"),
    payload=st.binary(max_size=300),
)
def test_any_topic_may_carry_any_bytes(reader: Reader, topic: str, payload: bytes) -> None:
    reader.read([(topic, payload)])

    reader.account.check()


@settings(max_examples=examples(12), deadline=None)
@given(seed=st.integers(0, 2**48))
def test_bad_messages_do_not_touch_the_rows_of_good_ones(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secret
    bad = [(topic, mutate_payload(payload, rng)) for topic, payload in rng.choices(SOUND, k=20)]
    cut = rng.randrange(len(bad))

    alone = read_alone()
    beside = Reader().read([*bad[:cut], *GOOD, *bad[cut:]]).families

    assert {Family.DRIVE, Family.TIRE, Family.CELL} <= alone.keys()
    for family, batch in alone.items():
        found = beside[family].rows
        at = np.flatnonzero(found.vehicle_id == GOOD_ID)
        np.testing.assert_array_equal(found.time_us[at], batch.rows.time_us)
        for alias, values in batch.rows.columns.items():
            here = found.columns[alias][at]
            np.testing.assert_array_equal(here[:, : values.shape[1]] if values.ndim == 2 else here, values)


def test_a_deep_payload_costs_no_stack(reader: Reader) -> None:
    before = reader.account.rejected
    deep_json = b'{"v":1,"s":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    deep_cbor = b"\xa1\x61s" + b"\x81" * 100_000 + b"\xf6"
    head = {"v": 1, "boot": "b", "seq": 1, "sent": NOW_MS, "hist": 0, "t": [NOW_MS]}
    huge_array = cbor2.dumps(head | {"s": {}}).replace(
        b"\x61s\xa0", b"\x61s\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"
    )

    reader.read([(TOPICS[0], payload) for payload in (deep_json, deep_cbor, huge_array)])

    assert reader.account.rejected == before + 3


def test_a_batch_is_gone_with_its_last_reader(reader: Reader) -> None:
    """The service looks for cycles rarely: one that holds a batch would be as good as a leak."""
    rng = random.Random(13)  # noqa: S311 - no secret
    bad = [(topic, mutate_payload(payload, rng)) for topic, payload in rng.choices(SOUND, k=500)]
    rejected = reader.account.rejected
    gc.collect()
    gc.disable()
    try:
        reader.read(bad)
        assert gc.collect() == 0
    finally:
        gc.enable()
    assert reader.account.rejected > rejected + 100
