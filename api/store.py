"""SQL for display: what a caller may look at. Nothing here changes an order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from api.roles import Principal
from api.store_work import note_views
from data.db import Connection, Row, fetch_rows, load_queries

_SQL = load_queries("api")


def _rows(connection: Connection, query: str, parameters: Mapping[str, Any]) -> list[Row]:
    return fetch_rows(connection, _SQL[query], parameters)


def _row(connection: Connection, query: str, parameters: Mapping[str, Any]) -> Row | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[query], parameters).fetchone()


def fetch_schema_number(connection: Connection) -> int:
    """Return the number of the newest applied migration."""
    row = connection.execute(_SQL["fetch_schema_number"]).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


# ------------------------------------------------------------ vehicles and readings


def fetch_vehicles(
    connection: Connection,
    principal: Principal,
    *,
    limit: int,
    vin: str | None = None,
    after: str | None = None,
    after_rank: str = "",
    only_alerts: bool = False,
    is_urgent_first: bool = False,
) -> list[Row]:
    """Return vehicles the caller may see, in VIN order or the most urgent alerts first.

    ``after`` and ``after_rank`` are ``vin`` and ``rank`` of the last row of the page before.
    """
    asked = {
        "vin": vin,
        "after": after,
        "after_rank": after_rank,
        "only_alerts": only_alerts,
        "is_urgent_first": is_urgent_first,
        "limit": limit,
    }
    rows = _rows(connection, "fetch_vehicles", {**principal.scope, **asked})
    note_views(connection, principal, [row["vin"] for row in rows if not row["is_masked"]])
    return rows


def fetch_fleet_totals(connection: Connection, principal: Principal, *, now: datetime) -> Row:
    """Return how many vehicles there are, are live, have alerts and have orders."""
    return _row(connection, "fetch_fleet_totals", {**principal.scope, "now": now}) or {}


def fetch_event_rows(
    connection: Connection, vehicle: Row, *, until: datetime | None, limit: int
) -> list[Row]:
    """Return on-board alarms and life-cycle events that may be seen of a vehicle, newest first."""
    span = {"vehicle_id": vehicle["vehicle_id"], "since": vehicle["visible_since"], "until": until}
    asked = {**span, "is_masked": vehicle["is_masked"], "limit": limit}
    return _rows(connection, "fetch_event_rows", asked)


def fetch_streams(connection: Connection, vehicle_id: int, *, limit: int) -> list[Row]:
    """Return which messages of each boot are here, missing and given up, newest boot first."""
    return _rows(connection, "fetch_streams", {"vehicle_id": vehicle_id, "limit": limit})


def fetch_quality(connection: Connection, vehicle_id: int, *, since: date, limit: int) -> list[Row]:
    """Return what quality checks found at a vehicle since a day, the most frequent first."""
    return _rows(connection, "fetch_quality", {"vehicle_id": vehicle_id, "since": since, "limit": limit})


def fetch_clock(connection: Connection, vehicle_id: int) -> Row | None:
    """Return how far a vehicle's clock is off, None where that is not known."""
    return _row(connection, "fetch_clock", {"vehicle_id": vehicle_id})


# ------------------------------------------------------------ predictions, alerts, orders


def fetch_predictions(
    connection: Connection,
    principal: Principal,
    *,
    limit: int,
    vehicle_id: int | None = None,
    prediction_id: int | None = None,
    only_newest: bool = True,
    at_least: float = 0.0,
    after: int | None = None,
) -> list[Row]:
    """Return predictions, newest first."""
    return _rows(
        connection,
        "fetch_predictions",
        {
            **principal.scope,
            "vehicle_id": vehicle_id,
            "prediction_id": prediction_id,
            "only_newest": only_newest,
            "at_least": at_least,
            "after": after,
            "limit": limit,
        },
    )


def fetch_alerts(
    connection: Connection,
    principal: Principal,
    *,
    limit: int,
    vehicle_id: int | None = None,
    alert_id: int | None = None,
    only_open: bool = False,
    after: int | None = None,
) -> list[Row]:
    """Return alerts, newest first."""
    return _rows(
        connection,
        "fetch_alerts",
        {
            **principal.scope,
            "vehicle_id": vehicle_id,
            "alert_id": alert_id,
            "only_open": only_open,
            "after": after,
            "limit": limit,
        },
    )


def fetch_orders(
    connection: Connection,
    principal: Principal,
    *,
    limit: int,
    order_id: int | None = None,
    vehicle_id: int | None = None,
    only_open: bool = False,
    after: tuple[str, datetime, int] | None = None,
) -> list[Row]:
    """Return repair orders, the most urgent first; ``after`` is (severity, deadline, order id)."""
    severity, deadline, last_id = after or (None, None, None)
    rows = _rows(
        connection,
        "fetch_orders",
        {
            **principal.scope,
            "order_id": order_id,
            "vehicle_id": vehicle_id,
            "only_open": only_open,
            "after_severity": severity,
            "after_deadline": deadline,
            "after_id": last_id,
            "limit": limit,
        },
    )
    note_views(connection, principal, [f"order {r['order_id']}" for r in rows if r["shares_data"]])
    return rows


def fetch_order_details(connection: Connection, order_id: int) -> tuple[list[Row], list[Row], list[Row]]:
    """Return price lines, events and bookings of an order."""
    wanted = {"order_id": order_id}
    return (
        _rows(connection, "fetch_order_lines", wanted),
        _rows(connection, "fetch_order_events", wanted),
        _rows(connection, "fetch_order_bookings", wanted),
    )


def fetch_stations(
    connection: Connection,
    principal: Principal,
    *,
    limit: int,
    code: str | None = None,
    after: str | None = None,
) -> list[Row]:
    """Return stations with bays, technicians, stock and hours, in order of their code."""
    return _rows(
        connection, "fetch_stations", {**principal.scope, "code": code, "after": after, "limit": limit}
    )


# ------------------------------------------------------------ rejects, warnings, push, live


def fetch_rejects(
    connection: Connection, principal: Principal, *, limit: int, reason: str | None, after: int | None
) -> list[Row]:
    """Return what could not be read, newest first."""
    return _rows(
        connection, "fetch_rejects", {**principal.scope, "reason": reason, "after": after, "limit": limit}
    )


def fetch_predictors(connection: Connection, principal: Principal) -> list[Row]:
    """Return predictors with a mode of their own, and what they would have raised in the shadow."""
    return _rows(connection, "fetch_predictors", principal.scope)


def fetch_breaker_trips(connection: Connection, principal: Principal) -> list[Row]:
    """Return predictors that ordered too much, those that wait for a decision first."""
    return _rows(connection, "fetch_breaker_trips", principal.scope)


def fetch_reject_counts(connection: Connection, principal: Principal) -> list[Row]:
    """Return how much could not be read, by reason."""
    return _rows(connection, "fetch_reject_counts", principal.scope)


def fetch_warnings(
    connection: Connection,
    principal: Principal,
    *,
    limit: int,
    vehicle_id: int | None = None,
    warning_id: UUID | None = None,
    before: tuple[datetime, UUID] | None = None,
) -> list[Row]:
    """Return warnings with their deliveries, newest first."""
    time, before_id = before or (None, None)
    return _rows(
        connection,
        "fetch_warnings",
        {
            **principal.scope,
            "vehicle_id": vehicle_id,
            "warning_id": warning_id,
            "before": time,
            "before_id": before_id,
            "limit": limit,
        },
    )


def upsert_subscription(connection: Connection, **values: Any) -> int:
    """Store where a browser of an owner receives pushes; return the subscription id."""
    row = _row(connection, "upsert_subscription", values)
    return int(row["subscription_id"]) if row else 0


def delete_subscription(connection: Connection, *, owner_id: int, endpoint: str) -> bool:
    """Forget a subscription of this owner; tell whether there was one."""
    done = connection.execute(_SQL["delete_subscription"], {"owner_id": owner_id, "endpoint": endpoint})
    return done.rowcount > 0


#: What an event of the live channel can be about.
LIVE_KINDS = ("order", "alert", "warning", "prediction")


def fetch_live_scope(connection: Connection, kind: str, identity: str) -> Row | None:
    """Return tenant, owner and station of what a live event is about; ``kind`` is one of ``LIVE_KINDS``."""
    return _row(connection, f"fetch_scope_{kind}", {"id": identity})


def fetch_touched_vehicles(connection: Connection, *, after: int, until: int) -> list[Row]:
    """Return the vehicles that ingest batches in (after, until] touched."""
    return _rows(connection, "fetch_touched_vehicles", {"after": after, "until": until})


def fetch_last_batch(connection: Connection) -> int:
    """Return the id of the newest ingest batch."""
    row = connection.execute(_SQL["fetch_last_batch"]).fetchone()
    return int(row[0]) if row else 0


def fetch_totals(connection: Connection) -> Row:
    """Return the gauges of ``/metrics``."""
    return _row(connection, "fetch_totals", {}) or {}
