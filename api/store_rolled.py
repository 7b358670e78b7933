"""SQL of long plots: buckets from the rollups, the edges from the readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from psycopg import sql
from psycopg.rows import dict_row

from api.store_readings import Span
from data.catalogue import Signal
from data.db import Connection, Row, fetch_rows, load_queries
from data.records import Family
from data.rollups import FIVE_MINUTES, HOUR, Rollup, load_rollups

_SQL = load_queries("api", "rolled_queries.sql")
_ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledSpan(Span):
    """A span whose buckets are whole units, ``begin`` to ``end`` from the rollup ``relation``."""

    relation: str
    begin: datetime
    end: datetime
    origin: datetime

    @property
    def parameters(self) -> Row:
        """Return the query parameters."""
        return {
            **Span.parameters.fget(self),  # type: ignore[attr-defined]  # slots leave no room for super()
            "begin": self.begin,
            "end": self.end,
            "origin": self.origin,
        }

    @classmethod
    def cut(cls, span: Span, relation: str, unit: timedelta, *, width: timedelta, until: datetime) -> Self:
        """Return the span in strides of whole units, at least ``width``; readings count from ``until``."""
        begin = _ORIGIN - (_ORIGIN - span.since) // unit * unit
        end = max(begin, _ORIGIN + (until - _ORIGIN) // unit * unit)
        return cls(
            vehicle_id=span.vehicle_id,
            since=span.since,
            until=span.until,
            stride=-(-width // unit) * unit,
            relation=relation,
            begin=min(begin, span.until),
            end=min(end, span.until),
            origin=_ORIGIN + (span.since - _ORIGIN) // unit * unit,
        )


def find_unit(width: timedelta) -> timedelta | None:
    """Return the bucket of the rollup that serves points this far apart; None: only the readings do."""
    return HOUR if width >= 2 * HOUR else FIVE_MINUTES if width >= FIVE_MINUTES else None


def find_rollup(family: Family) -> Rollup | None:
    """Return what the family is rolled up to; None: it is not."""
    return next((rollup for rollup in load_rollups() if rollup.family is family), None)


def fetch_rolled_until(connection: Connection, rollup: Rollup, relation: str, span: Span) -> Row:
    """Return ``until``, to where the rollup holds, and ``has_older``: it goes back further than readings."""
    query = sql.SQL(_SQL["fetch_rolled_until"]).format(
        relation=sql.Identifier(relation), table=sql.Identifier(rollup.source)
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query, {**span.parameters, "family": str(rollup.family)}).fetchone()
    return row or {"until": None, "has_older": False}


def fetch_drive(connection: Connection, span: RolledSpan, signals: Sequence[Signal]) -> list[Row]:
    """Return mean, lowest and highest value of each signal in each bucket, as columns ``m0 l0 h0 m1 …``."""
    rolled, read, means = [], [], []
    for i, signal in enumerate(signals):
        names = {
            end: sql.Identifier(f"{signal.column}_{name}")
            for end, name in zip("snlh", ("sum", "n", "low", "high"), strict=True)
        }
        marks = {f"{end}i": sql.Identifier(f"{end}{i}") for end in "snlhm"}
        rolled.append(sql.SQL("{s} AS {si}, {n} AS {ni}, {l} AS {li}, {h} AS {hi}").format(**names, **marks))
        column = sql.Identifier(signal.column)
        read.append(sql.SQL("{0}::float8, ({0} IS NOT NULL)::int, {0}, {0}").format(column))
        means.append(
            sql.SQL(
                "sum({si}) / nullif(sum({ni}), 0) AS {mi}, min({li})::float8 AS {li},"
                " max({hi})::float8 AS {hi}"
            ).format(**marks)
        )
    return _fetch(
        connection,
        "fetch_rolled_drive",
        span,
        rolled=sql.SQL(", ").join(rolled),
        read=sql.SQL(", ").join(read),
        means=sql.SQL(", ").join(means),
    )


def fetch_tire(connection: Connection, span: RolledSpan, *, wheels: int) -> list[Row]:
    """Return pressure and temperature of each wheel in each bucket."""
    return _fetch(connection, "fetch_rolled_tire", span, {"wheels": wheels})


def fetch_signal(connection: Connection, span: RolledSpan, signals: Sequence[str] | None) -> list[Row]:
    """Return mean, lowest and highest value of each DBC signal in each bucket."""
    return _fetch(connection, "fetch_rolled_signal", span, {"signals": signals and list(signals)})


def fetch_signal_count(connection: Connection, span: RolledSpan, signals: Sequence[str] | None) -> int:
    """Return how many DBC signals have readings in the span."""
    asked = {"signals": signals and list(signals)}
    return int(_fetch(connection, "fetch_rolled_signal_count", span, asked)[0]["count"])


def fetch_cells(connection: Connection, span: Span) -> list[Row]:
    """Return the first stored sample of each bucket, a row for each sub-pack and block of cells."""
    return fetch_rows(connection, _SQL["fetch_cell_probes"], span.parameters)


def _fetch(
    connection: Connection,
    query: str,
    span: RolledSpan,
    asked: Row | None = None,
    **parts: sql.Composable,
) -> list[Row]:
    statement = sql.SQL(_SQL[query]).format(relation=sql.Identifier(span.relation), **parts)
    parameters: dict[str, Any] = {**span.parameters, **(asked or {})}
    return fetch_rows(connection, statement, parameters)
