"""Many routers, few bays: the constraints decide, nothing is booked twice and nothing is lost."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from alerts.router import Routed, route_waiting
from data.db import Pool, open_pool
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
TERMS = seed.make_terms()
THREADS, VEHICLES = 8, 200


def test_eight_routers_and_two_hundred_predictions_book_nothing_twice(pool: Pool, database_url: str) -> None:
    vehicles = seed.seed_vehicles(pool, VEHICLES)
    for vehicle in vehicles:
        seed.add_prediction(pool, vehicle, NOW)
    seed.rows(pool, "UPDATE part_stock SET on_hand = 40 WHERE sku = 'TIRE-REPAIR-KIT' RETURNING 1")
    start = threading.Barrier(THREADS)

    def route(_: int) -> Routed:
        own = open_pool(database_url, size=1)
        try:
            start.wait()
            done = Routed()
            while seed.rows(own, "SELECT 1 FROM predictions WHERE routed_at IS NULL LIMIT 1"):
                done += route_waiting(own, TERMS, now=NOW, limit=16)
            return done
        finally:
            own.close()

    with ThreadPoolExecutor(THREADS) as executor:
        total = sum(executor.map(route, range(THREADS)), Routed())

    assert (total.predictions, total.orders, total.lost) == (VEHICLES, VEHICLES, 0)
    assert seed.rows(pool, "SELECT count(*), count(DISTINCT vehicle_id) FROM repair_orders") == [
        (VEHICLES, VEHICLES)
    ]
    for column in ("bay_id", "technician_id"):
        assert seed.rows(
            pool,
            f"SELECT count(*) FROM bookings a JOIN bookings b ON a.{column} = b.{column}"  # noqa: S608 - own names
            " AND a.slot && b.slot AND a.booking_id < b.booking_id",
        ) == [(0,)]
    ((placed, waiting),) = seed.rows(
        pool,
        "SELECT count(*) FILTER (WHERE state = 'offered'), count(*) FILTER (WHERE waiting_reason IS NOT NULL)"
        " FROM repair_orders",
    )
    assert placed + waiting == VEHICLES
    assert placed >= 100
    reserved = seed.rows(pool, "SELECT sum(reserved)::int, bool_and(reserved <= on_hand) FROM part_stock")
    assert reserved == [(placed, True)]
    assert seed.rows(pool, "SELECT count(*) FROM bookings WHERE state = 'held'") == [(placed,)]
    assert seed.rows(pool, "SELECT count(*), count(DISTINCT order_id) FROM warnings") == [
        (VEHICLES, VEHICLES)
    ]
