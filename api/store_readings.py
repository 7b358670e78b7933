"""SQL of plots from the readings themselves: one vehicle, one span, buckets of one width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import sql

from data.catalogue import Signal
from data.db import Connection, Row, fetch_rows, load_queries

_SQL = load_queries("api")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The part of a vehicle's history that is asked for; ``stride`` is the width of a bucket."""

    vehicle_id: int
    since: datetime
    until: datetime
    stride: timedelta = timedelta(microseconds=1)

    @property
    def parameters(self) -> Row:
        """Return the query parameters."""
        return {
            "vehicle_id": self.vehicle_id,
            "since": self.since,
            "until": self.until,
            "stride": self.stride,
        }


def fetch_row_count(connection: Connection, table: str, span: Span, *, limit: int) -> int:
    """Return the number of rows in the span, counted up to ``limit``."""
    query = sql.SQL(_SQL["fetch_row_count"]).format(table=sql.Identifier(table))
    row = connection.execute(query, {**span.parameters, "limit": limit}).fetchone()
    return int(row[0]) if row else 0


def fetch_drive_buckets(connection: Connection, span: Span, signals: Sequence[Signal]) -> list[Row]:
    """Return mean, lowest and highest value of each signal in each bucket, as columns ``m0 l0 h0 m1 …``."""
    columns = sql.SQL(", ").join(
        sql.SQL("avg({0})::float8 AS {1}, min({0})::float8 AS {2}, max({0})::float8 AS {3}").format(
            sql.Identifier(signal.column), *(sql.Identifier(f"{kind}{i}") for kind in "mlh")
        )
        for i, signal in enumerate(signals)
    )
    query = sql.SQL(_SQL["fetch_drive_buckets"]).format(columns=columns)
    return fetch_rows(connection, query, span.parameters)


def fetch_tire_buckets(connection: Connection, span: Span) -> list[Row]:
    """Return pressure and temperature of each wheel in each bucket."""
    return fetch_rows(connection, _SQL["fetch_tire_buckets"], span.parameters)


def fetch_cell_samples(connection: Connection, span: Span) -> list[Row]:
    """Return one stored sample of each bucket, a row for each sub-pack and block of cells."""
    return fetch_rows(connection, _SQL["fetch_cell_samples"], span.parameters)


def fetch_signal_count(connection: Connection, span: Span, signals: Sequence[str] | None) -> int:
    """Return how many DBC signals have readings in the span."""
    wanted = {**span.parameters, "signals": list(signals) if signals is not None else None}
    row = connection.execute(_SQL["fetch_signal_count"], wanted).fetchone()
    return int(row[0]) if row else 0


def fetch_signal_buckets(connection: Connection, span: Span, signals: Sequence[str] | None) -> list[Row]:
    """Return mean, lowest and highest value of each DBC signal in each bucket."""
    return fetch_rows(
        connection,
        _SQL["fetch_signal_buckets"],
        {**span.parameters, "signals": list(signals) if signals is not None else None},
    )
