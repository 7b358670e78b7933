"""SQL for display of the work on orders; whether the caller may see the order has been decided before."""

from __future__ import annotations

from typing import Any

from psycopg.rows import dict_row

from data.db import Connection, load_queries

_SQL = load_queries("api", "work_queries.sql")


def fetch_work(connection: Connection, order_id: int) -> dict[str, Any]:
    """Return findings, newest estimate, signatures, rating and label of an order that exists."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL["fetch_work"], {"order_id": order_id}).fetchall()[0]
