"""Score and watch on a real database: what they write, and that starting again changes nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
import pytest

from data.db import Connection, Pool
from data.records import Family, FamilyRows, VehicleSpec
from data.settings import Settings
from models import readings
from models.features.sets import DayFeatures
from models.features.tire_days import TireDaySet
from models.predictors import day_predictors
from models.service import run_score, run_watch
from tests.integration import models_seed as seed

HOUR_US = 3_600_000_000
CELLS = 12


@contextmanager
def running(service: Callable[..., None], url: str) -> Iterator[None]:
    stop = threading.Event()
    settings = Settings(database_url=url, score_every_s=0.1)
    thread = threading.Thread(target=service, args=(settings,), kwargs={"stop": stop})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def wait_for(pool: Pool, query: str, params: tuple[Any, ...] = (), seconds: float = 30.0) -> list[Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with pool.connection() as connection:
            rows = connection.execute(query, params).fetchall()
        if rows and rows[0][0]:
            return rows
        time.sleep(0.1)
    raise AssertionError(f"nothing came of {query}")


def rows_of(vehicle: int, family: Family, time_us: np.ndarray, columns: dict[str, np.ndarray]) -> FamilyRows:
    n = len(time_us)
    return FamilyRows(
        family=family,
        vehicle_id=np.full(n, vehicle, dtype=np.int32),
        time_us=time_us,
        sent_us=time_us,
        received_us=time_us,
        is_hist=np.zeros(n, dtype=np.bool_),
        columns=columns,
    )


def fortnight(vehicle: int, end_us: int, *, leak: float = 0.0, short: float = 0.0) -> list[FamilyRows]:
    """One reading every half hour for 14 days; rear-left leaks kPa/day, cell 8 loses % a day."""
    rng = np.random.default_rng(vehicle)
    time_us = end_us - np.arange(14 * 48)[::-1] * HOUR_US // 2
    days = (time_us - time_us[0]) / (24 * HOUR_US)
    n = len(time_us)
    pressure = 240 + rng.normal(0, 1, (n, 4)) + np.array([2.0, 0.0, -1.0, 1.0])
    pressure[:, 2] -= leak * days
    volts = 3.9 + rng.normal(0, 0.001, (n, CELLS)) + rng.normal(0, 0.003, (1, CELLS))
    volts[:, 7] -= 0.010 * short * days
    zeros = np.zeros(n)
    drive = {"speed": zeros, "pack.current": zeros, "soc": np.full(n, 70.0), "charging": np.full(n, 3.0)}
    return [
        rows_of(vehicle, Family.DRIVE, time_us, drive),
        rows_of(
            vehicle,
            Family.TIRE,
            time_us,
            {"tire.pressure": pressure, "tire.temperature": np.full((n, 4), 20.0)},
        ),
        rows_of(vehicle, Family.CELL, time_us, {"cell.voltage": volts}),
    ]


def now_us() -> int:
    return int(datetime.now(UTC).timestamp() * 1e6)


#: Each of so many vehicles has a word of every predictor.
ALL_SCORED = f"SELECT count(*) = %s * {len(day_predictors())} FROM vehicle_scores"  # noqa: S608 - a number
CURSOR_DONE = (
    "SELECT min(batch_id) = (SELECT max(batch_id) FROM ingest_batches) AND count(*) = 8"
    " FROM service_cursors WHERE service = 'score'"
)


def dump(pool: Pool) -> list[Any]:
    with pool.connection() as connection:
        return [
            connection.execute(query).fetchall()
            for query in (
                "SELECT t::text FROM day_features t ORDER BY 1",
                (
                    "SELECT vehicle_id, component, model_version, data_time, since, probability"
                    " FROM predictions ORDER BY 1, 2, 3, 4"
                ),
            )
        ]


@pytest.fixture
def three(pool: Pool) -> tuple[int, int, int]:
    """Healthy, leaking, shorted: 14 days of each, the end live."""
    healthy, leaking, shorted = seed.seed_vehicles(pool, 3, cells=CELLS)
    end_us = now_us() - 10_000_000
    rows = (
        fortnight(healthy, end_us),
        fortnight(leaking, end_us, leak=4.0),
        fortnight(shorted, end_us, short=0.6),
    )
    for batches in rows:
        seed.store_rows(pool, batches, is_live=True)
    return healthy, leaking, shorted


def test_backfilled_faults_are_predicted_and_the_healthy_vehicle_is_left_alone(
    pool: Pool, database_url: str, three: tuple[int, int, int]
) -> None:
    _, leaking, shorted = three
    with running(run_score, database_url):
        wait_for(pool, ALL_SCORED, (3,))
        wait_for(pool, CURSOR_DONE)

    with pool.connection() as connection:
        likely = connection.execute(
            "SELECT vehicle_id, component, failure_mode, is_fresh, origin,"
            " data_time - since > interval '1 day', reasons->0->>'text_en', evidence->'series' IS NOT NULL"
            " FROM predictions WHERE probability > 0.5 ORDER BY vehicle_id"
        ).fetchall()

    assert [
        (leaking, "tire rear-left", "tire_slow_leak", True, "real", True),
        (shorted, "cell 8", "cell_internal_short", True, "real", True),
    ] == [row[:6] for row in likely]
    assert all(row[6] and row[7] for row in likely)


def test_scoring_everything_again_from_the_beginning_changes_nothing(
    pool: Pool, database_url: str, three: tuple[int, int, int]
) -> None:
    del three
    with running(run_score, database_url):
        wait_for(pool, CURSOR_DONE)
    before = dump(pool)
    with pool.connection() as connection:
        connection.execute("UPDATE predictions SET routed_at = now()")
        connection.execute("DELETE FROM service_cursors")

    with running(run_score, database_url):
        wait_for(pool, CURSOR_DONE)

    assert before == dump(pool)
    with pool.connection() as connection:
        offered = connection.execute("SELECT count(*) FROM predictions WHERE routed_at IS NULL").fetchone()
    assert offered == (0,)


def test_vehicle_that_cannot_be_scored_holds_up_nobody_and_is_noted(
    pool: Pool, database_url: str, three: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, leaking, shorted = three
    fetch = readings.fetch_rows

    def fetch_or_fail(connection: Connection, vehicle_id: int, *args: Any, **kwargs: Any) -> FamilyRows:
        if vehicle_id == broken:
            raise psycopg.errors.UniqueViolation("rows that no table expects")
        return fetch(connection, vehicle_id, *args, **kwargs)

    monkeypatch.setattr(readings, "fetch_rows", fetch_or_fail)
    with running(run_score, database_url):
        wait_for(pool, ALL_SCORED, (2,))
        wait_for(pool, CURSOR_DONE)

    with pool.connection() as connection:
        scored = connection.execute("SELECT DISTINCT vehicle_id FROM vehicle_scores ORDER BY 1").fetchall()
        failed = connection.execute("SELECT vehicle_id, part, error FROM scoring_failures").fetchall()
    assert [(leaking,), (shorted,)] == scored
    assert [(broken, "*")] == [row[:2] for row in failed]
    assert failed[0][2].startswith("UniqueViolation: rows that no table expects (")


def test_feature_set_that_fails_on_a_vehicle_stops_no_other_and_is_noted_until_it_works(
    pool: Pool, database_url: str, three: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = TireDaySet.compute
    broken = 240.0

    def compute_or_fail(
        self: TireDaySet, rows: Mapping[Family, FamilyRows], spec: VehicleSpec
    ) -> DayFeatures:
        if (rows[Family.TIRE].vehicle_id == three[0]).any() and broken:
            raise ValueError("rows that no feature expects")
        return compute(self, rows, spec)

    monkeypatch.setattr(TireDaySet, "compute", compute_or_fail)
    with running(run_score, database_url):
        wait_for(pool, ALL_SCORED, (3,))
        wait_for(pool, CURSOR_DONE)
        with pool.connection() as connection:
            failed = connection.execute("SELECT vehicle_id, part, error FROM scoring_failures").fetchall()
            sets = connection.execute(
                "SELECT DISTINCT feature_set FROM day_features WHERE vehicle_id = %s", (three[0],)
            ).fetchall()
            scored = connection.execute(
                "SELECT bool_or(probability IS NULL), bool_or(probability IS NOT NULL) FROM vehicle_scores"
                " WHERE vehicle_id = %s",
                (three[0],),
            ).fetchall()
        broken = 0.0
        seed.store_rows(pool, fortnight(three[0], now_us())[:1])
        wait_for(pool, "SELECT count(*) = 0 FROM scoring_failures")

    assert [(three[0], "tire_days")] == [row[:2] for row in failed]
    assert failed[0][2].startswith("ValueError: rows that no feature expects (test_models_services.py:")
    assert ("tire_days",) not in sets
    assert ("cell_days",) in sets
    assert scored == [(True, True)]


def test_late_rows_reopen_their_day(pool: Pool, database_url: str) -> None:
    (vehicle,) = seed.seed_vehicles(pool, 1, cells=CELLS)
    end_us = now_us() - 10_000_000
    tire = fortnight(vehicle, end_us)[1]
    odd = np.arange(len(tire)) % 2 == 1
    halves = [
        rows_of(vehicle, Family.TIRE, tire.time_us[m], {k: v[m] for k, v in tire.columns.items()})
        for m in (odd, ~odd)
    ]
    count = (
        "SELECT count(*) > 12 AND min(last_time - first_time) FILTER (WHERE day > current_date - 10 AND day <"
    )
    count += (
        " current_date - 2) = make_interval(mins => %s) FROM day_features WHERE feature_set = 'tire_days'"
    )
    seed.store_rows(pool, halves[:1])
    with running(run_score, database_url):
        wait_for(pool, count, (1380,))
        seed.store_rows(pool, halves[1:])
        wait_for(pool, count, (1410,))


def test_late_rows_before_midnight_reopen_the_next_day_as_well(pool: Pool, database_url: str) -> None:
    (vehicle,) = seed.seed_vehicles(pool, 1, cells=CELLS)
    end_us = now_us() - 10_000_000
    seed.store_rows(pool, fortnight(vehicle, end_us))
    with running(run_score, database_url):
        wait_for(pool, CURSOR_DONE)
    day_us = 24 * HOUR_US
    midnight_us = (end_us - 5 * day_us) // day_us * day_us - 8 * HOUR_US  # in Shanghai
    late_us = midnight_us - np.arange(10, 0, -1) * 60_000_000
    load = {"speed": np.full(10, 60.0), "pack.current": np.full(10, -80.0)}
    late = [
        rows_of(vehicle, Family.DRIVE, late_us, load),
        rows_of(vehicle, Family.CELL, late_us, {"cell.voltage": np.full((10, CELLS), 3.8)}),
    ]
    seed.store_rows(pool, late)
    with running(run_score, database_url):
        wait_for(pool, CURSOR_DONE)
    stored = dump(pool)[0]
    with pool.connection() as connection:
        connection.execute("DELETE FROM service_cursors")
        connection.execute("DELETE FROM day_features")
    with running(run_score, database_url):
        wait_for(pool, CURSOR_DONE)

    assert stored == dump(pool)[0]


def test_a_vehicle_that_moved_to_another_time_zone_is_scored_on(pool: Pool, database_url: str) -> None:
    (vehicle,) = seed.seed_vehicles(pool, 1, cells=CELLS)
    rows = fortnight(vehicle, now_us() - 10_000_000)
    charging = np.asarray(rows[0].columns["charging"])
    charging[:] = np.where(np.arange(len(charging)) // 5 % 2, 1.0, 3.0)  # sessions at all hours
    seed.store_rows(pool, rows, is_live=True)
    with pool.connection() as connection:
        connection.execute("UPDATE vehicles SET time_zone = 'America/Los_Angeles'")
    with running(run_score, database_url):
        wait_for(pool, CURSOR_DONE)
    with pool.connection() as connection:
        connection.execute("UPDATE vehicles SET time_zone = 'Asia/Shanghai'")
    last = [
        rows_of(vehicle, r.family, r.time_us[-60:] + 5_000_000, {k: v[-60:] for k, v in r.columns.items()})
        for r in rows
    ]
    seed.store_rows(pool, last, is_live=True)

    with running(run_score, database_url):
        wait_for(pool, CURSOR_DONE, seconds=10)

    with pool.connection() as connection:
        failed = connection.execute("SELECT * FROM scoring_failures").fetchall()
    assert failed == []


def test_two_processes_share_the_work_and_agree(
    pool: Pool, database_url: str, three: tuple[int, int, int]
) -> None:
    del three
    with running(run_score, database_url), running(run_score, database_url):
        wait_for(pool, CURSOR_DONE)

    with pool.connection() as connection:
        doubled = connection.execute(
            "SELECT count(*) FROM (SELECT vehicle_id, component, failure_mode, data_time FROM predictions"
            " GROUP BY 1, 2, 3, 4 HAVING count(*) > 1) AS d"
        ).fetchone()
    assert doubled == (0,)


def deflating(vehicle: int, begin_us: int, steps: int, rate: float) -> FamilyRows:
    time_us = begin_us + np.arange(steps) * 10_000_000
    pressure = 240 + np.zeros((steps, 4))
    pressure[:, 1] -= rate / 6 * np.maximum(np.arange(steps) - steps // 2, 0)
    columns = {"tire.pressure": pressure, "tire.temperature": np.full((steps, 4), 20.0)}
    return rows_of(vehicle, Family.TIRE, time_us, columns)


def test_live_deflation_is_told_within_seconds_and_once(pool: Pool, database_url: str) -> None:
    (vehicle,) = seed.seed_vehicles(pool, 1)
    rows = deflating(vehicle, now_us() - 600_000_000, 60, 10.0)
    with running(run_watch, database_url):
        seed.store_rows(pool, [rows], is_live=True)
        wait_for(pool, "SELECT count(*) = 1 FROM predictions WHERE probability > 0.7 AND is_fresh", seconds=8)
    with pool.connection() as connection:
        connection.execute("DELETE FROM service_cursors")

    with running(run_watch, database_url):
        wait_for(pool, "SELECT count(*) = 8 FROM service_cursors WHERE batch_id = 1")

    with pool.connection() as connection:
        found = connection.execute("SELECT component, severity, failure_mode FROM predictions").fetchall()
    assert found == [("tire front-right", "S1", "tire_puncture")]


def test_vehicle_that_cannot_be_watched_holds_up_nobody(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, flat = seed.seed_vehicles(pool, 2)
    fetch = readings.fetch_recent_rows

    def fetch_or_fail(
        connection: Connection, vehicles: Sequence[int], *which: Any, **span: Any
    ) -> FamilyRows:
        if broken in vehicles:
            raise ValueError("rows that no rule expects")
        return fetch(connection, vehicles, *which, **span)

    monkeypatch.setattr(readings, "fetch_recent_rows", fetch_or_fail)
    begin_us = now_us() - 600_000_000
    with running(run_watch, database_url):
        for vehicle in (broken, flat):
            seed.store_rows(pool, [deflating(vehicle, begin_us, 60, 10.0)], is_live=True)
        wait_for(pool, "SELECT count(*) = 8 FROM service_cursors WHERE batch_id = 2")

    with pool.connection() as connection:
        found = connection.execute("SELECT DISTINCT vehicle_id FROM predictions").fetchall()
    assert found == [(flat,)]


def test_late_deflation_raises_no_fresh_warning(pool: Pool, database_url: str) -> None:
    (vehicle,) = seed.seed_vehicles(pool, 1)
    rows = deflating(vehicle, now_us() - 600_000_000, 60, 10.0)
    with running(run_watch, database_url):
        seed.store_rows(pool, [rows], is_live=False)
        wait_for(pool, "SELECT count(*) = 8 FROM service_cursors WHERE batch_id = 1")

    with pool.connection() as connection:
        fresh = connection.execute("SELECT count(*) FROM predictions WHERE is_fresh").fetchone()
    assert fresh == (0,)


@pytest.mark.parametrize("left_out", [Family.TIRE, Family.CELL, Family.DRIVE])
def test_vehicle_that_lacks_a_family_is_scored_on_what_it_has(
    pool: Pool, database_url: str, left_out: Family
) -> None:
    (vehicle,) = seed.seed_vehicles(pool, 1, cells=CELLS)
    rows = fortnight(vehicle, now_us() - 10_000_000, leak=4.0, short=0.6)
    seed.store_rows(pool, [r for r in rows if r.family is not left_out], is_live=True)

    with running(run_score, database_url):
        wait_for(pool, CURSOR_DONE)

    with pool.connection() as connection:
        likely = connection.execute(
            "SELECT component FROM predictions WHERE probability > 0.5 ORDER BY 1"
        ).fetchall()
    found = {Family.TIRE: {"cell 8"}, Family.CELL: {"tire rear-left"}, Family.DRIVE: {"tire rear-left"}}
    assert found[left_out] == {component for (component,) in likely}
