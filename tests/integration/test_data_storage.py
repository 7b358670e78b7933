"""The storage report adds up: rows, values, bytes, and what a thousand vehicles will take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from data.db import Pool
from data.storage import Storage, TableStorage, describe_table, measure_storage
from tests.integration import models_seed as seed

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def report(pool: Pool) -> Storage:
    """Two vehicles, two days: four scalars a drive row, two of four wheels, eleven of twelve cells."""
    seed.seed_vehicles(pool, 2)
    with pool.connection() as connection:
        for statement in (
            (
                "INSERT INTO drive_readings (vehicle_id, time, speed, soc, pack_voltage, charging)"
                " SELECT v, t, 1, 2, 3, 4 FROM generate_series(1, 2) v,"
                " generate_series(%(begin)s, %(begin)s + interval '2 days', '1 min') t"
            ),
            (
                "INSERT INTO tire_readings (vehicle_id, time, pressure)"
                " SELECT 1, t, '{240,NULL,240,NULL}'"
                " FROM generate_series(%(begin)s, %(begin)s + interval '1 day', '1 min') t"
            ),
            (
                "INSERT INTO cell_readings (vehicle_id, time, voltage_mv)"
                " SELECT 1, t, '{1,2,3,4,5,NULL,7,8,9,10,11,12}'"
                " FROM generate_series(%(begin)s, %(begin)s + interval '1 day', '1 min') t"
            ),
        ):
            connection.execute(statement, {"begin": BEGIN})
        connection.commit()
        connection.execute("ANALYZE drive_readings")
        return measure_storage(connection)


def table(report: Storage, name: str) -> TableStorage:
    return next(t for t in report.tables if t.name == name)


def test_rows_are_estimated_where_analysed_and_counted_elsewhere(report: Storage) -> None:
    drive, tire = table(report, "drive_readings"), table(report, "tire_readings")

    assert (drive.rows, drive.is_estimated) == (2 * 2881, True)
    assert (tire.rows, tire.is_estimated) == (1441, False)
    assert table(report, "vehicle_events").rows == 0


def test_values_are_counted_scalar_by_scalar_and_element_by_element(report: Storage) -> None:
    drive = table(report, "drive_readings")

    assert drive.values_of == {"speed": 1.0, "soc": 1.0, "pack.voltage": 1.0, "charging": 1.0}
    assert drive.sampled_rows == 400
    assert table(report, "tire_readings").values_of == {"tire.pressure": 2.0}
    assert table(report, "cell_readings").values_of == {"cell.voltage": 11.0}
    assert drive.bytes_per_value == pytest.approx(drive.total_bytes / drive.rows / 4, abs=0.01)


def test_bytes_add_up_and_lead_to_a_projection(report: Storage) -> None:
    for one in report.tables:
        parts = one.table_bytes + one.toast_bytes + sum(one.index_bytes.values())
        assert one.total_bytes == pytest.approx(parts, rel=0.1, abs=100_000)
    drive = table(report, "drive_readings")
    assert (drive.oldest, drive.newest) == (BEGIN, BEGIN + timedelta(days=2))
    assert drive.gb_per_1000_vehicles_day == pytest.approx(drive.total_bytes / 4 * 1000 / 1e9, abs=0.001)
    assert report.vehicles == 2
    assert report.total_bytes == sum(t.total_bytes for t in report.tables) + sum(report.others.values())
    assert describe_table(drive).startswith("drive_readings: about 5,762 rows, ")
    assert "B a value (400 rows sampled)" in describe_table(drive)


def test_an_empty_database_is_reported_without_division_by_nothing(pool: Pool) -> None:
    with pool.connection() as connection:
        report = measure_storage(connection)

    assert report.gb_per_1000_vehicles_day == 0.0
    assert table(report, "drive_readings").bytes_per_row is None


@pytest.mark.timescale
def test_chunks_are_told_on_timescaledb(report: Storage) -> None:
    drive = table(report, "drive_readings")

    assert (drive.chunks, drive.chunk_interval) == (3, timedelta(days=1))
    assert "3 chunks of 1 day" in describe_table(drive)
