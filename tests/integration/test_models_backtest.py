"""The backtest over a database: the bits of the live system, truth from files and from closed orders."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import anxin
from data.db import Pool, transaction
from data.records import FailureMode, FamilyRows, Truth, VehicleSpec, Vin
from models import store, store_backtest
from models.backlog import Touched
from models.backtest import BacktestWork, backtest_vehicles
from models.errors import EvaluationError
from models.evaluation.evaluate import ANXIN
from models.evaluation.part import Levels
from models.evaluation.truths import parse_truths
from models.features.days import to_datetime
from models.features.registry import feature_sets
from models.score import Scorer
from tests.integration import models_seed as seed
from tests.unit.models.factories import DAY_US, START_US
from tests.unit.models.feature_rows import make_vehicle_rows

N_DAYS = 3
LEVELS = {mode: Levels() for mode in FailureMode}
FIRST = START_US // DAY_US


@pytest.fixture
def scored(pool: Pool) -> tuple[list[int], VehicleSpec]:
    """Two vehicles with three days that were scored live."""
    vehicles = seed.seed_vehicles(pool, 2)
    with transaction(pool) as connection:
        specs = store.fetch_specs(connection, vehicles)
    days = set(range(FIRST, FIRST + N_DAYS + 1))
    for n, vehicle in enumerate(vehicles):
        rows = make_vehicle_rows(
            np.random.default_rng(1002 + n), feature_sets(), specs[vehicle], start_us=START_US, n_days=N_DAYS
        )
        seed.store_rows(pool, [of_vehicle(found, vehicle) for found in rows.values()], is_live=True)
        touched = Touched(1, 0.0, 0.0, days={f.value: set(days) for f in rows}, data_us=START_US)
        with transaction(pool) as connection:
            Scorer(fresh=timedelta(days=1)).score(
                connection,
                {vehicle: touched},
                {vehicle: specs[vehicle]},
                now=to_datetime(START_US + N_DAYS * DAY_US),
            )
    return vehicles, specs[vehicles[0]]


def of_vehicle(rows: FamilyRows, vehicle: int) -> FamilyRows:
    return replace(rows, vehicle_id=np.full(len(rows), vehicle, dtype=np.int32))


def work(url: str, vehicles: list[int], truths: tuple[Truth, ...] | None) -> BacktestWork:
    return BacktestWork(
        url=url,
        vehicle_ids=tuple(vehicles),
        first_day=FIRST - 1,
        last_day=FIRST + N_DAYS,
        levels=LEVELS,
        truths=truths,
    )


def make_truth(vehicle: int, **overrides: object) -> Truth:
    base: dict[str, object] = {
        "vehicle": vehicle,
        "vin": Vin(f"LANX{vehicle:013d}"),
        "component": "tire front-left",
        "kind": "tire_slow_leak",
        "is_fault": True,
        "onset": to_datetime(START_US),
        "threshold_at": to_datetime(START_US + 2 * DAY_US),
        "failure_at": None,
        "severity": None,
        "magnitude": 4.0,
    }
    return Truth(**{**base, **overrides})  # type: ignore[arg-type]


def test_live_features_and_predictions_have_the_bits_of_the_backtest(
    database_url: str, scored: tuple[list[int], VehicleSpec]
) -> None:
    vehicles, _ = scored
    found = backtest_vehicles(work(database_url, vehicles, (make_truth(vehicles[0]),)))

    assert found.agreement.days >= 2 * N_DAYS * len(feature_sets()) // 2
    assert found.agreement.predictions > 0
    assert (found.agreement.days_different, found.agreement.predictions_different) == (0, 0)
    tally = found.tallies[ANXIN, FailureMode.TIRE_SLOW_LEAK]
    assert len(tally.faults) == 1
    assert tally.enriched_calendar_days == tally.healthy_calendar_days == N_DAYS + 2


def test_the_command_tests_the_stored_days_and_writes_its_report(
    pool: Pool,
    database_url: str,
    scored: tuple[list[int], VehicleSpec],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vehicles, _ = scored
    with transaction(pool) as connection:
        connection.execute(
            "INSERT INTO message_streams (vehicle_id, boot, origin, first_received, last_received)"
            " VALUES (%s, 'b', 'simulated', now(), now())",
            (vehicles[0],),
        )
    truth = tmp_path / "truth.json"
    entry = {
        "vin": f"LANX{1:013d}",
        "component": "tire front-left",
        "kind": "tire_slow_leak",
        "is_fault": True,
        "onset": to_datetime(START_US).isoformat(),
        "threshold_at": to_datetime(START_US + 2 * DAY_US).isoformat(),
        "magnitude": 4.0,
    }
    truth.write_text(json.dumps([entry]))
    monkeypatch.setenv("ANXIN_DATABASE_URL", database_url)
    monkeypatch.setenv("ANXIN_MQTT_URL", "mqtt://localhost:1")
    arguments = [
        "backtest",
        "--workers",
        "1",
        "--truth",
        str(truth),
        "--report",
        str(tmp_path / "r"),
        "--json",
    ]
    told = CliRunner().invoke(anxin.app, arguments)

    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout.strip().splitlines()[-1])
    assert (found["level"], found["simulated"]) == ("stored", True)
    assert found["run"]["vehicles"] == {"simulated": 1, "real": 1}
    assert found["run"]["truths"] == 1
    assert found["agreement"]["days"] > 0
    assert found["agreement"]["days_different"] == found["agreement"]["predictions_different"] == 0
    assert found["modes"]["tire_slow_leak"]["events"] == 1
    assert (tmp_path / "r" / "index.html").exists()


def test_a_stored_value_that_was_changed_is_noticed(
    pool: Pool, database_url: str, scored: tuple[list[int], VehicleSpec]
) -> None:
    vehicles, _ = scored
    with transaction(pool) as connection:
        connection.execute(
            "UPDATE day_features SET value[2] = coalesce(nullif(value[2], 'NaN'), 0) + 1e-9"
            " WHERE vehicle_id = %s AND feature_set = 'tire_days' AND last_time IS NOT NULL",
            (vehicles[0],),
        )
        connection.execute("UPDATE predictions SET probability = 0.123 WHERE vehicle_id = %s", (vehicles[1],))
    found = backtest_vehicles(work(database_url, vehicles, ()))

    assert found.agreement.days_different >= N_DAYS
    assert found.agreement.predictions_different > 0
    assert "tire_days" in found.agreement.examples[0]


def test_confirmed_orders_are_faults_and_those_without_a_fault_are_decoys(
    pool: Pool, scored: tuple[list[int], VehicleSpec]
) -> None:
    vehicles, _ = scored
    now = to_datetime(START_US + N_DAYS * DAY_US)
    with transaction(pool) as connection:
        connection.execute("ALTER TABLE outcomes DROP CONSTRAINT outcomes_order_id_fkey")
        for order, (outcome, decided) in enumerate(
            [("confirmed", now), ("no_fault_found", now), ("other", now), ("confirmed", now + timedelta(9))]
        ):
            connection.execute(
                "INSERT INTO outcomes (order_id, tenant_id, vehicle_id, component, failure_mode, outcome,"
                " cause, found_at, decided_at, origin) VALUES (%s, 1, %s, 'tire front-left',"
                " 'tire_slow_leak', %s, 'x', %s, %s, 'simulated')",
                (order, vehicles[0], outcome, now, decided),
            )
        truths = store_backtest.fetch_outcomes(connection, vehicles, now + timedelta(days=1))

    assert [(t.kind, t.is_fault, t.threshold_at) for t in truths] == [
        ("tire_slow_leak", True, now),
        ("no_fault_found", False, None),
        ("other", True, None),
    ]


def test_truth_file_is_read_for_known_vehicles_and_bad_entries_are_named() -> None:
    entry = {
        "vin": "LANX0000000000001",
        "component": "cell 8",
        "kind": "cell_internal_short",
        "is_fault": True,
        "onset": "2026-01-02T00:00:00+00:00",
        "threshold_at": None,
        "severity": "S3",
        "magnitude": 100.0,
        "unit": "ohm",
    }
    (truth,) = parse_truths(json.dumps([entry, {**entry, "vin": "LANX0000000000009"}]), {entry["vin"]: 5})

    assert (truth.vehicle, truth.onset) == (5, datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(EvaluationError, match="entry 0: KeyError 'onset'"):
        parse_truths(json.dumps([{k: v for k, v in entry.items() if k != "onset"}]), {"LANX0000000000001": 5})
    with pytest.raises(EvaluationError, match="must be a list"):
        parse_truths("{}", {})
