"""Rows of one family into their table: new ones by plain COPY, late ones by way of a staging table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import psycopg

from data.catalogue import load_catalogue
from data.db import Connection, load_queries
from data.records import Family, IntArray
from ingest.copy import build_copy
from ingest.families import FamilyBatch, Packed
from ingest.literals import number_array
from ingest.newest import newest_readings
from ingest.tables import TableStatements, build_statements, table_columns

_Q = load_queries("ingest")
_LATEST = load_queries("ingest", "latest.sql")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class RowCounts:
    """What writing the rows of one family came to."""

    row_count: int = 0  #: inserted or changed
    late_row_count: int = 0  #: went through the staging table
    conflict_count: int = 0  #: non-null values that differed from those stored


def pack_rows(batch: FamilyBatch) -> FamilyBatch:
    """Return a batch with its rows as the database takes them; pure, ahead of writing."""
    rows = build_copy(table_columns(batch, None, load_catalogue()))
    return replace(batch, packed=Packed(rows, newest_readings(batch, load_catalogue())))


def write_rows(connection: Connection, batch: FamilyBatch) -> RowCounts:
    """Write the rows of one family and the vehicles' newest readings, inside the caller's transaction."""
    result = RowCounts()
    rows = batch.rows
    statements = _statements(rows.family)
    vehicles = np.unique(rows.vehicle_id)
    marks = np.full(len(vehicles), np.iinfo(np.int64).min)
    stored = connection.execute(
        _LATEST["fetch_marks"], {"family": rows.family, "vehicle_ids": number_array(vehicles.tolist())}
    ).fetchall()
    if stored:
        known, mark = np.array(stored, np.int64).T
        marks[np.searchsorted(vehicles, known)] = mark
    is_new = rows.time_us > marks[np.searchsorted(vehicles, rows.vehicle_id)]
    new, late = np.flatnonzero(is_new), np.flatnonzero(~is_new)
    if len(new) and not _copy_new(connection, statements, batch, new):
        late = np.arange(len(rows))
        new = late[:0]
    result.row_count += len(new)
    if len(late):
        _merge_late(connection, statements, batch, late, result)
    newest = batch.packed.newest if batch.packed else newest_readings(batch, load_catalogue())
    connection.execute(_LATEST["merge_latest"], newest)
    return result


def _copy_new(
    connection: Connection, statements: TableStatements, batch: FamilyBatch, rows: IntArray
) -> bool:
    """Copy rows that should be new; tell whether they were."""
    try:
        with connection.transaction():
            _copy(connection, statements.copy_table, _stream(batch, rows))
    except psycopg.errors.UniqueViolation:
        return False
    return True


def _merge_late(
    connection: Connection,
    statements: TableStatements,
    batch: FamilyBatch,
    rows: IntArray,
    result: RowCounts,
) -> None:
    connection.execute(statements.create_stage)
    connection.execute(statements.empty_stage)
    _copy(connection, statements.copy_stage, _stream(batch, rows))
    times = batch.rows.time_us[rows]
    bounds = {
        "vehicle_ids": np.unique(batch.rows.vehicle_id[rows]).tolist(),
        "time_from": _EPOCH + timedelta(microseconds=int(times.min())),
        "time_to": _EPOCH + timedelta(microseconds=int(times.max())),
    }
    connection.execute(_Q["lift_decompression_limit"])
    # not prepared: a plan for any bounds would take in every chunk
    found = connection.execute(statements.count_conflicts, bounds, prepare=False).fetchone()
    result.conflict_count += int(found[0]) if found else 0
    result.row_count += max(0, connection.execute(statements.merge_stage).rowcount)
    result.late_row_count += len(rows)


def _stream(batch: FamilyBatch, rows: IntArray) -> bytes:
    if batch.packed is not None:
        return batch.packed.rows.stream(rows)
    return build_copy(table_columns(batch, rows, load_catalogue())).stream()


def _copy(connection: Connection, statement: psycopg.sql.Composed, content: bytes) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(content)


def touched_vehicles(batch: FamilyBatch) -> list[tuple[int, str, int, int, bool]]:
    """Return (vehicle, family, first and last time, has a live sample) of each vehicle; rows are sorted."""
    rows = batch.rows
    starts = np.flatnonzero(np.append(True, rows.vehicle_id[1:] != rows.vehicle_id[:-1]))
    ends = np.append(starts[1:], len(rows)) - 1
    live = np.logical_or.reduceat(~rows.is_hist, starts)
    return list(
        zip(
            rows.vehicle_id[starts].tolist(),
            [str(rows.family)] * len(starts),
            rows.time_us[starts].tolist(),
            rows.time_us[ends].tolist(),
            live.tolist(),
            strict=True,
        )
    )


@cache
def _statements(family: Family) -> TableStatements:
    return build_statements(family, load_catalogue(), _Q)
