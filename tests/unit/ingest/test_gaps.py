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


def plan(missing: Ranges, seen: Ranges, *, asked: datetime | None = None, count: int = 0) -> Plan:
    gap = Gap(
        vehicle_id=1,
        boot="b",
        tenant="demo",
        vin=Vin("LANX0000000000001"),
        missing=missing,
        requested_at=asked,
        request_count=count,
    )
    return plan_requests(
        [gap],
        {gap.key: seen},
        now=NOW,
        interval_s=10,
        limit=100,
        horizon_s=7 * 86_400,
        rng=np.random.default_rng(0),
    )


def test_only_a_hole_that_stands_is_asked_for() -> None:
    assert plan(((3, 5),), ()).requests == []
    assert plan(((3, 4), (8, 9)), ((3, 5),)).requests[0].ranges == ((3, 4),)


def test_a_silent_vehicle_is_asked_ever_more_rarely() -> None:
    hole = ((3, 5),)
    assert plan(hole, hole, asked=NOW - timedelta(seconds=35), count=3).requests == []
    assert len(plan(hole, hole, asked=NOW - timedelta(seconds=51), count=3).requests) == 1
    assert [backoff_s(n, 10) for n in (0, 1, 2, 3, 9, 50)] == [10, 10, 20, 40, 2560, 2560]


def test_a_hole_is_given_up_when_the_vehicle_has_kept_silent_for_as_long_as_it_stores() -> None:
    hole = ((3, 5),)
    assert plan(hole, hole, asked=NOW, count=100).given_up == []
    assert plan(((3, 5), (7, 9)), hole, asked=NOW, count=300).given_up[0].ranges == hole
    assert sum(backoff_s(n, 10) for n in range(1, 31)) == asked_for_s(30, 10)
