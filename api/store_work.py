"""SQL for display of the work on orders; whether the caller may see the order has been decided before."""

from __future__ import annotations

from collections.abc import Sequence

from api.roles import Principal, Role
from data.db import Connection, Row, fetch_rows, load_queries

_SQL = load_queries("api", "work_queries.sql")


def fetch_work(connection: Connection, order_id: int) -> Row:
    """Return findings, newest estimate, signatures, rating and label of an order that exists."""
    return fetch_rows(connection, _SQL["fetch_work"], {"order_id": order_id})[0]


def fetch_concerns(connection: Connection, principal: Principal) -> list[Row]:
    """Return what needs a person: of the tenant, or of a station's own orders where it should act."""
    return fetch_rows(connection, _SQL["fetch_concerns"], principal.scope)


def note_views(connection: Connection, principal: Principal, subjects: Sequence[str]) -> None:
    """Write into the audit trail that a station saw personal data; once an hour for each subject."""
    if principal.role is Role.STATION and subjects:
        seen = {"tenant_id": principal.tenant_id, "actor": principal.actor, "subjects": list(subjects)}
        connection.execute(_SQL["note_views"], seen)
