"""The gateway between terminals and a real broker: logins, damage, outages, hostile peers."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

from data.db import Pool, connect
from data.embedded import EmbeddedBroker
from data.errors import SettingsError
from data.settings import Settings
from ingest.errors import IngestError
from ingest.gateway.service import run
from ingest.gateway.store import add_platform, list_platforms, revoke_platform
from ingest.service import run as run_ingest
from simulators import encode_gbt_frames as frames
from simulators.encode_gbt_blocks import vehicle_block
from simulators.gbt_fleet import GbtFleet
from simulators.gbt_vehicle import Answer, AnswerReader, GbtVehicle, late
from tests.integration.small_fleet import register

VIN, SECOND, RETIRED, TWICE = (f"LANX000000000000{i}" for i in range(1, 5))
ICCID = "89860000000000000001"
START_US = int(time.time() - 3600) * 1_000_000


@pytest.fixture
def fleet(pool: Pool) -> Pool:
    """Vehicles in service, out of service, and in two tenants at once."""
    register(pool)
    with pool.connection() as connection:
        connection.execute("INSERT INTO tenants (name) VALUES ('other')")
        connection.execute(
            "INSERT INTO vehicles (tenant_id, vin, model_id, iccid, retired_at) VALUES"
            " (1, %s, 'small', %s, NULL), (1, %s, 'small', NULL, NULL), (1, %s, 'small', NULL, now()),"
            " (1, %s, 'small', NULL, NULL), (2, %s, 'small', NULL, NULL)",
            (VIN, ICCID, SECOND, RETIRED, TWICE, TWICE),
        )
    return pool


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


@pytest.fixture
def heard(broker: Any) -> Iterator[Heard]:
    listener = Heard(broker.url("ingest"))
    yield listener
    listener.close()


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


@pytest.fixture
def dial() -> Iterator[Callable[[int], Terminal]]:
    opened: list[Terminal] = []

    def open_one(port: int) -> Terminal:
        opened.append(Terminal(port))
        return opened[-1]

    yield open_one
    for terminal in opened:
        terminal.close()


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


def test_a_vehicle_logs_in_sends_and_is_answered_when_the_broker_has_its_frames(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    metrics_port = free_port()
    with serving(settings_for(database_url, broker, metrics_port=metrics_port)) as port:
        car = dial(port)
        said = [login(), readings(0), readings(1), frames.logout_frame(VIN, START_US)]
        answers = []
        for frame in said:
            car.say(frame)
            answers.append(car.hear())
        assert car.mark(readings(2)) == 2  # logged out
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as page:
            told = page.read().decode()

    assert "anxin_gateway_logins_total 1.0" in told
    assert 'anxin_gateway_refused_total{reason="not_logged_in"} 1.0' in told
    assert answers == [Answer(frame[2], 1, frame[24:30]) for frame in said]
    assert [payload for _, payload in heard.frames] == said
    assert {topic for topic, _ in heard.frames} == {f"anxin/v1/demo/{VIN}/up/gbt32960"}


def test_who_may_not_speak_is_told_so_as_the_standard_says(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker)) as port:
        for edition, unknown in (("2016", 2), ("2025", 4)):
            for vin, iccid, mark in (
                ("LANX0000000000009", ICCID, unknown),
                ("not a VIN", ICCID, unknown),
                (RETIRED, ICCID, unknown),
                (VIN, "89860000000000000002", 2),
                (TWICE, ICCID, 3),
                (SECOND, "", 1),
            ):
                said = login(vin, iccid=iccid, edition=edition)
                assert dial(port).mark(said) == mark, (vin, edition)


def test_a_stranger_is_told_no_three_times(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker)) as port:
        stranger = dial(port)
        marks = [stranger.mark(readings(i)) for i in range(3)]
        assert stranger.is_closed()
        car = dial(port)
        assert car.mark(login()) == 1
        assert [car.mark(readings(0, SECOND)) for _ in range(5)] == [2] * 5

    assert marks == [2, 2, 2]
    assert len(heard.frames) == 1


def test_a_vehicle_of_another_tenant_is_unknown_to_a_gateway_of_one(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker, gateway_tenant="other")) as port:
        assert dial(port).mark(login(SECOND)) == 2
        assert dial(port).mark(login(TWICE)) == 1


def test_garbage_half_frames_and_damage_cost_only_themselves(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    damaged = bytearray(readings(1))
    damaged[-5] ^= 1
    with serving(settings_for(database_url, broker)) as port:
        car = dial(port)
        assert car.mark(login()) == 1
        car.say(b"##\x02\xfegarbage$$", readings(0)[:20])
        time.sleep(0.1)
        assert car.mark(readings(0)[20:]) == 1
        assert car.mark(bytes(damaged)) == 2  # to be sent again
        assert car.mark(readings(1)) == 1
        car.say(readings(2)[:50], readings(3), readings(4))
        marks = [car.hear(), car.hear()]
        assert (
            [a and (a.mark, a.time) for a in marks]
            == [
                (2, readings(2)[24:30]),  # swallowed the next one's first bytes
                (1, readings(3)[24:30]),
            ]
        )
        assert car.hear() is not None

    assert [payload for _, payload in heard.frames[1:]] == [readings(i) for i in (0, 1, 3, 4)]


def test_heartbeats_and_the_time_are_answered_without_the_broker(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker)) as port:
        car = dial(port)
        car.say(frames.time_sync_frame(VIN))
        told = car.hear()
        assert car.mark(login()) == 1
        assert car.mark(frames.heartbeat_frame(VIN)) == 1

    assert told is not None
    at = datetime(2000 + told.time[0], *told.time[1:6], tzinfo=UTC)
    assert abs((at - datetime.now(UTC)).total_seconds() - 8 * 3600) < 30
    assert len(heard.frames) == 1


def test_a_vehicle_that_connects_again_takes_over_from_its_dead_link(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker)) as port:
        old, new = dial(port), dial(port)
        assert old.mark(login()) == 1
        assert new.mark(login()) == 1
        assert old.is_closed()
        assert new.mark(readings(0)) == 1


def test_slow_and_silent_peers_are_let_go_and_disturb_nobody(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    change = {"gateway_login_s": 0.5, "gateway_idle_s": 1.0, "gateway_connections": 4}
    with serving(settings_for(database_url, broker, **change)) as port:
        silent, dripping = dial(port), dial(port)
        car = dial(port)
        assert car.mark(login()) == 1
        sleeper = dial(port)
        assert sleeper.mark(login(SECOND)) == 1
        deadline = time.monotonic() + 15.0
        for byte in login()[:12]:
            try:
                dripping.say(bytes([byte]))
            except OSError:
                break
            time.sleep(0.1)
            assert car.mark(frames.heartbeat_frame(VIN)) == 1
        for peer in (silent, dripping, sleeper):
            while not peer.is_closed(within_s=0.3):
                assert time.monotonic() < deadline
                assert car.mark(frames.heartbeat_frame(VIN)) == 1
        assert car.mark(readings(0)) == 1


def test_strangers_cannot_keep_vehicles_out(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker, gateway_connections=2)) as port:
        strangers = [dial(port), dial(port)]
        assert strangers[0].mark(frames.time_sync_frame(VIN)) == 1
        assert strangers[1].mark(frames.time_sync_frame(VIN)) == 1
        cars = []
        for stranger, vin in zip(strangers, (VIN, SECOND), strict=True):
            cars.append(dial(port))
            assert cars[-1].mark(login(vin)) == 1
            assert stranger.is_closed()
        assert dial(port).is_closed()  # one too many
        assert [
            car.mark(frames.heartbeat_frame(vin)) for car, vin in zip(cars, (VIN, SECOND), strict=True)
        ] == [
            1,
            1,
        ]


def test_a_stranger_may_send_little_garbage_and_a_vehicle_much(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    garbage = b"##" * 50_000
    with serving(settings_for(database_url, broker)) as port:
        stranger, car = dial(port), dial(port)
        with suppress(ConnectionError):
            stranger.say(garbage)
        assert stranger.is_closed()
        assert car.mark(login()) == 1
        assert car.mark(garbage, readings(0)) == 1


def test_a_peer_that_fetches_no_answers_is_not_read_any_more(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker, gateway_idle_s=20.0)) as port:
        greedy, car = dial(port), dial(port)
        greedy.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert greedy.mark(login(SECOND)) == 1
        assert car.mark(login()) == 1
        greedy.sock.settimeout(0.5)
        blocked, sent = frames.heartbeat_frame(SECOND) * 1000, 0
        with suppress(TimeoutError):
            while sent < 10_000_000:
                sent += greedy.sock.send(blocked)
        assert sent < 5_000_000
        assert car.mark(readings(0)) == 1


def test_a_platform_forwards_the_vehicles_of_its_tenant(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with connect(database_url) as connection:
        password = add_platform(connection, "upstream", tenant="demo", now=datetime.now(UTC))
        with pytest.raises(IngestError, match="must be a new name"):
            add_platform(connection, "upstream", tenant="demo", now=datetime.now(UTC))
    with serving(settings_for(database_url, broker)) as port:
        wrong = dial(port)
        assert wrong.mark(frames.platform_login_frame("P1", START_US, user="upstream", password="no")) == 2
        link = dial(port)
        said = frames.platform_login_frame("P1", START_US, user="upstream", password=password)
        assert link.mark(said) == 1
        assert [link.mark(f) for f in (login(VIN), readings(0), readings(1, SECOND))] == [1, 1, 1]
        assert link.mark(frames.heartbeat_frame("P1")) == 1
        assert [link.mark(readings(2, vin)) for vin in (RETIRED, "LANX0000000000009")] == [2, 2]
        assert link.mark(frames.platform_logout_frame("P1", START_US)) == 1
        assert link.mark(readings(3)) == 2
        with connect(database_url) as connection:
            revoke_platform(connection, "upstream", tenant="demo", now=datetime.now(UTC))
            assert [p["name"] for p in list_platforms(connection, tenant="demo")] == ["upstream"]
        assert dial(port).mark(said) == 2

    assert [topic.split("/")[3] for topic, _ in heard.frames] == [VIN, VIN, SECOND]


def test_what_is_under_way_at_the_end_is_still_answered(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker)) as port:
        car = dial(port)
        assert car.mark(login()) == 1
        car.say(*[readings(i) for i in range(20)])
        assert car.hear() is not None
    answered = 1 + sum(car.hear() is not None for _ in range(20))

    assert answered >= 20
    assert car.is_closed()


def kill_broker(broker: EmbeddedBroker) -> None:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    eventually(lambda: broker.pid is None, what="the broker is dead")


@pytest.mark.chaos
def test_without_a_broker_readings_wait_unanswered_and_heartbeats_do_not(
    fleet: Pool, database_url: str, any_broker: EmbeddedBroker, dial: Any
) -> None:
    listener = Heard(any_broker.url("ingest"))
    with serving(settings_for(database_url, any_broker)) as port:
        car = dial(port)
        assert car.mark(login()) == 1
        kill_broker(any_broker)
        time.sleep(0.5)
        assert car.mark(frames.heartbeat_frame(VIN)) == 1
        assert car.mark(readings(0), within_s=1.0) is None
        any_broker.ensure_running()
        answer = car.hear(within_s=30.0)
    listener.close()

    assert answer == Answer(2, 1, readings(0)[24:30])


@pytest.mark.chaos
def test_a_broker_killed_again_and_again_costs_no_frame_and_doubles_none(
    fleet: Pool, database_url: str, server_home: Path
) -> None:
    odd = frames.data_frame(VIN, START_US, [b"\x44\x01\x02"])
    vehicles = [GbtVehicle(vin=vin, iccid=ICCID, resend_s=2.0) for vin in (VIN, SECOND)]
    count = 400
    with EmbeddedBroker(server_home / f"gateway-{os.getpid()}-{time.monotonic_ns()}") as broker:
        settings = settings_for(database_url, broker)
        listening = replace(settings, mqtt_url=broker.url("ingest"))
        with ingesting(listening), serving(settings) as port:
            cars = GbtFleet("127.0.0.1", port, vehicles, now_us=lambda: int(time.time() * 1e6))
            cars.start()
            assert cars.wait_logged_in(20)
            for i in range(count):
                for vehicle in vehicles:
                    cars.submit(vehicle.vin, readings(i, vehicle.vin))
                if i % 200 == 100:
                    kill_broker(broker)
                    broker.ensure_running()
                time.sleep(0.005)
            cars.submit(VIN, odd)
            assert cars.drain(60)
            confirmed = cars.counters.confirmed
            cars.stop()
            with connect(database_url, is_autocommit=True) as connection:

                def ask(query: str) -> list[tuple[Any, ...]]:
                    return connection.execute(query).fetchall()  # type: ignore[arg-type]

                rows = "SELECT count(*), count(DISTINCT (vehicle_id, time)) FROM drive_readings"
                eventually(lambda: ask(rows) == [(2 * count, 2 * count)], what="every frame stored once")
                eventually(
                    lambda: (
                        ask("SELECT DISTINCT reason, payload FROM rejects")[:1]
                        in ([("unknown_block", odd)], [("unknown_block", late(odd))])
                    ),
                    what="the unreadable one is put aside",
                )

    assert confirmed == 2 * count + 1


def test_what_nobody_listens_to_is_kept_until_somebody_does(
    fleet: Pool, database_url: str, server_home: Path, dial: Any
) -> None:
    with EmbeddedBroker(server_home / f"unheard-{os.getpid()}", kind="auto") as broker:
        if broker.kind == "amqtt":
            pytest.skip("MQTT 3.1.1 does not tell that nobody listens")
        with serving(settings_for(database_url, broker)) as port:
            car = dial(port)
            assert car.mark(login(), within_s=0.5) is None
            assert car.mark(frames.heartbeat_frame(VIN)) == 1
            listener = Heard(broker.url("ingest"))
            assert car.hear(within_s=10.0) == Answer(1, 1, login()[24:30])
        listener.close()

    assert [payload for _, payload in listener.frames] == [login()]


def test_a_full_window_stops_reading_and_everything_is_answered_in_the_end(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    count = 1000
    with serving(settings_for(database_url, broker, gateway_window_messages=2)) as port:
        cars = [dial(port), dial(port)]
        assert [car.mark(login(vin)) for car, vin in zip(cars, (VIN, SECOND), strict=True)] == [1, 1]
        sender = threading.Thread(target=cars[0].say, args=[readings(i) for i in range(count)])
        sender.start()
        assert cars[1].mark(readings(0, SECOND)) == 1  # takes its turn
        answers = [cars[0].hear() for _ in range(count)]
        sender.join()

    assert [a and (a.mark, a.time) for a in answers] == [(1, readings(i)[24:30]) for i in range(count)]


def test_vehicles_may_come_over_tls(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path / "gateway.pem")
    with serving(settings_for(database_url, broker, gateway_tls_cert=str(certificate))) as port:
        context = ssl.create_default_context(cafile=str(certificate))
        plain = socket.create_connection(("127.0.0.1", port))
        with context.wrap_socket(plain, server_hostname="localhost") as link:
            link.settimeout(5)
            for frame in (login(), readings(0)):
                link.sendall(frame)
                assert link.recv(1024)[3] == 1
    with pytest.raises(SettingsError, match="ANXIN_GATEWAY_TLS_CERT"):
        run(settings_for(database_url, broker, gateway_tls_cert="/nowhere.pem"), **LISTENING)


def test_what_the_gateway_cannot_start_without_is_named(database_url: str, broker: Any) -> None:
    with pytest.raises(SettingsError, match="ANXIN_GATEWAY_PORT is not set"):
        run(settings_for(database_url, broker), stop=threading.Event())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"ANXIN_GATEWAY_PORT={port}: cannot listen"):
            run(settings_for(database_url, broker, gateway_port=port), stop=threading.Event())


LISTENING: dict[str, Any] = {"stop": threading.Event(), "on_listening": lambda _: None}


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
