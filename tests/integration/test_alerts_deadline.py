"""The service is due before the fault may cross its threshold."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts.router import route_waiting
from data.db import Pool
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
TERMS = seed.make_terms()


@pytest.mark.parametrize(
    ("p10", "due_h"),
    [(None, 168.0), (400.0, 168.0), (60.0, 60.0), (0.0, 2.0)],
)
def test_an_order_is_due_at_the_lower_bound_where_that_is_sooner_than_its_class(
    pool: Pool, p10: float | None, due_h: float
) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_prediction(pool, vehicle, NOW, ttt_p10_h=p10)
    route_waiting(pool, TERMS, now=NOW)

    assert seed.rows(pool, "SELECT severity, deadline FROM repair_orders") == [
        ("S3", NOW + timedelta(hours=due_h))
    ]


def test_a_more_urgent_finding_brings_the_deadline_forward_to_its_own_lower_bound(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_prediction(pool, vehicle, NOW)
    route_waiting(pool, TERMS, now=NOW)
    later = NOW + timedelta(hours=1)
    seed.add_prediction(pool, vehicle, later, severity="S2", ttt_p10_h=9.0)
    route_waiting(pool, TERMS, now=later)

    assert seed.rows(pool, "SELECT severity, deadline FROM repair_orders") == [
        ("S2", later + timedelta(hours=9))
    ]
