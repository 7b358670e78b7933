import numpy as np
import pytest

from alerts.bench.scenario import make_scenario
from alerts.dispatch.costs import Merits, costs_of
from alerts.rules import load_policy

RULE = load_policy().cost


@pytest.mark.parametrize(
    ("hours", "km", "expected"), [(0, 0, 0.0), (50, 25, 1.0), (100, 0, 1.0), (101, 0, 3.01), (10, 100, 2.1)]
)
def test_delay_way_and_lateness_add_up(hours: float, km: float, expected: float) -> None:
    merits = Merits(delay=np.array([hours / 100]), way_km=np.array([km]), late=np.array([hours > 100]) * 1.0)

    assert costs_of(RULE, merits)[0] == pytest.approx(expected)


def test_price_and_queue_count_by_their_weights() -> None:
    plain, dear = (
        costs_of(RULE, Merits(delay=0.5, way_km=10.0, late=0.0, dearness=d, queue=q))
        for d, q in ((0.0, 0.0), (0.2, -0.5))
    )

    assert float(dear - plain) == pytest.approx(0.2 * RULE.price - 0.5 * RULE.queue)


def test_one_seed_makes_one_region() -> None:
    one, same, other = (make_scenario(alerts=50, stations=10, seed=s) for s in (1, 1, 2))

    assert np.array_equal(one.vehicle_lats, same.vehicle_lats)
    assert one.faults == same.faults
    assert not np.array_equal(one.vehicle_lats, other.vehicle_lats)
