"""Vans, tows and wishes on the real database: what is held, what it costs, and what blocks nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alerts.commands import Commands
from alerts.router import route_waiting
from alerts.work.actions import Action
from data.db import Pool
from tests.integration import alerts_seed as seed
from tests.integration.work_steps import TERMS, book

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
TO_BOOKED = "SELECT order_id, version FROM repair_orders WHERE state = 'offered' ORDER BY order_id"


def send_vans(pool: Pool) -> None:
    """Let every technician for tires drive a van, for 60.00 a visit."""
    seed.rows(
        pool,
        "UPDATE technicians SET carries = '{TIRE-REPAIR-KIT,TIRE-225-50R17}' WHERE 'T1' = ANY(skills)"
        " RETURNING 1",
    )
    seed.rows(pool, """UPDATE stations SET fees = '{"mobile": "60.00", "tow": "300.00"}' RETURNING 1""")


def test_a_van_holds_its_technician_on_the_way_too_and_no_bay(pool: Pool) -> None:
    vehicle = seed.seed_vehicles(pool)[0]
    send_vans(pool)
    seed.add_prediction(pool, vehicle, NOW)

    route_waiting(pool, TERMS, now=NOW)

    ((mode, bay, starts_after, ends_before),) = seed.rows(
        pool,
        "SELECT o.mode, b.bay_id, lower(o.slot) - lower(b.slot), upper(b.slot) - upper(o.slot)"
        " FROM repair_orders o JOIN bookings b USING (order_id) WHERE o.bay_id IS NULL",
    )
    assert (mode, bay) == ("mobile", None)
    assert starts_after == ends_before >= timedelta(minutes=15)
    assert seed.rows(pool, "SELECT code, amount::text FROM order_lines WHERE kind = 'fee'") == [
        ("mobile", "60.00")
    ]


def test_orders_without_a_bay_block_each_other_by_their_technicians_only(pool: Pool) -> None:
    vehicles = seed.seed_vehicles(pool, 6)
    send_vans(pool)
    for vehicle in vehicles:
        seed.add_prediction(pool, vehicle, NOW)

    route_waiting(pool, TERMS, now=NOW)

    assert seed.rows(pool, "SELECT count(*) FROM bookings WHERE bay_id IS NULL AND state = 'held'") == [(6,)]
    ((overlapping,),) = seed.rows(
        pool,
        "SELECT count(*) FROM bookings a JOIN bookings b ON a.booking_id < b.booking_id AND a.slot && b.slot"
        " AND a.technician_id <> b.technician_id",
    )
    assert overlapping > 0
    assert seed.rows(
        pool,
        "SELECT count(*) FROM bookings a JOIN bookings b ON a.booking_id < b.booking_id AND a.slot && b.slot"
        " AND a.technician_id = b.technician_id",
    ) == [(0,)]


def test_a_hold_that_has_expired_blocks_nobody(pool: Pool) -> None:
    first, second = seed.seed_vehicles(pool, 2)
    seed.rows(
        pool,
        "UPDATE bays SET is_open = false"
        " WHERE bay_id <> (SELECT min(bay_id) FROM bays WHERE 'tire' = ANY(kinds)) RETURNING 1",
    )
    seed.rows(pool, "UPDATE part_stock SET on_hand = 1 RETURNING 1")
    later = NOW + TERMS.hold_for + timedelta(seconds=1)
    seed.add_prediction(pool, first, NOW)
    route_waiting(pool, TERMS, now=NOW)
    seed.add_prediction(pool, second, later)

    route_waiting(pool, TERMS, now=later)

    assert seed.rows(
        pool, "SELECT o.vehicle_id, b.state FROM bookings b JOIN repair_orders o USING (order_id) ORDER BY 1"
    ) == [(first, "released"), (second, "held")]
    assert seed.rows(pool, "SELECT sum(reserved)::int FROM part_stock") == [(1,)]


def test_a_van_does_the_whole_repair_and_its_fee_stays_in_the_price(pool: Pool) -> None:
    vehicle = seed.seed_vehicles(pool)[0]
    send_vans(pool)
    steps = book(pool, NOW, vehicle=vehicle)
    ((offered,),) = seed.rows(pool, "SELECT total FROM repair_orders")

    steps.do_all(Action.DISPATCH, Action.CHECK_IN, Action.DIAGNOSE, Action.FIND, Action.ESTIMATE)
    steps.do_all(Action.PICK, Action.ASSIGN, Action.START, Action.FINISH)

    assert seed.rows(pool, "SELECT total, bay_id, mode FROM repair_orders") == [(offered, None, "mobile")]
    assert seed.rows(pool, "SELECT kind FROM order_lines ORDER BY line") == [
        ("labour",),
        ("part",),
        ("fee",),
        ("tax",),
    ]


def test_what_an_owner_wishes_is_asked_first(pool: Pool) -> None:
    vehicle = seed.seed_vehicles(pool)[0]
    send_vans(pool)
    seed.rows(
        pool,
        "UPDATE owners SET preferred_mode = 'drive_in', preferred_station_id ="
        " (SELECT station_id FROM stations WHERE code = 'SH-JIADING') RETURNING 1",
    )
    seed.rows(
        pool,
        "UPDATE technicians SET carries = NULL FROM stations s WHERE s.station_id = technicians.station_id"
        " AND s.code = 'SH-JIADING' RETURNING 1",
    )
    seed.add_prediction(pool, vehicle, NOW)

    route_waiting(pool, TERMS, now=NOW)

    ((code, mode, passed),) = seed.rows(
        pool, "SELECT s.code, o.mode, o.passed_over FROM repair_orders o JOIN stations s USING (station_id)"
    )
    assert (code, mode) == ("SH-JIADING", "drive_in")
    assert {p["code"] for p in passed} <= {"not_preferred", "no_skill"}


def test_a_rating_counts_from_the_next_order_on(pool: Pool) -> None:
    vehicle = seed.seed_vehicles(pool, 2)
    ((version, _),) = seed.rows(pool, "SELECT version, 1 FROM network_version")
    seed.add_prediction(pool, vehicle[0], NOW)
    route_waiting(pool, TERMS, now=NOW)
    ((order_id, number),) = seed.rows(pool, TO_BOOKED)
    commands = Commands(pool, TERMS)
    commands.answer(order_id=order_id, version=number, answer="yes", actor="owner:1", now=NOW)
    seed.rows(
        pool,
        "INSERT INTO order_ratings (order_id, station_stars, warning_stars, comment, rated_at)"
        " VALUES (%s, 1, 5, '', %s) RETURNING 1",
        order_id,
        NOW,
    )

    ((after, _),) = seed.rows(pool, "SELECT version, 1 FROM network_version")
    assert after != version
