"""The circuit breaker: a predictor that orders too much waits for a person."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerts.breaker import Decision
from alerts.errors import InvalidTransition, UnknownTrip
from alerts.operations import release_trip
from alerts.orders.replanning import replan_waiting
from alerts.router import route_waiting
from alerts.rules import BreakerRule, load_policy
from data.db import Pool, open_pool
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
LIMIT = 3
TERMS = seed.make_terms(
    policy=replace(load_policy(), breaker=BreakerRule(orders_per_hour=LIMIT, fleet_share=0.0))
)
HELD = (
    "SELECT count(*) FROM repair_orders WHERE state = 'triaged'"
    " AND starts_with(waiting_reason, 'circuit breaker')"
)


def trip(pool: Pool, *, vehicles: int = 6, **overrides: object) -> list[int]:
    found = seed.seed_vehicles(pool, vehicles)
    for vehicle in found:
        seed.add_prediction(pool, vehicle, NOW, **overrides)
    route_waiting(pool, TERMS, now=NOW)
    return found


def release(pool: Pool, decision: Decision, now: datetime = NOW) -> int:
    ((trip_id, tenant_id),) = seed.rows(
        pool, "SELECT trip_id, tenant_id FROM breaker_trips WHERE released_at IS NULL"
    )
    return release_trip(
        pool,
        trip_id=trip_id,
        tenant_id=tenant_id,
        decision=decision,
        actor="operations:li",
        reason="looked at three of them",
        now=now,
    ).orders


def test_orders_beyond_the_limit_wait_for_a_person_without_a_warning(pool: Pool) -> None:
    trip(pool)

    assert seed.rows(pool, "SELECT count(*) FROM repair_orders WHERE state = 'offered'") == [(LIMIT,)]
    assert seed.rows(pool, HELD) == [(6 - LIMIT,)]
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(LIMIT,)]
    assert seed.rows(pool, "SELECT count(*) FROM alerts WHERE state = 'open' AND order_id IS NOT NULL") == [
        (6,)
    ]
    assert seed.rows(pool, "SELECT order_count, order_limit FROM breaker_trips") == [(LIMIT, LIMIT)]
    assert seed.rows(pool, "SELECT actor, action FROM audit_events WHERE starts_with(action, 'breaker')") == [
        ("anxin", "breaker.trip")
    ]


def test_what_is_held_back_is_not_placed_by_looking_for_a_station_again(pool: Pool) -> None:
    trip(pool)

    assert replan_waiting(pool, TERMS, now=NOW + timedelta(hours=3)) == 0
    assert seed.rows(pool, HELD) == [(6 - LIMIT,)]


def test_the_share_of_a_large_fleet_counts_before_the_number(pool: Pool) -> None:
    terms = replace(
        TERMS, policy=replace(TERMS.policy, breaker=BreakerRule(orders_per_hour=2, fleet_share=0.8))
    )
    for vehicle in seed.seed_vehicles(pool, 5):
        seed.add_prediction(pool, vehicle, NOW)
    route_waiting(pool, terms, now=NOW)

    assert seed.rows(pool, HELD) == [(1,)]
    assert seed.rows(pool, "SELECT order_limit FROM breaker_trips") == [(4,)]


@pytest.mark.parametrize(
    "other", [{"model_version": "test-2"}, {"failure_mode": "lv_battery", "component": "battery"}]
)
def test_another_predictor_is_not_held_back(pool: Pool, other: dict[str, object]) -> None:
    vehicles = trip(pool)
    for vehicle in seed.seed_vehicles(pool, len(vehicles) + 1)[-1:]:
        seed.add_prediction(pool, vehicle, NOW, **other)
        route_waiting(pool, TERMS, now=NOW)

    assert seed.rows(pool, HELD) == [(6 - LIMIT,)]


def test_what_cannot_wait_is_never_held_back(pool: Pool) -> None:
    trip(pool, severity="S1", component="battery", failure_mode="insulation_loss")

    assert seed.rows(pool, HELD) == [(0,)]
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(6,)]


def test_a_held_order_that_becomes_urgent_is_placed_and_told(pool: Pool) -> None:
    trip(pool)
    ((vehicle,),) = seed.rows(
        pool, "SELECT min(vehicle_id) FROM repair_orders WHERE starts_with(waiting_reason, 'circuit breaker')"
    )
    seed.add_prediction(pool, vehicle, NOW + timedelta(minutes=1), severity="S2")
    route_waiting(pool, TERMS, now=NOW + timedelta(minutes=1))
    held = seed.rows(pool, HELD)
    seed.add_prediction(pool, vehicle, NOW + timedelta(minutes=2), severity="S1")
    route_waiting(pool, TERMS, now=NOW + timedelta(minutes=2))

    assert held == [(6 - LIMIT,)]
    assert seed.rows(pool, HELD) == [(6 - LIMIT - 1,)]
    assert seed.rows(pool, "SELECT DISTINCT severity FROM warnings WHERE vehicle_id = %s", vehicle) == [
        ("S1",)
    ]


def test_released_orders_are_placed_and_owners_told_at_once(pool: Pool) -> None:
    trip(pool)

    assert release(pool, Decision.PLACE) == 6 - LIMIT
    assert replan_waiting(pool, TERMS, now=NOW + timedelta(seconds=20)) == 6 - LIMIT
    assert seed.rows(pool, "SELECT count(*) FROM repair_orders WHERE state = 'offered'") == [(6,)]
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(6,)]
    assert seed.rows(pool, "SELECT actor FROM audit_events WHERE action = 'breaker.release'") == [
        ("operations:li",)
    ]


def test_dismissed_orders_are_cancelled_and_the_same_evidence_orders_nothing_again(pool: Pool) -> None:
    vehicles = trip(pool)
    release(pool, Decision.DISMISS)
    later = NOW + timedelta(hours=2)
    for vehicle in vehicles:
        seed.add_prediction(pool, vehicle, later)
    route_waiting(pool, TERMS, now=later)

    assert sorted(seed.rows(pool, "SELECT state, count(*) FROM repair_orders GROUP BY 1")) == [
        ("cancelled", 6 - LIMIT),
        ("offered", LIMIT),
    ]
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(LIMIT,)]


def test_a_trip_is_released_once_and_counting_starts_anew(pool: Pool) -> None:
    trip(pool)
    release(pool, Decision.PLACE, NOW + timedelta(minutes=1))
    with pytest.raises(InvalidTransition, match="released already"):
        release_trip(pool, trip_id=1, tenant_id=1, decision=Decision.PLACE, actor="x", reason="y", now=NOW)
    with pytest.raises(UnknownTrip):
        release_trip(pool, trip_id=99, tenant_id=1, decision=Decision.PLACE, actor="x", reason="y", now=NOW)
    later = NOW + timedelta(minutes=5)
    for vehicle in seed.seed_vehicles(pool, 10)[6:]:
        seed.add_prediction(pool, vehicle, later)
    route_waiting(pool, TERMS, now=later)

    assert seed.rows(pool, HELD) == [(1,)]
    assert seed.rows(pool, "SELECT count(*) FROM breaker_trips") == [(2,)]


def test_eight_routers_together_place_no_more_than_the_limit(pool: Pool, database_url: str) -> None:
    for vehicle in seed.seed_vehicles(pool, 40):
        seed.add_prediction(pool, vehicle, NOW)
    start = threading.Barrier(8)

    def route(_: int) -> None:
        own = open_pool(database_url, size=1)
        try:
            start.wait()
            while seed.rows(own, "SELECT 1 FROM predictions WHERE routed_at IS NULL LIMIT 1"):
                route_waiting(own, TERMS, now=NOW, limit=8)
        finally:
            own.close()

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(route, range(8)))

    assert seed.rows(pool, HELD) == [(40 - LIMIT,)]
    assert seed.rows(pool, "SELECT count(*) FROM breaker_trips") == [(1,)]
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(LIMIT,)]
