"""Appointments that the network no longer supports are moved: at once, with the reason, and never twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.commands import Commands
from alerts.errors import AlertError
from alerts.orders.replanning import make_room, replan_upset, replan_waiting
from alerts.orders.states import OrderState
from alerts.router import route_waiting
from alerts.work.actions import Action
from data.db import Pool, open_pool
from tests.integration import alerts_seed as seed
from tests.integration.work_steps import TERMS, Steps, book

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)  # Tuesday 10:00 in Shanghai
_A, _S = Action, OrderState
RULE = TERMS.policy.standing
NO_SHOW = timedelta(minutes=RULE.no_show_after_minutes)
OF_ORDER = "SELECT {} FROM repair_orders WHERE order_id = %s"
#: Close what the order's appointment needs.
CLOSE = {
    "bay": "UPDATE bays SET is_open = false"
    " WHERE bay_id = (SELECT bay_id FROM repair_orders WHERE order_id = %s)",
    "technician": "UPDATE technicians SET is_active = false"
    " WHERE technician_id = (SELECT technician_id FROM repair_orders WHERE order_id = %s)",
    "station": "UPDATE stations SET is_active = false"
    " WHERE station_id = (SELECT station_id FROM repair_orders WHERE order_id = %s)",
    "hours": "UPDATE station_hours SET opens = '23:00', closes = '23:15'"
    " WHERE station_id = (SELECT station_id FROM repair_orders WHERE order_id = %s)",
    "all bays": "UPDATE bays SET is_open = false"
    " WHERE station_id = (SELECT station_id FROM repair_orders WHERE order_id = %s)",
}


@pytest.fixture
def steps(pool: Pool) -> Steps:
    return book(pool, NOW)


def of(pool: Pool, steps: Steps, what: str) -> tuple[Any, ...]:
    (row,) = seed.rows(pool, OF_ORDER.format(what), steps.order_id)
    return row


def close(pool: Pool, steps: Steps, what: str) -> None:
    seed.rows(pool, CLOSE[what] + " RETURNING 1", steps.order_id)


def live_bookings(pool: Pool) -> list[tuple[Any, ...]]:
    return seed.rows(
        pool,
        "SELECT order_id, bay_id, technician_id, lower(slot) FROM bookings WHERE state IN ('held', 'booked')"
        " ORDER BY order_id",
    )


def last_event(pool: Pool, steps: Steps) -> str:
    return str(
        seed.rows(
            pool,
            "SELECT reason FROM order_events WHERE order_id = %s AND from_state = to_state"
            " ORDER BY event_id DESC LIMIT 1",
            steps.order_id,
        )[0][0]
    )


def assert_nothing_is_taken_twice(pool: Pool) -> None:
    for column in ("bay_id", "technician_id"):
        assert seed.rows(
            pool,
            f"SELECT count(*) FROM bookings a JOIN bookings b ON a.{column} = b.{column}"  # noqa: S608 - own names
            " AND a.slot && b.slot AND a.booking_id < b.booking_id"
            " WHERE a.state IN ('held', 'booked') AND b.state IN ('held', 'booked')",
        ) == [(0,)]
    assert seed.rows(
        pool,
        "SELECT count(*) FROM part_stock s"
        " WHERE reserved <> (SELECT coalesce(sum(qty), 0) FROM part_reservations r"
        " WHERE r.station_id = s.station_id AND r.sku = s.sku AND r.state = 'reserved')",
    ) == [(0,)]


def test_an_appointment_that_stands_is_left_alone(pool: Pool, steps: Steps) -> None:
    before = live_bookings(pool)

    assert replan_upset(pool, TERMS, now=NOW) == 0
    assert live_bookings(pool) == before


@pytest.mark.parametrize("what", ["bay", "technician"])
def test_another_bay_or_technician_keeps_the_time_and_the_owner_is_not_asked(
    pool: Pool, steps: Steps, what: str
) -> None:
    before = of(pool, steps, "state, station_id, slot, total, version")
    used = of(pool, steps, f"{what}_id")
    told = seed.rows(pool, "SELECT count(*) FROM warnings")
    close(pool, steps, what)

    assert replan_upset(pool, TERMS, now=NOW) == 1
    assert of(pool, steps, "state, station_id, slot, total, version") == (*before[:-1], before[-1] + 1)
    assert of(pool, steps, f"{what}_id") != used
    assert live_bookings(pool)[0][1:3] == of(pool, steps, "bay_id, technician_id")
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == told
    assert "at the same time" in last_event(pool, steps)
    assert replan_upset(pool, TERMS, now=NOW) == 0


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("station", "the station is closed"),
        ("hours", "the station is not open then"),
        ("all bays", "the bay is closed"),
    ],
)
def test_an_appointment_that_cannot_be_kept_is_moved_and_the_owner_asked_again(
    pool: Pool, steps: Steps, what: str, reason: str
) -> None:
    station, slot = of(pool, steps, "station_id, slot")
    close(pool, steps, what)

    assert replan_upset(pool, TERMS, now=NOW) == 1
    state, new_station, new_slot, answer = of(pool, steps, "state, station_id, slot, owner_answer")
    assert (state, answer) == ("offered", None)
    assert (new_station, new_slot) != (station, slot)
    assert last_event(pool, steps) == f"appointment given up: {reason}"
    assert seed.rows(
        pool,
        "SELECT count(*) FILTER (WHERE body_en LIKE 'The workshop cannot keep your appointment. %%')"
        " FROM warnings",
    ) == [(1,)]
    ((expires_at, begins),) = seed.rows(
        pool, "SELECT expires_at, lower(slot) FROM bookings WHERE state = 'held'"
    )
    assert expires_at == min(NOW + timedelta(hours=RULE.moved_hold_h), begins)
    assert_nothing_is_taken_twice(pool)
    assert replan_upset(pool, TERMS, now=NOW) == 0


def test_a_moved_appointment_is_agreed_to_by_the_next_yes(pool: Pool, steps: Steps) -> None:
    close(pool, steps, "station")
    replan_upset(pool, TERMS, now=NOW)
    (version,) = of(pool, steps, "version")
    Commands(pool, TERMS).answer(
        order_id=steps.order_id, answer="yes", actor="owner:1", version=version, now=NOW + timedelta(hours=1)
    )

    assert of(pool, steps, "state") == ("booked",)
    assert seed.rows(pool, "SELECT state FROM bookings ORDER BY booking_id") == [("released",), ("booked",)]


def test_an_offer_nobody_has_answered_is_moved_too(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_prediction(pool, vehicle, NOW)
    route_waiting(pool, TERMS, now=NOW)
    steps = Steps(pool, 1, 1, NOW)
    station = of(pool, steps, "station_id")
    close(pool, steps, "station")

    assert replan_upset(pool, TERMS, now=NOW) == 1
    assert of(pool, steps, "state") == ("offered",)
    assert of(pool, steps, "station_id") != station


def test_where_no_station_is_left_the_order_waits_and_is_placed_when_one_opens(
    pool: Pool, steps: Steps
) -> None:
    seed.rows(pool, "UPDATE stations SET is_active = false RETURNING 1")

    assert replan_upset(pool, TERMS, now=NOW) == 1
    assert of(pool, steps, "state, waiting_reason, slot") == ("triaged", "no station is registered", None)
    assert live_bookings(pool) == []
    seed.rows(pool, "UPDATE stations SET is_active = true RETURNING 1")
    assert replan_waiting(pool, TERMS, now=NOW + timedelta(minutes=10)) == 1
    assert of(pool, steps, "state") == ("offered",)


def test_a_check_in_that_never_comes_frees_the_bay_and_offers_another_time(pool: Pool, steps: Steps) -> None:
    (begins,) = of(pool, steps, "lower(slot)")

    assert replan_upset(pool, TERMS, now=begins + NO_SHOW - timedelta(seconds=1)) == 0
    assert replan_upset(pool, TERMS, now=begins + NO_SHOW) == 1
    assert of(pool, steps, "state") == ("offered",)
    assert of(pool, steps, "lower(slot)")[0] > begins
    assert last_event(pool, steps) == "appointment given up: nobody came"
    assert seed.rows(
        pool, "SELECT count(*) FROM warnings WHERE body_en LIKE 'We missed you at your appointment.%%'"
    ) == [(1,)]


def test_a_tow_that_nobody_sent_is_ordered_anew(pool: Pool) -> None:
    steps = book(pool, NOW, severity="S1")
    (mode, begins) = of(pool, steps, "mode, lower(slot)")

    assert mode != "drive_in"
    assert replan_upset(pool, TERMS, now=begins + NO_SHOW) == 1
    assert last_event(pool, steps) == "appointment given up: nobody was sent"


def test_the_most_urgent_appointment_is_moved_first(pool: Pool) -> None:
    vehicles = seed.seed_vehicles(pool, 3)
    orders = {
        severity: book(pool, NOW, vehicle=vehicle, severity=severity).order_id
        for vehicle, severity in zip(vehicles, ("S3", "S2", "S1"), strict=True)
    }
    seed.rows(pool, "UPDATE stations SET is_active = false RETURNING 1")

    assert replan_upset(pool, TERMS, now=NOW, limit=1) == 1
    assert seed.rows(pool, "SELECT order_id FROM repair_orders WHERE state = 'triaged'") == [(orders["S1"],)]


def _next_there(pool: Pool, first: Steps, vehicle: int) -> Steps:
    """Return an order whose appointment follows on the first one's bay and technician."""
    following = book(pool, NOW, vehicle=vehicle)
    seed.rows(
        pool,
        "UPDATE bookings n SET bay_id = k.bay_id, technician_id = k.technician_id,"
        " slot = tstzrange(upper(k.slot), upper(k.slot) + (upper(k.slot) - lower(k.slot)))"
        " FROM bookings k WHERE k.order_id = %s AND n.order_id = %s RETURNING 1",
        first.order_id,
        following.order_id,
    )
    seed.rows(
        pool,
        "UPDATE repair_orders o SET bay_id = k.bay_id, technician_id = k.technician_id, slot = k.slot,"
        " station_id = (SELECT station_id FROM bays b WHERE b.bay_id = k.bay_id)"
        " FROM bookings k WHERE k.order_id = o.order_id AND o.order_id = %s RETURNING 1",
        following.order_id,
    )
    return following


TO_WORK = (_A.CHECK_IN, _A.DIAGNOSE, _A.FIND, _A.ESTIMATE, _A.PICK, _A.ASSIGN, _A.START)


def test_work_that_takes_longer_keeps_its_bay_and_what_comes_next_there_gives_way(pool: Pool) -> None:
    vehicles = seed.seed_vehicles(pool, 2)
    first = book(pool, NOW, vehicle=vehicles[0])
    following = _next_there(pool, first, vehicles[1])
    first.do_all(*TO_WORK)
    (ends,) = of(pool, first, "upper(slot)")
    before = of(pool, following, "bay_id, technician_id, slot")

    assert make_room(pool, TERMS, now=ends - timedelta(minutes=1)) == 0
    assert make_room(pool, TERMS, now=ends) == 1
    ((stretched,),) = seed.rows(pool, "SELECT upper(slot) FROM bookings WHERE order_id = %s", first.order_id)
    assert stretched > ends
    assert of(pool, first, "upper(slot)") == (ends,)  # what the owner was promised
    assert of(pool, following, "bay_id, technician_id, slot") != before
    assert_nothing_is_taken_twice(pool)
    assert make_room(pool, TERMS, now=ends) == 0


def test_work_that_takes_longer_tells_who_has_to_wait(pool: Pool) -> None:
    vehicles = seed.seed_vehicles(pool, 2)
    first = book(pool, NOW, vehicle=vehicles[0])
    following = _next_there(pool, first, vehicles[1])
    first.do_all(*TO_WORK)
    (bay, technician, ends) = of(pool, first, "bay_id, technician_id, upper(slot)")
    seed.rows(pool, "UPDATE bays SET is_open = bay_id = %s RETURNING 1", bay)
    seed.rows(pool, "UPDATE technicians SET is_active = technician_id = %s RETURNING 1", technician)

    assert make_room(pool, TERMS, now=ends) == 1
    assert of(pool, following, "state") == ("offered",)
    assert of(pool, following, "lower(slot)")[0] > ends
    assert seed.rows(
        pool, "SELECT count(*) FROM warnings WHERE body_en LIKE 'The work before yours takes longer%%'"
    ) == [(1,)]
    assert_nothing_is_taken_twice(pool)


def _at_once(database_url: str, *works: Callable[[Pool], Any]) -> list[Any]:
    """Run each with a connection of its own, all at the same moment."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[Pool], Any]) -> Any:
        own = open_pool(database_url, size=1)
        try:
            start.wait()
            return work(own)
        finally:
            own.close()

    with ThreadPoolExecutor(len(works)) as executor:
        return list(executor.map(run, works))


def test_two_routers_move_each_appointment_once(pool: Pool, database_url: str) -> None:
    vehicles = seed.seed_vehicles(pool, 12)
    for vehicle in vehicles:
        book(pool, NOW, vehicle=vehicle)
    seed.rows(
        pool,
        "UPDATE stations SET is_active = false"
        " WHERE station_id = (SELECT station_id FROM repair_orders LIMIT 1) RETURNING 1",
    )
    ((upset,),) = seed.rows(
        pool, "SELECT count(*) FROM repair_orders o JOIN stations s USING (station_id) WHERE NOT s.is_active"
    )

    moved = _at_once(database_url, *[lambda own: replan_upset(own, TERMS, now=NOW)] * 3)

    assert sum(moved) == upset
    assert seed.rows(
        pool, "SELECT count(*) FROM order_events WHERE reason LIKE 'appointment given up%%'"
    ) == [(upset,)]
    assert seed.rows(
        pool, "SELECT count(*) FROM repair_orders o JOIN stations s USING (station_id) WHERE NOT s.is_active"
    ) == [(0,)]
    assert_nothing_is_taken_twice(pool)


def test_a_check_in_at_the_same_moment_wins_or_is_told_to_look_again(pool: Pool, database_url: str) -> None:
    vehicles = seed.seed_vehicles(pool, 6)
    orders = [book(pool, NOW, vehicle=vehicle) for vehicle in vehicles]
    now = max(of(pool, order, "lower(slot)")[0] for order in orders) + NO_SHOW

    def check_in(own: Pool) -> list[str]:
        told = []
        for order in orders:
            arriving = Steps(own, order.order_id, order.version, now)
            try:
                told.append(str(arriving.do(_A.CHECK_IN).state))
            except AlertError as error:
                told.append(type(error).__name__)
        return told

    moved, told = _at_once(database_url, lambda own: replan_upset(own, TERMS, now=now), check_in)

    states = [of(pool, order, "state")[0] for order in orders]
    assert sorted(set(states) - {"checked_in", "offered", "triaged"}) == []
    assert [state == "checked_in" for state in states] == [one == "checked_in" for one in told]
    assert moved == len(orders) - told.count("checked_in")
    assert_nothing_is_taken_twice(pool)


def test_two_routers_and_a_bay_that_becomes_free_move_what_comes_next_at_most_once(
    pool: Pool, database_url: str
) -> None:
    vehicles = seed.seed_vehicles(pool, 2)
    first = book(pool, NOW, vehicle=vehicles[0])
    following = _next_there(pool, first, vehicles[1])
    first.do_all(*TO_WORK)
    (ends,) = of(pool, first, "upper(slot)")

    def finish(own: Pool) -> int:
        worker = Steps(own, first.order_id, first.version, ends)
        worker.do(_A.FINISH)
        worker.do(_A.PASS, checked_by=(worker.technicians("T1")[0],))
        return 0

    moved = _at_once(database_url, *[lambda own: make_room(own, TERMS, now=ends)] * 2, finish)

    assert sum(moved) <= 1
    assert of(pool, first, "state") == ("ready",)
    assert of(pool, following, "state")[0] in ("booked", "offered")
    given_up = seed.rows(
        pool,
        "SELECT count(*) FROM order_events WHERE order_id = %s AND reason LIKE '%%takes longer%%'",
        following.order_id,
    )
    assert given_up == [(sum(moved),)]
    assert_nothing_is_taken_twice(pool)
