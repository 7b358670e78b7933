"""SQL of requests for readings; the caller owns the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from data.db import Connection, load_queries


def is_waiting(connection: Connection, vehicle_id: int, *, now: datetime) -> bool:
    """Tell whether a vehicle still has time to answer a request."""
    query = load_queries("alerts", "work/diagnosis.sql")["is_waiting"]
    row = connection.execute(query, {"vehicle_id": vehicle_id, "now": now}).fetchone()
    return bool(row and row[0])


def insert_request(
    connection: Connection,
    order_id: int,
    vehicle_id: int,
    signals: Sequence[str],
    *,
    actor: str,
    now: datetime,
    expires_at: datetime,
) -> UUID:
    """Note a request; return its id, under which the vehicle answers."""
    query = load_queries("alerts", "work/diagnosis.sql")["insert_request"]
    values: dict[str, object] = {"order_id": order_id, "vehicle_id": vehicle_id, "signals": list(signals)}
    values |= {"actor": actor, "now": now, "expires_at": expires_at}
    row = connection.execute(query, values).fetchone()
    if row is None or not isinstance(row[0], UUID):
        raise TypeError("insert_request: returns the id of the new row")
    return row[0]
