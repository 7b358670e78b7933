"""Appointments stay at the hour that was agreed when clocks change: work begins when the station opens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerts.orders.replanning import make_room, replan_upset, replan_waiting
from alerts.router import route_waiting
from data.db import Pool
from tests.integration import alerts_seed as seed
from tests.integration.work_steps import TERMS, Steps, book

#: Friday evening before the night to Sunday in which clocks change; station hours are 08:00 or 09:00 there.
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 27, 20, tzinfo=UTC), timedelta(hours=2)),
    ("Europe/Berlin", datetime(2026, 10, 23, 20, tzinfo=UTC), timedelta(hours=1)),
    ("America/New_York", datetime(2026, 3, 7, 2, tzinfo=UTC), timedelta(hours=-4)),
    ("America/New_York", datetime(2026, 10, 31, 2, tzinfo=UTC), timedelta(hours=-5)),
]
BOOKED = "SELECT state, lower(slot), upper(slot) FROM bookings WHERE order_id = %s AND state <> 'released'"


def book_over(pool: Pool, zone: str, friday: datetime) -> Steps:
    """Book on Friday at a station that is closed at the weekend."""
    seed.seed_vehicles(pool)
    with pool.connection() as connection:
        connection.execute("UPDATE stations SET time_zone = %s", (zone,))
        connection.execute("DELETE FROM station_hours WHERE weekday > 5")
        connection.execute("UPDATE station_hours SET opens = '08:00', closes = '18:00'")
        connection.execute("UPDATE shifts SET starts = '08:00', ends = '18:00' WHERE starts < '11:00'")
    (vehicle,) = seed.rows(pool, "SELECT vehicle_id FROM vehicles ORDER BY vehicle_id LIMIT 1")[0]
    return book(pool, friday, vehicle=vehicle)


def booked(pool: Pool, order_id: int) -> tuple[Any, ...]:
    (row,) = seed.rows(pool, BOOKED, order_id)
    return row


@pytest.mark.parametrize(("zone", "friday", "offset"), CHANGES)
def test_work_begins_when_the_station_opens_on_that_day_and_nothing_moves_it(
    pool: Pool, zone: str, friday: datetime, offset: timedelta
) -> None:
    steps = book_over(pool, zone, friday)
    before = booked(pool, steps.order_id)
    for hours in (30, 58):  # Sunday, the clock has changed; early on Monday
        now = friday + timedelta(hours=hours)
        for plan_anew in (replan_upset, replan_waiting, make_room):
            assert plan_anew(pool, TERMS, now=now) == 0

    there = before[1].astimezone(ZoneInfo(zone))
    assert friday.astimezone(ZoneInfo(zone)).utcoffset() != offset
    assert there.utcoffset() == offset
    assert (there.isoweekday(), there.hour, there.minute) == (1, 8, 0)
    assert booked(pool, steps.order_id) == before
    assert before[0] == "booked"


@pytest.mark.parametrize(("zone", "friday", "offset"), CHANGES[::3])
def test_who_plans_after_the_change_finds_the_hour_taken_that_was_booked_before(
    pool: Pool, zone: str, friday: datetime, offset: timedelta
) -> None:
    steps = book_over(pool, zone, friday)
    others = seed.seed_vehicles(pool, 5)[1:]
    sunday = friday + timedelta(hours=44)
    assert sunday.astimezone(ZoneInfo(zone)).utcoffset() == offset
    for vehicle in others:
        seed.add_prediction(pool, vehicle, sunday)
    route_waiting(pool, TERMS, now=sunday)

    # the database refuses what overlaps: that nobody was refused shows that both saw the same hour
    assert len(seed.rows(pool, "SELECT 1 FROM repair_orders WHERE slot IS NOT NULL")) == 5
    first = booked(pool, steps.order_id)
    same = seed.rows(
        pool,
        "SELECT count(*) FROM bookings a JOIN bookings b ON a.booking_id < b.booking_id AND a.slot && b.slot"
        " AND (a.bay_id = b.bay_id OR a.technician_id = b.technician_id)"
        " WHERE a.state IN ('held', 'booked') AND b.state IN ('held', 'booked')",
    )
    assert (first[0], same) == ("booked", [(0,)])
