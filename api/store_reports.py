"""SQL of the reports: rows of a tenant since an instant."""

from __future__ import annotations

from datetime import datetime

from data.db import Connection, Row, fetch_rows, load_queries

_SQL = load_queries("api", "report_queries.sql")


def fetch_report(
    connection: Connection, name: str, *, tenant_id: int, since: datetime, **asked: object
) -> list[Row]:
    """Return the rows of a report.

    ``report_precision``, ``report_service``, ``report_failures`` (``by`` what) or ``report_guarantee``
    (``now``, ``most_days``, ``most_repairs``, ``term_months``, ``term_km``).
    """
    return fetch_rows(connection, _SQL[name], {"tenant_id": tenant_id, "since": since, **asked})
