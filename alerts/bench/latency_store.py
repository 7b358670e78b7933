"""SQL of the latency benchmark, and an observer that notes when something became visible."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

import psycopg

from data.db import CHANNEL_LIVE, Connection, connect, fetch_rows, load_queries

_Q = load_queries("alerts.bench", "latency.sql")


class Observer:
    """Notes when each thing that browsers are told of was committed, by the wall clock."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._is_listening = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="observer", daemon=True)
        self.seen: dict[tuple[str, str], float] = {}  #: kind and id -> seconds since 1970

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_listening.wait(10.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _listen(self) -> None:
        with connect(self._url, name="anxin-bench-observer", is_autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(CHANNEL_LIVE)))
            self._is_listening.set()
            while not self._stop.is_set():
                for notice in connection.notifies(timeout=0.2):
                    told = json.loads(notice.payload)
                    self.seen.setdefault((told["kind"], str(told["id"])), time.time())


def widen_network(connection: Connection, *, times: int, pieces: int) -> None:
    """Give every station so many times its bays and people, and so many more pieces of each part."""
    for name in ("copy_bays", "copy_technicians", "copy_shifts"):
        connection.execute(_Q[name], {"times": times})
    connection.execute(_Q["add_stock"], {"pieces": pieces})


def fetch_committed(
    connection: Connection, hazards: Iterable[tuple[str, str, datetime]]
) -> dict[str, datetime]:
    """Return by VIN when the batch with the decisive reading was committed; takes VIN, family, event time."""
    vins, families, times = zip(*hazards, strict=True)
    given = {"vins": list(vins), "families": list(families), "times": list(times)}
    return {row["vin"]: row["committed_at"] for row in fetch_rows(connection, _Q["fetch_committed"], given)}


def fetch_told(connection: Connection) -> list[dict[str, Any]]:
    """Return VIN, kind, id and whether an appointment is held, of predictions and orders."""
    return fetch_rows(connection, _Q["fetch_told"])


def fetch_warned(connection: Connection) -> dict[str, str]:
    """Return the VIN of each order's warning."""
    return {row["warning_id"]: row["vin"] for row in fetch_rows(connection, _Q["fetch_warnings"])}


def fetch_places(connection: Connection) -> list[tuple[float, float]]:
    """Return where stations are: latitude and longitude, WGS-84."""
    return [(row["lat"], row["lon"]) for row in fetch_rows(connection, _Q["fetch_places"])]


def fetch_owners(connection: Connection) -> list[int]:
    """Return the owners of all vehicles."""
    return [row["owner_id"] for row in fetch_rows(connection, _Q["fetch_owners"])]


def fetch_ready(connection: Connection) -> set[str]:
    """Return the services that say they are ready."""
    return {row["service"] for row in fetch_rows(connection, _Q["fetch_ready"])}
