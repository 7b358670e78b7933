from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.bench.costs import cost_of, costs_of
from alerts.bench.scenario import make_scenario

OPENED = datetime(2026, 3, 10, 2, tzinfo=UTC)
DEADLINE = OPENED + timedelta(hours=100)


@pytest.mark.parametrize(
    ("hours", "km", "expected"), [(0, 0, 0.0), (50, 25, 1.0), (100, 0, 1.0), (101, 0, 3.01), (10, 100, 2.1)]
)
def test_delay_way_and_lateness_add_up(hours: float, km: float, expected: float) -> None:
    start = OPENED + timedelta(hours=hours)

    cost = cost_of(start, opened=OPENED, deadline=DEADLINE, distance_km=km)

    many = costs_of(np.array([hours / 100]), np.array([start > DEADLINE]), np.array([float(km)]))
    assert cost == pytest.approx(expected)
    assert many[0] == pytest.approx(expected)


def test_one_seed_makes_one_region() -> None:
    one, same, other = (make_scenario(alerts=50, stations=10, seed=s) for s in (1, 1, 2))

    assert np.array_equal(one.vehicle_lats, same.vehicle_lats)
    assert one.faults == same.faults
    assert not np.array_equal(one.vehicle_lats, other.vehicle_lats)
