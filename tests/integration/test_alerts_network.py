"""What routers keep of the service network is never older than the last change."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from psycopg.types.json import Jsonb

from alerts.desk import Desk, open_desk
from alerts.router import route_waiting
from data.db import Pool, open_pool, transaction
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
CHANGES = (
    "UPDATE stations SET labour_rate = labour_rate + 1",
    "UPDATE bays SET is_open = NOT is_open",
    "UPDATE technicians SET is_active = false",
    "DELETE FROM shifts",
    "DELETE FROM station_hours",
    "UPDATE parts SET unit_price = unit_price + 1",
    "UPDATE labour_operations SET hours = hours + 1",
    "UPDATE repair_jobs SET needs_hv = NOT needs_hv",
)


@pytest.fixture
def desk(pool: Pool) -> Iterator[Desk]:
    seed.seed_vehicles(pool)
    with transaction(pool) as connection:
        yield open_desk(connection)


@pytest.mark.parametrize("change", CHANGES)
def test_after_any_change_the_network_is_read_again(pool: Pool, desk: Desk, change: str) -> None:
    networks = seed.make_terms().networks
    first = networks.fetch(desk.network, 1)
    assert networks.fetch(desk.network, 1) is first

    seed.rows(pool, f"{change} RETURNING 1")

    again = networks.fetch(desk.network, 1)
    assert again is not first
    assert (again.stations, again.jobs) != (first.stations, first.jobs)


def test_bookings_and_stock_alone_let_nothing_be_read_again(pool: Pool, desk: Desk) -> None:
    networks = seed.make_terms().networks
    first = networks.fetch(desk.network, 1)

    seed.rows(pool, "UPDATE part_stock SET on_hand = on_hand + 1 RETURNING 1")

    assert networks.fetch(desk.network, 1) is first


def test_two_who_want_the_same_bay_and_part_get_one_appointment_each_without_a_lost_decision(
    pool: Pool, database_url: str
) -> None:
    vehicles = seed.seed_vehicles(pool, 12)
    terms = seed.make_terms()
    for vehicle in vehicles:
        seed.add_prediction(pool, vehicle, NOW, severity="S2", since=datetime(2026, 3, 1, tzinfo=UTC))
    seed.rows(pool, "UPDATE part_stock SET on_hand = 3 WHERE sku = 'TIRE-REPAIR-KIT' RETURNING 1")

    def route(_: int) -> int:
        own = open_pool(database_url, size=1)
        try:
            return route_waiting(own, terms, now=NOW).lost
        finally:
            own.close()

    with ThreadPoolExecutor(4) as executor:
        assert sum(executor.map(route, range(4))) == 0

    route_waiting(pool, terms, now=NOW)
    assert seed.rows(
        pool,
        "SELECT count(*), count(DISTINCT (bay_id, slot)), count(DISTINCT (technician_id, slot))"
        " FROM bookings",
    ) == [(12, 12, 12)]
    assert seed.rows(pool, "SELECT max(reserved), sum(reserved)::int FROM part_stock") == [(3, 12)]


@pytest.mark.parametrize(("soc", "mode"), [(60.0, "drive_in"), (10.2, "tow"), (None, "drive_in")])
def test_a_vehicle_that_can_reach_no_station_is_towed_instead_of_waiting(
    pool: Pool, soc: float | None, mode: str
) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    lat, lon = seed.SHANGHAI
    readings = {"latitude": lat, "longitude": lon} | ({} if soc is None else {"soc": soc})
    seed.rows(
        pool,
        "INSERT INTO vehicle_latest (vehicle_id, family, time, received, is_hist, origin, readings)"
        " VALUES (%s, 'drive', %s, %s, false, 'real', %s) RETURNING 1",
        vehicle,
        NOW,
        NOW,
        Jsonb(readings),
    )
    seed.add_prediction(pool, vehicle, NOW)

    route_waiting(pool, seed.make_terms(), now=NOW)

    assert seed.rows(pool, "SELECT state, mode, waiting_reason FROM repair_orders") == [
        ("offered", mode, None)
    ]
    ((title,),) = seed.rows(pool, "SELECT body_en FROM warnings")
    assert ("tow" in title.lower()) == (mode == "tow")


def test_a_vehicle_beyond_every_tow_waits_and_says_why(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool, home=(45.0, 90.0))
    seed.add_prediction(pool, vehicle, NOW)

    route_waiting(pool, seed.make_terms(), now=NOW)

    ((state, reason),) = seed.rows(pool, "SELECT state, waiting_reason FROM repair_orders")
    assert state == "triaged"
    assert "too far" in reason
