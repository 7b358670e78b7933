"""No schedule is cheaper than the bound, and the bound knows that a bay is taken once."""

from dataclasses import replace
from decimal import Decimal
from itertools import permutations, product

import numpy as np
import pytest

from alerts.bench.duals import Capacity, Kind, capacities_of, lower_bound
from alerts.dispatch.jobs import Job
from data.records import FloatArray, IntArray
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
        lower_bound([kind], some, first=first, way_costs=np.zeros(first.shape), rounds=400)
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


LONG = replace(JOB, operations=tuple(replace(o, hours=Decimal("1.0")) for o in JOB.operations))


@pytest.mark.parametrize("seed", range(4))
def test_no_schedule_of_two_stations_and_two_kinds_of_work_is_cheaper_than_the_bound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 6, (5, 2))
    ways = rng.uniform(0.0, 1.0, (5, 2))
    jobs = [JOB, LONG, JOB, LONG, JOB]
    late = np.where(np.arange(STEPS) > 7, 2.0, 0.0)
    kinds = [
        Kind(
            job=job,
            orders=np.array([n for n, mine in enumerate(jobs) if mine is job]),
            possible=np.ones((2, STEPS), dtype=np.bool_),
            start_costs=np.arange(STEPS) / 20 + late,
        )
        for job in (JOB, LONG)
    ]
    best = min(
        cost_in_turn(turn, where, jobs=jobs, first=first, ways=ways, start_costs=kinds[0].start_costs)
        for turn in permutations(range(5))
        for where in product((0, 1), repeat=5)
    )

    bound = lower_bound(
        kinds, [Capacity((0, 1), np.ones((2, STEPS)))], first=first, way_costs=ways, rounds=300
    )

    assert 0.85 * best <= bound <= best + 1e-9


def cost_in_turn(
    turn: tuple[int, ...],
    where: tuple[int, ...],
    *,
    jobs: list[Job],
    first: IntArray,
    ways: FloatArray,
    start_costs: FloatArray,
) -> float:
    cost, free = 0.0, [0, 0]
    for order, station in zip(turn, where, strict=True):
        start = max(free[station], int(first[order, station]))
        free[station] = start + jobs[order].step_count
        cost += float(start_costs[start] + ways[order, station])
    return cost


def test_who_must_be_late_is_counted() -> None:
    in_time_until_5 = replace(make_kind(4), start_costs=np.where(np.arange(STEPS) > 5, 1.0, 0.0))

    late = lower_bound(
        [in_time_until_5],
        [Capacity((0,), np.ones((1, STEPS)))],
        first=np.zeros((4, 1), dtype=np.int64),
        way_costs=np.zeros((4, 1)),
        rounds=400,
    )

    assert late == pytest.approx(2.0, abs=0.05)  # each takes three steps: they begin at 0, 3, 6 and 9
    assert late <= 2.0 + 1e-9


def test_only_sets_of_kinds_that_say_something_of_their_own_are_limits() -> None:
    tire, lift, hv, anything = ((0, 1),), ((1, 2, 3),), ((3,),), ((0, 1, 2, 3),)
    kinds = [make_kind(1) for _ in range(4)]

    found = capacities_of(
        kinds, {"bays": [tire, lift, hv, anything]}, {"bays": np.ones((4, 2), dtype=np.bool_)}
    )

    limits = {c.kinds: int(c.limits[0, 0]) for c in found}
    assert limits == {(0,): 2, (2,): 1, (1, 2): 3, (0, 1, 2, 3): 4}


def test_too_far_is_no_choice() -> None:
    far = np.array([[np.inf, 2.0]])
    kind = Kind(
        job=JOB,
        orders=np.array([0]),
        possible=np.ones((2, STEPS), dtype=np.bool_),
        start_costs=np.zeros(STEPS),
    )

    assert lower_bound([kind], [], first=np.zeros((1, 2), dtype=np.int64), way_costs=far, rounds=3) == 2.0
