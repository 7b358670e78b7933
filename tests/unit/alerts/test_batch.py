"""Many orders at once: matched at the least cost for all, the urgent first, within what there is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise, permutations, product
from math import ceil
from random import Random

import numpy as np
import pytest

from alerts.dispatch.arrivals import Arrival
from alerts.dispatch.batch import Batch, Request, match
from alerts.dispatch.jobs import Job
from alerts.dispatch.modes import Way
from alerts.dispatch.stations import Occupancy, Plan, Station, Taken
from alerts.dispatch.worktimes import WorkTimes
from alerts.facts import Order
from alerts.orders.states import OrderState
from alerts.rules import Mode, load_policy
from data.records import FailureMode, Severity
from tests.unit.alerts.test_stations import JOB, NOW, make_station

POLICY = load_policy()
DRIVE = Way(mode=Mode.DRIVE_IN, limit_km=150.0, limit_en="longest way", limit_zh="最远距离")


def make_request(
    number: int,
    ways_km: Sequence[float],
    *,
    severity: Severity = Severity.S3,
    way: Way = DRIVE,
    job: Job = JOB,
) -> Request:
    order = Order(
        order_id=number,
        vehicle_id=number,
        tenant_id=1,
        component="tire rear-left",
        cause="tire rear-left",
        failure_mode=FailureMode.TIRE_SLOW_LEAK,
        severity=severity,
        state=OrderState.TRIAGED,
        version=1,
        deadline=POLICY.deadline(severity, NOW),
        station_id=None,
        slot_start=None,
        total=Decimal(0),
        waiting_reason=None,
        opened_at=NOW,
    )
    return Request(order=order, job=job, way=way, road_km=np.array(ways_km))


def place(
    requests: Sequence[Request],
    stations: Sequence[Station],
    *,
    kits: int = 99,
    taken: Sequence[Taken] = (),
    arrivals: Sequence[Arrival] = (),
) -> dict[int, Plan]:
    occupancy = {
        s.station_id: Occupancy(stock={"KIT": kits}, taken=taken, arrivals=arrivals) for s in stations
    }
    return match(
        requests,
        Batch(
            stations=stations,
            occupancy=occupancy,
            worked=WorkTimes().mask,
            severities=POLICY.severities,
            rule=POLICY.order,
            cost=POLICY.cost,
            parts=POLICY.parts,
            improve_rounds=POLICY.batch.improve_rounds,
            now=NOW,
        ),
        rng=Random(1),  # noqa: S311 - chance for a test
    )


def cost_of(plans: dict[int, Plan], hours: float) -> float:
    return sum((p.start - NOW) / timedelta(hours=hours) + p.distance_km / 50 for p in plans.values())


def test_who_has_no_other_choice_gets_the_near_station() -> None:
    stations = [make_station(1), make_station(2)]
    far_from_both_but_one = make_request(1, [4.0, 140.0])
    has_two = make_request(2, [2.0, 6.0])

    placed = place([has_two, far_from_both_but_one], stations, kits=1)

    assert {n: p.station.code for n, p in placed.items()} == {1: "S1", 2: "S2"}
    assert [(p.station.code, p.code) for p in placed[2].passed_over] == [("S1", "batch")]


def test_nothing_overlaps_and_everybody_has_time_to_come() -> None:
    rng = np.random.default_rng(5)
    stations = [make_station(1), make_station(2), make_station(3)]
    requests = [make_request(n, rng.uniform(1, 60, 3).tolist()) for n in range(90)]

    placed = place(requests, stations)

    assert len(placed) == 90
    by_bay = sorted((p.technician.technician_id, p.start, p.end) for p in placed.values())
    assert all(a[0] != b[0] or a[2] <= b[1] for a, b in pairwise(by_bay))
    for p in placed.values():
        assert p.start >= NOW + timedelta(hours=2 + p.distance_km / 40)


def test_a_batch_costs_less_than_each_in_turn_at_the_nearest() -> None:
    rng = np.random.default_rng(8)
    stations = [make_station(n) for n in range(1, 5)]
    requests = [make_request(n, rng.uniform(2, 30, 4).tolist(), severity=Severity.S2) for n in range(40)]
    together = place(requests, stations)
    in_turn: dict[int, Plan] = {}
    taken: list[Taken] = []
    for request in requests:
        nearest = int(np.argmin(request.road_km))
        alone = replace(request, road_km=np.where(np.arange(4) == nearest, request.road_km, 1000.0))
        in_turn |= place([alone], stations, taken=taken)
        found = in_turn[request.order.order_id]
        assert found.bay is not None
        taken.append(Taken(bay_id=found.bay.bay_id, technician_id=None, start=found.start, end=found.end))

    assert len(together) == len(in_turn) == 40
    assert cost_of(together, 24.0) < cost_of(in_turn, 24.0)


def test_a_few_orders_are_matched_as_cheaply_as_they_can_be() -> None:
    rng = np.random.default_rng(3)
    stations = [make_station(1), make_station(2)]
    long = replace(JOB, operations=tuple(replace(o, hours=Decimal("1.2")) for o in JOB.operations))
    requests = [
        make_request(n, rng.uniform(1, 30, 2).tolist(), severity=Severity.S2, job=long if n % 2 else JOB)
        for n in range(5)
    ]

    placed = place(requests, stations)

    least = min(
        cost_in_turn(turn, where) for turn in permutations(requests) for where in product((0, 1), repeat=5)
    )
    assert cost_of(placed, 24.0) == pytest.approx(least)


def cost_in_turn(turn: Sequence[Request], where: Sequence[int]) -> float:
    """Return what orders cost one after the other at the stations said; both close at 18:00, in 8 h."""
    cost, free = 0.0, [0, 0]
    for request, station in zip(turn, where, strict=True):
        way_km = float(request.road_km[station])
        start = max(free[station], ceil((1 + way_km / 40) * 4))
        free[station] = start + request.job.step_count
        cost += start / 4 / 24 + way_km / 50 if free[station] <= 32 else np.inf
    return cost


def test_the_same_chance_gives_the_same_appointments() -> None:
    rng = np.random.default_rng(4)
    stations = [make_station(n) for n in range(1, 4)]
    requests = [make_request(n, rng.uniform(1, 60, 3).tolist()) for n in range(30)]

    first, again = (place(requests, stations) for _ in range(2))

    assert first == again


def test_parts_on_their_way_are_waited_for_and_each_is_given_out_once() -> None:
    coming = Arrival(arrival_id=7, sku="KIT", free=2, expected_at=NOW + timedelta(days=1), spread_h=2.0)

    placed = place([make_request(n, [5.0]) for n in range(4)], [make_station(1)], kits=1, arrivals=[coming])

    starts = sorted((p.start, p.supply.arrivals, p.p_late) for p in placed.values())
    assert [[a.arrival_id for a in arrivals] for _, arrivals, _ in starts] == [[], [7], [7]]
    sure_at = coming.sure_at(POLICY.parts, NOW)
    assert starts[0][0] < NOW + timedelta(hours=4)
    assert all(start >= sure_at and 0 < p_late <= 0.1 for start, _, p_late in starts[1:])


def test_the_more_urgent_class_goes_first_whatever_it_costs_the_other() -> None:
    one_bay = [make_station(1)]
    relaxed = [make_request(n, [1.0]) for n in range(5)]
    urgent = make_request(9, [30.0], severity=Severity.S2)

    placed = place([*relaxed, urgent], one_bay)

    alone = place([urgent], one_bay)
    assert placed[9].start == alone[9].start


def test_parts_are_given_out_once() -> None:
    placed = place([make_request(n, [5.0]) for n in range(5)], [make_station(1)], kits=3)

    assert len(placed) == 3


def test_a_late_time_comes_before_none_and_says_so() -> None:
    week, fortnight = timedelta(days=7, hours=1), timedelta(days=14)
    busy = [Taken(bay_id=10, technician_id=10, start=NOW, end=NOW + week)]
    full = [Taken(bay_id=10, technician_id=10, start=NOW, end=NOW + fortnight + timedelta(days=1))]

    late = place([make_request(1, [5.0])], [make_station(1)], taken=busy)[1]

    assert late.is_late
    assert NOW + week <= late.start <= NOW + fortnight
    assert place([make_request(1, [5.0])], [make_station(1)], taken=full) == {}


def test_an_urgent_order_that_comes_late_is_still_before_those_less_urgent() -> None:
    busy = [Taken(bay_id=10, technician_id=10, start=NOW, end=NOW + timedelta(days=2))]
    requests = [make_request(n, [5.0]) for n in range(1, 9)]
    urgent = make_request(9, [5.0], severity=Severity.S2)

    placed = place([*requests, urgent], [make_station(1)], taken=busy)

    assert placed[9].is_late
    assert placed[9].start == min(plan.start for plan in placed.values())


def test_what_has_no_way_is_left_to_be_decided_alone() -> None:
    short = replace(DRIVE, limit_km=3.0)

    assert place([make_request(1, [5.0], way=short)], [make_station(1)]) == {}
    assert place([make_request(1, [5.0])], [make_station(1, technicians=())]) == {}
    assert place([], [make_station(1)]) == {}
    assert place([make_request(1, [])], []) == {}
