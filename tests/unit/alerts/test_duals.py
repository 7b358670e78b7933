"""No schedule is cheaper than the bound, and the bound knows that a bay is taken once."""

from itertools import permutations

import numpy as np
import pytest

from alerts.bench.duals import Capacity, Kind, lower_bound
from tests.unit.alerts.test_stations import JOB

STEPS = 60


def make_kind(count: int) -> Kind:
    return Kind(
        job=JOB,
        orders=np.arange(count),
        possible=np.ones((1, STEPS), dtype=np.bool_),
        start_costs=np.arange(STEPS) / 10,
    )


@pytest.mark.parametrize("arrivals", [(0, 0, 0), (0, 1, 7), (5, 5, 20, 21)])
def test_the_bound_reaches_the_best_schedule_of_one_bay_and_never_exceeds_it(
    arrivals: tuple[int, ...],
) -> None:
    first = np.array(arrivals)[:, None]
    kind = make_kind(len(arrivals))
    one_bay = [Capacity((0,), np.ones((1, STEPS)))]
    best = min(schedule_cost(turn) for turn in permutations(arrivals))

    alone, bound = (
        lower_bound([kind], some, first=first, way_costs=np.zeros(first.shape), upper=best, rounds=400)
        for some in ([], one_bay)
    )

    assert alone == pytest.approx(sum(arrivals) / 10)
    assert alone - 1e-9 <= bound <= best + 1e-9
    assert bound >= best - 0.1 * (best - alone) - 1e-6


def schedule_cost(turn: tuple[int, ...]) -> float:
    cost, free = 0.0, 0
    for arrival in turn:
        start = max(free, arrival)
        cost, free = cost + start / 10, start + JOB.step_count
    return cost


def test_too_far_is_no_choice() -> None:
    far = np.array([[np.inf, 2.0]])
    kind = Kind(
        job=JOB,
        orders=np.array([0]),
        possible=np.ones((2, STEPS), dtype=np.bool_),
        start_costs=np.zeros(STEPS),
    )

    assert (
        lower_bound([kind], [], first=np.zeros((1, 2), dtype=np.int64), way_costs=far, upper=9.0, rounds=3)
        == 2.0
    )
