"""Repair orders as one JSON value each, for people who read a terminal and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alerts.store import AlertStore
from data.db import Connection


def order_report(
    connection: Connection, *, tenant: str | None = None, order_id: int | None = None
) -> list[dict[str, Any]]:
    """Return orders with station, appointment, parts, price and reasons; JSON-ready, times in UTC ISO 8601.

    Args:
        connection: Any connection.
        tenant: Only this tenant's; all by default.
        order_id: Only this order.
    """
    return [_report(row) for row in AlertStore(connection).fetch_report(tenant, order_id)]


def _report(row: Mapping[str, Any]) -> dict[str, Any]:
    has_time = row["ttt_p50_h"] is not None
    return {
        "id": row["order_id"],
        "vin": row["vin"],
        "component": row["component"],
        "failure_mode": row["failure_mode"],
        "severity": row["severity"],
        "state": row["state"],
        "origin": row["origin"],
        "station": row["station"],
        "station_name": row["station_name"],
        "distance_km": None if row["distance_km"] is None else round(row["distance_km"], 1),
        "is_distance_estimated": row["is_distance_estimated"],
        "bay": row["bay"],
        "technician": row["technician"],
        "slot_start": None if row["slot_start"] is None else row["slot_start"].isoformat(),
        "parts": row["parts"],
        "price": {
            "currency": row["currency"],
            "total": float(row["total"]),
            "customer_total": float(row["customer_total"]),
            "lines": row["lines"],
        },
        "reasons": row["reasons"],
        "time_to_threshold_h": {
            "p50": row["ttt_p50_h"],
            "p10": row["ttt_p10_h"],
            "p90": row["ttt_p90_h"],
        }
        if has_time
        else None,
        "passed_over": row["passed_over"],
        "waiting_reason": row["waiting_reason"],
        "alerts": row["alerts"],
    }
