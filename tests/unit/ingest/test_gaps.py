from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.records import Vin
from ingest.gaps import (
    Gap,
    Plan,
    Ranges,
    asked_for_s,
    backoff_s,
    intersect,
    next_numbers,
    parse_multirange,
    plan_requests,
)
from ingest.streams import multirange

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NUMBERS = st.sets(st.integers(0, 60))


def ranges_of(numbers: set[int]) -> Ranges:
    return parse_multirange(multirange(sorted(numbers)))


def numbers_of(ranges: Ranges) -> list[int]:
    return [n for low, high in ranges for n in range(low, high)]


@given(NUMBERS)
def test_numbers_survive_the_way_through_a_multirange(numbers: set[int]) -> None:
    assert sorted(numbers) == numbers_of(ranges_of(numbers))


@given(NUMBERS, NUMBERS, st.integers(1, 20))
def test_ranges_behave_as_sets_of_numbers(left: set[int], right: set[int], limit: int) -> None:
    shared = intersect(ranges_of(left), ranges_of(right))

    assert sorted(left & right) == numbers_of(shared)
    assert sorted(left & right)[:limit] == numbers_of(next_numbers(shared, limit, turn=0))


@given(NUMBERS, st.integers(1, 20), st.integers(0, 300))
def test_requests_in_vain_come_round_to_every_missing_number(
    missing: set[int], limit: int, turn: int
) -> None:
    rounds = -(-len(missing) // limit)
    asked = [numbers_of(next_numbers(ranges_of(missing), limit, turn=turn + i)) for i in range(rounds)]

    assert all(len(numbers) <= limit for numbers in asked)
    assert sorted(n for numbers in asked for n in numbers) == sorted(missing)


def gap_of(vehicle_id: int, missing: Ranges, *, asked: datetime | None = None, count: int = 0) -> Gap:
    return Gap(
        vehicle_id=vehicle_id,
        boot="b",
        tenant="demo",
        vin=Vin("LANX0000000000001"),
        missing=missing,
        high=100,
        requested_at=asked,
        request_count=count,
    )


def plan(missing: Ranges, seen_high: int, *, asked: datetime | None = None, count: int = 0) -> Plan:
    gap = gap_of(1, missing, asked=asked, count=count)
    return plan_all([gap], {gap.key: seen_high})


def plan_all(gaps: list[Gap], earlier: dict[tuple[int, str], int], *, budget: int = 1000) -> Plan:
    return plan_requests(
        gaps,
        earlier,
        now=NOW,
        interval_s=10,
        limit=100,
        budget=budget,
        horizon_s=7 * 86_400,
        rng=np.random.default_rng(0),
    )


def test_only_a_hole_that_stands_is_asked_for() -> None:
    assert plan(((3, 5),), 2).requests == []
    assert plan(((3, 4), (8, 9)), 5).requests[0].ranges == ((3, 4),)
    assert plan(((3, 9),), 5).requests[0].ranges == ((3, 6),)
    assert plan_all([gap_of(1, ((3, 5),))], {}).requests == []


def test_a_round_asks_for_no_more_than_its_budget_and_says_where_it_stopped() -> None:
    gaps = [gap_of(n, ((0, 30),)) for n in range(10)]
    earlier = {gap.key: 50 for gap in gaps}

    found = plan_all(gaps, earlier, budget=70)

    assert [request.gap.vehicle_id for request in found.requests] == [0, 1, 2]
    assert found.looked_at == 3
    assert plan_all(gaps, earlier).looked_at == 10


def test_a_silent_vehicle_is_asked_ever_more_rarely() -> None:
    hole = ((3, 5),)
    assert plan(hole, 9, asked=NOW - timedelta(seconds=35), count=3).requests == []
    assert len(plan(hole, 9, asked=NOW - timedelta(seconds=51), count=3).requests) == 1
    assert [backoff_s(n, 10) for n in (0, 1, 2, 3, 9, 50)] == [10, 10, 20, 40, 2560, 2560]


def test_a_hole_is_given_up_when_the_vehicle_has_kept_silent_for_as_long_as_it_stores() -> None:
    hole = ((3, 5),)
    assert plan(hole, 9, asked=NOW, count=100).given_up == []
    assert plan(((3, 5), (7, 9)), 6, asked=NOW, count=300).given_up[0].ranges == hole
    assert sum(backoff_s(n, 10) for n in range(1, 31)) == asked_for_s(30, 10)
