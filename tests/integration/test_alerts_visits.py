"""What can wait for the next visit: told, ordered on request, offered with a visit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.commands import Commands
from alerts.errors import InvalidTransition, UnknownAlert
from alerts.orders.visits import offer_with_visits
from alerts.router import route_waiting
from alerts.shadow import PredictorMode, set_mode
from data.db import Pool
from data.records import FailureMode
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 1, tzinfo=UTC)  # 09:00 in Shanghai, a Tuesday
TERMS = seed.make_terms()
ORDERS = "SELECT order_id, failure_mode, state, severity FROM repair_orders ORDER BY order_id"
ALERTS = "SELECT failure_mode, state, order_id FROM alerts ORDER BY alert_id"
SLOTS = "SELECT order_id, station_id, lower(slot), upper(slot) FROM repair_orders ORDER BY order_id"
LOOKED_AT = "SELECT visit_id, alert_id, order_id, reason FROM visit_findings ORDER BY visit_id, alert_id"
FADE = {"component": "battery", "failure_mode": "battery_capacity_fade", "severity": "S4"}
SENSOR = {"component": "tire front-left", "failure_mode": "sensor_fault", "severity": "S4"}


def find(pool: Pool, vehicle: int, what: dict[str, Any], *, minutes: int = 0) -> None:
    at = NOW + timedelta(minutes=minutes)
    seed.add_prediction(pool, vehicle, at, since=at - timedelta(days=30), **what)
    route_waiting(pool, TERMS, now=at)


def ask(pool: Pool, alert_id: int, *, minutes: int = 5) -> Any:
    at = NOW + timedelta(minutes=minutes)
    return Commands(pool, TERMS).request_order(alert_id=alert_id, actor="owner:1", now=at)


def answer(pool: Pool, order_id: int, said: str, *, minutes: int = 2) -> None:
    ((version,),) = seed.rows(pool, "SELECT version FROM repair_orders WHERE order_id = %s", order_id)
    at = NOW + timedelta(minutes=minutes)
    Commands(pool, TERMS).answer(order_id=order_id, answer=said, actor="owner:1", version=version, now=at)


def book_visit(pool: Pool, vehicle: int) -> None:
    """Order 1: a leaking tire, agreed."""
    find(pool, vehicle, {})
    answer(pool, 1, "yes")


def look(pool: Pool, *, minutes: int = 3) -> int:
    return offer_with_visits(pool, TERMS, now=NOW + timedelta(minutes=minutes))


def test_what_can_wait_is_told_to_the_owner_once_and_ordered_by_nobody(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    find(pool, vehicle, FADE)
    find(pool, vehicle, FADE, minutes=1)

    assert seed.rows(pool, ALERTS) == [("battery_capacity_fade", "open", None)]
    assert seed.rows(pool, ORDERS) == []
    assert seed.rows(pool, "SELECT alert_id, order_id, severity FROM warnings") == [(1, None, "S4")]


def test_an_owner_who_asks_is_offered_an_appointment(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    find(pool, vehicle, FADE)

    asked = ask(pool, 1)

    assert (asked.order_id, asked.state, asked.is_new) == (1, "offered", True)
    assert seed.rows(pool, ORDERS) == [(1, "battery_capacity_fade", "offered", "S4")]
    assert seed.rows(pool, ALERTS) == [("battery_capacity_fade", "acknowledged", 1)]
    assert seed.rows(pool, "SELECT count(*) FROM bookings WHERE state = 'held'") == [(1,)]
    assert seed.rows(pool, "SELECT action, actor FROM audit_events WHERE action = 'order.request'") == [
        ("order.request", "owner:1")
    ]


def test_asking_twice_is_one_order(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    find(pool, vehicle, FADE)
    ask(pool, 1)

    again = ask(pool, 1, minutes=6)

    assert (again.order_id, again.is_new) == (1, False)
    assert len(seed.rows(pool, ORDERS)) == 1


def test_after_a_no_the_owner_may_ask_again(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    find(pool, vehicle, FADE)
    ask(pool, 1)
    answer(pool, 1, "no", minutes=6)

    again = ask(pool, 1, minutes=7)

    assert (again.order_id, again.state, again.is_new) == (2, "offered", True)
    assert [state for _, _, state, _ in seed.rows(pool, ORDERS)] == ["declined", "offered"]


def test_what_is_asked_for_joins_the_open_order_of_its_cause(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    find(pool, vehicle, FADE)
    find(pool, vehicle, {"component": "cell 7", "failure_mode": "cell_internal_short"}, minutes=1)

    asked = ask(pool, 1)

    assert (asked.order_id, asked.is_new) == (1, False)
    assert [order for _, _, order in seed.rows(pool, ALERTS)] == [1, 1]


def test_nothing_is_ordered_for_what_is_repaired_or_unknown(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    find(pool, vehicle, FADE)
    with pool.connection() as connection:
        connection.execute("UPDATE alerts SET state = 'cleared', cleared_at = %s", (NOW,))

    with pytest.raises(InvalidTransition, match="alert 1 is cleared"):
        ask(pool, 1)
    with pytest.raises(UnknownAlert, match="alert 99"):
        ask(pool, 99)


def test_a_vehicle_that_has_fallen_silent_is_nothing_for_a_workshop(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    book_visit(pool, vehicle)
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO alerts (tenant_id, vehicle_id, component, failure_mode, severity, state, first_seen,"
            " raised_at, last_seen, origin, updated_at)"
            " SELECT tenant_id, vehicle_id, 'vehicle', 'vehicle_silent', 'S3', 'open', %(at)s, %(at)s,"
            " %(at)s, 'simulated', %(at)s FROM vehicles",
            {"at": NOW},
        )

    assert look(pool) == 0
    with pytest.raises(UnknownAlert, match="alert 2"):
        ask(pool, 2)


def test_what_waits_is_offered_right_after_the_work_the_vehicle_comes_for(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    find(pool, vehicle, SENSOR)
    book_visit(pool, vehicle)

    assert look(pool) == 1

    (visit, offered) = seed.rows(pool, SLOTS)
    assert offered[1] == visit[1]
    assert visit[3] <= offered[2] <= visit[3] + timedelta(hours=4)
    assert seed.rows(pool, ORDERS)[1] == (2, "sensor_fault", "offered", "S4")
    assert seed.rows(pool, LOOKED_AT) == [(1, 1, 2, None)]
    assert seed.rows(pool, "SELECT count(*) FROM warnings WHERE body_en LIKE 'Your car is at%%'") == [(1,)]


def test_a_finding_is_looked_at_once_for_each_visit_and_an_offer_is_no_visit(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    find(pool, vehicle, SENSOR)
    book_visit(pool, vehicle)
    look(pool)
    answer(pool, 2, "no", minutes=4)

    assert look(pool, minutes=5) == 0
    assert len(seed.rows(pool, ORDERS)) == 2

    find(pool, vehicle, FADE, minutes=6)
    answered = look(pool, minutes=7)

    assert answered == 1  # with the first visit, not with what was offered beside it
    assert [visit for visit, _, _, _ in seed.rows(pool, LOOKED_AT)] == [1, 1]


def test_before_the_owner_has_agreed_to_come_nothing_is_offered_with_it(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    find(pool, vehicle, SENSOR)
    find(pool, vehicle, {})

    assert look(pool) == 0


def test_nothing_is_offered_beside_what_must_stop_until_the_vehicle_is_there(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    find(pool, vehicle, SENSOR)
    find(pool, vehicle, {"severity": "S1"})
    answer(pool, 1, "yes")

    assert look(pool) == 0


def test_what_the_station_cannot_do_then_waits_and_the_visit_tells_why(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    find(pool, vehicle, SENSOR)
    book_visit(pool, vehicle)
    with pool.connection() as connection:
        connection.execute("UPDATE part_stock SET on_hand = reserved WHERE sku LIKE 'TIRE-SENSOR%'")

    assert look(pool) == 1

    ((visit, alert, order, reason),) = seed.rows(pool, LOOKED_AT)
    assert (visit, alert, order) == (1, 1, None)
    assert reason
    assert seed.rows(pool, ALERTS)[0] == ("sensor_fault", "open", None)


def test_a_finding_of_the_visits_own_cause_joins_its_order(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    find(pool, vehicle, FADE)
    find(pool, vehicle, {"component": "cell 7", "failure_mode": "cell_internal_short"}, minutes=1)
    answer(pool, 1, "yes")

    look(pool)

    assert seed.rows(pool, ALERTS)[0] == ("battery_capacity_fade", "open", 1)
    assert seed.rows(pool, LOOKED_AT) == [(1, 1, 1, None)]


def test_what_a_predictor_in_the_shadow_found_is_not_offered(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    find(pool, vehicle, SENSOR)
    book_visit(pool, vehicle)
    ((tenant_id,),) = seed.rows(pool, "SELECT tenant_id FROM tenants")
    set_mode(
        pool,
        tenant_id=tenant_id,
        failure_mode=FailureMode.SENSOR_FAULT,
        model_version="*",
        mode=PredictorMode.SHADOW,
        actor="test",
        reason="tried out",
        now=NOW,
    )

    look(pool)

    assert seed.rows(pool, LOOKED_AT) == [(1, 1, None, "its predictor is shadow")]
