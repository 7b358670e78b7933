"""What ingest holds in memory is bounded in bytes, and it comes back to a broker that restarts."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ingest.messages import Delivery
from ingest.mqtt_link import MqttLink
from ingest.mqtt_packets import Control
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
        # a broker that serves other suites, too, tells the retained status of their vehicles first
        while sum(d.topic == TOPIC for d in found) < COUNT and time.monotonic() < deadline:
            taken = subscriber.receive(0.5, limit=7)
            assert len(taken) <= 7
            assert subscriber.waiting_bytes <= LIMIT + SLACK
            assert subscriber.acknowledge(taken) == len(taken)
            found += taken
    finally:
        subscriber.stop()

    assert [d.payload[:4] for d in found if d.topic == TOPIC] == [n.to_bytes(4, "big") for n in range(COUNT)]
    assert (subscriber.waiting_messages, subscriber.waiting_bytes) == (0, 0)


def test_a_broker_that_restarts_in_quick_succession_is_not_left_alone_for_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        served_s: list[float] = []
        threading.Thread(target=restart_again_and_again, args=(listening, served_s), daemon=True).start()
        subscriber = Subscriber(
            f"mqtt://127.0.0.1:{listening.getsockname()[1]}",
            client_id="anxin-ingest-restarts",
            share="x",
            window=10,
            clock_us=lambda: 0,
        )
        subscriber.start()
        try:
            deadline = time.monotonic() + 8.0
            while len(served_s) < 4 and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            subscriber.stop()

    assert len(served_s) >= 4, "three restarts look like a session taken over: a guess costs two seconds"
    assert served_s[3] - served_s[2] > 1.0, "two processes with one slot must not fight"


def test_no_more_is_published_at_once_than_the_broker_takes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        seen: list[int] = []
        threading.Thread(target=take_two_at_a_time, args=(listening, seen), daemon=True).start()
        subscriber = Subscriber(
            f"mqtt://127.0.0.1:{listening.getsockname()[1]}",
            client_id="anxin-ingest-outbox",
            share="x",
            window=10,
            clock_us=lambda: 0,
        )
        subscriber.start()
        try:
            assert subscriber.wait_connected(5.0)
            assert all(subscriber.publish("t", b"x") for _ in range(5))
            deadline = time.monotonic() + 5.0
            while len(seen) < 3 and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            subscriber.stop()

    assert seen == [2, 2, 1], "MQTT 5 §3.3.4: receive maximum"


def test_a_fault_of_ours_ends_a_connection_and_not_the_listening(
    broker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([ZeroDivisionError("a fault")])
    handle = Subscriber._handle

    def faulty(self: Subscriber, link: MqttLink, control: Control) -> bool:
        for fault in answers:
            raise fault
        return handle(self, link, control)

    monkeypatch.setattr(Subscriber, "_handle", faulty)
    subscriber = Subscriber(
        broker.url("ingest"), client_id="anxin-ingest-fault", share="fault", window=10, clock_us=lambda: 0
    )
    subscriber.start()
    try:
        assert subscriber.wait_connected(10.0)
    finally:
        assert subscriber.stop(ends_session=True)


def test_a_session_that_the_broker_did_not_confirm_the_end_of_is_ended_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connects: list[bytes] = []
        threading.Thread(target=hang_up_once, args=(listening, connects), daemon=True).start()
        subscriber = Subscriber(
            f"mqtt://127.0.0.1:{listening.getsockname()[1]}",
            client_id="anxin-ingest-end",
            share="x",
            window=10,
            clock_us=lambda: 0,
        )

        assert subscriber.stop(ends_session=True)

    assert len(connects) == 2
    assert all(connect[9] & 2 for connect in connects), "clean start: MQTT 5 §3.1.2.4"


def test_a_session_at_a_broker_that_is_away_has_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.subscriber._ENDING_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"mqtt://127.0.0.1:{listening.getsockname()[1]}"
    subscriber = Subscriber(url, client_id="anxin-ingest-gone", share="x", window=10, clock_us=lambda: 0)

    assert not subscriber.stop(ends_session=True)


def hang_up_once(listening: socket.socket, connects: list[bytes]) -> None:
    """Answer probes; close the first connection of the session itself without a word."""
    with suppress(OSError):
        while True:
            peer, _ = listening.accept()
            with peer, suppress(ConnectionError):
                peer.settimeout(1.0)
                said = peer.recv(4096)
                if b"-probe" not in said:
                    connects.append(said)
                    if len(connects) == 1:
                        continue
                peer.sendall(b"\x20\x03\x00\x00\x00")
                peer.recv(4096)


def take_two_at_a_time(listening: socket.socket, seen: list[int]) -> None:
    """Take a session whose receive maximum is 2; count what comes until nothing does, then acknowledge it."""
    with suppress(OSError):
        while True:
            peer, _ = listening.accept()
            with peer:
                is_probe = b"-probe" in peer.recv(4096)
                peer.sendall(b"\x20\x06\x00\x00\x03\x21\x00\x02")
                peer.recv(4096)
                if is_probe:
                    continue
                peer.sendall(b"\x90\x05\x00\x01\x00\x01\x01")
                peer.settimeout(0.3)
                while sum(seen) < 5:
                    came = b""
                    with suppress(TimeoutError):
                        while more := peer.recv(4096):
                            came += more
                    mids = [came[at + 5 : at + 7] for at in range(0, len(came), 9)]
                    if mids:
                        seen.append(len(mids))
                    peer.sendall(b"".join(b"\x40\x02" + mid for mid in mids))
                time.sleep(0.2)


def restart_again_and_again(listening: socket.socket, served_s: list[float]) -> None:
    """Accept each session of MQTT 5 and its subscription, then close without a word."""
    with suppress(OSError):
        while True:
            peer, _ = listening.accept()
            with peer, suppress(ConnectionError):
                peer.settimeout(1.0)
                is_probe = b"-probe" in peer.recv(4096)
                peer.sendall(b"\x20\x03\x00\x00\x00")
                peer.recv(4096)
                if not is_probe:
                    peer.sendall(b"\x90\x05\x00\x01\x00\x01\x01")
                    time.sleep(0.05)
                    served_s.append(time.monotonic())


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
