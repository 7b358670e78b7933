"""A cold night: many orders are placed together, urgent ones at once, and nothing is booked twice."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerts.dispatch.roads import Roads
from alerts.orders.assigner import Assigned, assign_batches
from alerts.orders.placing import PLANNING_FAILED
from alerts.orders.states import BATCHED
from alerts.router import route_waiting
from data.db import Pool, open_pool
from data.records import FloatArray
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
POLICY = seed.make_terms().policy
TERMS = seed.make_terms(
    policy=replace(POLICY, batch=replace(POLICY.batch, from_vehicles=8, every_s=60.0, most_orders=40))
)
OVERLAPS = (
    "SELECT count(*) FROM bookings a"
    " JOIN bookings b ON (a.bay_id = b.bay_id OR a.technician_id = b.technician_id)"
    " AND a.slot && b.slot AND a.booking_id < b.booking_id"
)


def seed_night(pool: Pool, count: int) -> list[int]:
    vehicles = seed.seed_vehicles(pool, count)
    for vehicle in vehicles:
        seed.add_prediction(pool, vehicle, NOW)
    return vehicles


def test_many_at_once_wait_for_each_other_and_are_placed_together(pool: Pool) -> None:
    vehicles = seed_night(pool, 20)
    seed.add_prediction(pool, vehicles[0], NOW, component="tire front-left", severity="S1")

    routed = route_waiting(pool, TERMS, now=NOW)
    states = seed.rows(
        pool, "SELECT severity, waiting_reason, count(*) FROM repair_orders GROUP BY 1, 2 ORDER BY 1"
    )
    told = seed.rows(pool, "SELECT count(*) FROM warnings")
    early = assign_batches(pool, TERMS, now=NOW + timedelta(seconds=59))
    done = assign_batches(pool, TERMS, now=NOW + timedelta(seconds=60))

    assert routed.orders == 21
    assert states == [("S1", None, 1), ("S3", BATCHED, 20)]
    assert told == [(1,)]
    assert early == Assigned()
    assert done == Assigned(placed=20)
    assert seed.rows(
        pool, "SELECT count(*) FROM repair_orders WHERE state = 'offered' AND slot IS NOT NULL"
    ) == [(21,)]
    assert seed.rows(pool, "SELECT count(*), count(DISTINCT order_id) FROM warnings") == [(21, 21)]
    assert seed.rows(pool, OVERLAPS) == [(0,)]
    assert seed.rows(pool, "SELECT sum(reserved)::int FROM part_stock") == [(21,)]


def test_few_are_placed_one_by_one_without_waiting(pool: Pool) -> None:
    seed_night(pool, 3)

    route_waiting(pool, TERMS, now=NOW)

    assert seed.rows(pool, "SELECT DISTINCT state, waiting_reason FROM repair_orders") == [("offered", None)]


def test_very_many_do_not_wait_for_the_minute(pool: Pool) -> None:
    seed_night(pool, 40)
    route_waiting(pool, TERMS, now=NOW)

    done = assign_batches(pool, TERMS, now=NOW)

    assert done.placed + done.alone == 40


def test_an_order_without_a_place_in_the_batch_is_decided_alone_and_its_owner_told(pool: Pool) -> None:
    seed_night(pool, 8)
    route_waiting(pool, TERMS, now=NOW)
    seed.rows(pool, "UPDATE part_stock SET on_hand = 0 RETURNING 1")

    done = assign_batches(pool, TERMS, now=NOW, is_due=True)

    assert done == Assigned(alone=8)
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(8,)]
    ((reason,),) = seed.rows(pool, "SELECT DISTINCT waiting_reason FROM repair_orders")
    assert reason.startswith("no station can do it")


def test_an_order_that_cannot_be_offered_is_decided_alone_and_the_others_are_placed(pool: Pool) -> None:
    vehicles = seed_night(pool, 9)
    route_waiting(pool, TERMS, now=NOW)
    seed.rows(
        pool,
        "UPDATE vehicles SET time_zone = 'Mars/Olympus' WHERE vehicle_id = %s RETURNING 1",
        vehicles[4],
    )

    done = assign_batches(pool, TERMS, now=NOW, is_due=True)

    assert (done.placed + done.alone, done.alone > 0) == (9, True)
    assert seed.rows(
        pool, "SELECT vehicle_id, waiting_reason FROM repair_orders WHERE state <> 'offered'"
    ) == [(vehicles[4], PLANNING_FAILED)]
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(9,)]


class HoleInTheMap(Roads):
    """Knows no distances from one place."""

    def estimate(self, lat: float, lon: float, lats: FloatArray, lons: FloatArray) -> FloatArray:
        if lat == 31.3:
            raise ValueError("a hole in the map")
        return super().estimate(lat, lon, lats, lons)


def test_an_order_that_cannot_be_prepared_is_decided_alone_and_the_others_are_placed(pool: Pool) -> None:
    vehicles = seed_night(pool, 9)
    seed.rows(
        pool,
        "UPDATE owners SET home_lat = 31.3 FROM vehicles v"
        " WHERE v.owner_id = owners.owner_id AND v.vehicle_id = %s RETURNING 1",
        vehicles[4],
    )
    route_waiting(pool, TERMS, now=NOW)

    done = assign_batches(pool, replace(TERMS, roads=HoleInTheMap(1.3)), now=NOW, is_due=True)

    assert done == Assigned(placed=8, alone=1)
    assert seed.rows(
        pool, "SELECT vehicle_id, waiting_reason FROM repair_orders WHERE state <> 'offered'"
    ) == [(vehicles[4], PLANNING_FAILED)]


def test_an_owner_of_many_vehicles_hears_no_more_at_once_than_the_cap_allows(
    pool: Pool, database_url: str
) -> None:
    seed_night(pool, 12)
    seed.rows(pool, "UPDATE vehicles SET owner_id = (SELECT min(owner_id) FROM owners) RETURNING 1")
    route_waiting(pool, TERMS, now=NOW)
    one_after_the_other = open_pool(database_url, size=1)
    try:
        done = assign_batches(one_after_the_other, TERMS, now=NOW, is_due=True)
    finally:
        one_after_the_other.close()

    cap = POLICY.telling.cap_messages
    assert done == Assigned(placed=12)
    assert seed.rows(
        pool, "SELECT step > 0, count(*), count(DISTINCT transition) FROM warnings GROUP BY 1 ORDER BY 1 DESC"
    ) == [(True, cap, cap), (False, 12 - cap, 12 - cap)]


def test_what_an_owner_declined_meanwhile_is_not_placed(pool: Pool) -> None:
    seed_night(pool, 10)
    route_waiting(pool, TERMS, now=NOW)
    seed.rows(pool, "UPDATE repair_orders SET state = 'cancelled' WHERE order_id %% 2 = 0 RETURNING 1")

    done = assign_batches(pool, TERMS, now=NOW, is_due=True)

    assert done == Assigned(placed=5)
    assert seed.rows(pool, "SELECT count(*) FROM bookings") == [(5,)]


@pytest.mark.parametrize("count", [60])
def test_many_assigners_and_a_router_with_urgent_orders_book_nothing_twice(
    pool: Pool, database_url: str, count: int
) -> None:
    vehicles = seed_night(pool, count)
    seed.rows(pool, "UPDATE part_stock SET on_hand = 40 WHERE sku = 'TIRE-REPAIR-KIT' RETURNING 1")
    route_waiting(pool, TERMS, now=NOW)
    for vehicle in vehicles[:10]:
        seed.add_prediction(pool, vehicle, NOW, component="tire front-left", severity="S2")
    pools = [open_pool(database_url, size=1) for _ in range(4)]

    def work(number: int) -> Assigned:
        if number == 0:
            route_waiting(pools[number], TERMS, now=NOW, limit=5)
            return Assigned()
        return assign_batches(pools[number], TERMS, now=NOW, is_due=True)

    try:
        with ThreadPoolExecutor(4) as executor:
            list(executor.map(work, range(4)))
        route_waiting(pool, TERMS, now=NOW, limit=5)
        assign_batches(pool, TERMS, now=NOW, is_due=True)
    finally:
        for own in pools:
            own.close()

    assert seed.rows(pool, OVERLAPS) == [(0,)]
    ((orders, bookings),) = seed.rows(
        pool,
        "SELECT (SELECT count(*) FROM repair_orders WHERE slot IS NOT NULL),"
        " (SELECT count(*) FROM bookings WHERE state = 'held')",
    )
    assert orders == bookings
    assert seed.rows(pool, "SELECT sum(reserved)::int, bool_and(reserved <= on_hand) FROM part_stock") == [
        (bookings, True)
    ]
    assert seed.rows(pool, "SELECT count(*) FROM repair_orders WHERE waiting_reason = %s", BATCHED) == [(0,)]
