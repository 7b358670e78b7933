"""The demo fills a database of its own, never one that somebody uses, and leaves nothing at a broker."""

from __future__ import annotations

import threading
import uuid

import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from data.settings import Settings
from ingest.service import discard_session
from simulators.link import Address
from tests.installed import anxin, free_port


def test_the_demo_keeps_out_of_a_database_that_is_in_use(database_url: str, broker) -> None:
    with psycopg.connect(database_url) as connection:
        tenant = connection.execute(
            "INSERT INTO tenants (name) VALUES ('demo') RETURNING tenant_id"
        ).fetchone()
        connection.execute(
            "INSERT INTO users (tenant_id, login, password_hash, role) VALUES (%s, 'a', '-', 'engineer')",
            tenant,
        )

    outcome = anxin(
        "demo",
        "--port",
        free_port(),
        ANXIN_DATABASE_URL=database_url,
        ANXIN_MQTT_URL=broker.url("simulator"),
    )

    assert outcome.code == 2
    assert "ANXIN_DATABASE_URL: is in use; the demo wants an empty database" in outcome.err
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM vehicles").fetchone() == (0,)


def has_session(url: str, client_id: str) -> bool:
    """Connect as a persistent MQTT 5 client; tell whether the broker still knew it."""
    address, known = Address.parse(url), threading.Event()
    answered = threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
    client.username_pw_set(*(address.account or ("", "")))

    def on_connect(_client: object, _data: object, flags: mqtt.ConnectFlags, *_: object) -> None:
        (known.set if flags.session_present else known.clear)()
        answered.set()

    client.on_connect = on_connect
    kept = Properties(PacketTypes.CONNECT)
    kept.SessionExpiryInterval = 600
    client.connect(address.host, address.port, clean_start=False, properties=kept)
    client.loop_start()
    assert answered.wait(10)
    client.disconnect()
    client.loop_stop()
    return known.is_set()


def test_a_slot_that_never_comes_back_leaves_no_session_at_the_broker(broker) -> None:
    if broker.kind == "amqtt":
        pytest.skip("amqtt does not speak MQTT 5")
    url, slot = broker.url("ingest"), f"demo-{uuid.uuid4().hex[:8]}"
    has_session(url, f"anxin-ingest-{slot}")
    assert has_session(url, f"anxin-ingest-{slot}")

    assert discard_session(Settings(mqtt_url=url, ingest_slot=slot, ingest_share=slot))

    assert not has_session(url, f"anxin-ingest-{slot}")
