"""Growth is measured by what is stored and by what has come lately."""

from __future__ import annotations

from datetime import datetime

import pytest

from data.db import connect
from data.health_disk import check_growth, measure_growth
from data.settings import Settings


def test_growth_is_the_rows_of_the_week_at_the_bytes_of_a_row(database_url: str) -> None:
    with connect(database_url) as connection:
        assert measure_growth(connection, Settings()).bytes_per_day is None
        connection.execute(
            "INSERT INTO drive_readings (vehicle_id, time, speed)"
            " SELECT 1, now() - n * interval '1 s', 50 FROM generate_series(1, 20000) n"
        )
        connection.execute("ANALYZE drive_readings")
        row = connection.execute("SELECT now() - interval '2 days', now()").fetchone()
        assert row
        log(connection, row[0])
        log(connection, row[1])

        grown = measure_growth(connection, Settings(database_disk_gb=1000))
        needed = Settings(database_disk_gb=(1000 * 1e9 - (grown.free_bytes or 0)) / 1e9 + 0.01)
        warned = check_growth(connection, needed)
        told = check_growth(connection, Settings(database_disk_gb=1000))

    assert grown.stored_bytes > 20_000 * 50
    assert grown.bytes_per_day == pytest.approx(grown.stored_bytes / 2, rel=0.02)  # the week saw 20,000 rows
    assert (grown.kept_days, told.is_ok) == (0, True)
    assert not warned.is_ok, warned
    assert "ANXIN_RETENTION_DAYS_DRIVE" in warned.detail


def log(connection: object, at: datetime) -> None:
    connection.execute(  # type: ignore[attr-defined]
        "INSERT INTO ingest_batches (committed_at, slot, message_count, duplicate_count, reject_count,"
        " row_count, families, vehicle_ids, vehicle_families, time_from, time_to, has_live)"
        " VALUES (%s, 't', 1, 0, 0, 10000, '{drive}', '{}', '{}', '{}', '{}', '{}')",
        (at,),
    )
