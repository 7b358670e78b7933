"""Readings in the database as ingest leaves them, without ingest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from data.catalogue import load_catalogue
from data.db import CHANNEL_BATCHES, Connection, Pool, notify
from data.locks import LOCK_BATCH_LOG
from data.records import Family, FamilyRows

WHEELS = ("front-left", "front-right", "rear-left", "rear-right")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TABLES = {Family.DRIVE: "drive_readings", Family.TIRE: "tire_readings", Family.CELL: "cell_readings"}


def seed_vehicles(pool: Pool, count: int, *, cells: int = 12) -> list[int]:
    """Register vehicles of one small NCM model; returns their ids."""
    with pool.connection() as connection:
        connection.execute("INSERT INTO tenants (name) VALUES ('demo')")
        connection.execute(
            "INSERT INTO vehicle_models (model_id, name, chemistry, cell_count, probe_count, capacity_ah,"
            " energy_kwh, wheels, placard_kpa) VALUES ('small', 'Small', 'NCM', %s, 2, 100, 40, %s, %s)",
            (cells, list(WHEELS), [240.0] * 4),
        )
        rows = [
            connection.execute(
                "INSERT INTO vehicles (tenant_id, vin, model_id) VALUES (1, %s, 'small')"
                " RETURNING vehicle_id",
                (f"LANX{n:013d}",),
            ).fetchone()
            for n in range(1, count + 1)
        ]
    return [row[0] for row in rows if row is not None]


def store_rows(pool: Pool, batches: Sequence[FamilyRows], *, is_live: bool = False) -> int:
    """Store rows and log them as one batch; rows that are there already are left alone."""
    entries: list[tuple[int, str, datetime, datetime, bool]] = []
    with pool.connection() as connection:
        for rows in batches:
            _copy(connection, rows)
            for vehicle in np.unique(rows.vehicle_id).tolist():
                times = rows.time_us[rows.vehicle_id == vehicle]
                first, last = (_EPOCH + timedelta(microseconds=int(t)) for t in (times.min(), times.max()))
                entries.append((vehicle, rows.family.value, first, last, is_live))
                connection.execute(
                    "INSERT INTO vehicle_latest AS l (vehicle_id, family, time, received, is_hist, origin,"
                    " live_time, readings) VALUES (%s, %s, %s, now(), %s, 'simulated', %s, '{}')"
                    " ON CONFLICT (vehicle_id, family) DO UPDATE SET time = greatest(l.time, excluded.time),"
                    " live_time = greatest(l.live_time, excluded.live_time)",
                    (vehicle, rows.family.value, last, not is_live, last if is_live else None),
                )
        return log_batch(connection, entries)


def log_batch(connection: Connection, entries: Sequence[tuple[int, str, datetime, datetime, bool]]) -> int:
    """Write an entry of the commit log."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_BATCH_LOG,))
    columns: list[list[Any]] = [list(c) for c in zip(*entries, strict=True)]
    row = connection.execute(
        "INSERT INTO ingest_batches (slot, message_count, duplicate_count, reject_count, row_count, families,"
        " vehicle_ids, vehicle_families, time_from, time_to, has_live)"
        " VALUES ('test', 1, 0, 0, 1, %s, %s, %s, %s, %s, %s) RETURNING batch_id",
        (sorted(set(columns[1])), *columns),
    ).fetchone()
    assert row is not None
    notify(connection, CHANNEL_BATCHES, str(row[0]))
    return int(row[0])


def _copy(connection: Connection, rows: FamilyRows) -> None:
    signals = [s for s in load_catalogue().of_family(rows.family) if s.alias in rows.columns]
    table = _TABLES[rows.family]
    names = ", ".join(["vehicle_id", "time", *(s.column for s in signals)])
    connection.execute(f"CREATE TEMP TABLE given (LIKE {table}) ON COMMIT DROP")
    if rows.family is Family.CELL:
        connection.execute("ALTER TABLE given ALTER sub_pack SET DEFAULT 1, ALTER first_cell SET DEFAULT 1")
    with connection.cursor().copy(f"COPY given ({names}) FROM STDIN") as copy:
        for i in range(len(rows)):
            values = [
                _value(rows.columns[s.alias][i], s.scale, is_whole=s.sql_type == "smallint") for s in signals
            ]
            time = _EPOCH + timedelta(microseconds=int(rows.time_us[i]))
            copy.write_row((int(rows.vehicle_id[i]), time, *values))
    merge = f"INSERT INTO {table} SELECT * FROM given ON CONFLICT DO NOTHING"  # noqa: S608 - of three names
    connection.execute(merge)
    connection.execute("DROP TABLE given")


def _value(value: Any, scale: float, *, is_whole: bool) -> Any:
    if isinstance(value, np.ndarray):
        return [_value(v, scale, is_whole=is_whole) for v in value]
    if not np.isfinite(value):
        return None
    return round(float(value) * scale) if is_whole else float(value) * scale
