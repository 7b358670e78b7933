"""Many vehicles in one transaction: as if each had been decided by itself; one that fails harms no other."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from alerts import router
from alerts.breaker import HELD_BACK
from alerts.orders.assigner import assign_batches
from alerts.orders.states import BATCHED
from alerts.router import Routed, route_waiting
from alerts.rules import BreakerRule
from alerts.setbacks import Setbacks
from data.db import Connection, Pool, open_pool, transaction
from data.locks import LOCK_VEHICLE
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
POLICY = seed.make_terms().policy
TERMS = seed.make_terms(policy=replace(POLICY, batch=replace(POLICY.batch, from_vehicles=1)))
ORDERED = "SELECT vehicle_id FROM repair_orders ORDER BY vehicle_id"


class CountingPool:
    """Counts the transactions that are lent."""

    def __init__(self, pool: Pool) -> None:
        self._pool, self.count = pool, 0

    @contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[Connection]:
        self.count += 1
        with self._pool.connection(timeout) as connection:
            yield connection


def run(pool: Pool, statement: str) -> None:
    with transaction(pool) as connection:
        connection.execute(statement)  # type: ignore[arg-type]


def seed_night(pool: Pool, count: int, **changes: Any) -> list[int]:
    vehicles = seed.seed_vehicles(pool, count)
    for vehicle in vehicles:
        seed.add_prediction(pool, vehicle, NOW, **changes)
    return vehicles


def test_many_vehicles_take_one_transaction(pool: Pool) -> None:
    vehicles = seed_night(pool, 40)
    counting = CountingPool(pool)

    done = route_waiting(cast("Pool", counting), TERMS, now=NOW)

    assert done == Routed(predictions=40, raised=40, orders=40)
    assert counting.count == 2  # whom to decide about, and the decisions
    assert seed.rows(pool, ORDERED) == [(vehicle,) for vehicle in vehicles]
    assert seed.rows(pool, "SELECT DISTINCT waiting_reason, version FROM repair_orders") == [(BATCHED, 1)]
    assert seed.rows(pool, "SELECT count(*) FROM alerts WHERE order_id IS NULL") == [(0,)]
    assert seed.rows(
        pool,
        "SELECT array_agg(to_state ORDER BY event_id), array_agg(reason ORDER BY event_id) IS NULL"
        " FROM order_events GROUP BY order_id",
    ) == [(["predicted", "triaged", "triaged"], False)] * len(vehicles)


@pytest.mark.parametrize(
    "refusal",
    ["", "vehicle_id <> {bad}", "1 / (vehicle_id - {bad}) <> 2"],
    ids=["deciding fails", "a constraint", "a value"],
)
def test_a_vehicle_that_fails_is_decided_alone_and_the_others_have_their_orders(
    pool: Pool, refusal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vehicles = seed_night(pool, 12)
    setbacks, bad, act_on = Setbacks(), vehicles[5], router.act_on

    def act(desk: Any, prediction: Any, vehicle: Any, terms: Any, **rest: Any) -> Any:
        if not refusal and vehicle.vehicle_id == bad:
            raise ValueError("vehicle data that nobody foresaw")
        return act_on(desk, prediction, vehicle, terms, **rest)

    monkeypatch.setattr("alerts.router.act_on", act)
    if refusal:
        run(pool, f"ALTER TABLE alerts ADD CONSTRAINT refused CHECK ({refusal.format(bad=bad)})")
    try:
        with capture_logs() as logged:
            done = route_waiting(pool, TERMS, now=NOW, setbacks=setbacks)
    finally:
        run(pool, "ALTER TABLE alerts DROP CONSTRAINT IF EXISTS refused")

    assert (done.orders, done.lost, setbacks.resting(NOW)) == (11, 1, [bad])
    assert {entry["vehicle_id"] for entry in logged if "vehicle_id" in entry} == {bad}
    assert seed.rows(pool, ORDERED) == [(vehicle,) for vehicle in vehicles if vehicle != bad]
    assert seed.rows(pool, "SELECT vehicle_id FROM predictions WHERE routed_at IS NULL") == [(bad,)]
    assert seed.rows(pool, "SELECT count(*) FROM alerts WHERE vehicle_id = %s", bad) == [(0,)]


def test_what_becomes_more_urgent_on_the_way_is_planned_at_once_and_the_others_wait_for_the_batch(
    pool: Pool,
) -> None:
    vehicles = seed_night(pool, 6)
    seed.add_prediction(
        pool, vehicles[3], NOW, component="tire rear-left", failure_mode="tire_puncture", severity="S2"
    )

    route_waiting(pool, TERMS, now=NOW)

    assert seed.rows(pool, "SELECT vehicle_id, severity, waiting_reason FROM repair_orders ORDER BY 1") == [
        (vehicle, "S2" if vehicle == vehicles[3] else "S3", BATCHED) for vehicle in vehicles
    ]
    assert seed.rows(pool, "SELECT count(*) FROM alerts WHERE order_id IS NULL") == [(0,)]


def test_what_calls_for_stopping_is_offered_before_the_others_are_decided(pool: Pool) -> None:
    vehicles = seed_night(pool, 20)
    seed.add_prediction(pool, vehicles[7], NOW, component="tire front-left", severity="S1")
    seen: list[int] = []

    class Watched(CountingPool):
        @contextmanager
        def connection(self, timeout: float | None = None) -> Iterator[Connection]:
            seen.append(seed.rows(pool, "SELECT count(*) FROM warnings WHERE severity = 'S1'")[0][0])
            with super().connection(timeout) as connection:
                yield connection

    route_waiting(cast("Pool", Watched(pool)), TERMS, now=NOW)

    assert seen == [0, 0, 1]  # whom to decide about, the urgent one, all others


def test_a_vehicle_that_somebody_else_is_deciding_about_is_left_to_them(pool: Pool) -> None:
    vehicles = seed_night(pool, 5)
    with pool.connection() as other:
        other.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_VEHICLE, vehicles[1]))
        done = route_waiting(pool, TERMS, now=NOW)

    assert (done.orders, done.lost) == (4, 0)
    assert seed.rows(pool, "SELECT vehicle_id FROM predictions WHERE routed_at IS NULL") == [(vehicles[1],)]


def test_the_breaker_counts_the_orders_of_one_transaction_too(pool: Pool) -> None:
    seed_night(pool, 9)
    rule = BreakerRule(orders_per_hour=4, fleet_share=0.0)
    terms = replace(TERMS, policy=replace(TERMS.policy, breaker=rule))

    route_waiting(pool, terms, now=NOW)

    assert seed.rows(pool, "SELECT waiting_reason, count(*) FROM repair_orders GROUP BY 1 ORDER BY 1") == [
        (HELD_BACK, 5),
        (BATCHED, 4),
    ]
    assert seed.rows(pool, "SELECT order_count, order_limit FROM breaker_trips") == [(4, 4)]


def test_routers_that_decide_many_each_neither_block_each_other_nor_order_twice(
    pool: Pool, database_url: str
) -> None:
    vehicles = seed.seed_vehicles(pool, 120)
    for number, vehicle in enumerate(vehicles):
        for tire in ("rear-left", "front-right"):  # two combinations of the breaker each, in both orders
            version = f"test-{(number + (tire == 'rear-left')) % 2}"
            seed.add_prediction(pool, vehicle, NOW, component=f"tire {tire}", model_version=version)
    rule = BreakerRule(orders_per_hour=1000, fleet_share=0.5)
    terms = replace(TERMS, policy=replace(TERMS.policy, breaker=rule))

    def route(_: int) -> Routed:
        own = open_pool(database_url, size=2)
        try:
            done = Routed()
            while seed.rows(own, "SELECT 1 FROM predictions WHERE routed_at IS NULL LIMIT 1"):
                done += route_waiting(own, terms, now=NOW, limit=32)
            return done
        finally:
            own.close()

    with ThreadPoolExecutor(4) as executor:
        total = sum(executor.map(route, range(4)), Routed())

    assert (total.predictions, total.orders, total.lost) == (240, 240, 0)
    assert seed.rows(pool, "SELECT count(*), count(DISTINCT alert_id) FROM alert_events") == [(240, 240)]


def history(pool: Pool) -> dict[str, list[tuple[Any, ...]]]:
    """All that was decided, without numbers; when and where, the batch says."""
    queries = {
        "alerts": "SELECT vehicle_id, component, failure_mode, severity, state, occurrence_count, first_seen,"
        " last_seen, raised_at, cleared_at, quiet_since, prediction_id, order_id IS NULL FROM alerts"
        " ORDER BY 1, 2, 3, alert_id",
        "alert history": "SELECT a.vehicle_id, a.component, a.failure_mode, e.from_state, e.to_state,"
        " e.reason FROM alert_events e JOIN alerts a USING (alert_id) ORDER BY 1, 2, 3, e.event_id",
        "orders": "SELECT vehicle_id, component, cause, failure_mode, severity, state, deadline, complaint,"
        " reasons, ttt_p10_h, waiting_reason, prediction_id, model_version FROM repair_orders ORDER BY 1, 2",
        "history": "SELECT o.vehicle_id, o.component, e.from_state, e.to_state,"
        " CASE WHEN e.to_state <> 'offered' THEN e.reason END"
        " FROM order_events e JOIN repair_orders o USING (order_id) WHERE e.reason NOT LIKE 'hold expired%%'"
        " ORDER BY 1, 2, e.event_id",
        "warnings": "SELECT vehicle_id, severity, title_en FROM warnings ORDER BY 1, 2, 3",
        "waiting": "SELECT prediction_id FROM predictions WHERE routed_at IS NULL",
    }
    return {name: seed.rows(pool, query) for name, query in queries.items()}


@pytest.mark.parametrize("number", range(2))
def test_what_is_decided_together_is_what_is_decided_one_by_one(pool: Pool, number: int) -> None:
    vehicles = seed.seed_vehicles(pool, 8)
    kinds = [
        ("tire rear-left", "tire_slow_leak", ("S3", "S2")),
        ("cell 7", "cell_internal_short", ("S3", "S2")),
        ("cell 9", "cell_internal_short", ("S3",)),
        ("battery", "cooling_loss", ("S3", "S2")),
        ("motor 1", "motor_thermal", ("S3",)),
        ("battery", "battery_capacity_fade", ("S4",)),
    ]

    def decide(is_together: bool) -> dict[str, list[tuple[Any, ...]]]:
        rng = random.Random(number)  # noqa: S311 - the same for both
        run(
            pool,
            "TRUNCATE alerts, repair_orders, predictions, vehicle_events, ingest_batches, warnings"
            " RESTART IDENTITY CASCADE",
        )
        run(pool, "UPDATE part_stock SET reserved = 0")
        for day in range(2):
            at = NOW + timedelta(days=day)
            for vehicle in vehicles:
                if rng.random() < 0.2:
                    seed.add_alarms(pool, vehicle, [at - timedelta(hours=5)], received=at)
                for component, mode, severities in rng.sample(kinds, rng.randint(0, 3)):
                    seed.add_prediction(
                        pool,
                        vehicle,
                        at,
                        component=component,
                        failure_mode=mode,
                        severity=rng.choice(severities),
                        probability=rng.choice((0.1, 0.5, 0.95)),
                        is_fresh=rng.random() < 0.9,
                    )
            while route_waiting(pool, TERMS, now=at, limit=64 if is_together else 1).predictions:
                continue
            assign_batches(pool, TERMS, now=at, is_due=True)
        return history(pool)

    assert decide(is_together=False) == decide(is_together=True)
