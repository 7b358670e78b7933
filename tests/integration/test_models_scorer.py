"""What the scorer minds beside features: repairs, switches, open alerts, predictors that fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from data.db import Connection, Pool, transaction
from data.records import IntArray, VehicleSpec
from models import store, store_features
from models.backlog import Touched
from models.features.sets import DayFeatures, width
from models.features.tire_days import TireDaySet
from models.predictors.base import DayPanel, Predictor, Risk
from models.predictors.tire_slow_leak import TireSlowLeakPredictor
from models.score import Scorer
from tests.integration import models_seed as seed
from tests.unit.models.factories import DAY_US

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
NOW_US = int(NOW.timestamp() * 1e6)
TODAY = NOW_US // DAY_US
N_DAYS = 15


@dataclass(frozen=True)
class FailsOnHighPressure(TireSlowLeakPredictor):
    """Raises where one of the vehicles is over-inflated."""

    model_version: str = "fails-1"

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of every wheel."""
        if (panel.extra["gas_kpa"] > 400).any():
            raise ZeroDivisionError("no such pressure")
        return TireSlowLeakPredictor.predict(self, panel, as_of)


class World:
    """A healthy and a leaking vehicle with stored days, and the scoring of both."""

    def __init__(self, connection: Connection, specs: dict[int, VehicleSpec]) -> None:
        self.connection, self.specs = connection, specs
        self.healthy, self.leaking = sorted(specs)

    def store_days(self, vehicle: int, *, leak: float = 0.0, gas_kpa: float = 340.0) -> None:
        spec, one = self.specs[vehicle], TireDaySet()
        day = TODAY - N_DAYS + 1 + np.arange(N_DAYS, dtype=np.int64)
        value = {f.name: np.full((N_DAYS, width(f, spec)), np.nan) for f in one.features}
        gas = gas_kpa + np.random.default_rng(vehicle).normal(0, 0.5, (N_DAYS, 4))
        gas[:, 2] -= leak * np.arange(N_DAYS)
        others = [np.median(np.delete(gas, i, axis=1), axis=1) for i in range(4)]
        value |= {
            "gas_kpa": gas,
            "contrast_kpa": gas - np.stack(others, axis=1),
            "weight": np.ones((N_DAYS, 4)),
        }
        last_us = np.minimum(day * DAY_US + DAY_US * 2 // 3, NOW_US)
        found = DayFeatures(day=day, first_us=day * DAY_US, last_us=last_us, value=value)
        store_features.replace_days(self.connection, vehicle, [(one, set(day.tolist()), found)], spec=spec)

    def score(self, scorer: Scorer, now: datetime = NOW) -> None:
        touched = {v: Touched(1, 0.0, 0.0, days={"tire": {TODAY}}, data_us=NOW_US) for v in self.specs}
        scorer.score(self.connection, touched, self.specs, now=now)

    def ask(self, query: Any, *params: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, params or None).fetchall()

    def told(self) -> list[tuple[Any, ...]]:
        return self.ask(
            "SELECT vehicle_id, component, probability > 0.5 FROM predictions ORDER BY prediction_id"
        )


def scorer_of(*predictors: Predictor) -> Scorer:
    return Scorer(fresh=timedelta(days=1), predictors=predictors)


@pytest.fixture
def world(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    vehicles = seed.seed_vehicles(pool, 2)
    monkeypatch.setattr("models.score.recompute_days", lambda *_: {})  # the days are given
    with transaction(pool) as connection:
        world = World(connection, store.fetch_specs(connection, vehicles))
        world.store_days(world.healthy)
        world.store_days(world.leaking, leak=4.0)
        yield world


def test_a_repaired_component_has_no_past(world: World) -> None:
    scorer = scorer_of(TireSlowLeakPredictor())
    world.score(scorer)
    assert (world.leaking, "tire rear-left", True) in world.told()
    repaired_at = NOW - timedelta(days=2)
    world.connection.execute(
        "INSERT INTO repair_orders (tenant_id, vehicle_id, component, failure_mode, severity, state,"
        " deadline, complaint, reasons, origin, idempotency_key, opened_at, updated_at, repaired_at) VALUES"
        " (1, %s, 'tire rear-left', 'tire_slow_leak', 'S3', 'closed', %s, '', '[]', 'real', 'k', %s, %s, %s)",
        (world.leaking, NOW, repaired_at, repaired_at, repaired_at),
    )

    for used in (scorer, scorer_of(TireSlowLeakPredictor())):
        world.connection.execute("UPDATE predictions SET data_time = data_time - interval '1 day'")
        world.score(used)

        ((probability,),) = world.ask(
            "SELECT probability FROM vehicle_scores WHERE vehicle_id = %s", world.leaking
        )
        assert probability < 0.2
        assert (world.leaking, "tire rear-left", False) in world.told()


@pytest.mark.parametrize(
    ("modes", "is_run"),
    [
        ([("tire-slow-leak", "off")], False),
        ([("*", "off")], False),
        ([("*", "off"), ("tire-slow-leak", "shadow")], True),
        ([("*", "off"), ("*", "live")], True),
    ],
)
def test_a_predictor_that_is_switched_off_is_not_run(
    world: World, modes: list[tuple[str, str]], is_run: bool
) -> None:
    predictor = TireSlowLeakPredictor()
    for version, mode in modes:
        world.connection.execute(
            "INSERT INTO predictor_modes (tenant_id, failure_mode, model_version, mode, at, actor, reason)"
            " VALUES (1, 'tire_slow_leak', %s, %s, now(), 'test', 'test')",
            ("*" if version == "*" else predictor.model_version, mode),
        )
    world.score(scorer_of(predictor))

    assert bool(world.told()) == is_run


def test_a_predictor_that_fails_on_a_vehicle_stops_neither_vehicles_nor_predictors(world: World) -> None:
    world.store_days(world.healthy, gas_kpa=420.0)
    world.score(scorer_of(FailsOnHighPressure(), TireSlowLeakPredictor()))

    ((vehicle, part, error),) = world.ask("SELECT vehicle_id, part, error FROM scoring_failures")
    assert (vehicle, part) == (world.healthy, "fails-1")
    assert error.startswith("ZeroDivisionError: no such pressure (test_models_scorer.py:")
    assert world.ask("SELECT vehicle_id, model_version FROM vehicle_scores ORDER BY 1, 2") == [
        (world.healthy, TireSlowLeakPredictor().model_version),
        (world.leaking, "fails-1"),
        (world.leaking, TireSlowLeakPredictor().model_version),
    ]


def test_scores_of_versions_that_nobody_runs_are_dropped(world: World) -> None:
    world.score(scorer_of(FailsOnHighPressure()))
    world.score(scorer_of(TireSlowLeakPredictor()))

    assert world.ask("SELECT DISTINCT model_version FROM vehicle_scores") == [
        (TireSlowLeakPredictor().model_version,)
    ]


def test_a_component_is_told_of_until_its_alert_has_ended(world: World) -> None:
    """An alert ends by evidence; one whose component is not the worst would never get any."""
    for state in ("open", "cleared"):
        world.connection.execute(
            "INSERT INTO alerts (tenant_id, vehicle_id, component, failure_mode, severity, state, first_seen,"
            " last_seen, origin, updated_at) VALUES"
            " (1, %s, %s, 'tire_slow_leak', 'S3', %s, now(), now(), 'real', now())",
            (world.leaking, "tire front-left" if state == "open" else "tire front-right", state),
        )
    world.score(scorer_of(TireSlowLeakPredictor()))

    told = {component for vehicle, component, _ in world.told() if vehicle == world.leaking}
    assert told == {"tire rear-left", "tire front-left"}


def test_a_likely_component_dates_from_the_day_on_which_it_became_likely(world: World) -> None:
    scorer = scorer_of(TireSlowLeakPredictor())
    world.score(scorer)
    ((first, data_time),) = world.ask("SELECT since, data_time FROM predictions WHERE probability > 0.5")
    world.connection.execute("DELETE FROM predictions")
    world.score(scorer_of(TireSlowLeakPredictor()))
    ((again, _),) = world.ask("SELECT since, data_time FROM predictions WHERE probability > 0.5")

    assert data_time - first > timedelta(days=3)
    assert again == first
    healthy = "SELECT since = data_time FROM predictions WHERE vehicle_id = %s"
    assert world.ask(healthy, world.healthy) == [(True,)]
