"""The ingest service between a real broker and a real database: killed, cut off, restarted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import cbor2
import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from data.db import Pool
from data.embedded import EmbeddedBroker
from data.settings import Settings
from ingest.service import run
from ingest.subscriber import Subscriber
from tests.integration.small_fleet import register

VIN = "LANX0000000000001"
UP = f"anxin/v1/demo/{VIN}/up"
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def fleet(pool: Pool) -> Pool:
    """One vehicle of a model with four cells."""
    return register(pool, VIN)


class Car:
    """A vehicle that keeps what it sends and answers down/resend."""

    def __init__(self, url: str, boot: str = "b1") -> None:
        parts = urlsplit(url)
        self.boot = boot
        self.base_ms = int(time.time() * 1000) - 3_600_000
        self.store: dict[int, dict[str, Any]] = {}
        self.resent = 0
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{VIN}-{boot}",
            protocol=MQTTProtocolVersion.MQTTv311,
            clean_session=False,
        )
        self.client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
        self.client.on_connect = lambda client, *_: client.subscribe(f"anxin/v1/demo/{VIN}/down/#", qos=1)
        self.client.on_message = self._answer
        self.client.reconnect_delay_set(0.1, 0.5)
        self.client.connect(parts.hostname or "", parts.port or 1883)
        self.client.loop_start()

    def message(self, seq: int) -> dict[str, Any]:
        """Number a message: three samples, 1 s apart."""
        start = self.base_ms + seq * 3000
        self.store.setdefault(
            seq,
            {
                "v": 1,
                "boot": self.boot,
                "seq": seq,
                "sent": int(time.time() * 1000),
                "hist": 0,
                "t": [start, start + 1000, start + 2000],
                "s": {"speed": [seq % 100, 1.0, 2.0], "cell.voltage": [[3.7, 3.7, 3.7, 3.6]] * 3},
            },
        )
        return self.store[seq]

    def send(self, seq: int, **change: Any) -> None:
        self.client.publish(f"{UP}/tele", cbor2.dumps(self.message(seq) | change), qos=1)

    def lose(self, seq: int) -> None:
        """Number a message and never send it, as a broker that forgets would."""
        self.message(seq)

    def status(self) -> None:
        last = {"v": 1, "boot": self.boot, "online": True, "seq": max(self.store)}
        self.client.publish(f"{UP}/status", json.dumps(last).encode(), qos=1, retain=True)

    def _answer(self, client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        asked = json.loads(message.payload)
        for low, high in asked["ranges"]:
            for seq in range(low, high + 1):
                self.resent += 1
                client.publish(f"{UP}/tele", cbor2.dumps(self.store[seq] | {"hist": 1}), qos=1)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def serving(settings: Settings) -> Iterator[threading.Event]:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(settings,), kwargs={"stop": stop})
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(timeout=20)
        assert not thread.is_alive()


def eventually(check: Callable[[], bool], *, within_s: float = 30.0, what: str = "") -> None:
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.05)


def ask(pool: Pool, query: str) -> Any:
    with pool.connection() as connection:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]
        return row[0] if row and len(row) == 1 else row


STREAM = "SELECT received_count, missing::text, high FROM message_streams WHERE boot = 'b1'"


def settings_for(database_url: str, broker: Any, **change: Any) -> Settings:
    return replace(
        Settings(database_url=database_url, mqtt_url=broker.url("ingest"), repair_interval_s=0.5), **change
    )


def assert_everything_once(pool: Pool, count: int, rows: int) -> None:
    assert (count, "{}", count - 1) == ask(pool, STREAM)
    assert (rows, rows) == (
        ask(pool, "SELECT count(*) FROM drive_readings"),
        ask(pool, "SELECT count(DISTINCT time) FROM drive_readings"),
    )


def test_messages_in_any_order_doubled_and_late_become_rows_once(
    fleet: Pool, database_url: str, any_broker: EmbeddedBroker
) -> None:
    with serving(settings_for(database_url, any_broker)):
        time.sleep(1.0)
        car = Car(any_broker.url("simulator"))
        for seq in [0, 2, 1, 5, 3, 4, 4, 0, 9, 7, 8, 6]:
            car.send(seq)
        car.send(5, hist=1)
        car.status()
        eventually(lambda: ask(fleet, STREAM) == (10, "{}", 9), what="all ten")
        eventually(lambda: ask(fleet, "SELECT sum(duplicate_count) FROM message_streams") == 3)
        car.close()
    assert_everything_once(fleet, 10, 30)


def test_lost_messages_are_asked_for_and_come(
    fleet: Pool, database_url: str, any_broker: EmbeddedBroker
) -> None:
    with serving(settings_for(database_url, any_broker)):
        time.sleep(1.0)
        car = Car(any_broker.url("simulator"))
        for seq in range(12):
            car.lose(seq) if seq in {3, 4, 10, 11} else car.send(seq)
        car.status()
        eventually(lambda: ask(fleet, STREAM) == (12, "{}", 11), what="holes and lost end repaired")
        car.close()
    assert ask(fleet, "SELECT repaired_count FROM message_streams") == 4


def test_database_restarts_cost_nothing(fleet: Pool, database_url: str, any_broker: EmbeddedBroker) -> None:
    with serving(settings_for(database_url, any_broker)):
        time.sleep(1.0)
        car = Car(any_broker.url("simulator"))
        for seq in range(60):
            car.send(seq)
            if seq % 10 == 5:
                cut_connections(database_url)
            time.sleep(0.02)
        car.status()
        eventually(lambda: ask(fleet, STREAM) == (60, "{}", 59), what="all sixty")
        car.close()
    assert_everything_once(fleet, 60, 180)


def test_broker_restart_costs_nothing(fleet: Pool, database_url: str, any_broker: EmbeddedBroker) -> None:
    with serving(settings_for(database_url, any_broker)):
        time.sleep(1.0)
        car = Car(any_broker.url("simulator"))
        for seq in range(30):
            car.send(seq)
        time.sleep(0.3)
        os.kill(any_broker.pid or 0, signal.SIGKILL)
        eventually(any_broker.ensure_running)
        for seq in range(30, 60):
            car.send(seq)

        def told() -> bool:
            car.status()
            return bool(ask(fleet, STREAM) == (60, "{}", 59))

        eventually(told, within_s=60, what="all sixty")
        car.close()
    assert_everything_once(fleet, 60, 180)


def test_ingest_that_cannot_store_is_not_ready(fleet: Pool, database_url: str, broker: Any) -> None:
    def is_ready() -> bool:
        return bool(ask(fleet, "SELECT bool_and(is_ready) FROM service_beats WHERE service = 'ingest'"))

    car = Car(broker.url("simulator"), boot="b-ready")
    try:
        with serving(settings_for(database_url, broker, ingest_slot="ready", ingest_share="ready")):
            eventually(is_ready)
            with fleet.connection() as connection:
                connection.execute("ALTER TABLE ingest_batches RENAME TO elsewhere")
            car.send(0)
            eventually(lambda: not is_ready())
            with fleet.connection() as connection:
                connection.execute("ALTER TABLE elsewhere RENAME TO ingest_batches")
            eventually(is_ready)
            assert ask(fleet, "SELECT count(*) FROM drive_readings") == 3
    finally:
        car.close()


def test_a_refused_subscription_is_not_taken_for_a_connection(server_home: Path) -> None:
    # amqtt refuses what an account may not read; Mosquitto grants it and delivers nothing.
    with EmbeddedBroker(server_home / "broker-refusing", kind="amqtt") as running:
        subscriber = Subscriber(
            running.url("notify"), client_id="anxin-ingest-x", share="", window=10, clock_us=lambda: 0
        )
        subscriber.start()
        try:
            time.sleep(1.5)
            assert subscriber.refusal is not None
            assert not subscriber.is_connected
            assert subscriber.connection_count < 5, "a refusal is no reason to hurry"
        finally:
            subscriber.stop()


def test_killed_ingest_goes_on_where_it_was(
    fleet: Pool, database_url: str, any_broker: EmbeddedBroker
) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "ANXIN_DATABASE_URL": database_url,
        "ANXIN_MQTT_URL": any_broker.url("ingest"),
        "ANXIN_REPAIR_INTERVAL_S": "0.5",
        "ANXIN_INGEST_FLUSH_AFTER_S": "0.05",
    }
    code = (
        "import os, threading; from data.settings import Settings; from ingest.service import run;"
        "run(Settings.from_env(os.environ), stop=threading.Event())"
    )
    ingest = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: sessions(database_url) > 0)
        time.sleep(1.5)
        car = Car(any_broker.url("simulator"))
        for seq in range(200):
            car.send(seq)
            time.sleep(0.005)
            if seq in {60, 130}:
                ingest.kill()
                ingest.wait()
                ingest = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.DEVNULL)

        def told() -> bool:
            car.status()
            return bool(ask(fleet, STREAM) == (200, "{}", 199))

        eventually(told, within_s=60, what="all two hundred")
        car.close()
    finally:
        ingest.kill()
        ingest.wait()
    assert_everything_once(fleet, 200, 600)


def sessions(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'anxin-ingest'"
        ).fetchone()
        return int(row[0]) if row else 0


def cut_connections(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'anxin-ingest'"
        )


def test_two_ingesters_share_one_stream_without_loss(
    fleet: Pool, database_url: str, any_broker: EmbeddedBroker
) -> None:
    if any_broker.kind != "mosquitto":
        pytest.skip("shared subscriptions are MQTT 5's")
    one, two = (settings_for(database_url, any_broker, ingest_slot=slot) for slot in ("0", "1"))
    with serving(one), serving(two):
        time.sleep(1.0)
        car = Car(any_broker.url("simulator"))
        for seq in range(300):
            car.send(seq)
            time.sleep(0.003)
        car.status()
        eventually(lambda: bool(ask(fleet, STREAM) == (300, "{}", 299)), what="all three hundred")
        car.close()
    assert_everything_once(fleet, 300, 900)
    assert ask(fleet, "SELECT count(DISTINCT slot) FROM ingest_batches") == 2
