"""Months of daily chunks: what is written and read touches the days it is about, not all of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from psycopg import sql

from data.catalogue import load_catalogue
from data.db import Connection, Pool, load_queries
from data.records import Family
from data.settings import Settings
from data.vehicle_specs import find_spec
from ingest.messages import Delivery
from ingest.service import build_intake
from ingest.tables import build_statements
from models import readings
from tests.integration import models_seed as seed

pytestmark = pytest.mark.timescale

DAYS = 60
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CHUNK = re.compile(r"_hyper_\d+_\d+_chunk")
VIN = "LANX0000000000001"


@pytest.fixture
def months(pool: Pool) -> Pool:
    """One vehicle with a drive row every ten minutes for as many days as there are chunks."""
    (vehicle,) = seed.seed_vehicles(pool, 1, cells=12)
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO drive_readings (vehicle_id, time, speed)"
            " SELECT %s, %s + n * interval '10 minutes', 50 FROM generate_series(0, %s) AS n",
            (vehicle, BEGIN, DAYS * 144 - 1),
        )
        connection.execute("ANALYZE drive_readings")
    return pool


def chunks_in_plan(connection: Connection, statement: str, params: dict[str, object]) -> set[str]:
    plan = connection.execute("EXPLAIN " + statement, params, prepare=False)
    return set(CHUNK.findall("\n".join(row[0] for row in plan)))


def test_comparing_late_rows_reads_only_the_chunks_of_their_days(months: Pool) -> None:
    statements = build_statements(Family.DRIVE, load_catalogue(), load_queries("ingest"))
    with months.connection() as connection:
        connection.execute(statements.create_stage)
        bounds: dict[str, object] = {
            "vehicle_ids": [1],
            "time_from": BEGIN + timedelta(days=10, hours=1),
            "time_to": BEGIN + timedelta(days=11, hours=1),
        }

        found = chunks_in_plan(connection, statements.count_conflicts.as_string(connection), bounds)

    assert len(found) == 2


def test_features_of_a_day_read_the_chunks_of_that_day(months: Pool) -> None:
    begin_us = int(BEGIN.timestamp() * 1e6) + 20 * 86_400_000_000
    with months.connection() as connection:
        vehicle = connection.execute("SELECT vehicle_id FROM vehicles").fetchone()
        assert vehicle is not None
        rows = readings.fetch_rows(
            connection,
            vehicle[0],
            Family.DRIVE,
            ("speed",),
            begin_us=begin_us,
            end_us=begin_us + 86_400_000_000,
            spec=find_spec("anxin-sedan-96-ncm"),
        )
        copy = sql.SQL(load_queries("models")["copy_rows"]).format(
            columns=sql.Identifier("speed"), table=sql.Identifier("drive_readings")
        )
        inner = re.search(r"COPY \((.*)\) TO STDOUT", copy.as_string(connection), re.DOTALL)
        assert inner is not None
        span = {
            "vehicle_id": vehicle[0],
            "begin": BEGIN + timedelta(days=20),
            "end": BEGIN + timedelta(days=21),
        }
        found = chunks_in_plan(connection, inner[1], span)

    assert len(rows) == 144
    assert np.all(np.diff(rows.time_us) == 600_000_000)
    assert rows.time_us[0] == begin_us
    assert len(found) == 1


def test_late_rows_of_many_days_are_stored_once_in_one_batch(months: Pool) -> None:
    intake = build_intake(Settings(), months)
    newest_ms = int((BEGIN + timedelta(days=DAYS)).timestamp() * 1000)
    every_ms = [newest_ms - n * 3_600_000 for n in range(DAYS * 24)]  # every sixth is there already
    speed = ", ".join("50" for _ in every_ms)
    payload = (
        f'{{"v": 1, "boot": "b", "seq": 1, "sent": {newest_ms}, "hist": 1,'
        f' "t": {every_ms[::-1]}, "s": {{"speed": [{speed}], "soc": [{speed}]}}}}'
    )
    item = intake.read(Delivery(f"anxin/v1/demo/{VIN}/up/tele", payload.encode(), newest_ms * 1000))

    first, again = intake.store([item])[0], intake.store([item])[0]

    with months.connection() as connection:
        stored = connection.execute("SELECT count(*), count(soc) FROM drive_readings").fetchone()
    assert (first.reject_count, first.row_count) == (0, DAYS * 24)
    assert (again.duplicate_count, again.row_count, again.conflict_count) == (1, 0, 0)
    assert stored == (DAYS * 144 + 1, DAYS * 24)
