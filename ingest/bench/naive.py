"""The peer that ingest is measured against: what a user writes in an afternoon.

paho with automatic acknowledgement, ``json.loads``, psycopg's ``executemany`` for every 100 rows. It loses
what it holds in memory when it is killed, and knows neither gaps nor late rows. A process of its own, which
prints messages and seconds as JSON: ``python -m ingest.bench.naive MQTT_URL DATABASE_URL COUNT CLIENT_ID``.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from data.db import load_queries
from ingest.bench.load import ARRAYS, SCALARS

_FLUSH_ROWS = 100
_SILENT_S = 30.0


class NaiveIngest:
    """Stores what it receives; every call is made from paho's own loop.

    Args:
        database_url: Where the naive tables are.
        expected: Messages after which it is done.
    """

    def __init__(self, database_url: str, *, expected: int) -> None:
        queries = load_queries("ingest.bench", "bench.sql")
        places = ", ".join(["%s"] * len(SCALARS))
        self._insert_drive = str(queries["insert_naive_drive"]).format(places=places)
        self._insert_tires = str(queries["insert_naive_tires"])
        self._insert_cells = str(queries["insert_naive_cells"])
        self._connection = psycopg.connect(database_url)
        self._expected = expected
        self._drive: list[tuple[Any, ...]] = []
        self._tires: list[tuple[Any, ...]] = []
        self._cells: list[tuple[Any, ...]] = []
        self.count = 0
        self.first_s = self.last_s = 0.0

    def on_message(self, client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        """Store one message, at last with the 99 rows before it."""
        if not self.count:
            self.first_s = time.perf_counter()
        self.count += 1
        vin = message.topic.split("/")[3]
        body = json.loads(message.payload)
        signals = body["s"]
        for i, time_ms in enumerate(body["t"]):
            self._drive.append((vin, time_ms / 1000, *[signals[a][i] for a in SCALARS]))
            if ARRAYS[0] in signals:
                self._tires.append((vin, time_ms / 1000, *[signals[a][i] for a in ARRAYS[:2]]))
                self._cells.append((vin, time_ms / 1000, *[signals[a][i] for a in ARRAYS[2:]]))
        if len(self._drive) >= _FLUSH_ROWS or self.count >= self._expected:
            self._flush()
        if self.count >= self._expected:
            client.disconnect()

    def _flush(self) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(self._insert_drive, self._drive)
            if self._tires:
                cursor.executemany(self._insert_tires, self._tires)
                cursor.executemany(self._insert_cells, self._cells)
        self._connection.commit()
        self._drive, self._tires, self._cells = [], [], []
        self.last_s = time.perf_counter()


def drain(mqtt_url: str, database_url: str, expected: int, client_id: str) -> dict[str, float]:
    """Drain the persistent session of ``client_id`` and return messages and seconds."""
    naive = NaiveIngest(database_url, expected=expected)
    parts = urlsplit(mqtt_url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
    client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
    client.on_message = naive.on_message
    client.connect(parts.hostname or "127.0.0.1", parts.port or 1883)
    client.loop_forever(timeout=_SILENT_S)
    return {"messages": naive.count, "seconds": naive.last_s - naive.first_s}


if __name__ == "__main__":
    print(json.dumps(drain(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])))  # noqa: T201
