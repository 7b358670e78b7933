"""A simulated fleet that is published while services die, and what must come of it."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import psycopg

from api.store import upsert_subscription
from data.catalogue import Signal, load_catalogue
from data.keys import load_push_keys
from data.records import Vin
from data.reference import NEVER_QUIET, VehicleRegistration, register_vehicles
from data.settings import Settings
from simulators.fleet import Fleet, build_fleet
from simulators.push_endpoint import PushEndpoint
from simulators.service import FleetRun
from tests.chaos.installation import Running

DAYS = 14
OnTold = Callable[[str], None]


@dataclass(frozen=True)
class Sent:
    """One message as the vehicle has stored it."""

    vin: str
    boot: str
    seq: int
    kind: str
    body: dict[str, Any]


class SimulatedFleet:
    """Vehicles with hidden faults; their owners' browsers; what both were told.

    Args:
        running: Where they publish to.
        on_push: Called within the push service's answer to a warning that is new.
        on_warning: Called when a vehicle is told a warning that is new.
    """

    def __init__(self, running: Running, *, rate: float, on_push: OnTold, on_warning: OnTold) -> None:
        self.pushed: list[str] = []
        self.shown: list[tuple[str, str]] = []
        self._on_push, self._on_warning = on_push, on_warning
        self.fleet: Fleet = build_fleet(
            16,
            seed=5,
            start=datetime.now(UTC) - timedelta(days=DAYS),
            days=DAYS,
            faults={"tire_slow_leak:capillary": 3, "cell_internal_short:growing": 2},
            decoys={"cold_front": 2, "altitude_trip": 1, "refill": 1, "hot_stop": 1},
            timing="ahead",
        )
        self.endpoint = PushEndpoint(self._push, public_key=load_push_keys(running.home).public_key)
        self.ids = self._register(running.database_url)
        self._directory = running.home / "vehicles"
        self.run = FleetRun(
            replace(Settings(), mqtt_url=running.mqtt_url("simulator")),
            self.fleet,
            store_dir=self._directory,
            rate_messages_per_s=rate,
            on_warning=self._warn,
            live_protocol_mix=False,
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self.run.run, args=(self._ended,), name="fleet", daemon=True)

    @property
    def faults(self) -> set[tuple[int, str]]:
        """Return vehicle and component of every injected fault."""
        return {(self.ids[t.vin], t.component) for t in self.fleet.truth if t.is_fault}

    def start(self) -> None:
        """Begin to publish."""
        self.endpoint.start()
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(20)
        self.endpoint.stop()

    def sent(self) -> list[Sent]:
        """Return every message of the vehicles' own store."""
        return read_sent(self._directory)

    def _push(self, message: Mapping[str, Any]) -> None:
        self.pushed.append(str(message["warning_id"]))
        self._on_push(str(message["warning_id"]))

    def _warn(self, vin: Vin, message: Mapping[str, Any]) -> None:
        self.shown.append((vin, str(message["warning_id"])))
        self._on_warning(str(message["warning_id"]))

    def _register(self, url: str) -> dict[str, int]:
        with psycopg.connect(url) as connection:
            ids = register_vehicles(
                connection,
                tenant="demo",
                vehicles=[
                    VehicleRegistration(
                        vin=v.vin,
                        model_id=v.model_id,
                        plate=v.plate,
                        time_zone=v.time_zone,
                        owner_name=v.owner_name,
                        home_lat=v.home_lat,
                        home_lon=v.home_lon,
                        quiet=NEVER_QUIET,
                    )
                    for v in self.fleet.vehicles
                ],
            )
            owners = connection.execute(
                "SELECT DISTINCT owner_id FROM vehicles WHERE vehicle_id = ANY (%s)", (list(ids.values()),)
            ).fetchall()
            for (owner_id,) in owners:
                subscription = self.endpoint.subscribe()
                upsert_subscription(
                    connection,
                    owner_id=owner_id,
                    endpoint=subscription.endpoint,
                    p256dh=subscription.p256dh,
                    auth=subscription.auth,
                    now=datetime.now(UTC),
                )
        return ids


def read_sent(directory: Path) -> list[Sent]:
    """Return what vehicles have sent, decoded by the codecs' own libraries alone."""
    store = sqlite3.connect(f"file:{directory / 'sent.sqlite3'}?mode=ro", uri=True)
    try:
        rows = store.execute("SELECT vin, boot, seq, topic, payload FROM sent").fetchall()
    finally:
        store.close()
    return [
        Sent(vin, boot, seq, topic.split("/")[5], json.loads(raw) if raw[:1] == b"{" else cbor2.loads(raw))
        for vin, boot, seq, topic, raw in rows
    ]


def expected_values(sent: list[Sent], ids: Mapping[str, int]) -> dict[str, dict[tuple[int, int], Any]]:
    """Return by alias and (vehicle, milliseconds) the values that must be stored, in stored units."""
    signals = load_catalogue().signals
    expected: dict[str, dict[tuple[int, int], Any]] = {alias: {} for alias in signals}
    for message in sent:
        if message.kind != "tele":
            continue
        for alias, values in message.body["s"].items():
            signal, column, vehicle = signals[alias], expected[alias], ids[message.vin]
            for time_ms, value in zip(message.body["t"], values, strict=True):
                stored = stored_value(signal, value)
                if stored is not None:
                    column[vehicle, time_ms] = stored
    return expected


def stored_value(signal: Signal, value: Any) -> Any:
    """Return one value as its column holds it, None where it means missing."""
    if isinstance(value, list):
        elements = [stored_value(signal, element) for element in value]
        return None if all(element is None for element in elements) else elements
    if value is None or not signal.low <= value <= signal.high:
        return None
    if signal.sql_type == "smallint":
        return round(value * signal.scale)
    return float(value) if signal.sql_type == "double precision" else float(np.float32(value * signal.scale))
