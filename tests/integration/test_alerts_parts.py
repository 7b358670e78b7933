"""Parts on their way: promised once, awaited by appointments, received once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from alerts.commands import Commands
from alerts.errors import InvalidDetails, InvalidTransition, UnknownArrival
from alerts.orders.replanning import replan_upset
from alerts.orders.states import OrderState
from alerts.router import route_waiting
from alerts.work.actions import Action
from alerts.work.supplied import go_on_supplied
from data.db import Pool, open_pool
from tests.integration import alerts_seed as seed
from tests.integration import parts_seed as parts
from tests.integration.work_steps import TERMS, Steps, book

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)  # Tuesday 10:00 in Shanghai
ORDERS = "SELECT state, lower(slot), deadline FROM repair_orders ORDER BY order_id"


def route_one(pool: Pool) -> None:
    seed.add_prediction(pool, seed.seed_vehicles(pool)[0], NOW)
    parts.empty_shelves(pool)


def reservations(pool: Pool) -> list[tuple[str, int | None]]:
    return seed.rows(pool, "SELECT state, arrival_id FROM part_reservations ORDER BY order_id")


def test_an_appointment_waits_until_its_part_is_there_with_the_probability_asked_for(pool: Pool) -> None:
    route_one(pool)
    arrival_id = parts.announce(pool, NOW, hours=24, spread_h=3)

    route_waiting(pool, TERMS, now=NOW)

    ((state, start, deadline),) = seed.rows(pool, ORDERS)
    assert state == "offered"
    assert NOW + timedelta(hours=24 + 1.28 * 3) <= start <= deadline
    assert reservations(pool) == [("expected", arrival_id)]
    assert parts.arrivals(pool) == [("expected", 1, 1)]
    assert parts.stock(pool) == (0, 0)
    ((told,),) = seed.rows(pool, "SELECT reason FROM order_events WHERE to_state = 'offered'")
    assert f"{parts.KIT} expected 2026-03-11T02:00Z" in told


def test_what_is_received_is_the_orders_that_waited_for_it(pool: Pool) -> None:
    route_one(pool)
    arrival_id = parts.announce(pool, NOW, qty=3)
    route_waiting(pool, TERMS, now=NOW)

    parts.with_book(pool, NOW, lambda b, deed: b.receive(arrival_id, deed=deed))

    assert parts.stock(pool) == (3, 1)
    assert reservations(pool) == [("reserved", None)]
    assert seed.rows(
        pool, "SELECT action FROM audit_events WHERE action LIKE 'arrival%%' ORDER BY at, 1"
    ) == [
        ("arrival.announce",),
        ("arrival.received",),
    ]


def test_an_arrival_is_received_once_however_many_say_so(pool: Pool, database_url: str) -> None:
    route_one(pool)
    arrival_id = parts.announce(pool, NOW, qty=2)
    route_waiting(pool, TERMS, now=NOW)

    def receive(_: int) -> str:
        try:
            parts.with_book(wide, NOW, lambda b, deed: b.receive(arrival_id, deed=deed))
        except InvalidTransition:
            return "refused"
        return "received"

    wide = open_pool(database_url, size=6, name="anxin-test-wide")
    with wide, ThreadPoolExecutor(6) as people:
        done = sorted(people.map(receive, range(6)))

    assert done == ["received", *["refused"] * 5]
    assert parts.stock(pool) == (2, 1)


def test_two_orders_never_get_the_same_piece_that_is_on_its_way(pool: Pool, database_url: str) -> None:
    for vehicle in seed.seed_vehicles(pool, 6):
        seed.add_prediction(pool, vehicle, NOW)
    parts.empty_shelves(pool)
    parts.announce(pool, NOW, qty=2)

    wide = open_pool(database_url, size=6, name="anxin-test-wide")
    with wide, ThreadPoolExecutor(3) as routers:
        for done in [routers.submit(route_waiting, wide, TERMS, now=NOW) for _ in range(3)]:
            done.result()

    states = [row[0] for row in seed.rows(pool, ORDERS)]
    assert sorted(states) == ["offered"] * 2 + ["triaged"] * 4
    assert parts.arrivals(pool) == [("expected", 2, 2)]


@pytest.mark.parametrize("way", ["owner says no", "hold expires"])
def test_what_an_order_gives_back_others_may_wait_for(pool: Pool, way: str) -> None:
    route_one(pool)
    parts.announce(pool, NOW)
    route_waiting(pool, TERMS, now=NOW)
    ((order_id, version),) = seed.rows(pool, "SELECT order_id, version FROM repair_orders")

    if way == "owner says no":
        Commands(pool, TERMS).answer(order_id=order_id, answer="no", actor="o", version=version, now=NOW)
    else:
        other = seed.seed_vehicles(pool, 2)[1]
        seed.add_prediction(pool, other, NOW + timedelta(hours=1))
        route_waiting(pool, TERMS, now=NOW + timedelta(hours=1))

    expected = 0 if way == "owner says no" else 1
    assert parts.arrivals(pool) == [("expected", 1, expected)]
    assert reservations(pool)[0][0] == "released"


def offered_start(pool: Pool) -> datetime:
    ((_, start, _),) = seed.rows(pool, ORDERS)
    return start


def test_a_part_that_comes_too_late_moves_the_appointment_and_the_owner_reads_why(pool: Pool) -> None:
    route_one(pool)
    arrival_id = parts.announce(pool, NOW)
    route_waiting(pool, TERMS, now=NOW)
    late = offered_start(pool) + timedelta(hours=1)

    parts.with_book(pool, NOW, lambda b, deed: b.slip(arrival_id, late, None, deed=deed))

    assert replan_upset(pool, TERMS, now=NOW) == 1
    assert offered_start(pool) >= late + timedelta(hours=1.28 * 3)
    assert parts.arrivals(pool) == [("expected", 1, 1)]
    assert seed.rows(
        pool, "SELECT count(*) FROM warnings WHERE body_en LIKE 'A part for your car arrives%%'"
    ) == [(1,)]
    assert replan_upset(pool, TERMS, now=NOW) == 0


def test_a_slip_that_leaves_the_part_in_time_moves_nobody(pool: Pool) -> None:
    route_one(pool)
    arrival_id = parts.announce(pool, NOW, hours=1, spread_h=0.5)
    route_waiting(pool, TERMS, now=NOW)
    start = offered_start(pool)
    sure = start - timedelta(hours=1)

    parts.with_book(pool, NOW, lambda b, deed: b.slip(arrival_id, sure, 0.1, deed=deed))

    assert replan_upset(pool, TERMS, now=NOW) == 0
    assert offered_start(pool) == start


def test_a_part_that_does_not_come_lets_its_order_wait(pool: Pool) -> None:
    route_one(pool)
    arrival_id = parts.announce(pool, NOW)
    route_waiting(pool, TERMS, now=NOW)

    parts.with_book(pool, NOW, lambda b, deed: b.cancel(arrival_id, deed=deed))

    assert replan_upset(pool, TERMS, now=NOW) == 1
    assert [row[0] for row in seed.rows(pool, ORDERS)] == ["triaged"]
    assert parts.arrivals(pool) == [("cancelled", 1, 0)]


def test_work_waits_for_a_part_that_is_not_here_yet_and_goes_on_when_it_is(pool: Pool) -> None:
    steps: Steps = book(pool, NOW)
    ((code,),) = seed.rows(pool, "SELECT code FROM stations JOIN repair_orders USING (station_id)")
    arrival_id = parts.announce(pool, NOW, station=code)
    seed.rows(pool, "UPDATE part_stock SET reserved = 0, on_hand = 0 WHERE sku = %s RETURNING 1", parts.KIT)
    seed.rows(
        pool, "UPDATE part_reservations SET state = 'expected', arrival_id = %s RETURNING 1", arrival_id
    )
    seed.rows(pool, "UPDATE part_arrivals SET reserved = 1 RETURNING 1")

    for action in (Action.CHECK_IN, Action.DIAGNOSE, Action.FIND):
        steps.do(action)
    assert steps.do(Action.ESTIMATE).state is OrderState.WAITING_PARTS
    with pytest.raises(InvalidTransition, match="still not in stock"):
        steps.do(Action.RESERVE)

    assert go_on_supplied(pool, TERMS, now=NOW) == 0
    parts.with_book(pool, NOW, lambda b, deed: b.receive(arrival_id, deed=deed))

    assert go_on_supplied(pool, TERMS, now=NOW) == 1
    assert go_on_supplied(pool, TERMS, now=NOW) == 0
    assert seed.rows(pool, "SELECT state FROM repair_orders") == [("parts_reserved",)]
    assert seed.rows(pool, "SELECT actor, reason FROM order_events ORDER BY event_id DESC LIMIT 1") == [
        ("anxin", "all parts are here")
    ]
    assert parts.stock(pool, code) == (1, 1)


def test_of_two_orders_that_wait_for_one_piece_the_more_urgent_goes_on(pool: Pool) -> None:
    vehicles = seed.seed_vehicles(pool, 2)
    both = [book(pool, NOW, vehicle=v, severity=s) for v, s in zip(vehicles, ("S3", "S2"), strict=True)]
    seed.rows(pool, "UPDATE part_reservations SET state = 'released' RETURNING 1")
    parts.empty_shelves(pool)
    for steps in both:
        for action in (Action.CHECK_IN, Action.DIAGNOSE, Action.FIND):
            steps.do(action)
        assert steps.do(Action.ESTIMATE).state is OrderState.WAITING_PARTS
    ((code,),) = seed.rows(pool, "SELECT DISTINCT code FROM stations JOIN repair_orders USING (station_id)")
    arrival_id = parts.announce(pool, NOW, station=code)
    parts.with_book(pool, NOW, lambda b, deed: b.receive(arrival_id, deed=deed))

    assert go_on_supplied(pool, TERMS, now=NOW) == 1
    assert seed.rows(pool, "SELECT severity, state FROM repair_orders ORDER BY severity") == [
        ("S2", "parts_reserved"),
        ("S3", "waiting_parts"),
    ]


def waiting_for(pool: Pool, severities: str, *, qty: int) -> int:
    """Let an order of each class (a digit) wait for a piece of one arrival; return the arrival."""
    vehicles = seed.seed_vehicles(pool, len(severities))
    parts.empty_shelves(pool)
    arrival_id = parts.announce(pool, NOW, hours=20, qty=qty)
    for n, digit in enumerate(severities):
        seed.add_prediction(pool, vehicles[n], NOW, severity=f"S{digit}")
        route_waiting(pool, TERMS, now=NOW)
    assert parts.arrivals(pool) == [("expected", qty, len(severities))]
    return arrival_id


def test_of_a_short_delivery_the_most_urgent_have_theirs_and_the_others_are_planned_anew(pool: Pool) -> None:
    arrival_id = waiting_for(pool, "323", qty=4)
    parts.with_book(pool, NOW, lambda b, deed: b.receive(arrival_id, deed=deed, qty=2))

    assert parts.arrivals(pool) == [("received", 2, 2), ("cancelled", 2, 1)]
    assert parts.stock(pool) == (2, 2)
    found = (
        "SELECT o.severity, r.state FROM repair_orders o JOIN part_reservations r USING (order_id)"
        " ORDER BY order_id"
    )
    assert seed.rows(pool, found) == [("S3", "reserved"), ("S2", "reserved"), ("S3", "expected")]
    assert replan_upset(pool, TERMS, now=NOW) == 1
    assert [row[0] for row in seed.rows(pool, ORDERS)] == ["offered", "offered", "triaged"]
    assert seed.rows(pool, found)[2] == ("S3", "released")
    assert parts.arrivals(pool)[1] == ("cancelled", 2, 0)


def test_a_short_delivery_that_is_enough_for_all_who_wait_upsets_nobody(pool: Pool) -> None:
    arrival_id = waiting_for(pool, "3", qty=4)
    parts.with_book(pool, NOW, lambda b, deed: b.receive(arrival_id, deed=deed, qty=1))

    assert (parts.stock(pool), parts.arrivals(pool)[1]) == ((1, 1), ("cancelled", 3, 0))
    assert replan_upset(pool, TERMS, now=NOW) == 0


@pytest.mark.parametrize("qty", [0, 5])
def test_more_pieces_than_expected_or_none_are_not_received(pool: Pool, qty: int) -> None:
    arrival_id = waiting_for(pool, "3", qty=4)

    with pytest.raises(InvalidDetails, match=f"qty {qty}: must be from 1 to the 4 expected pieces"):
        parts.with_book(pool, NOW, lambda b, deed: b.receive(arrival_id, deed=deed, qty=qty))
    assert parts.arrivals(pool) == [("expected", 4, 1)]


@pytest.mark.parametrize(("is_sent", "left"), [(False, 9), (True, 8)])
def test_what_a_transfer_lacks_stays_with_the_giver_unless_it_had_left(
    pool: Pool, is_sent: bool, left: int
) -> None:
    seed.seed_vehicles(pool)
    giver = "SH-MINHANG"
    seed.rows(
        pool,
        "UPDATE part_stock k SET on_hand = 10, reserved = 0 FROM stations s WHERE s.station_id = k.station_id"
        " AND s.code = %s AND sku = %s RETURNING 1",
        giver,
        parts.KIT,
    )
    before = parts.stock(pool)
    arrival_id = parts.announce(pool, NOW, qty=2, from_station=giver)
    if is_sent:
        parts.with_book(pool, NOW, lambda b, deed: b.ship(arrival_id, deed=deed))
    parts.with_book(pool, NOW, lambda b, deed: b.receive(arrival_id, deed=deed, qty=1))

    assert parts.stock(pool, giver) == (left, 0)
    assert parts.stock(pool) == (before[0] + 1, before[1])


def test_a_transfer_is_set_aside_leaves_and_arrives(pool: Pool) -> None:
    seed.seed_vehicles(pool)
    ((giver,),) = seed.rows(
        pool, "SELECT code FROM stations WHERE is_active AND code <> %s ORDER BY 1 LIMIT 1", parts.STATION
    )
    ((had, kept), (own, _)) = parts.stock(pool, giver), parts.stock(pool)
    arrival_id = parts.announce(pool, NOW, qty=2, from_station=giver)
    assert parts.stock(pool, giver) == (had, kept + 2)

    parts.with_book(pool, NOW, lambda b, deed: b.ship(arrival_id, deed=deed))
    assert parts.stock(pool, giver) == (had - 2, kept)
    with pytest.raises(InvalidTransition, match="left already"):
        parts.with_book(pool, NOW, lambda b, deed: b.cancel(arrival_id, deed=deed))
    parts.with_book(pool, NOW, lambda b, deed: b.receive(arrival_id, deed=deed))

    assert parts.stock(pool) == (own + 2, 0)


def test_nobody_gives_away_what_is_not_there(pool: Pool) -> None:
    seed.seed_vehicles(pool)
    parts.empty_shelves(pool)
    ((giver,),) = seed.rows(pool, "SELECT code FROM stations WHERE code <> %s LIMIT 1", parts.STATION)

    with pytest.raises(InvalidDetails, match="has fewer"):
        parts.announce(pool, NOW, from_station=giver)
    with pytest.raises(UnknownArrival):
        parts.with_book(pool, NOW, lambda b, deed: b.receive(99, deed=deed))
    assert parts.arrivals(pool) == []


def only_stock_where_nobody_can_work(pool: Pool, qty: int) -> str:
    """Leave kits at the station next to the usual one only, whose bays are closed; return it."""
    parts.empty_shelves(pool)
    ((giver, code),) = seed.rows(
        pool,
        "SELECT station_id, code FROM stations WHERE city = 'Shanghai' AND code <> %s ORDER BY 2 LIMIT 1",
        parts.STATION,
    )
    seed.rows(pool, "UPDATE bays SET is_open = false WHERE station_id = %s RETURNING 1", giver)
    here = (qty, parts.KIT, giver)
    seed.rows(
        pool, "UPDATE part_stock SET on_hand = %s WHERE sku = %s AND station_id = %s RETURNING 1", *here
    )
    return str(code)


def test_a_part_that_no_able_station_has_is_sent_by_one_that_has_it(pool: Pool) -> None:
    seed.add_prediction(pool, seed.seed_vehicles(pool)[0], NOW)
    giver = only_stock_where_nobody_can_work(pool, 1)

    route_waiting(pool, TERMS, now=NOW)

    ((state, start, deadline),) = seed.rows(pool, ORDERS)
    assert (state, start <= deadline) == ("offered", True)
    assert seed.rows(pool, "SELECT source, state, qty, reserved FROM part_arrivals") == [
        ("transfer", "expected", 1, 1)
    ]
    assert parts.stock(pool, giver) == (1, 1)

    ((order_id, version),) = seed.rows(pool, "SELECT order_id, version FROM repair_orders")
    Commands(pool, TERMS).answer(order_id=order_id, answer="no", actor="o", version=version, now=NOW)

    assert parts.arrivals(pool) == [("cancelled", 1, 0)]
    assert parts.stock(pool, giver) == (1, 0)


def test_the_last_piece_is_sent_to_one_order_only(pool: Pool, database_url: str) -> None:
    for vehicle in seed.seed_vehicles(pool, 6):
        seed.add_prediction(pool, vehicle, NOW)
    giver = only_stock_where_nobody_can_work(pool, 1)

    wide = open_pool(database_url, size=6, name="anxin-test-wide")
    with wide, ThreadPoolExecutor(3) as routers:
        for done in [routers.submit(route_waiting, wide, TERMS, now=NOW) for _ in range(3)]:
            done.result()

    assert sorted(row[0] for row in seed.rows(pool, ORDERS)) == ["offered"] + ["triaged"] * 5
    assert parts.stock(pool, giver) == (1, 1)


def test_a_substitute_is_priced_and_named_on_the_line(pool: Pool) -> None:
    route_one(pool)
    seed.rows(pool, "UPDATE parts SET substitutes = '{TIRE-SENSOR}' WHERE sku = %s RETURNING 1", parts.KIT)

    route_waiting(pool, TERMS, now=NOW)

    ((code, text, is_its_price),) = seed.rows(
        pool,
        "SELECT l.code, l.text_en, l.unit_price = p.unit_price"
        " FROM order_lines l JOIN parts p ON p.sku = l.code WHERE kind = 'part'",
    )
    assert (code, is_its_price) == ("TIRE-SENSOR", True)
    assert "(instead of " in text
    assert seed.rows(pool, "SELECT sku, state FROM part_reservations") == [("TIRE-SENSOR", "reserved")]


def test_what_is_down_to_its_reorder_point_is_to_be_bought_unless_it_is_on_its_way(pool: Pool) -> None:
    seed.seed_vehicles(pool)
    parts.empty_shelves(pool)
    seed.rows(
        pool,
        "UPDATE part_stock SET reorder_point = 2, reorder_to = 6 WHERE sku = %s AND station_id ="
        " (SELECT station_id FROM stations WHERE code = %s) RETURNING 1",
        parts.KIT,
        parts.STATION,
    )

    def to_order() -> list[tuple[str, int]]:
        rows = parts.with_book(pool, NOW, lambda b, _: b.to_order())
        return [(row["station"], row["qty"]) for row in rows]

    assert to_order() == [(parts.STATION, 6)]
    parts.announce(pool, NOW, qty=2)
    assert to_order() == [(parts.STATION, 4)]
    parts.announce(pool, NOW, qty=1)
    assert to_order() == []
