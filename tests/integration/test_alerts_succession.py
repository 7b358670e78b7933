"""An order ends without a repair and the fault is still there: another one takes its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alerts.orders.concerns import watch_orders
from alerts.orders.replanning import replan_upset
from alerts.router import route_waiting
from alerts.work.actions import Action
from alerts.work.succession import follow_owners
from data.audit import Deed
from data.db import Pool, transaction
from data.fleet import NewOwner, transfer
from data.health import check_database
from tests.integration import alerts_seed as seed
from tests.integration.work_steps import TERMS, Steps, book

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
_A = Action
CONCERNS = "SELECT order_id, kind, audience, raised_at, settled_at FROM concerns ORDER BY concern_id"


@pytest.fixture
def steps(pool: Pool) -> Steps:
    return book(pool, NOW)


def sell(pool: Pool) -> None:
    with transaction(pool) as connection:
        transfer(
            connection,
            tenant="demo",
            vin=seed.vin_of(0),
            owner=NewOwner(name="new owner", home=seed.SHANGHAI),
            deed=Deed(actor="operations:li", now=LATER),
        )


def test_an_order_that_a_station_cancels_gets_another_appointment_elsewhere(pool: Pool, steps: Steps) -> None:
    steps.do(_A.CANCEL, reason="the lift is broken", is_owners_wish=None)

    ((first, second),) = seed.rows(
        pool,
        "SELECT a.station_id, b.station_id FROM repair_orders a"
        " JOIN repair_orders b ON b.replaces_id = a.order_id"
        " WHERE a.state = 'cancelled' AND b.state = 'offered'",
    )
    assert first != second
    assert seed.rows(pool, "SELECT order_id, state FROM alerts") == [(2, "acknowledged")]
    assert seed.rows(
        pool, "SELECT title_en, left(body_en, 43) FROM warnings ORDER BY created_at DESC LIMIT 1"
    ) == [("Your rear-left tyre is slowly losing air", "The workshop has cancelled your appointment")]
    assert seed.rows(pool, "SELECT count(*) FROM bookings WHERE state IN ('held', 'booked')") == [(1,)]


def test_where_no_other_station_can_do_it_the_same_one_is_asked_for_another_time(
    pool: Pool, steps: Steps
) -> None:
    seed.rows(
        pool,
        "UPDATE stations SET is_active = station_id = (SELECT station_id FROM repair_orders) RETURNING 1",
    )
    ((station, ends),) = seed.rows(pool, "SELECT station_id, upper(slot) FROM repair_orders")
    steps.do(_A.CANCEL, reason="nobody is here", is_owners_wish=None)

    ((again, begins),) = seed.rows(
        pool, "SELECT station_id, lower(slot) FROM repair_orders WHERE state = 'offered'"
    )
    assert again == station
    assert begins >= ends


def test_what_the_owner_does_not_want_stays_cancelled(pool: Pool, steps: Steps) -> None:
    steps.do(_A.CANCEL, reason="owner repairs it", is_owners_wish=True)

    assert seed.rows(pool, "SELECT state FROM repair_orders") == [("cancelled",)]


def test_a_fault_that_is_gone_needs_no_other_order(pool: Pool, steps: Steps) -> None:
    seed.rows(pool, "UPDATE alerts SET state = 'cleared', cleared_at = %s RETURNING 1", NOW)
    steps.do(_A.CANCEL, reason="the lift is broken", is_owners_wish=None)

    assert seed.rows(pool, "SELECT state FROM repair_orders") == [("cancelled",)]
    assert seed.rows(pool, "SELECT title_en FROM warnings ORDER BY created_at DESC LIMIT 1") == [
        ("Your workshop appointment was cancelled",)
    ]


def test_a_new_owner_is_asked_about_what_the_former_one_left_open(pool: Pool, steps: Steps) -> None:
    sell(pool)

    assert follow_owners(pool, TERMS, now=LATER) == 1
    assert seed.rows(pool, "SELECT state, opened_at >= %s FROM repair_orders ORDER BY order_id", LATER) == [
        ("cancelled", False),
        ("offered", True),
    ]
    assert seed.rows(pool, "SELECT order_id, state FROM alerts") == [(2, "open")]
    assert seed.rows(
        pool, "SELECT count(*) FROM warnings WHERE created_at >= %s AND order_id = 2", LATER
    ) == [(1,)]
    assert follow_owners(pool, TERMS, now=LATER) == 0
    assert seed.rows(pool, "SELECT count(*) FROM bookings WHERE state IN ('held', 'booked')") == [(1,)]


def test_a_vehicle_that_is_sold_while_at_the_station_is_left_to_people(pool: Pool, steps: Steps) -> None:
    steps.do(_A.CHECK_IN)
    sell(pool)

    assert follow_owners(pool, TERMS, now=LATER) == 0
    watch_orders(pool, TERMS.policy, now=LATER)
    assert seed.rows(pool, CONCERNS) == [(1, "owner_changed", "operations", LATER, None)]


def test_what_needs_a_person_is_raised_once_and_settled_when_it_is_over(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_prediction(pool, vehicle, NOW)
    seed.rows(pool, "UPDATE stations SET is_active = false RETURNING 1")
    route_waiting(pool, TERMS, now=NOW)
    first = watch_orders(pool, TERMS.policy, now=NOW)
    again = watch_orders(pool, TERMS.policy, now=LATER)
    raised = seed.rows(pool, CONCERNS)
    told = seed.rows(pool, "SELECT reason FROM order_events ORDER BY event_id DESC LIMIT 1")
    with transaction(pool) as connection:
        checks = {check.name: check for check in check_database(connection, score_every_s=60.0)}
    seed.rows(pool, "UPDATE stations SET is_active = true RETURNING 1")
    seed.rows(pool, "UPDATE repair_orders SET state = 'cancelled' RETURNING 1")
    over = watch_orders(pool, TERMS.policy, now=LATER)

    assert (first.raised, again.raised, again.settled, over.settled) == (1, 0, 0, 1)
    assert raised == [(1, "no_station", "operations", NOW, None)]
    assert told == [("no_station: no station is registered",)]
    assert (checks["operations list"].is_ok, checks["operations list"].detail) == (False, "1 no station")
    assert seed.rows(pool, CONCERNS) == [(1, "no_station", "operations", NOW, LATER)]


def test_an_offer_whose_time_has_come_without_an_answer_needs_a_person(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_prediction(pool, vehicle, NOW)
    route_waiting(pool, TERMS, now=NOW)
    ((begins,),) = seed.rows(pool, "SELECT lower(slot) FROM repair_orders")

    assert replan_upset(pool, TERMS, now=begins) == 0
    assert watch_orders(pool, TERMS.policy, now=begins - timedelta(seconds=1)).raised == 0
    assert watch_orders(pool, TERMS.policy, now=begins).raised == 1


@pytest.mark.parametrize("has_begun", [True, False])
def test_a_promise_is_watched_from_two_hours_before_it_until_it_is_broken(
    pool: Pool, steps: Steps, has_begun: bool
) -> None:
    ((begins, ends),) = seed.rows(pool, "SELECT lower(slot), upper(slot) FROM repair_orders")
    steps.now = begins
    steps.do(_A.CHECK_IN)
    if has_begun:
        steps.do_all(_A.DIAGNOSE, _A.FIND, _A.ESTIMATE, _A.PICK, _A.ASSIGN, _A.START)
    soon = begins + timedelta(minutes=1)
    late = ends + (ends - begins) * TERMS.policy.standing.overrun_share
    seen = []
    for now in (begins, soon, ends, late):
        watch_orders(pool, TERMS.policy, now=now)
        seen.append({kind for _, kind, _, _, settled in seed.rows(pool, CONCERNS) if settled is None})

    at_risk = set() if has_begun else {"promise_at_risk"}
    overrun = {"promise_broken", "overrun"} if has_begun else {"promise_broken"}
    assert seen == [set(), at_risk, {"promise_broken"}, overrun]
