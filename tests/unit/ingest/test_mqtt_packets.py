"""Packets of MQTT out of any pieces of the stream."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import mqtt_packets as packets
from ingest.mqtt_packets import MqttError, PacketReader

TOPIC = "anxin/v1/demo/LANX0000000000001/up/tele"


def reader(*, is_v5: bool) -> PacketReader:
    return PacketReader(is_v5=is_v5, connection="this one")


@given(
    st.lists(st.tuples(st.binary(max_size=300), st.integers(1, 65_535), st.booleans()), max_size=20),
    st.lists(st.integers(1, 400), min_size=1),
    st.booleans(),
)
def test_deliveries_come_out_in_order_however_the_stream_is_cut(
    messages: list[tuple[bytes, int, bool]], cuts: list[int], is_v5: bool
) -> None:
    stream = b"".join(
        packets.encode_publish(TOPIC, payload, mid, is_v5=is_v5, is_retained=is_retained)
        for payload, mid, is_retained in messages
    )
    reading, found, at = reader(is_v5=is_v5), [], 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        found += reading.feed(stream[at : at + size], 7)[0]
        at += size

    assert messages == [(d.payload, d.mid, d.is_retained) for d in found]
    assert all((d.topic, d.qos, d.received_us, d.connection) == (TOPIC, 1, 7, "this one") for d in found)


def test_other_packets_come_out_beside_the_deliveries() -> None:
    stream = b"\x20\x03\x01\x00\x00" + packets.encode_publish(TOPIC, b"x", 5, is_v5=True) + b"\xe0\x01\x8e"

    deliveries, controls = reader(is_v5=True).feed(stream, 0)

    assert [d.payload for d in deliveries] == [b"x"]
    assert [c.kind for c in controls] == [packets.CONNACK, packets.CLOSED]
    assert (controls[0].reason(1), controls[1].reason(0)) == (0, 0x8E)


def test_properties_of_a_delivery_are_skipped() -> None:
    expiry = b"\x02\x00\x00\x00\x09"
    body = struct.pack(">H", 1) + b"t" + struct.pack(">H", 9) + bytes([len(expiry)]) + expiry + b"payload"

    deliveries, _ = reader(is_v5=True).feed(b"\x32" + bytes([len(body)]) + body, 0)

    assert [(d.topic, d.mid, d.payload) for d in deliveries] == [("t", 9, b"payload")]


def test_numbers_among_properties_are_found_between_texts() -> None:
    keep_alive, pair, name, shared = (
        b"\x13\x00\x3c",
        b"\x26\x00\x01a\x00\x01b",
        b"\x12\x00\x03abc",
        b"\x2a\x00",
    )
    properties = keep_alive + pair + name + shared
    body = b"\x00\x00" + bytes([len(properties)]) + properties + b"!!"

    found, end = packets.read_properties(body, 2)

    assert found == {packets.SERVER_KEEP_ALIVE: 60, packets.SHARED_AVAILABLE: 0}
    assert body[end:] == b"!!"


@pytest.mark.parametrize(
    "stream",
    [b"\x32\xff\xff\xff\xff\x01", b"\x32\x03\x00\x09a", b"\x32\x05\x00\x01t\x00\x01", b"\x32\x01\x00"],
    ids=["length of five bytes", "topic beyond the packet", "no properties", "no topic"],
)
def test_what_is_not_mqtt_is_an_error_and_not_a_delivery(stream: bytes) -> None:
    with pytest.raises(MqttError):
        reader(is_v5=True).feed(stream, 0)


def test_acknowledgements_keep_their_order() -> None:
    assert (
        packets.encode_acknowledgements([1, 65_535, 2]) == b"\x40\x02\x00\x01\x40\x02\xff\xff\x40\x02\x00\x02"
    )


def test_a_question_for_the_version_has_no_properties() -> None:
    asked = packets.encode_connect("c", is_v5=True, keepalive_s=10, is_clean=True)

    assert asked == b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x01c"
