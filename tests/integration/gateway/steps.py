"""Vehicles that speak GB/T 32960 over TCP, a gateway to speak to, and what the broker heard."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

from data.embedded import EmbeddedBroker
from data.settings import Settings
from ingest.gateway.service import run
from ingest.service import run as run_ingest
from simulators import encode_gbt_frames as frames
from simulators.encode_gbt_blocks import vehicle_block
from simulators.gbt_vehicle import Answer, AnswerReader

VIN, SECOND, RETIRED, TWICE = (f"LANX000000000000{i}" for i in range(1, 5))


ICCID = "89860000000000000001"


START_US = int(time.time() - 3600) * 1_000_000


@contextmanager
def serving(settings: Settings) -> Iterator[int]:
    """Run the gateway; gives its port."""
    stop, ports = threading.Event(), []
    thread = threading.Thread(
        target=run, args=(settings,), kwargs={"stop": stop, "on_listening": ports.append}
    )
    thread.start()
    try:
        eventually(lambda: bool(ports) or not thread.is_alive(), what="the gateway listens")
        yield ports[0]
    finally:
        stop.set()
        thread.join(timeout=20)
        assert not thread.is_alive()


@contextmanager
def ingesting(settings: Settings) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run_ingest, args=(settings,), kwargs={"stop": stop})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=20)
        assert not thread.is_alive()


class Heard:
    """What the broker passes on."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.frames: list[tuple[str, bytes]] = []
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
        subscribed = threading.Event()
        self.client.on_connect = lambda client, *_: client.subscribe("anxin/v1/+/+/up/gbt32960", qos=1)
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.on_message = lambda _c, _u, message: self.frames.append((message.topic, message.payload))
        self.client.connect(parts.hostname or "", parts.port or 1883)
        self.client.loop_start()
        assert subscribed.wait(10)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Terminal:
    """A bare TCP connection."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.reader = AnswerReader()
        self.pending: list[Answer] = []

    def say(self, *said: bytes) -> None:
        self.sock.sendall(b"".join(said))

    def hear(self, *, within_s: float = 5.0) -> Answer | None:
        """Return the next answer; None when the connection ends, or nothing comes in time."""
        self.sock.settimeout(within_s)
        while not self.pending:
            try:
                data = self.sock.recv(4096)
            except (TimeoutError, ConnectionResetError):
                return None
            if not data:
                return None
            self.pending += self.reader.feed(data)
        return self.pending.pop(0)

    def mark(self, *said: bytes, within_s: float = 5.0) -> int | None:
        self.say(*said)
        answer = self.hear(within_s=within_s)
        return None if answer is None else answer.mark

    def is_closed(self, *, within_s: float = 5.0) -> bool:
        self.sock.settimeout(within_s)
        try:
            while self.sock.recv(4096):
                continue
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True
        return True

    def close(self) -> None:
        self.sock.close()


def eventually(check: Callable[[], bool], *, within_s: float = 30.0, what: str = "") -> None:
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.05)


def settings_for(database_url: str, broker: Any, **change: Any) -> Settings:
    return replace(Settings(database_url=database_url, mqtt_url=broker.url("gateway")), **change)


def login(vin: str = VIN, *, iccid: str = ICCID, edition: Any = "2016") -> bytes:
    return frames.login_frame(vin, START_US, iccid=iccid, edition=edition)


def readings(i: int, vin: str = VIN) -> bytes:
    return frames.data_frame(
        vin, START_US + i * 1_000_000, [vehicle_block("2016", speed_kmh=i % 200, soc_percent=50)]
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def self_signed(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def kill_broker(broker: EmbeddedBroker) -> None:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    eventually(lambda: broker.pid is None, what="the broker is dead")
