"""Rollups for plots: a row for five minutes and a row an hour, with sum, count and extremes of each signal.

The same definitions make continuous aggregates where TimescaleDB is the full edition and tables elsewhere.
Sums and counts add up, so a mean over any number of rows is exact; extremes keep spikes visible. A row takes
four numbers a signal: five minutes keep the rollup of a vehicle that sends every 30 s below its readings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from psycopg import sql

from data.catalogue import load_catalogue
from data.records import Family

#: Wheels that rollups know; a vehicle with more is plotted from its readings.
MOST_WHEELS = 24
FIVE_MINUTES, HOUR = timedelta(minutes=5), timedelta(hours=1)
_ORIGIN = sql.SQL("timestamptz '2000-01-01 00:00:00+00'")


@dataclass(frozen=True, slots=True)
class Measure:
    """One signal in a rollup; its columns are ``name_sum name_n name_low name_high``."""

    name: str  #: column of the readings
    sql_type: str  #: of its extremes
    is_array: bool  #: an element a wheel


@dataclass(frozen=True, slots=True)
class Rollup:
    """What a family is rolled up to."""

    family: Family
    source: str
    keys: tuple[str, ...]
    measures: tuple[Measure, ...]

    @property
    def five_minutes(self) -> str:
        """Return the relation with a row for five minutes."""
        return f"{self.family}_five_minutes"

    @property
    def hours(self) -> str:
        """Return the relation with a row an hour."""
        return f"{self.family}_hours"

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Return names and types of the columns after the keys, in order."""
        found = [("bucket", "timestamptz NOT NULL"), ("first_time", "timestamptz"), ("samples", "int")]
        for m in self.measures:
            types = ("double precision", "int", m.sql_type, m.sql_type)
            ends = ("sum", "n", "low", "high")
            found += [
                (f"{m.name}_{end}", kind + "[]" * m.is_array) for end, kind in zip(ends, types, strict=True)
            ]
        return tuple(found)

    @property
    def names(self) -> tuple[str, ...]:
        """Return all column names in order."""
        return (*self.keys, *(name for name, _ in self.columns))


@cache
def load_rollups() -> tuple[Rollup, ...]:
    """Return the rollups that the signal catalogue gives rise to; cells are never averaged."""
    catalogue = load_catalogue()
    drive = tuple(Measure(s.column, s.sql_type, is_array=False) for s in catalogue.of_family(Family.DRIVE))
    tire = tuple(
        Measure(s.column, s.sql_type, is_array=True)
        for s in catalogue.of_family(Family.TIRE)
        if s.alias in {"tire.pressure", "tire.temperature"}
    )
    value = (Measure("value", "double precision", is_array=False),)
    return (
        Rollup(Family.DRIVE, "drive_readings", ("vehicle_id",), drive),
        Rollup(Family.TIRE, "tire_readings", ("vehicle_id",), tire),
        Rollup(Family.SIGNAL, "signal_readings", ("vehicle_id", "signal"), value),
    )


def create_table(rollup: Rollup, relation: str) -> sql.Composed:
    """Return the statement that makes a rollup a table of its own."""
    keys = {"vehicle_id": "int NOT NULL", "signal": "text NOT NULL"}
    columns = [(key, keys[key]) for key in rollup.keys] + list(rollup.columns)
    return sql.SQL(
        "CREATE TABLE {} ({}, PRIMARY KEY ({}))"
    ).format(
        sql.Identifier(relation),
        sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(t))  # our own types
            for n, t in columns
        ),
        _names(("vehicle_id", "bucket", *rollup.keys[1:])),  # a span of a vehicle lies together
    )


def create_aggregate(rollup: Rollup, relation: str) -> sql.Composed:
    """Return the statement that makes a rollup a continuous aggregate, hours on top of five minutes.

    TimescaleDB 2.19, CREATE MATERIALIZED VIEW (continuous aggregate): ``time_bucket`` in GROUP BY, real-time
    (``materialized_only = false``), empty at first because it is made within a transaction.
    """
    is_hours = relation == rollup.hours
    source, time, width = (
        (rollup.five_minutes, "bucket", "1 hour") if is_hours else (rollup.source, "time", "5 minutes")
    )
    return sql.SQL(
        "CREATE MATERIALIZED VIEW {} WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS"
        " SELECT {}, time_bucket(interval {}, {}) AS bucket, {} FROM {} GROUP BY {} WITH NO DATA"
    ).format(
        sql.Identifier(relation),
        _names(rollup.keys),
        sql.Literal(width),
        sql.Identifier(time),
        _aggregates(rollup, is_hours=is_hours),
        sql.Identifier(source),
        _positions(len(rollup.keys) + 1),
    )


def settle(rollup: Rollup, relation: str) -> sql.Composed:
    """Return the statement that recomputes spans of many vehicles in a rollup that is a table.

    Parameters: ``vehicle_ids``, ``time_from`` and ``time_to`` as parallel arrays (whole buckets, end not
    included), ``low`` and ``high`` as their bounds: constants keep the planner to the chunks in question.

    A bucket never loses samples: where readings or five minutes are past their retention, a late row must not
    replace what was rolled up from all of them.
    """
    is_hours = relation == rollup.hours
    source, time, width = (
        (rollup.five_minutes, "bucket", "1 hour") if is_hours else (rollup.source, "time", "5 minutes")
    )
    updated = [name for name in rollup.names if name not in {*rollup.keys, "bucket"}]
    return sql.SQL(
        "INSERT INTO {relation} AS t ({names}) SELECT m.* FROM"
        " unnest(%(vehicle_ids)s::int[], %(time_from)s::timestamptz[], %(time_to)s::timestamptz[])"
        " AS d (vehicle_id, time_from, time_to) CROSS JOIN LATERAL ("
        "SELECT {keys}, date_bin(interval {width}, r.{time}, {origin}) AS bucket, {aggregates}"
        " FROM {source} r WHERE r.vehicle_id = d.vehicle_id"
        " AND r.{time} >= d.time_from AND r.{time} < d.time_to"
        " AND r.{time} >= %(low)s AND r.{time} < %(high)s GROUP BY {positions}) m"
        " ON CONFLICT ({keys}, bucket) DO UPDATE SET {updates}"
        " WHERE t.samples <= excluded.samples AND t.* IS DISTINCT FROM excluded.*"
    ).format(
        relation=sql.Identifier(relation),
        names=_names(rollup.names),
        keys=_names(rollup.keys),
        width=sql.Literal(width),
        time=sql.Identifier(time),
        origin=_ORIGIN,
        aggregates=_aggregates(rollup, is_hours=is_hours),
        source=sql.Identifier(source),
        positions=_positions(len(rollup.keys) + 1),
        updates=sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(n)) for n in updated),
    )


def _aggregates(rollup: Rollup, *, is_hours: bool) -> sql.Composed:
    """Return what a bucket holds, from readings or from five minutes."""
    if is_hours:
        found = ["min(first_time) AS first_time", "sum(samples)::int AS samples"]
        formulas = ("sum({0}_sum{1})", "sum({0}_n{1})::int", "min({0}_low{1})", "max({0}_high{1})")
    else:
        found = ["min(time) AS first_time", "count(*)::int AS samples"]
        formulas = ("sum({0}{1}::float8)", "nullif(count({0}{1}), 0)::int", "min({0}{1})", "max({0}{1})")
    for m in rollup.measures:
        for end, formula in zip(("sum", "n", "low", "high"), formulas, strict=True):
            if m.is_array:
                elements = ", ".join(formula.format(m.name, f"[{w}]") for w in range(1, MOST_WHEELS + 1))
                found.append(f"ARRAY[{elements}] AS {m.name}_{end}")
            else:
                found.append(f"{formula.format(m.name, '')} AS {m.name}_{end}")
    return sql.SQL(", ").join(sql.SQL(f) for f in found)  # catalogue columns


def _names(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _positions(count: int) -> sql.Composed:
    return sql.SQL(", ").join(sql.Literal(n) for n in range(1, count + 1))
