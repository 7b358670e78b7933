"""What is scored live, in any batches and any order, is to the last bit what the stored rows give at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from data.db import Pool, transaction
from data.health import check_database
from data.records import Family, FamilyRows, VehicleSpec
from models import readings, recompute, store, store_features
from models.backlog import Backlog, Touched
from models.features.days import to_datetime
from models.features.registry import feature_sets
from models.features.rows import thinned
from models.score import Scorer
from tests.integration import models_seed as seed
from tests.unit.models.factories import DAY_US, START_US
from tests.unit.models.feature_rows import make_vehicle_rows, take

N_DAYS = 5
FRESH = timedelta(days=1)


def batches(rng: np.random.Generator, rows: dict[Family, FamilyRows]) -> list[FamilyRows]:
    """Pieces of a few hours, the later ones before the earlier ones here and there, one day very late."""
    pieces: list[tuple[float, FamilyRows]] = []
    for found in rows.values():
        part = (found.time_us - START_US) // (DAY_US // 5)
        for n in np.unique(part).tolist():
            late = 40.0 if n // 5 == 1 and n % 2 else 0.0
            pieces.append((n + rng.uniform(0, 4) + late, take(found, np.flatnonzero(part == n))))
    return [piece for _, piece in sorted(pieces, key=lambda p: p[0])]


def entries(rows: FamilyRows) -> list[tuple[int, str, int, int, bool]]:
    vehicle = int(rows.vehicle_id[0])
    return [(vehicle, rows.family.value, int(rows.time_us.min()), int(rows.time_us.max()), True)]


@pytest.fixture
def vehicle_rows(pool: Pool) -> tuple[int, VehicleSpec, dict[Family, FamilyRows]]:
    (vehicle,) = seed.seed_vehicles(pool, 1)
    with transaction(pool) as connection:
        spec = store.fetch_specs(connection, [vehicle])[vehicle]
    rows = make_vehicle_rows(
        np.random.default_rng(1002), feature_sets(), spec, start_us=START_US, n_days=N_DAYS
    )
    assert int(rows[Family.DRIVE].vehicle_id[0]) == vehicle
    return vehicle, spec, rows


@pytest.mark.parametrize("pieces_at_once", [1000, 9])
def test_live_days_have_the_bits_of_a_backtest(
    pool: Pool, vehicle_rows: tuple[int, VehicleSpec, dict[Family, FamilyRows]], pieces_at_once: int
) -> None:
    vehicle, spec, rows = vehicle_rows
    scorer, backlog = Scorer(fresh=FRESH), Backlog(pause_s=0.0)
    waiting = batches(np.random.default_rng(3), rows)
    now = to_datetime(START_US + N_DAYS * DAY_US)
    for n in range(0, len(waiting), pieces_at_once):
        for piece in waiting[n : n + pieces_at_once]:
            seed.store_rows(pool, [piece], is_live=True)
            backlog.add(n + 1, entries(piece), {vehicle: spec}, now_s=float(n))
        with transaction(pool) as connection:
            scorer.score(connection, backlog.touched, {vehicle: spec}, now=now)
        backlog.done([vehicle], float(n))

    with transaction(pool) as connection:
        days = [row[0] for row in connection.execute("SELECT DISTINCT day - '1970-01-01' FROM day_features")]
        whole = recompute.fetch_features(connection, vehicle, (min(days), max(days)), spec, feature_sets())
        assert connection.execute("SELECT part, error FROM scoring_failures").fetchall() == []
        for one in feature_sets():
            stored = store_features.fetch_days(connection, [vehicle], one, spec, history_days=400)
            found = whole[one.name]
            assert stored.day.tolist() == found.day.tolist(), one.name
            assert stored.first_us.tolist() == found.first_us.tolist(), one.name
            assert stored.last_us.tolist() == found.last_us.tolist(), one.name
            wanted = np.concatenate(
                [found.value[f.name].reshape(len(found.day), -1) for f in one.features], axis=1
            )
            wanted[np.isnan(wanted)] = np.nan  # one missing is as good as another
            assert stored.value.tobytes() == wanted.tobytes(), one.name


def test_stored_rows_come_back_as_they_were(
    pool: Pool, vehicle_rows: tuple[int, VehicleSpec, dict[Family, FamilyRows]]
) -> None:
    vehicle, spec, rows = vehicle_rows
    seed.store_rows(pool, list(rows.values()))
    end_us = START_US + N_DAYS * DAY_US
    with transaction(pool) as connection:
        for family, found in rows.items():
            again = readings.fetch_rows(
                connection, vehicle, family, list(found.columns), begin_us=START_US, end_us=end_us, spec=spec
            )
            wanted = thinned(found)
            assert again.time_us.tolist() == wanted.time_us.tolist()
            for alias, values in wanted.columns.items():
                np.testing.assert_array_equal(again.columns[alias], values, err_msg=alias)


def test_days_of_another_version_are_worked_out_again_some_at_a_time(
    pool: Pool, vehicle_rows: tuple[int, VehicleSpec, dict[Family, FamilyRows]]
) -> None:
    vehicle, spec, rows = vehicle_rows
    seed.store_rows(pool, list(rows.values()))
    days = set(range(START_US // DAY_US, START_US // DAY_US + N_DAYS + 1))
    now = to_datetime(START_US + N_DAYS * DAY_US)
    touched = Touched(1, 0.0, 0.0, days={f.value: set(days) for f in rows}, data_us=START_US)
    dump = "SELECT t::text FROM day_features t ORDER BY 1"
    with transaction(pool) as connection:
        Scorer(fresh=FRESH).score(connection, {vehicle: touched}, {vehicle: spec}, now=now)
        before = connection.execute(dump).fetchall()
        # as the migration leaves them, and a set that did not exist yet
        connection.execute(
            "UPDATE day_features SET version = 0, value = '{}' WHERE feature_set = 'cell_days'"
        )
        connection.execute("DELETE FROM day_features WHERE feature_set = 'lv_days'")
        newest = Touched(2, 0.0, 0.0, days={"drive": {max(days)}}, data_us=START_US)
        Scorer(fresh=FRESH).score(connection, {vehicle: newest}, {vehicle: spec}, now=now)

        assert before == connection.execute(dump).fetchall()


def test_check_tells_which_part_fails_on_which_vehicle(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool, 1)
    with transaction(pool) as connection:
        for _ in range(2):
            store.write_failures(
                connection, [vehicle], {(vehicle, "tire_days"): "ValueError: odd"}, now=datetime.now(UTC)
            )
        (failing,) = [c for c in check_database(connection, score_every_s=60.0) if c.name == "scoring"]
        store.write_failures(connection, [vehicle], {}, now=datetime.now(UTC))
        (well,) = [c for c in check_database(connection, score_every_s=60.0) if c.name == "scoring"]

    assert not failing.is_ok
    assert failing.detail == f"tire_days fails on 1 vehicles (e.g. {vehicle}: ValueError: odd)"
    assert failing.figures["tire_days"]["times"] == 2
    assert well.is_ok
