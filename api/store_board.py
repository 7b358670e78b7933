"""SQL of the day board; whether the caller may see the station has been decided before."""

from __future__ import annotations

from datetime import datetime

from api.roles import Principal, Role
from api.store_work import note_views
from data.db import Connection, Row, fetch_rows, load_queries

_SQL = load_queries("api", "board_queries.sql")


def fetch_shifts(connection: Connection, station_id: int) -> list[Row]:
    """Return the weekly shifts of a station's technicians."""
    return fetch_rows(connection, _SQL["fetch_shifts"], {"station_id": station_id})


def fetch_day_bookings(
    connection: Connection, principal: Principal, station_id: int, *, begin: datetime, end: datetime
) -> list[Row]:
    """Return what is held, booked or done at a station within a stretch of time."""
    asked = {
        "station_id": station_id,
        "is_station": principal.role is Role.STATION,
        "begin": begin,
        "end": end,
    }
    rows = fetch_rows(connection, _SQL["fetch_day_bookings"], asked)
    note_views(connection, principal, [f"order {row['order_id']}" for row in rows if row["shares_data"]])
    return rows
