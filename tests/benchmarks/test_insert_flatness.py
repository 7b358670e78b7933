"""What a row costs to store does not grow with what is stored already.

The same work on a table with ``ANXIN_TEST_FLAT_ROWS`` rows of history (5 million by default) and on an empty
one, turn by turn, so that both see the same machine: binary COPY of new rows, late rows through a staging
table, the readings of half a vehicle's day.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from data.catalogue import load_catalogue
from data.db import Connection, connect
from data.records import Family
from data.telemetry import Edition, find_edition

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

ROWS = int(os.environ.get("ANXIN_TEST_FLAT_ROWS", "5000000"))
VEHICLES, BATCH_S, BATCHES, LATE = 1000, 50, 16, 4
NOW = datetime(2026, 6, 1, tzinfo=UTC)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
COLUMNS = [s.column for s in load_catalogue().of_family(Family.DRIVE) if s.sql_type == "real"][:22]


def batch(begin: datetime, step_s: float = 1.0) -> bytes:
    """Return 50 rows of each of 1,000 vehicles as a COPY stream, in the order that ingest writes."""
    fields = [("n", ">i2"), ("lv", ">i4"), ("v", ">i4"), ("lt", ">i4"), ("t", ">i8")]
    for i in range(len(COLUMNS)):
        fields += [(f"l{i}", ">i4"), (f"x{i}", ">f4")]
    rows = np.zeros(VEHICLES * BATCH_S, dtype=np.dtype(fields))
    rows["n"], rows["lv"], rows["lt"] = 2 + len(COLUMNS), 4, 8
    rows["v"] = np.repeat(np.arange(1, VEHICLES + 1), BATCH_S)
    micros = int((begin - _EPOCH) / timedelta(microseconds=1))
    rows["t"] = micros + np.tile(np.arange(BATCH_S) * int(step_s * 1e6), VEHICLES)
    rng = np.random.default_rng(7)
    for i in range(len(COLUMNS)):
        rows[f"l{i}"], rows[f"x{i}"] = 4, rng.normal(size=len(rows))
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff"


def copy(connection: Connection, table: str, stream: bytes) -> None:
    names = ", ".join(["vehicle_id", "time", *COLUMNS])
    with connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)") as writer:
        writer.write(stream)


def fill(connection: Connection, rows: int, *, days: int) -> None:
    """Store history a day at a time, as evenly as a fleet would have."""
    for day in range(days):
        connection.execute(
            "INSERT INTO drive_readings (vehicle_id, time, speed, soc, pack_voltage, pack_current,"
            " odometer) SELECT v, %(day)s + n * %(step)s, n %% 130, 50, 360, -20, n FROM"
            " generate_series(0, %(count)s - 1) n, generate_series(1, %(vehicles)s) v",
            {
                "day": NOW - timedelta(days=days - day),
                "count": rows // days // VEHICLES,
                "step": timedelta(days=1) / (rows // days // VEHICLES),
                "vehicles": VEHICLES,
            },
        )
        connection.commit()


def measure(connection: Connection, table: str, begin: datetime) -> dict[str, float]:
    """Return rows a second of COPY and of late rows, and the milliseconds that a vehicle's day takes."""
    streams = [batch(begin + timedelta(seconds=BATCH_S * n)) for n in range(BATCHES)]
    started = time.perf_counter()
    for stream in streams:
        copy(connection, table, stream)
        connection.commit()
    copied_s = time.perf_counter() - started
    late = [batch(begin - timedelta(days=1) + timedelta(seconds=0.5 + 900 * n), 17.0) for n in range(LATE)]
    names = ", ".join(["vehicle_id", "time", *COLUMNS])
    merged = ", ".join(f"{c} = coalesce(t.{c}, excluded.{c})" for c in COLUMNS)
    started = time.perf_counter()
    for stream in late:
        connection.execute("CREATE TEMP TABLE stage (LIKE drive_readings) ON COMMIT DROP")
        copy(connection, "stage", stream)
        connection.execute(
            f"INSERT INTO {table} AS t ({names}) SELECT {names} FROM stage ORDER BY vehicle_id, time"  # noqa: S608
            f" ON CONFLICT (vehicle_id, time) DO UPDATE SET {merged}".encode()
        )
        connection.commit()
    late_s = time.perf_counter() - started
    started = time.perf_counter()
    for vehicle in range(1, 21):
        connection.execute(
            f"SELECT count(speed) FROM {table} WHERE vehicle_id = %s AND time BETWEEN %s AND %s".encode(),  # noqa: S608
            (vehicle, begin - timedelta(hours=12), begin),
        )
    read_s = time.perf_counter() - started
    connection.commit()
    rows = VEHICLES * BATCH_S
    return {
        "copy_rows_per_s": round(rows * BATCHES / copied_s),
        "late_rows_per_s": round(rows * LATE / late_s),
        "read_ms": round(read_s / 20 * 1000, 2),
    }


def test_storing_costs_the_same_with_history(database_url: str) -> None:
    with connect(database_url) as connection:
        started = time.perf_counter()
        fill(connection, ROWS, days=60)
        filled_s = time.perf_counter() - started
        connection.execute("CREATE TABLE empty_readings (LIKE drive_readings INCLUDING ALL)")
        if find_edition(connection) is not Edition.PLAIN:
            connection.execute(
                "SELECT create_hypertable('empty_readings', by_range('time', interval '1 day'),"
                " create_default_indexes => false)"
            )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM (ANALYZE) drive_readings")
        connection.autocommit = False
        rounds = [
            {
                table: measure(connection, table, NOW + timedelta(days=2 * n))
                for table in ("empty_readings", "drive_readings")
            }
            for n in range(4)
        ][1:]  # the first warms files and caches
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    before, after = (
        {name: statistics.median(one[table][name] for one in rounds) for name in rounds[0][table]}
        for table in ("empty_readings", "drive_readings")
    )
    ratio = {name: round(after[name] / before[name], 2) for name in before}
    told = {
        "rows": ROWS,
        "empty": before,
        "with_history": after,
        "ratio": ratio,
        "fill_rows_per_s": round(ROWS / filled_s),
        "bytes": size[0] if size else 0,
    }
    print(json.dumps(told))  # noqa: T201 - the figures are the point

    assert ratio["copy_rows_per_s"] > 0.8
    assert ratio["late_rows_per_s"] > 0.8
