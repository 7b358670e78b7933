"""Telemetry of many messages as columns: the same as message by message, whatever is in them."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.catalogue import load_catalogue
from data.records import Family, Vin
from ingest.assemble import assemble
from ingest.can.rows import CanDecoders
from ingest.cbor_layout import build_layout
from ingest.errors import PayloadError
from ingest.literals import flag_array, number_array, time_array, word_array
from ingest.messages import Message, Model, Vehicle
from ingest.native import parse_tele, read_columns
from ingest.tele import decode_tele, stack_tele

VIN = Vin("LANX0000000000001")
MODEL = Model(model_id="m", cell_count=3, probe_count=2, wheel_count=4, grid_s=1.0, dbc=None, signal_map={})
NOW_MS = 1_700_000_000_000
CATALOGUE = load_catalogue()


def tree(seq: int, s: dict[str, Any], *, samples: int = 2) -> dict[str, Any]:
    t = [NOW_MS + 1000 * (samples * seq + k) for k in range(samples)]
    return {"v": 1, "boot": "b", "seq": seq, "sent": NOW_MS, "hist": 0, "t": t, "s": s}


def message(payload: bytes) -> Message:
    envelope, tele = parse_tele(payload, VIN)
    return Message(
        vehicle=Vehicle(1, MODEL), received_us=(NOW_MS + 10**6) * 1000, envelope=envelope, tele=tele
    )


def typed(values: Any, tag: int, kind: str) -> Any:
    array = np.asarray(values)
    flat = cbor2.CBORTag(tag, array.astype(kind).tobytes())
    return flat if array.ndim == 1 else cbor2.CBORTag(40, [list(array.shape), flat])


number = st.one_of(st.none(), st.floats(0, 5, width=32), st.integers(0, 5))
columns = st.fixed_dictionaries(
    {},
    optional={
        "speed": st.lists(number, min_size=2, max_size=2),
        "soc": st.lists(number, min_size=1, max_size=3),
        "cell.voltage": st.lists(
            st.one_of(st.none(), st.lists(number, min_size=2, max_size=4)), min_size=2, max_size=2
        ),
        "nobody.knows": st.lists(number, min_size=2, max_size=2),
    },
)
floats = st.fixed_dictionaries(
    {
        "speed": st.lists(st.floats(0, 5), min_size=2, max_size=2),
        "cell.voltage": st.lists(st.lists(st.floats(0, 5), min_size=3, max_size=3), min_size=2, max_size=2),
    }
)


@given(st.lists(st.tuples(st.one_of(columns, floats), st.booleans()), max_size=8))
def test_together_they_say_what_each_says_alone(told: list[tuple[dict[str, Any], bool]]) -> None:
    messages = [
        message(json.dumps(tree(i, s)).encode() if is_json else cbor2.dumps(tree(i, s)))
        for i, (s, is_json) in enumerate(told)
    ]

    stacked = stack_tele(messages, CATALOGUE)

    for i, one in enumerate(messages):
        assert one.tele is not None
        if i in stacked.bad:
            with pytest.raises(PayloadError, match=stacked.bad[i].reason) as caught:
                decode_tele(one.tele, MODEL, CATALOGUE)
            assert caught.value.detail == stacked.bad[i].detail
            continue
        parts, masked = decode_tele(one.tele, MODEL, CATALOGUE)
        assert masked == stacked.masked.get(i, {})
        for part in parts:
            for alias, column in part.columns.items():
                found = [
                    p.columns[alias][index == i]
                    for p, index in stacked.parts
                    if alias in p.columns and i in index
                ]
                assert len(found) == 1
                np.testing.assert_array_equal(found[0], column)


def test_floats_of_one_layout_are_read_where_they_stand() -> None:
    s = {"speed": [1.5, 2.5], "cell.voltage": [[3.7, 3.71, 3.72], [3.6, 3.61, 3.62]]}
    first = message(cbor2.dumps(tree(0, s)))
    assert first.tele is not None
    assert first.tele.packed_at

    stacked = stack_tele([first, message(cbor2.dumps(tree(1, s | {"speed": [3.5, 4.5]})))], CATALOGUE)

    by_family = {part.family: part for part, _ in stacked.parts}
    assert by_family[Family.DRIVE].columns["speed"].tolist() == [1.5, 2.5, 3.5, 4.5]
    assert by_family[Family.CELL].columns["cell.voltage"].shape == (4, 3)


@given(st.data())
def test_a_payload_that_differs_in_any_byte_between_its_values_is_not_of_the_layout(
    data: st.DataObject,
) -> None:
    piece = cbor2.dumps({"speed": [1.5, 2.5], "cell.voltage": [[3.7, 3.71, 3.72], [3.6, 3.61, 3.62]]})
    layout = build_layout(piece)
    assert layout is not None
    at = data.draw(st.integers(0, len(piece) - 1))
    other = bytearray(piece)
    other[at] ^= data.draw(st.integers(1, 255))

    found, is_same = layout.read([piece, bytes(other)])

    assert is_same[0]
    if is_same[1]:
        wanted = cbor2.loads(bytes(other))
        np.testing.assert_array_equal(found["speed"][2:], wanted["speed"])
        np.testing.assert_array_equal(found["cell.voltage"][2:], wanted["cell.voltage"])


@given(st.binary(max_size=80))
def test_no_bytes_make_a_layout_fail(piece: bytes) -> None:
    layout = build_layout(piece)
    if layout is not None:
        assert layout.read([piece])[1].all()


@pytest.mark.parametrize(("tag", "kind"), [(85, "<f4"), (82, ">f8"), (77, "<i2"), (65, ">u2"), (84, "<f2")])
def test_typed_arrays_say_what_lists_say(tag: int, kind: str) -> None:
    cells, speed = [[3, 4, 5], [1, 2, 3]], [1, 2]
    packed = message(
        cbor2.dumps(tree(0, {"speed": typed(speed, tag, kind), "cell.voltage": typed(cells, tag, kind)}))
    )

    stacked = stack_tele([packed], CATALOGUE)

    found = {alias: c.tolist() for part, _ in stacked.parts for alias, c in part.columns.items()}
    assert found == {"speed": speed, "cell.voltage": cells}


def test_times_may_be_a_typed_array() -> None:
    body = tree(0, {"speed": [1.5, 2.5]})
    body["t"] = typed(body["t"], 79, "<i8")

    assert message(cbor2.dumps(body)).tele is not None
    with pytest.raises(PayloadError, match="malformed"):
        message(cbor2.dumps(body | {"t": cbor2.CBORTag(79, b"123")}))


@pytest.mark.parametrize(
    ("values", "reason"),
    [(typed([1, 2, 3], 85, "<f4"), "wrong_length"), (typed([[1], [2]], 85, "<f4"), "wrong_length")],
)
def test_a_typed_array_of_the_wrong_shape_is_named(values: Any, reason: str) -> None:
    stacked = stack_tele([message(cbor2.dumps(tree(0, {"speed": values})))], CATALOGUE)

    assert stacked.bad[0].reason == reason
    assert "speed" in stacked.bad[0].detail


def test_columns_left_for_later_are_still_checked() -> None:
    bad = message(cbor2.dumps(tree(0, {"speed": [True, 1.5]})))
    assert bad.tele is not None
    assert bad.tele.packed_at

    with pytest.raises(PayloadError, match="malformed"):
        read_columns(bad.tele)
    assert stack_tele([bad], CATALOGUE).bad[0].reason == "malformed"


def test_of_two_values_the_one_that_arrived_first_counts_whatever_they_are_packed_in() -> None:
    first = message(cbor2.dumps(tree(0, {"speed": [1, 2]})))
    later = message(cbor2.dumps(tree(0, {"speed": [8.5, 9.5]})))

    for messages, wanted in (([first, later], [1, 2]), ([later, first], [8.5, 9.5])):
        result = assemble(messages, catalogue=CATALOGUE, future_s=300, can_decode=CanDecoders())

        assert result.families[Family.DRIVE].rows.columns["speed"].tolist() == wanted
        assert result.conflict_count == 2


def test_json_is_read_by_its_type_and_explained_when_it_is_wrong() -> None:
    good = tree(0, {"speed": [1, None]})
    assert parse_tele(msgspec.json.encode(good), VIN)[1].columns == {"speed": [1.0, None]}

    with pytest.raises(PayloadError, match="seq is 'x'"):
        parse_tele(msgspec.json.encode(good | {"seq": "x"}), VIN)
    with pytest.raises(PayloadError, match="vin_mismatch"):
        parse_tele(msgspec.json.encode(good | {"vin": "LANX0000000000002"}), VIN)
    with pytest.raises(PayloadError, match="unsupported_version"):
        parse_tele(cbor2.dumps(good | {"v": 2}), VIN)


def test_array_literals_are_what_postgresql_reads() -> None:
    assert number_array([1, None, -3]) == "{1,NULL,-3}"
    assert flag_array([True, None, False]) == "{t,NULL,f}"
    assert word_array(["a", None, "{[1,2)}"]) == '{"a",NULL,"{[1,2)}"}'
    assert time_array([1_000_001, None]) == "{1970-01-01T00:00:01.000001Z,NULL}"
    for bad in ('a"b', "a\\b"):
        with pytest.raises(ValueError, match="word_array"):
            word_array([bad])
