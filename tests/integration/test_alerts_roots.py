"""One cooling failure is one order, not one for each part that gets hot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from alerts.router import route_waiting
from data.db import Pool
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
TERMS = seed.make_terms()
HOT = (("motor 1", "motor_thermal"), ("inverter 1", "inverter_thermal"))
ORDERS = "SELECT failure_mode, state, severity FROM repair_orders ORDER BY order_id"
ALERTS = "SELECT failure_mode, order_id, state FROM alerts ORDER BY alert_id"


def predict(pool: Pool, vehicle: int, component: str, mode: str, minutes: int, **more: Any) -> None:
    at = NOW + timedelta(minutes=minutes)
    seed.add_prediction(
        pool, vehicle, at, component=component, failure_mode=mode, since=at - timedelta(days=30), **more
    )
    route_waiting(pool, TERMS, now=at)


def test_what_gets_hot_joins_the_order_of_the_cooling(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    predict(pool, vehicle, "cooling", "cooling_loss", 0)
    for number, (component, mode) in enumerate(HOT, start=1):
        predict(pool, vehicle, component, mode, number)

    assert seed.rows(pool, ORDERS) == [("cooling_loss", "offered", "S3")]
    assert seed.rows(pool, ALERTS) == [
        ("cooling_loss", 1, "open"),
        ("motor_thermal", 1, "open"),
        ("inverter_thermal", 1, "open"),
    ]
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(1,)]


def test_a_cooling_failure_that_is_seen_last_takes_over_the_orders_it_explains(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    predict(pool, vehicle, *HOT[0], 0)
    predict(pool, vehicle, *HOT[1], 1, severity="S2")
    predict(pool, vehicle, "cooling", "cooling_loss", 2)

    assert seed.rows(pool, ORDERS) == [
        ("motor_thermal", "cancelled", "S3"),
        ("inverter_thermal", "cancelled", "S2"),
        ("cooling_loss", "offered", "S2"),
    ]
    assert seed.rows(pool, ALERTS) == [
        ("motor_thermal", 3, "open"),
        ("inverter_thermal", 3, "open"),
        ("cooling_loss", 3, "open"),
    ]
    assert seed.rows(pool, "SELECT count(*) FROM bookings WHERE state IN ('held', 'booked')") == [(1,)]
    assert seed.rows(pool, "SELECT count(*) FROM warnings WHERE body_en LIKE 'One cause explains%%'") == [
        (1,)
    ]


def test_heat_elsewhere_keeps_its_own_order(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    predict(pool, vehicle, "cooling", "cooling_loss", 0)
    predict(pool, vehicle, "tire rear-left", "tire_slow_leak", 1)

    assert [mode for mode, _, _ in seed.rows(pool, ORDERS)] == ["cooling_loss", "tire_slow_leak"]
