"""SQL of the reports: rows of a tenant since an instant."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from data.db import Connection, load_queries

_SQL = load_queries("api", "report_queries.sql")


def fetch_report(
    connection: Connection, name: str, *, tenant_id: int, since: datetime
) -> list[dict[str, Any]]:
    """Return the rows of ``report_precision`` or ``report_service``."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[name], {"tenant_id": tenant_id, "since": since}).fetchall()
