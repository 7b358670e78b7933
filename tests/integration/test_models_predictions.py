"""Which predictions are written, and which add nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from data.db import Pool, transaction
from data.records import FailureMode, Origin, Prediction, Severity
from models.assess import Told
from models.store import insert_predictions
from tests.integration import models_seed as seed

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def told(vehicle_id: int, at: datetime, probability: float, *, is_fresh: bool = True) -> Told:
    prediction = Prediction(
        vehicle_id=vehicle_id,
        component="tire front-left",
        failure_mode=FailureMode.TIRE_SLOW_LEAK,
        severity=Severity.S3,
        probability=probability,
        horizon_h=168.0,
        time_to_threshold_h=None,
        predicted_at=at,
        data_time=at,
        since=at,
        window_from=at - timedelta(days=14),
        window_to=at,
        reasons=(),
        model_version="test-1",
        origin=Origin.REAL,
        is_fresh=is_fresh,
    )
    return Told(prediction, {})


@pytest.mark.parametrize(
    ("later", "probability", "is_fresh", "written"),
    [
        (timedelta(minutes=1), 0.02, True, 0),
        (timedelta(hours=25), 0.02, True, 1),
        (timedelta(minutes=1), 0.3, True, 1),
        (timedelta(minutes=1), 0.02, False, 1),
    ],
    ids=["still healthy", "a day later", "no longer healthy", "no longer live"],
)
def test_a_healthy_component_is_told_of_once_a_day(
    pool: Pool, later: timedelta, probability: float, is_fresh: bool, written: int
) -> None:
    (vehicle,) = seed.seed_vehicles(pool, 1)
    with transaction(pool) as connection:
        first = insert_predictions(connection, [told(vehicle, NOON, 0.01)])
        second = insert_predictions(connection, [told(vehicle, NOON + later, probability, is_fresh=is_fresh)])

    assert (first, second) == (1, written)


def test_the_end_of_a_trouble_is_told_at_once(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool, 1)
    with transaction(pool) as connection:
        insert_predictions(connection, [told(vehicle, NOON, 0.9)])

        assert insert_predictions(connection, [told(vehicle, NOON + timedelta(minutes=1), 0.05)]) == 1
