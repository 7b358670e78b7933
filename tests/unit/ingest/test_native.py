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
from ingest.errors import PayloadError
from ingest.messages import Model
from ingest.native import parse_envelope, parse_payload, parse_tele
from ingest.payloads import GbtPayload, TelePayload
from ingest.tele import decode_tele

VIN = Vin("LANX0000000000001")
MODEL = Model(model_id="m", cell_count=2, probe_count=1, wheel_count=4, grid_s=1.0, dbc=None, signal_map={})
TELE: dict[str, Any] = {
    "v": 1, "boot": "k3f9", "seq": 7, "sent": 1_700_000_000_000, "hist": 0,
    "t": [1_700_000_000_000, 1_700_000_001_000],
    "s": {"speed": [1, None], "cell.voltage": [[3.7, None], None], "tire.pressure": [None, [1, 2, 3, 4]]},
}  # fmt: skip


@pytest.mark.parametrize("encode", [cbor2.dumps, lambda tree: json.dumps(tree).encode()])
def test_json_and_cbor_say_the_same(encode: Any) -> None:
    parts, masked = decode_tele(parse_tele(encode(TELE), VIN)[1], MODEL, load_catalogue())

    columns = {alias: column for part in parts for alias, column in part.columns.items()}
    np.testing.assert_array_equal([1, np.nan], columns["speed"])
    np.testing.assert_array_equal([[3.7, np.nan], [np.nan, np.nan]], columns["cell.voltage"])
    np.testing.assert_array_equal([[np.nan] * 4, [1, 2, 3, 4]], columns["tire.pressure"])
    assert {Family.DRIVE, Family.CELL, Family.TIRE} == {part.family for part in parts}
    assert masked == {}


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_fail_but_with_a_reason(payload: bytes) -> None:
    for prefix in (b"", b"{", b"\xa5"):
        with pytest.raises(PayloadError) as caught:
            parse_payload(prefix + payload, TelePayload, VIN)

        assert caught.value.reason == "malformed"
        assert caught.value.detail


@pytest.mark.parametrize(
    "shared",
    [
        [cbor2.CBORTag(28, [0.5] * 4), cbor2.CBORTag(29, 0), cbor2.CBORTag(29, 0)],
        cbor2.CBORTag(256, [["a text of some length"], cbor2.CBORTag(25, 0)]),
    ],
)
def test_references_that_would_multiply_a_small_message_are_refused(shared: Any) -> None:
    for tree in (TELE | {"s": {"cell.voltage": shared}}, {"note": shared} | TELE):
        with pytest.raises(PayloadError, match="must not be referred to") as caught:
            decode_tele(parse_tele(cbor2.dumps(tree), VIN)[1], MODEL, load_catalogue())
        assert caught.value.reason == "malformed"
    assert parse_envelope(cbor2.dumps({"note": shared} | TELE)) is None


@pytest.mark.parametrize("field", ["v", "boot", "seq", "sent", "hist", "t", "s"])
def test_a_missing_field_is_named(field: str) -> None:
    broken = {k: v for k, v in TELE.items() if k != field}

    with pytest.raises(PayloadError, match=f"missing required field `{field}`"):
        parse_payload(cbor2.dumps(broken), TelePayload, VIN)


@pytest.mark.parametrize(
    "change",
    [
        {"seq": True},
        {"seq": 2**31},
        {"sent": 10**18},
        {"boot": "x" * 33},
        {"hist": 2},
        {"t": []},
        {"s": {"speed": [True, 1]}},
    ],
)
def test_nothing_is_coerced(change: dict[str, Any]) -> None:
    with pytest.raises(PayloadError, match="malformed"):
        parse_payload(cbor2.dumps(TELE | change), TelePayload, VIN)


def test_the_head_of_a_broken_body_can_still_be_read() -> None:
    envelope = parse_envelope(cbor2.dumps(TELE | {"t": "soon", "hist": 1}))

    assert envelope is not None
    assert (envelope.boot, envelope.seq, envelope.is_hist) == ("k3f9", 7, True)
    assert parse_envelope(b"{") is None


def test_a_frame_in_json_is_base64() -> None:
    head = {k: TELE[k] for k in ("v", "boot", "seq", "sent", "hist")}

    assert parse_payload(msgspec.json.encode(head | {"frame": b"##x"}), GbtPayload, VIN).frame == b"##x"
    assert parse_payload(cbor2.dumps(head | {"frame": b"##x"}), GbtPayload, VIN).frame == b"##x"


@pytest.mark.parametrize(
    "change", [{"boot": "b1\n"}, {"seq": 10**5000}], ids=["boot with a line end", "number of 5,000 digits"]
)
def test_hostile_heads_are_malformed(change: dict[str, Any]) -> None:
    with pytest.raises(PayloadError) as caught:
        parse_payload(cbor2.dumps(TELE | change), TelePayload, VIN)

    assert caught.value.reason == "malformed"
