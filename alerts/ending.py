"""Alerts end when the work on their order is done, or nothing was found."""

from __future__ import annotations

from datetime import datetime

from alerts.desk import Desk, decide_for_vehicle
from alerts.errors import BookingConflict
from alerts.store import AlertStore
from data.db import Pool, transaction


def end_repaired(pool: Pool, *, now: datetime, limit: int = 500) -> int:
    """Clear the alerts whose orders are ready or found no fault; return how many there were.

    An order that was cancelled or declined has repaired nothing: its alerts stay open.
    """
    with transaction(pool) as connection:
        vehicles = AlertStore(connection).fetch_vehicles_repaired(limit)
    ended = 0
    for vehicle_id in vehicles:
        try:
            ended += decide_for_vehicle(
                pool,
                vehicle_id,
                lambda desk, v=vehicle_id: _end(desk, v, now),  # type: ignore[misc]
                otherwise=0,
            )
        except BookingConflict:
            continue
    return ended


def _end(desk: Desk, vehicle_id: int, now: datetime) -> int:
    if not desk.store.try_lock_vehicle(vehicle_id):
        return 0
    return desk.store.end_repaired_alerts([vehicle_id], now)
