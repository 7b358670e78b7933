"""SQL of what helps a technician; whether the caller may see the order has been decided before."""

from __future__ import annotations

from datetime import datetime

from data.db import Connection, Row, fetch_rows, load_queries

_SQL = load_queries("api", "guidance_queries.sql")


def fetch_codes(connection: Connection, order_id: int, *, now: datetime) -> list[Row]:
    """Return trouble codes of an order's vehicle and of its findings, newest first."""
    return fetch_rows(connection, _SQL["fetch_codes"], {"order_id": order_id, "now": now})


def fetch_requests(connection: Connection, order_id: int) -> list[Row]:
    """Return the newest questions to an order's vehicle with its answers."""
    return fetch_rows(connection, _SQL["fetch_requests"], {"order_id": order_id})
