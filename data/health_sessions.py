"""Sessions that a broker keeps for services that are gone: it goes on giving them their share."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from psycopg.rows import dict_row

from data.db import Connection, load_queries
from data.health import Check

#: What Mosquitto tells of itself; brokers that tell other things are asked by their own tools.
_TOLD: Mapping[str, str] = {
    "$SYS/broker/clients/disconnected": "sessions without a client",
    "$SYS/broker/store/messages/count": "messages kept",
    "$SYS/broker/store/messages/bytes": "bytes kept",
}


def check_sessions(connection: Connection, figures: Mapping[str, int]) -> Check:
    """Tell whether every session that the broker keeps for a service has a process.

    Args:
        connection: Any connection.
        figures: What the broker tells of itself (``ask_broker``).
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        orphans = cursor.execute(load_queries("data")["orphan_sessions"]).fetchall()
    faults = [
        f"{row['client_id']} has had no process for {row['silent_s'] / 60:.0f} min or more: start slot"
        f" {row['slot']} again, or end it by 'ANXIN_INGEST_SLOT={row['slot']} anxin ingest --drain'"
        for row in orphans
    ]
    told = ", ".join(f"{_TOLD[topic]} {count:,}" for topic, count in figures.items())
    return Check(
        name="broker sessions",
        is_ok=not faults,
        detail="; ".join(faults) or f"every session has its process{f'; {told}' if told else ''}",
        figures={"orphans": orphans, "broker": dict(figures)},
    )


def ask_broker(url: str, *, timeout_s: float = 2.0) -> dict[str, int]:
    """Return what the broker tells of itself under ``$SYS``; empty where it tells nothing or is away."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "mqtts"
    found: dict[str, int] = {}
    is_done = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    if parts.username:
        client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
    if is_tls:
        client.tls_set()

    def on_message(_client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        if message.topic in _TOLD and message.payload.isdigit():
            found[message.topic] = int(message.payload)
        if len(found) == len(_TOLD):
            is_done.set()

    client.on_connect = lambda asking, *_: asking.subscribe([(topic, 0) for topic in _TOLD])
    client.on_message = on_message
    try:
        client.connect(parts.hostname or "localhost", parts.port or (8883 if is_tls else 1883), 30)
    except OSError:
        return {}
    client.loop_start()
    is_done.wait(timeout_s)
    client.disconnect()
    client.loop_stop()
    return found
