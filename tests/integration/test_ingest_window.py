"""What ingest holds in memory is bounded in bytes; the broker keeps the rest."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from ingest.messages import Delivery
from ingest.subscriber import Subscriber

TOPIC = "anxin/v1/window/LANX0000000000001/up/tele"
LIMIT, COUNT, SIZE = 200_000, 300, 10_000
#: One read of the socket may come on top.
SLACK = 256 * 1024 + SIZE


def test_an_unread_socket_bounds_what_waits_and_nothing_is_lost(broker: Any) -> None:
    subscriber = Subscriber(
        broker.url("ingest"),
        client_id="anxin-ingest-window",
        share="window",
        window=20_000,
        window_bytes=LIMIT,
        clock_us=lambda: 0,
        filters=("anxin/v1/window/+/up/#",),
    )
    subscriber.start()
    try:
        assert subscriber.wait_connected(10.0)
        publish(broker.url("simulator"))
        time.sleep(1.0)
        assert LIMIT <= subscriber.waiting_bytes <= LIMIT + SLACK

        found: list[Delivery] = []
        deadline = time.monotonic() + 20.0
        while len(found) < COUNT and time.monotonic() < deadline:
            taken = subscriber.receive(0.5, limit=7)
            assert len(taken) <= 7
            assert subscriber.waiting_bytes <= LIMIT + SLACK
            assert subscriber.acknowledge(taken) == len(taken)
            found += taken
    finally:
        subscriber.stop()

    assert [d.payload[:4] for d in found] == [n.to_bytes(4, "big") for n in range(COUNT)]
    assert (subscriber.waiting_messages, subscriber.waiting_bytes) == (0, 0)


def publish(url: str) -> None:
    parts = urlsplit(url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(parts.username, parts.password)
    client.max_inflight_messages_set(COUNT)
    client.connect(parts.hostname or "", parts.port or 1883)
    client.loop_start()
    told = [client.publish(TOPIC, n.to_bytes(4, "big") + b"x" * (SIZE - 4), qos=1) for n in range(COUNT)]
    for one in told:
        one.wait_for_publish(20.0)
    client.disconnect()
    client.loop_stop()
