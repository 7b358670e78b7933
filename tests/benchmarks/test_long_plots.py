"""A plot of months costs what a plot of a day costs, and rolling up keeps far ahead of a fleet."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.readings import fetch_readings
from api.store_readings import Span
from data.db import Connection, Pool, connect, load_queries
from data.maintenance import pay_debts
from data.records import Family
from data.settings import Settings
from data.telemetry import find_edition
from tests.integration import models_seed as seed

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

DAYS = int(os.environ.get("ANXIN_TEST_PLOT_DAYS", "30"))  # of one row a second
END = datetime(2026, 6, 1, tzinfo=UTC)


def plot_ms(connection: Connection, family: Family, days: int) -> float:
    """Return the milliseconds of the quicker of two plots of 1,000 points."""
    vehicle: dict[str, Any] = {
        "vehicle_id": 1,
        "wheels": seed.WHEELS,
        "latest": None,
        "vin": "LANX0000000000001",
    }
    span = Span(vehicle_id=1, since=END - timedelta(days=days), until=END)
    took = []
    for _ in range(2):
        started = time.perf_counter()
        answer = fetch_readings(connection, vehicle, family, span, signals=None, max_points=1000, now=END)
        took.append(time.perf_counter() - started)
        assert 400 < len(answer.time) <= 1001
    return round(min(took) * 1000, 1)


def test_a_plot_of_months_takes_no_longer_than_one_of_a_day(pool: Pool, database_url: str) -> None:
    seed.seed_vehicles(pool, 1)
    with connect(database_url, is_autocommit=True) as connection:
        for day in range(DAYS):
            begin = END - timedelta(days=DAYS - day)
            connection.execute(
                "INSERT INTO drive_readings (vehicle_id, time, speed, soc, pack_voltage, odometer)"
                " SELECT 1, %s + n * interval '1 s', n %% 130, 50, 360, n FROM generate_series(0, 86399) n",
                (begin,),
            )
            connection.execute(
                "INSERT INTO cell_readings (vehicle_id, time, voltage_mv) SELECT 1, %s + n * interval '10 s',"
                " array_fill(3700::smallint, '{96}') FROM generate_series(0, 8639) n",
                (begin,),
            )
        connection.execute("ANALYZE drive_readings, cell_readings")
        read = {f"drive_{days}d": plot_ms(connection, Family.DRIVE, days) for days in (1, DAYS)}
        for family in ("drive", "tire", "signal"):
            note = load_queries("data", "maintenance.sql")["note_whole_history"]
            connection.execute(note.replace("{table}", f"{family}_readings").encode(), {"family": family})
        started = time.perf_counter()
        pay_debts(connection, Settings(), find_edition(connection), now=END, stop=threading.Event())
        rows_per_s = DAYS * 86_400 / (time.perf_counter() - started)
        rolled = {f"drive_{days}d": plot_ms(connection, Family.DRIVE, days) for days in (1, 7, DAYS)}
        cells = {f"cell_{days}d": plot_ms(connection, Family.CELL, days) for days in (1, DAYS)}
    told = {"rollup_rows_per_s": round(rows_per_s), "read_ms": read, "rolled_ms": rolled, "cell_ms": cells}
    print(json.dumps({"days": DAYS, **told}))  # noqa: T201 - the figures are the point

    assert rolled[f"drive_{DAYS}d"] < 3 * read["drive_1d"]
    assert cells[f"cell_{DAYS}d"] < 5 * cells["cell_1d"]
