"""The world of the API's tests: rows, one caller of each role in each tenant, and the application on it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, LiteralString, cast
from uuid import UUID

from api.access import create_api_key, create_user
from data.db import Pool, transaction

PASSWORD = "correct horse battery"
LINK_KEY = b"signs the links of letters"
MINE, WANGS, NOBODYS, STRANGERS = (f"LANXTEST00000000{n}" for n in (1, 2, 3, 9))
WARNING = UUID("11111111-1111-4111-8111-111111111111")
#: caller -> (tenant, role, owner_id, station_id)
CALLERS = {
    "gateway": ("demo", "gateway", None, None),
    "owner": ("demo", "owner", 1, None),
    "station": ("demo", "station", None, 1),
    "operations": ("demo", "operations", None, None),
    "engineer": ("demo", "engineer", None, None),
    "stranger": ("other", "engineer", None, None),
}


@dataclass
class RecordedCommands:
    """Takes what the API would ask the alerts side to do."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    actions: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    ratings: list[dict[str, Any]] = field(default_factory=list)
    receipts: list[dict[str, Any]] = field(default_factory=list)
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    received: threading.Event = field(default_factory=threading.Event)

    def answer(self, **told: Any) -> SimpleNamespace:
        self.answers.append(told)
        return SimpleNamespace(is_changed=False)

    def request_order(self, **told: Any) -> SimpleNamespace:
        self.requests.append(told)
        return SimpleNamespace(order_id=1)

    def act(self, **told: Any) -> None:
        self.actions.append(told)

    def ask_vehicle(self, **told: Any) -> None:
        self.asked.append(told)

    def rate(self, **told: Any) -> None:
        self.ratings.append(told)

    def acknowledge(self, **told: Any) -> bool:
        self.acknowledged.append(told)
        return True

    def receive(self, **told: Any) -> bool:
        self.receipts.append(told)
        self.received.set()
        return True


def fill(pool: Pool, *, now: datetime) -> dict[str, str]:
    """Fill a fresh database; return an API key per caller."""
    text = Path(__file__).with_name("api_world.sql").read_text("utf-8")
    statements = text.replace(":now", f"'{now.isoformat()}'")
    with transaction(pool) as connection:
        connection.execute(cast("LiteralString", statements))
        keys = {}
        for caller, (tenant, role, owner_id, station_id) in CALLERS.items():
            bounds: dict[str, Any] = {"owner_id": owner_id, "station_id": station_id}
            keys[caller] = create_api_key(
                connection, tenant=tenant, role=role, name=caller, now=now, **bounds
            )
            if role != "gateway":
                create_user(connection, tenant=tenant, login=caller, password=PASSWORD, role=role, **bounds)
    return keys


def insert_finding(pool: Pool, vin: str) -> int:
    """Raise an alert that can wait, without an order; return its number."""
    with transaction(pool) as connection:
        row = connection.execute(
            "INSERT INTO alerts (tenant_id, vehicle_id, component, failure_mode, severity, state, first_seen,"
            " raised_at, last_seen, origin, updated_at)"
            " SELECT tenant_id, vehicle_id, 'battery', 'battery_capacity_fade', 'S4', 'open', now(), now(),"
            " now(), 'simulated', now() FROM vehicles WHERE vin = %s RETURNING alert_id",
            (vin,),
        ).fetchone()
    assert row
    return int(row[0])
