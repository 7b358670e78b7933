"""The life of an order after the owner's yes, on the real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from alerts.commands import Commands
from alerts.errors import InvalidDetails, InvalidTransition, KeyReused, UnknownOrder, VersionConflict
from alerts.orders.states import NEXT, OrderState
from alerts.work.actions import Action, Details, Outcome
from data.db import Pool, transaction
from tests.integration import alerts_seed as seed
from tests.integration.work_steps import LEAK, TERMS, Steps, book, line

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
_A, _S = Action, OrderState
TO_ESTIMATE = (_A.CHECK_IN, _A.DIAGNOSE, _A.FIND, _A.ESTIMATE)


@pytest.fixture
def steps(pool: Pool) -> Steps:
    return book(pool, NOW)


def stock(pool: Pool, sku: str = "TIRE-REPAIR-KIT") -> tuple[Any, ...]:
    """On hand and reserved at the station of the order."""
    (row,) = seed.rows(
        pool,
        "SELECT s.on_hand, s.reserved FROM part_stock s JOIN repair_orders o USING (station_id)"
        " WHERE s.sku = %s ORDER BY o.order_id LIMIT 1",
        sku,
    )
    return row


def test_a_repair_from_check_in_to_hand_over_leaves_a_label_and_clears_the_alert(
    pool: Pool, steps: Steps
) -> None:
    on_hand, reserved = stock(pool)
    assert steps.do_all(*TO_ESTIMATE).state is _S.PARTS_RESERVED  # as planned: nobody is asked

    steps.do_all(_A.PICK, _A.ASSIGN, _A.START, _A.PAUSE, _A.RESUME, _A.FINISH)
    steps.do(_A.PASS, checked_by=(steps.technicians("T1")[0],))
    done = steps.do_all(_A.INVOICE, _A.PAY)
    done = steps.do(_A.CLOSE, odometer_km=12035.0)

    assert done.state is _S.CLOSED
    assert (on_hand, reserved) == (stock(pool)[0] + 1, stock(pool)[1] + 1)
    assert seed.rows(pool, "SELECT state FROM bookings") == [("done",)]
    assert seed.rows(
        pool,
        "SELECT outcome, cause, part_removed, measured_value, measured_unit, model_version, decided_at"
        " FROM outcomes",
    ) == [("confirmed", "nail in the tread", "valve core", 3.9, "kPa/day", "test-1", steps.now)]
    assert seed.rows(pool, "SELECT state FROM alerts") == [("cleared",)]
    ((reason,),) = seed.rows(pool, "SELECT reason FROM alert_events ORDER BY event_id DESC LIMIT 1")
    assert reason == f"order {steps.order_id} closed: confirmed"
    chain = seed.rows(pool, "SELECT from_state, to_state FROM order_events ORDER BY event_id")
    assert all(a[1] == b[0] for a, b in pairwise(chain))
    assert seed.rows(pool, "SELECT title_en FROM warnings ORDER BY created_at DESC LIMIT 1") == [
        ("Your car is ready",)
    ]


def test_a_larger_scope_waits_for_the_owner_and_their_yes_becomes_the_price(pool: Pool, steps: Steps) -> None:
    ((before,),) = seed.rows(pool, "SELECT total FROM repair_orders")
    steps.do_all(*TO_ESTIMATE[:-1])
    asked = steps.do(
        _A.ESTIMATE, lines=(*LEAK, line("labour", "tire-replace", "0.7")), reason="side wall cut"
    )

    assert asked.state is _S.ESTIMATED
    assert seed.rows(pool, "SELECT total FROM repair_orders") == [(before,)]
    assert seed.rows(pool, "SELECT count(*) FROM warnings WHERE title_en LIKE '%%new price%%'") == [(1,)]
    assert steps.do(_A.APPROVE).state is _S.PARTS_RESERVED
    ((after, agreed),) = seed.rows(pool, "SELECT total, agreed_total FROM repair_orders")
    assert after == agreed > before


def test_a_declined_estimate_frees_everything_and_keeps_what_was_found(pool: Pool, steps: Steps) -> None:
    steps.do_all(*TO_ESTIMATE[:-1])
    steps.do(_A.ESTIMATE, lines=(line("labour", "tire-replace", "0.7"),))

    assert steps.do(_A.DECLINE).state is _S.DECLINED
    assert seed.rows(pool, "SELECT state FROM bookings") == [("released",)]
    assert stock(pool)[1] == 0
    assert seed.rows(pool, "SELECT outcome FROM outcomes") == [("confirmed",)]


def test_a_change_that_is_declined_in_the_middle_lets_the_work_go_on_as_agreed(
    pool: Pool, steps: Steps
) -> None:
    steps.do_all(*TO_ESTIMATE, _A.PICK, _A.ASSIGN, _A.START)
    on_hand = stock(pool)
    steps.do(_A.ESTIMATE, lines=(*LEAK, line("part", "TIRE-225-50R17", "1")), reason="rim is cracked")
    done = steps.do(_A.DECLINE)

    assert done.state is _S.PARTS_RESERVED
    assert stock(pool) == on_hand  # the part that was picked stays with the work
    assert steps.do_all(_A.ASSIGN, _A.START).state is _S.IN_PROGRESS


def test_a_part_that_is_missing_is_waited_for(pool: Pool, steps: Steps) -> None:
    seed.rows(pool, "UPDATE part_stock SET on_hand = 0 WHERE sku = 'TIRE-225-50R17' RETURNING 1")
    steps.do_all(*TO_ESTIMATE[:-1])
    steps.do(_A.ESTIMATE, lines=(*LEAK, line("part", "TIRE-225-50R17", "1")))

    assert steps.do(_A.APPROVE).state is _S.WAITING_PARTS
    with pytest.raises(InvalidTransition, match="still not in stock: 1 x TIRE-225-50R17"):
        steps.do(_A.RESERVE)
    seed.rows(pool, "UPDATE part_stock SET on_hand = 1 WHERE sku = 'TIRE-225-50R17' RETURNING 1")
    assert steps.do(_A.RESERVE).state is _S.PARTS_RESERVED
    assert stock(pool, "TIRE-225-50R17") == (1, 1)


@pytest.mark.parametrize(
    "before", [(), (_A.PICK, _A.ASSIGN, _A.START)], ids=["on the shelf", "in the vehicle"]
)
def test_who_waits_for_a_second_part_keeps_the_first(
    pool: Pool, steps: Steps, before: tuple[Action, ...]
) -> None:
    seed.rows(pool, "UPDATE part_stock SET on_hand = 1 WHERE sku = 'TIRE-REPAIR-KIT' RETURNING 1")
    steps.do_all(*(TO_ESTIMATE if before else TO_ESTIMATE[:-1]), *before)
    steps.do(_A.ESTIMATE, lines=(LEAK[0], line("part", "TIRE-REPAIR-KIT", "2")))

    assert steps.do(_A.APPROVE).state is _S.WAITING_PARTS
    assert stock(pool) == (1, 1)
    seed.rows(pool, "UPDATE part_stock SET on_hand = 2 WHERE sku = 'TIRE-REPAIR-KIT' RETURNING 1")
    assert steps.do(_A.RESERVE).state is _S.PARTS_RESERVED
    assert stock(pool) == (2, 2)


def test_work_that_waited_for_parts_beyond_its_time_has_the_bay_from_when_it_is_assigned(
    pool: Pool, steps: Steps
) -> None:
    steps.do_all(*TO_ESTIMATE, _A.PICK)
    ((before,),) = seed.rows(pool, "SELECT slot FROM bookings")
    steps.now = before.upper + timedelta(days=1)
    steps.do(_A.ASSIGN)

    ((after,),) = seed.rows(pool, "SELECT slot FROM bookings")
    assert (after.lower, after.upper - after.lower) == (steps.now, before.upper - before.lower)


def test_an_owner_is_told_that_their_appointment_was_cancelled(pool: Pool, steps: Steps) -> None:
    steps.do(_A.CANCEL)

    assert seed.rows(pool, "SELECT title_en, order_id FROM warnings ORDER BY created_at DESC LIMIT 1") == [
        ("Your workshop appointment was cancelled", steps.order_id)
    ]


def test_no_fault_found_is_a_label_costs_nothing_and_can_be_closed(pool: Pool, steps: Steps) -> None:
    steps.do_all(_A.CHECK_IN, _A.DIAGNOSE)
    done = steps.do(
        _A.FIND, outcome=Outcome.NO_FAULT_FOUND, cause=None, measured_value=None, measured_unit=None
    )

    assert done.state is _S.NO_FAULT_FOUND
    assert seed.rows(pool, "SELECT outcome, cause FROM outcomes") == [("no_fault_found", "")]
    assert seed.rows(pool, "SELECT total::float FROM repair_orders") == [(0.0,)]
    assert stock(pool)[1] == 0
    assert seed.rows(pool, "SELECT state FROM alerts") == [("cleared",)]
    assert steps.do(_A.CLOSE).state is _S.CLOSED


def test_cancelling_brings_picked_parts_back_and_leaves_the_alert(pool: Pool, steps: Steps) -> None:
    before = stock(pool)
    steps.do_all(*TO_ESTIMATE, _A.PICK, _A.ASSIGN)

    assert steps.do(_A.CANCEL).state is _S.CANCELLED
    assert stock(pool) == (before[0], 0)
    assert seed.rows(pool, "SELECT state FROM bookings") == [("released",)]
    assert seed.rows(pool, "SELECT state FROM alerts") == [("acknowledged",)]


def test_who_does_not_come_is_offered_another_time(pool: Pool, steps: Steps) -> None:
    ((start,),) = seed.rows(pool, "SELECT lower(slot) FROM repair_orders")
    with pytest.raises(InvalidTransition, match="has not begun"):
        steps.do(_A.NO_SHOW)
    steps.now = start + timedelta(hours=1)

    assert steps.do(_A.NO_SHOW).state is _S.OFFERED
    ((again,),) = seed.rows(pool, "SELECT lower(slot) FROM bookings WHERE state = 'held'")
    assert again > start
    assert stock(pool)[1] == 1


def test_high_voltage_needs_a_signed_isolation_and_two_people_at_the_end(pool: Pool) -> None:
    steps = book(pool, NOW, component="cell 82", failure_mode="cell_internal_short", severity="S2")
    steps.do_all(_A.CHECK_IN, _A.DIAGNOSE, _A.FIND)
    lines = seed.rows(pool, "SELECT kind, code, qty FROM order_lines WHERE kind <> 'tax' ORDER BY line")
    steps.do(_A.ESTIMATE, lines=tuple(line(k, c, str(q)) for k, c, q in lines))
    steps.do_all(_A.PICK, _A.ASSIGN)
    hv, other = steps.technicians("HV2")[:2]

    with pytest.raises(InvalidDetails, match="isolated_by"):
        steps.do(_A.START)
    steps.do(_A.START, isolated_by=hv, isolated_v=0.4)
    steps.do(_A.FINISH)
    with pytest.raises(InvalidDetails, match="two different technicians"):
        steps.do(_A.PASS, checked_by=(hv, hv))
    steps.do(_A.REWORK)
    with pytest.raises(InvalidDetails, match="isolated_by"):
        steps.do(_A.RESUME)
    steps.do(_A.RESUME, isolated_by=other, isolated_v=0.2)
    steps.do_all(_A.PAUSE, _A.RESUME, _A.FINISH)
    assert steps.do(_A.PASS, checked_by=(hv, other)).state is _S.READY
    assert seed.rows(pool, "SELECT kind, count(*) FROM order_signoffs GROUP BY 1 ORDER BY 1") == [
        ("hv_isolation", 2),
        ("quality", 2),
    ]


def test_the_same_key_answers_the_same_and_does_nothing_again(pool: Pool, steps: Steps) -> None:
    commands = Commands(pool, TERMS)
    told: dict[str, Any] = {
        "order_id": steps.order_id,
        "action": _A.CHECK_IN,
        "details": Details(odometer_km=1.0),
        "actor": "station:a",
        "version": steps.version,
        "key": "once",
        "now": steps.now,
    }
    first = commands.act(**told)
    again = commands.act(**told)

    assert (again.state, again.version, again.is_repeat) == (first.state, first.version, True)
    assert seed.rows(pool, "SELECT count(*) FROM order_events WHERE to_state = 'checked_in'") == [(1,)]
    with pytest.raises(KeyReused):
        commands.act(**{**told, "details": Details(odometer_km=2.0)})


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"order_id": 4711}, UnknownOrder),
        ({"version": 1}, VersionConflict),
        ({"action": _A.PAY, "details": Details()}, InvalidTransition),
        ({"details": Details()}, InvalidDetails),
        ({"key": ""}, InvalidDetails),
    ],
)
def test_what_is_refused_changes_nothing(
    pool: Pool, steps: Steps, change: dict[str, Any], error: type[Exception]
) -> None:
    before = seed.rows(pool, "SELECT state, version FROM repair_orders")
    told: dict[str, Any] = {
        "order_id": steps.order_id,
        "action": _A.CHECK_IN,
        "details": Details(odometer_km=1.0),
        "actor": "station:a",
        "version": steps.version,
        "key": "k",
        "now": steps.now,
    }
    with pytest.raises(error):
        Commands(pool, TERMS).act(**{**told, **change})

    assert seed.rows(pool, "SELECT state, version FROM repair_orders") == before
    assert seed.rows(pool, "SELECT count(*) FROM order_commands") == [(0,)]


@pytest.mark.parametrize(
    "lines",
    [
        (line("part", "FLUX-CAPACITOR", "1"),),
        (line("labour", "tire-polish", "1"),),
        (LEAK[0], LEAK[0]),
    ],
)
def test_an_unknown_part_or_operation_is_refused_by_name(pool: Pool, steps: Steps, lines: Any) -> None:
    steps.do_all(*TO_ESTIMATE[:-1])

    with pytest.raises(InvalidDetails, match=r"FLUX-CAPACITOR|tire-polish|twice"):
        steps.do(_A.ESTIMATE, lines=lines)
    assert seed.rows(pool, "SELECT count(*) FROM order_estimates") == [(0,)]


def test_a_closed_station_checks_nobody_in(pool: Pool, steps: Steps) -> None:
    seed.rows(pool, "UPDATE stations SET is_active = false RETURNING 1")

    with pytest.raises(InvalidTransition, match="the station is closed"):
        steps.do(_A.CHECK_IN)


def test_the_table_of_legal_transitions_is_that_of_the_code(pool: Pool) -> None:
    found = seed.rows(pool, "SELECT from_state, to_state FROM order_transitions")

    assert set(found) == {(str(a), str(b)) for a, nexts in NEXT.items() for b in nexts}


def test_the_database_refuses_an_illegal_transition_whoever_writes_it(pool: Pool, steps: Steps) -> None:
    with (
        pytest.raises(psycopg.errors.CheckViolation, match="booked -> paid"),
        transaction(pool) as connection,
    ):
        connection.execute("UPDATE repair_orders SET state = 'paid'")


def test_decisions_and_prices_are_in_the_audit_trail(pool: Pool, steps: Steps) -> None:
    steps.do_all(*TO_ESTIMATE)

    found = seed.rows(pool, "SELECT action, subject FROM audit_events ORDER BY event_id")
    assert found[-2:] == [
        ("order.answer", f"order {steps.order_id}"),
        ("order.price", f"order {steps.order_id}"),
    ]


def test_an_owner_rates_station_and_warning_once_the_vehicle_is_ready(pool: Pool, steps: Steps) -> None:
    rating: dict[str, Any] = {
        "order_id": steps.order_id,
        "station_stars": 5,
        "warning_stars": 4,
        "comment": "on time",
        "actor": "owner:1",
        "now": NOW,
    }
    with pytest.raises(InvalidTransition, match="rate it when the vehicle is ready"):
        Commands(pool, TERMS).rate(**rating)
    steps.do_all(*TO_ESTIMATE, _A.PICK, _A.ASSIGN, _A.START, _A.FINISH)
    steps.do(_A.PASS, checked_by=(steps.technicians("T1")[0],))
    Commands(pool, TERMS).rate(**rating)
    Commands(pool, TERMS).rate(**{**rating, "warning_stars": 3})

    assert seed.rows(pool, "SELECT station_stars, warning_stars, comment FROM order_ratings") == [
        (5, 3, "on time")
    ]
