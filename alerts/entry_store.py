"""SQL that writes down what was decided."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from alerts.entries import AlertEntry, Entries, OrderEntry
from alerts.sql_store import SqlStore, columns
from data.db import CHANNEL_LIVE


class EntryStore(SqlStore):
    """Writes entries on one connection; the caller owns the transaction."""

    FILE = "entries.sql"

    def draw_alert_ids(self, count: int) -> list[int]:
        """Return numbers for new alerts, ascending."""
        return [row["number"] for row in self._rows("draw_alert_ids", count=count)]

    def draw_order_ids(self, count: int) -> list[int]:
        """Return numbers for new orders, ascending."""
        return [row["number"] for row in self._rows("draw_order_ids", count=count)]

    def write(self, entries: Entries) -> None:
        """Write everything, with one statement for each table that has something to be written.

        Raises:
            psycopg.errors.IntegrityError: Somebody else opened an alert or order of the same key.
        """
        self._write("insert_orders", map(_order_row, entries.orders.values()))
        alerts = entries.alerts.values()
        self._write("insert_alerts", [_alert_row(entry) for entry in alerts if entry.is_new])
        self._write("update_alerts", [_alert_row(entry) for entry in alerts if not entry.is_new])
        self._write("insert_alert_events", map(asdict, entries.alert_events))
        self._write("insert_order_events", map(asdict, entries.order_events))
        if entries.news:
            self._run("announce", channel=CHANNEL_LIVE, news=entries.news)

    def _write(self, query: str, rows: Iterable[Mapping[str, Any]]) -> None:
        if found := list(rows):
            self._run(query, **columns(found))


def _order_row(entry: OrderEntry) -> dict[str, Any]:
    order = entry.order
    p10, p50, p90 = order.time_to_threshold_h or (None, None, None)
    return {
        "order_id": entry.order_id,
        "tenant_id": order.vehicle.tenant_id,
        "vehicle_id": order.vehicle.vehicle_id,
        "component": order.component,
        "cause": order.cause,
        "failure_mode": str(order.failure_mode),
        "severity": str(order.severity),
        "deadline": order.deadline,
        "complaint": order.complaint,
        "reasons": json.dumps(list(order.reasons)),
        "p10": p10,
        "p50": p50,
        "p90": p90,
        "origin": str(order.origin),
        "prediction_id": order.prediction_id,
        "idempotency_key": order.idempotency_key,
        "model_version": order.model_version,
        "trip_id": order.trip_id,
        "waiting_reason": order.waiting_reason,
        "at": entry.at,
    }


def _alert_row(entry: AlertEntry) -> dict[str, Any]:
    alert = entry.alert
    return {
        "alert_id": alert.alert_id,
        "tenant_id": entry.tenant_id,
        "vehicle_id": entry.vehicle_id,
        "component": alert.component,
        "failure_mode": str(alert.failure_mode),
        "severity": str(alert.severity),
        "state": str(alert.state),
        "first_seen": alert.first_seen,
        "raised_at": alert.raised_at,
        "cleared_at": alert.cleared_at,
        "last_seen": alert.last_seen,
        "quiet_since": alert.quiet_since,
        "occurrence_count": alert.occurrence_count,
        "prediction_id": entry.prediction_id,
        "order_id": alert.order_id,
        "origin": str(entry.origin),
        "at": entry.at,
    }
