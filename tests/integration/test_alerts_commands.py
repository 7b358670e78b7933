from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.commands import Commands
from alerts.errors import InvalidAnswer, InvalidTransition, UnknownOrder, VersionConflict
from alerts.orders.states import OrderState
from alerts.router import route_waiting
from data.db import Pool
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
TERMS = seed.make_terms()


@pytest.fixture
def offered(pool: Pool) -> dict[str, Any]:
    """One order that waits for its owner's answer."""
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_prediction(pool, vehicle, NOW)
    route_waiting(pool, TERMS, now=NOW)
    ((order_id, version),) = seed.rows(pool, "SELECT order_id, version FROM repair_orders")
    return {"order_id": order_id, "version": version, "actor": "owner:1"}


def state_of(pool: Pool) -> tuple[Any, ...]:
    (row,) = seed.rows(
        pool,
        "SELECT o.state, o.owner_answer, (SELECT string_agg(state, ',' ORDER BY booking_id) FROM bookings),"
        " (SELECT sum(reserved)::int FROM part_stock), (SELECT state FROM alerts) FROM repair_orders o",
    )
    return row


def test_yes_books_what_is_held(pool: Pool, offered: dict[str, Any]) -> None:
    answered = Commands(pool, TERMS).answer(answer="yes", now=NOW, **offered)

    assert (answered.state, answered.is_changed) == (OrderState.BOOKED, False)
    assert state_of(pool) == ("booked", "yes", "booked", 1, "acknowledged")


def test_no_frees_everything_and_the_same_trouble_opens_no_second_order(
    pool: Pool, offered: dict[str, Any]
) -> None:
    Commands(pool, TERMS).answer(answer="no", now=NOW, **offered)
    later = NOW + timedelta(hours=1)
    ((vehicle,),) = seed.rows(pool, "SELECT vehicle_id FROM vehicles")
    seed.add_prediction(pool, vehicle, later)
    route_waiting(pool, TERMS, now=later)

    assert state_of(pool) == ("declined", "no", "released", 0, "acknowledged")


def test_later_keeps_the_hold_for_a_day_at_most_until_its_slot(pool: Pool, offered: dict[str, Any]) -> None:
    Commands(pool, TERMS).answer(answer="later", now=NOW, **offered)

    ((expires_at, slot_start),) = seed.rows(pool, "SELECT expires_at, lower(slot) FROM bookings")
    assert expires_at == min(NOW + timedelta(hours=24), slot_start)
    assert state_of(pool) == ("offered", "later", "held", 1, "acknowledged")


def test_yes_after_the_hold_expired_books_the_same_slot_if_it_is_still_free(
    pool: Pool, offered: dict[str, Any]
) -> None:
    seed.rows(pool, "UPDATE part_stock SET reserved = 0 RETURNING 1")
    seed.rows(pool, "UPDATE part_reservations SET state = 'released' RETURNING 1")
    seed.rows(pool, "UPDATE bookings SET state = 'released' RETURNING 1")

    answered = Commands(pool, TERMS).answer(answer="yes", now=NOW + timedelta(minutes=1), **offered)

    assert (answered.state, answered.is_changed) == (OrderState.BOOKED, False)
    assert state_of(pool) == ("booked", "yes", "released,booked", 1, "acknowledged")
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(1,)]


@pytest.mark.parametrize("answer", ["yes", "later"])
def test_an_answer_to_an_appointment_that_has_passed_asks_again(
    pool: Pool, offered: dict[str, Any], answer: str
) -> None:
    ((start,),) = seed.rows(pool, "SELECT lower(slot) FROM bookings")
    too_late = start + timedelta(days=1)

    answered = Commands(pool, TERMS).answer(answer=answer, now=too_late, **offered)

    assert (answered.state, answered.is_changed) == (OrderState.OFFERED, True)
    ((begin,),) = seed.rows(pool, "SELECT lower(slot) FROM bookings WHERE state = 'held'")
    assert begin > too_late
    assert seed.rows(pool, "SELECT sum(reserved) FROM part_stock") == [(1,)]


def test_an_answer_to_an_appointment_that_has_just_begun_asks_again(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_prediction(
        pool, vehicle, NOW, failure_mode="tire_puncture", severity="S1"
    )  # its hold outlasts the way to the station
    route_waiting(pool, seed.make_terms(hold_for=timedelta(hours=4)), now=NOW)
    ((order_id, version, start),) = seed.rows(
        pool, "SELECT order_id, version, lower(slot) FROM repair_orders"
    )

    answered = Commands(pool, TERMS).answer(
        order_id=order_id, version=version, actor="owner:1", answer="yes", now=start + timedelta(minutes=1)
    )

    assert answered.is_changed
    assert seed.rows(pool, "SELECT sum(reserved) FROM part_stock") == [(1,)]


def test_yes_to_what_is_gone_asks_again_with_the_new_offer(pool: Pool, offered: dict[str, Any]) -> None:
    (other,) = seed.seed_vehicles(pool, 2)[1:]
    expired = NOW + timedelta(minutes=16)
    seed.add_prediction(pool, other, expired)
    route_waiting(pool, TERMS, now=expired)

    answered = Commands(pool, TERMS).answer(answer="yes", now=expired, **offered)

    held = seed.rows(pool, "SELECT order_id FROM bookings WHERE state = 'held'")
    assert (answered.state, answered.is_changed) == (OrderState.OFFERED, True)
    assert len(held) == 2
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(3,)]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"answer": "maybe"}, InvalidAnswer),
        ({"version": 99}, VersionConflict),
        ({"order_id": 4711}, UnknownOrder),
    ],
)
def test_a_wrong_answer_changes_nothing(
    pool: Pool, offered: dict[str, Any], change: dict[str, Any], error: type[Exception]
) -> None:
    before = state_of(pool)
    with pytest.raises(error):
        Commands(pool, TERMS).answer(**{"answer": "yes", "now": NOW, **offered, **change})

    assert state_of(pool) == before


def test_a_booked_order_does_not_take_another_yes(pool: Pool, offered: dict[str, Any]) -> None:
    commands = Commands(pool, TERMS)
    commands.answer(answer="yes", now=NOW, **offered)

    with pytest.raises(InvalidTransition, match="is booked"):
        commands.answer(**{**offered, "answer": "yes", "now": NOW, "version": offered["version"] + 1})
