"""The shared fixtures do what the suites rely on."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import psycopg

from data.db import Pool, transaction
from data.migrate import list_migrations


class BrokerUnderTest(Protocol):
    def url(self, role: str) -> str: ...


def test_each_test_gets_a_migrated_database(pool: Pool) -> None:
    with transaction(pool) as connection:
        row = connection.execute("SELECT max(number) FROM schema_migrations").fetchone()

    assert row == (len(list_migrations()),)


def test_the_empty_database_is_empty(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchone()

    assert row == (0,)


def test_what_the_simulator_publishes_reaches_ingest(broker: BrokerUnderTest) -> None:
    vin, heard = f"LSVAA{uuid.uuid4().int % 10**12:012d}", threading.Event()
    topic, is_subscribed = f"anxin/v1/demo/{vin}/up/tele", threading.Event()
    reader, writer = _client(broker.url("ingest")), _client(broker.url("simulator"))
    reader.on_message = lambda _c, _u, message: heard.set() if message.topic == topic else None
    reader.on_subscribe = lambda *_: is_subscribed.set()
    try:
        reader.subscribe("anxin/v1/+/+/up/#", qos=1)
        assert is_subscribed.wait(5)
        writer.publish(topic, b"{}", qos=1).wait_for_publish(5)

        assert heard.wait(5)
    finally:
        for client in (reader, writer):
            client.disconnect()
            client.loop_stop()


def test_recordings_are_a_directory_with_a_readme(recordings: Path) -> None:
    assert (recordings / "README.md").is_file()


def _client(url: str) -> mqtt.Client:
    parts = urlsplit(url)
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.username_pw_set(parts.username or "", parts.password)
    client.connect(parts.hostname or "", parts.port or 1883)
    client.loop_start()
    return client
