"""Read what the demo tells: how far the chain has come, straight from the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, dict_row

from data.db import Connection, load_queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Counts along the chain."""

    rows: int
    stored: int  #: distinct messages
    duplicate: int
    repaired: int
    missing: int
    rejected: int
    alerts: int
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderVehicle:
    """Which vehicle and component an order is for, and who has to do with it."""

    order_id: int
    vin: str
    component: str
    failure_mode: str
    owner_id: int | None
    station_id: int | None  #: None while no station has been found


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredWarning:
    """A warning of an order that reached its receiver."""

    order_id: int
    warning_id: str
    channel: str  #: ``webpush`` or ``mqtt``
    delivered_at: datetime


class StoryStore:
    """The demo's questions to the database."""

    def __init__(self) -> None:
        self._queries = load_queries("simulators")

    def is_ready(self, connection: Connection, service: str) -> bool:
        """Tell whether a service is alive and connected to everything it needs."""
        row = connection.execute(self._queries["is_ready"], {"service": service}).fetchone()
        return bool(row and row[0])

    def fetch_progress(self, connection: Connection) -> Progress:
        """Return the counts of this moment."""
        with connection.cursor(row_factory=class_row(Progress)) as cursor:
            row = cursor.execute(self._queries["story_progress"]).fetchone()
        if row is None:
            raise LookupError("story_progress gave no row")
        return row

    def fetch_scored_vins(
        self, connection: Connection, *, data_until: datetime, failure_modes: Sequence[str]
    ) -> set[str]:
        """Return the vehicles that every named predictor has scored with data of ``data_until`` or later."""
        rows = connection.execute(
            self._queries["scored_vehicles"],
            {"data_until": data_until, "failure_modes": list(failure_modes)},
        ).fetchall()
        return {str(row[0]) for row in rows}

    def fetch_delivered(self, connection: Connection) -> list[DeliveredWarning]:
        """Return what has arrived of the orders' warnings, in order of arrival."""
        with connection.cursor(row_factory=class_row(DeliveredWarning)) as cursor:
            return cursor.execute(self._queries["delivered_warnings"]).fetchall()

    def fetch_owners(self, connection: Connection, vins: Sequence[str]) -> dict[str, int]:
        """Return the owner of each of these vehicles."""
        rows = connection.execute(self._queries["owners_of_vehicles"], {"vins": list(vins)}).fetchall()
        return {str(vin): int(owner_id) for vin, owner_id in rows}

    def fetch_order_vehicles(self, connection: Connection) -> list[OrderVehicle]:
        """Return which vehicle and component each order is for."""
        with connection.cursor(row_factory=class_row(OrderVehicle)) as cursor:
            return cursor.execute(self._queries["order_vehicles"]).fetchall()

    def fetch_label(self, connection: Connection, order_id: int) -> dict[str, Any] | None:
        """Return what became of the prediction behind an order, None while nobody knows."""
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(self._queries["order_label"], {"order_id": order_id}).fetchone()
