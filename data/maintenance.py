"""What a database without policies of its own needs done: rollups, retention, clearing away.

Everything is one short transaction after another; any of them may be cut off and is done again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import errors, sql

from data.db import Connection, load_queries
from data.policies import kept_span, policed_span
from data.rollups import FIVE_MINUTES, HOUR, Rollup, load_rollups, settle
from data.settings import Settings
from data.telemetry import HYPERTABLES, Edition

#: A vehicle on the road is rolled up every five minutes, one whose back-fill goes on every ten.
_SHORT_AFTER, _LONG_AFTER = FIVE_MINUTES, timedelta(minutes=10)
_BATCHES = 1000
_DEBTS = 200
#: Of one vehicle in one statement.
_LONGEST_PIECE = timedelta(days=1)
_ROWS = 5000
_SILENT_BEATS = timedelta(days=7)


def note_debts(connection: Connection, settings: Settings, edition: Edition, *, now: datetime) -> int:
    """Read the commit log on and write down which rollups it leaves behind; returns the batches read.

    Args:
        connection: In autocommit mode.
        settings: For the window that continuous aggregates look after by themselves.
        edition: What the database can do.
        now: Wall clock, UTC.
    """
    queries = load_queries("data", "maintenance.sql")
    connection.execute(queries["start_cursor"])
    asked = {
        "families": [str(r.family) for r in load_rollups()],
        "until": now - policed_span(settings) if edition is Edition.FULL else None,
        "now": now,
        "limit": _BATCHES,
    }
    read = 0
    while row := connection.execute(queries["note_debts"], asked).fetchone():
        read += int(row[0])
        if row[0] < _BATCHES:
            break
    return read


def pay_debts(
    connection: Connection, settings: Settings, edition: Edition, *, now: datetime, stop: threading.Event
) -> int:
    """Bring the rollups that are due up to their readings; returns the spans recomputed.

    Args:
        connection: In autocommit mode.
        settings: For the retention of readings: what is gone cannot be rolled up again.
        edition: What the database can do.
        now: Wall clock, UTC.
        stop: Ends the work between two statements.
    """
    done = 0
    for rollup in load_rollups():
        if edition is Edition.FULL:
            done += _refresh(connection, rollup, settings, now, stop)
            continue
        while not stop.is_set() and (count := _settle_some(connection, rollup, now)):
            done += count
    return done


def _settle_some(connection: Connection, rollup: Rollup, now: datetime) -> int:
    queries = load_queries("data", "maintenance.sql")
    due = connection.execute(
        queries["fetch_due_debts"],
        {
            "family": str(rollup.family),
            "short_before": now - _SHORT_AFTER,
            "long_before": now - _LONG_AFTER,
            "limit": _DEBTS,
        },
    ).fetchall()
    if not due:
        return 0
    vehicle_ids, seen = [row[0] for row in due], [row[3] for row in due]
    begins = [_floor(row[1], FIVE_MINUTES) for row in due]
    ends = [
        min(_floor(row[2], FIVE_MINUTES) + FIVE_MINUTES, begin + _LONGEST_PIECE)
        for row, begin in zip(due, begins, strict=True)
    ]
    with connection.transaction():
        for relation, width in ((rollup.five_minutes, FIVE_MINUTES), (rollup.hours, HOUR)):
            low = [_floor(begin, width) for begin in begins]
            high = [_floor(end - FIVE_MINUTES, width) + width for end in ends]
            span = {"vehicle_ids": vehicle_ids, "time_from": low, "time_to": high}
            connection.execute(settle(rollup, relation), {**span, "low": min(low), "high": max(high)})
        connection.execute(
            queries["pay_debts"],
            {"family": str(rollup.family), "vehicle_ids": vehicle_ids, "seen": seen, "paid_to": ends},
        )
    return len(due)


def _refresh(
    connection: Connection, rollup: Rollup, settings: Settings, now: datetime, stop: threading.Event
) -> int:
    """Refresh continuous aggregates where rows came later than their policy looks back, a day at a time.

    TimescaleDB recomputes within the window only what has been written to since. What readings or five
    minutes have been deleted under is left as it is: a refresh would delete it too. The newest two hours are
    the policy's: a bucket that is materialised before it is over hides what follows until the next refresh.
    """
    queries = load_queries("data", "maintenance.sql")
    asked: dict[str, Any] = {"family": str(rollup.family), "before": now - _LONG_AFTER}
    row = connection.execute(queries["fetch_debt_span"], asked).fetchone()
    if row is None or row[0] is None:
        return 0
    seen_from = row[0]
    begin = _floor(row[0], HOUR)
    end = min(_floor(row[1], HOUR) + HOUR, _floor(now, HOUR) - HOUR)
    if kept := kept_span(rollup, settings):
        begin = max(begin, _floor(now - kept * 0.9, HOUR))
    done = 0
    while begin < end:
        if stop.is_set():
            return done
        piece = {"begin": begin, "end": min(begin + _LONGEST_PIECE, end)}
        for relation in (rollup.five_minutes, rollup.hours):
            connection.execute(
                sql.SQL(
                    "CALL refresh_continuous_aggregate({}, %(begin)s::timestamptz, %(end)s::timestamptz)"
                ).format(sql.Literal(relation)),
                piece,
            )
        begin = piece["end"]
        connection.execute(queries["advance_debts"], {**asked, "seen_from": seen_from, "paid_to": begin})
        seen_from = begin
        done += 1
    connection.execute(queries["forget_debts"], {**asked, "seen_from": seen_from})
    return done


def clear_away(
    connection: Connection, settings: Settings, edition: Edition, *, now: datetime, stop: threading.Event
) -> Mapping[str, int]:
    """Delete what is older than its retention; returns rows (or chunks) gone by table.

    Args:
        connection: In autocommit mode.
        settings: How long what is kept.
        edition: What the database can do; the full edition has policies for telemetry and rollups.
        now: Wall clock, UTC.
        stop: Ends the work between two statements.
    """
    gone: dict[str, int] = {}
    if edition is not Edition.FULL:
        for name, time_column, days in _retentions(settings):
            before = now - timedelta(days=days)
            gone[name] = (
                _drop_chunks(connection, name, before)
                if edition is Edition.APACHE
                else _delete_rows(connection, name, time_column, before, stop)
            )
    for name, query, age in (
        ("ingest_batches", "delete_batches", timedelta(days=settings.retention_days_batch)),
        ("rejects", "delete_rejects", timedelta(days=settings.retention_days_reject)),
        ("message_streams", "delete_streams", timedelta(days=settings.retention_days_stream)),
        ("quality_counts", "delete_quality", timedelta(days=settings.retention_days_quality)),
        ("day_features", "delete_features", timedelta(days=settings.retention_days_feature)),
    ):
        gone[name] = _delete(connection, query, {"before": now - age}, stop)
    queries = load_queries("data", "maintenance.sql")
    beats = connection.execute(queries["delete_beats"], {"before": now - _SILENT_BEATS})
    gone["service_beats"] = beats.rowcount
    return {name: count for name, count in gone.items() if count}


def _retentions(settings: Settings) -> list[tuple[str, str, int]]:
    """Return table, time column and days of what does not stay for ever."""
    found = [(t.name, t.time_column, getattr(settings, t.retention)) for t in HYPERTABLES]
    for rollup in load_rollups():
        found.append((rollup.five_minutes, "bucket", settings.retention_days_five_minutes))
        found.append((rollup.hours, "bucket", settings.retention_days_hour))
    return [entry for entry in found if entry[2]]


def _drop_chunks(connection: Connection, relation: str, before: datetime) -> int:
    """Drop whole chunks; where a long reader holds one, later: writers must not queue behind us."""
    query = load_queries("data", "maintenance.sql")["drop_chunks"]
    try:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '2s'")
            row = connection.execute(query, {"relation": relation, "before": before}).fetchone()
    except errors.LockNotAvailable:
        return 0
    return int(row[0]) if row else 0


def _delete_rows(
    connection: Connection, table: str, time_column: str, before: datetime, stop: threading.Event
) -> int:
    queries = load_queries("data", "maintenance.sql")
    names = {"table": sql.Identifier(table), "time": sql.Identifier(time_column)}
    vehicles = connection.execute(
        sql.SQL(queries["fetch_vehicles_before"]).format(**names), {"before": before}
    ).fetchall()
    delete = sql.SQL(queries["delete_rows"]).format(**names)
    gone = 0
    for (vehicle_id,) in vehicles:
        while not stop.is_set():
            asked = {"vehicle_id": vehicle_id, "before": before, "limit": _ROWS}
            count = connection.execute(delete, asked).rowcount
            gone += count
            if count < _ROWS:
                break
    return gone


def _delete(connection: Connection, query: str, asked: Mapping[str, Any], stop: threading.Event) -> int:
    statement = load_queries("data", "maintenance.sql")[query]
    gone = 0
    while not stop.is_set():
        count = connection.execute(statement, {**asked, "limit": _ROWS}).rowcount
        gone += count
        if count < _ROWS:
            break
    return gone


def _floor(time: datetime, width: timedelta) -> datetime:
    """Return the begin of the bucket that holds ``time``."""
    origin = datetime(2000, 1, 1, tzinfo=UTC)
    return origin + (time - origin) // width * width
