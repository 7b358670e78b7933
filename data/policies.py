"""What TimescaleDB is told at each migration: hypertables, chunks, columnstore, retention, aggregates.

Policies are not migrations: every run makes them say what the settings say now. Statements follow the
reference of TimescaleDB 2.19 (hypercore, data retention, continuous aggregates).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from psycopg import sql

from data.db import Connection, load_queries
from data.errors import SchemaError
from data.rollups import Rollup, create_aggregate, create_table, load_rollups
from data.settings import Settings
from data.telemetry import HYPERTABLES, Edition, Hypertable, chunk_interval, fetch_memory_bytes

#: Chunks of rollups: at a row a second, a 300th and a 3600th of the readings.
_ROLLUP_CHUNK = {"five_minutes": timedelta(days=7), "hours": timedelta(days=90)}
#: A rollup follows the readings at this pace and leaves the newest to real-time aggregation.
_REFRESH = {
    "five_minutes": (timedelta(minutes=5), timedelta(minutes=5)),
    "hours": (timedelta(hours=1), timedelta(minutes=30)),
}


def ensure_policies(connection: Connection, settings: Settings, edition: Edition) -> None:
    """Make the database keep the telemetry as the settings say; changes nothing where it does already.

    Raises:
        SchemaError: Rollups were made by the full edition of TimescaleDB, which is gone.
    """
    if edition is not Edition.PLAIN:
        span = chunk_interval(settings, fetch_memory_bytes(connection, settings))
        for statement in hypertable_statements(min_span=span):
            connection.execute(statement)
    for rollup in load_rollups():
        _ensure_rollup(connection, rollup, edition)
    if edition is Edition.FULL:
        for statement in policy_statements(settings):
            connection.execute(statement)


def hypertable_statements(*, min_span: timedelta) -> Iterator[sql.Composed]:
    """Yield what makes telemetry tables hypertables with the chunks wanted; new chunks take a new span."""
    for table in HYPERTABLES:
        yield from _hypertable(table.name, table.time_column, _span_of(table, min_span))


def policy_statements(settings: Settings) -> Iterator[sql.Composed]:
    """Yield what the full edition is told; taking away before adding makes each follow its setting.

    ``after`` of the columnstore lies beyond what vehicles store, so that late rows meet rowstore chunks.
    The refresh window reaches as far back; what is later still is refreshed by ``anxin maintain``.
    """
    late = timedelta(days=settings.lateness_days)
    for table in HYPERTABLES:
        if table.segment_by:
            yield sql.SQL(
                "ALTER TABLE {} SET (timescaledb.enable_columnstore = true,"
                " timescaledb.segmentby = {}, timescaledb.orderby = {})"
            ).format(sql.Identifier(table.name), sql.Literal(table.segment_by), sql.Literal(table.order_by))
            yield _call("CALL remove_columnstore_policy({}, if_exists => true)", table.name)
            yield _call("CALL add_columnstore_policy({}, after => interval {})", table.name, late)
        yield from _retention(table.name, getattr(settings, table.retention))
    for rollup in load_rollups():
        for grain, relation, days in (
            ("five_minutes", rollup.five_minutes, settings.retention_days_five_minutes),
            ("hours", rollup.hours, settings.retention_days_hour),
        ):
            end, every = _REFRESH[grain]
            yield _call("SELECT remove_continuous_aggregate_policy({}, if_exists => true)", relation)
            yield _call(
                "SELECT add_continuous_aggregate_policy({}, start_offset => interval {},"
                " end_offset => interval {}, schedule_interval => interval {})",
                relation,
                _refresh_reach(rollup, settings),
                end,
                every,
            )
            yield from _retention(relation, days)


def policed_span(settings: Settings) -> timedelta:
    """Return the age up to which the policies of continuous aggregates are sure to see a new row.

    A row that is as old as the refresh window when it comes has left it before the next refresh.
    """
    late = timedelta(days=settings.lateness_days)
    return late - min(timedelta(days=1), late / 2)


def kept_span(rollup: Rollup, settings: Settings) -> timedelta | None:
    """Return how long what both rollups are made from is kept; None: for ever.

    Hours are made from five minutes: where these are gone, a refresh would empty the hours too.
    """
    table = next(t for t in HYPERTABLES if t.name == rollup.source)
    days = [d for d in (getattr(settings, table.retention), settings.retention_days_five_minutes) if d]
    return timedelta(days=min(days)) if days else None


def _refresh_reach(rollup: Rollup, settings: Settings) -> timedelta:
    """Return how far back a refresh looks: never to where what it reads is gone already."""
    late = timedelta(days=settings.lateness_days)
    kept = kept_span(rollup, settings)
    return min(late, kept * 0.9) if kept else late


def _retention(relation: str, days: int) -> Iterator[sql.Composed]:
    yield _call("SELECT remove_retention_policy({}, if_exists => true)", relation)
    if days:
        yield _call("SELECT add_retention_policy({}, drop_after => interval {})", relation, timedelta(days))


def _hypertable(name: str, time_column: str, span: timedelta) -> Iterator[sql.Composed]:
    yield sql.SQL(
        "SELECT create_hypertable({}, by_range({}, interval {}),"
        " create_default_indexes => false, if_not_exists => true, migrate_data => true)"
    ).format(sql.Literal(name), sql.Literal(time_column), sql.Literal(_words(span)))
    yield sql.SQL(
        "SELECT set_chunk_time_interval({0}, interval {1}) FROM timescaledb_information.dimensions"
        " WHERE hypertable_schema = current_schema() AND hypertable_name = {0}"
        " AND time_interval <> interval {1}"
    ).format(sql.Literal(name), sql.Literal(_words(span)))


def _span_of(table: Hypertable, span: timedelta) -> timedelta:
    return span if table.rate else table.longest_chunk


def _ensure_rollup(connection: Connection, rollup: Rollup, edition: Edition) -> None:
    """Make both relations of a rollup, or bring them up to the catalogue; what they lack becomes a debt."""
    queries = load_queries("data", "maintenance.sql")
    is_aggregate = edition is Edition.FULL
    is_behind = False
    for relation in (rollup.hours, rollup.five_minutes):  # hours stand on minutes and go first
        found = connection.execute(queries["fetch_relation"], {"relation": relation}).fetchone()
        if found is None:
            continue
        kind, columns, was_aggregate = found
        if was_aggregate and not is_aggregate:
            raise SchemaError(
                f"{relation} is a continuous aggregate, which needs timescaledb.license = 'timescale':"
                " set it again, or drop the view and migrate anew"
            )
        if is_aggregate and (not was_aggregate or set(columns) != set(rollup.names)):
            word = "MATERIALIZED VIEW" if was_aggregate else "VIEW" if kind == "v" else "TABLE"
            connection.execute(sql.SQL(f"DROP {word} {{}}").format(sql.Identifier(relation)))
    for grain, relation in (("five_minutes", rollup.five_minutes), ("hours", rollup.hours)):
        found = connection.execute(queries["fetch_relation"], {"relation": relation}).fetchone()
        if found is None:
            make = create_aggregate if is_aggregate else create_table
            connection.execute(make(rollup, relation))
            is_behind = True
        elif not is_aggregate:
            is_behind |= _add_columns(connection, rollup, relation, found[1])
        if edition is Edition.APACHE:
            for statement in _hypertable(relation, "bucket", _ROLLUP_CHUNK[grain]):
                connection.execute(statement)
    if is_behind:
        note = sql.SQL(queries["note_whole_history"]).format(table=sql.Identifier(rollup.source))
        connection.execute(note, {"family": str(rollup.family)})


def _add_columns(connection: Connection, rollup: Rollup, relation: str, columns: Sequence[str]) -> bool:
    """Add the columns of signals that are new in the catalogue; tell whether there were any."""
    missing = [(name, kind) for name, kind in rollup.columns if name not in columns]
    for name, kind in missing:
        connection.execute(
            sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                sql.Identifier(relation),
                sql.Identifier(name),
                sql.SQL(kind),  # our own types
            )
        )
    return bool(missing)


def _call(statement: str, relation: str, *spans: timedelta) -> sql.Composed:
    values = [sql.Literal(relation), *(sql.Literal(_words(span)) for span in spans)]
    return sql.SQL(statement).format(*values)  # our own statements


def _words(span: timedelta) -> str:
    """Return a span as PostgreSQL reads it, in the largest unit that fits."""
    seconds = round(span.total_seconds())
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
