"""Alerts and the end of their order: repaired is over, declined is not, and what comes back is new."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts.alarm_router import follow_events
from alerts.ending import end_repaired
from alerts.router import route_waiting
from data.db import Pool
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
END = NOW + timedelta(days=1)
TERMS = seed.make_terms()
NO_FAULT = ("booked", "checked_in", "diagnosing", "no_fault_found")
REPAIRED = (
    "booked", "checked_in", "diagnosing", "estimated", "approved", "parts_reserved", "assigned",
    "in_progress", "qc", "ready", "invoiced", "paid", "closed",
)  # fmt: skip


def open_order(pool: Pool, severity: str = "S3") -> int:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_prediction(pool, vehicle, NOW, severity=severity)
    route_waiting(pool, TERMS, now=NOW)
    return vehicle


def move(pool: Pool, *states: str) -> None:
    for state in states:
        seed.rows(pool, "UPDATE repair_orders SET state = %s, updated_at = %s RETURNING 1", state, END)


def alerts(pool: Pool) -> list[tuple[str, str]]:
    return seed.rows(pool, "SELECT severity, state FROM alerts ORDER BY alert_id")


@pytest.mark.parametrize("severity", ["S0", "S1", "S3"])
@pytest.mark.parametrize("states", [NO_FAULT, REPAIRED])
def test_the_end_of_the_order_clears_its_alert_with_the_reason(
    pool: Pool, severity: str, states: tuple[str, ...]
) -> None:
    open_order(pool, severity)
    move(pool, *states)

    assert end_repaired(pool, now=END) == 1
    assert end_repaired(pool, now=END) == 0
    assert alerts(pool) == [(severity, "cleared")]
    ((reason,),) = seed.rows(pool, "SELECT reason FROM alert_events ORDER BY event_id DESC LIMIT 1")
    assert reason.endswith(f"repaired: {states[-1].replace('_', ' ')}")


def test_a_fault_that_shows_while_the_vehicle_waits_for_its_owner_is_a_new_order(pool: Pool) -> None:
    vehicle = open_order(pool)
    move(pool, *REPAIRED[: REPAIRED.index("ready") + 1])
    ended = end_repaired(pool, now=END)
    at = END + timedelta(hours=1)
    seed.add_prediction(pool, vehicle, at, severity="S1")
    route_waiting(pool, TERMS, now=at)
    move_first = (
        "UPDATE repair_orders SET state = %s WHERE order_id = (SELECT min(order_id) FROM repair_orders)"
    )
    for state in ("invoiced", "paid", "closed"):
        seed.rows(pool, move_first + " RETURNING 1", state)
    end_repaired(pool, now=at + timedelta(hours=1))

    assert ended == 1
    assert alerts(pool) == [("S3", "cleared"), ("S1", "open")]
    assert seed.rows(pool, "SELECT state FROM repair_orders ORDER BY order_id") == [("closed",), ("offered",)]
    assert seed.rows(pool, "SELECT severity FROM warnings ORDER BY created_at") == [("S3",), ("S1",)]


def test_the_time_of_the_repair_is_when_the_work_was_done(pool: Pool) -> None:
    open_order(pool)
    move(pool, *REPAIRED)
    seed.rows(pool, "UPDATE repair_orders SET updated_at = %s RETURNING 1", END + timedelta(days=9))

    assert seed.rows(pool, "SELECT repaired_at FROM repair_orders") == [(END,)]


@pytest.mark.parametrize("state", ["declined", "cancelled"])
def test_an_order_that_repaired_nothing_leaves_its_alert_open(pool: Pool, state: str) -> None:
    open_order(pool, "S1")
    move(pool, state)

    assert end_repaired(pool, now=END) == 0
    assert alerts(pool) == [("S1", "open")]


@pytest.mark.parametrize("severity", ["S0", "S1"])
def test_recovery_alone_never_clears_what_is_urgent(pool: Pool, severity: str) -> None:
    vehicle = open_order(pool, severity)
    for day in range(1, 30):
        at = NOW + timedelta(days=day)
        seed.add_prediction(pool, vehicle, at, severity=severity, probability=0.0)
        route_waiting(pool, TERMS, now=at)

    assert alerts(pool) == [(severity, "open")]


def test_what_is_urgent_raises_a_new_alert_and_order_with_the_first_sample_after_the_repair(
    pool: Pool,
) -> None:
    vehicle = open_order(pool, "S1")
    move(pool, *REPAIRED)
    seed.add_prediction(pool, vehicle, END - timedelta(hours=1), severity="S1")
    route_waiting(pool, TERMS, now=END)
    before = alerts(pool)
    seed.add_prediction(pool, vehicle, END + timedelta(minutes=1), severity="S1")
    route_waiting(pool, TERMS, now=END + timedelta(minutes=1))

    assert before == [("S1", "cleared")]
    assert alerts(pool) == [("S1", "cleared"), ("S1", "open")]
    assert seed.rows(pool, "SELECT state FROM repair_orders ORDER BY order_id") == [("closed",), ("offered",)]


def test_a_window_that_still_holds_the_repaired_fault_raises_nothing(pool: Pool) -> None:
    vehicle = open_order(pool)
    move(pool, *REPAIRED)
    later = END + timedelta(days=3)
    seed.add_prediction(pool, vehicle, later)
    route_waiting(pool, TERMS, now=later)
    same_fault = alerts(pool)
    much_later = END + timedelta(days=20)
    seed.add_prediction(pool, vehicle, much_later, window_from=END + timedelta(days=6))
    route_waiting(pool, TERMS, now=much_later)

    assert same_fault == [("S3", "cleared")]
    assert alerts(pool) == [("S3", "cleared"), ("S3", "open")]


def test_alarms_from_before_the_repair_do_not_join_the_next_order(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    battery = {"component": "cell 82", "failure_mode": "cell_internal_short"}
    seed.add_alarms(pool, vehicle, [NOW - timedelta(days=2)], received=NOW)
    follow_events(pool, TERMS, now=NOW)
    seed.add_prediction(pool, vehicle, NOW, **battery)
    route_waiting(pool, TERMS, now=NOW)
    move(pool, *REPAIRED)
    later = END + timedelta(days=2)
    seed.add_prediction(pool, vehicle, later, since=END + timedelta(hours=2), **battery)
    route_waiting(pool, TERMS, now=later)

    assert seed.rows(pool, "SELECT failure_mode, state FROM alerts ORDER BY alert_id") == [
        ("cell_internal_short", "cleared"),
        ("onboard_alarm", "cleared"),
        ("cell_internal_short", "open"),
    ]


def test_while_the_vehicle_is_with_the_station_only_what_is_urgent_warns(pool: Pool) -> None:
    vehicle = open_order(pool)
    move(pool, "booked", "checked_in")
    at = NOW + timedelta(hours=1)
    seed.add_prediction(pool, vehicle, at, severity="S2")
    route_waiting(pool, TERMS, now=at)
    quiet = seed.rows(pool, "SELECT severity FROM warnings")
    seed.add_prediction(pool, vehicle, at + timedelta(hours=1), severity="S1")
    route_waiting(pool, TERMS, now=at + timedelta(hours=1))

    assert quiet == [("S3",)]
    assert seed.rows(pool, "SELECT severity FROM warnings ORDER BY 1") == [("S1",), ("S3",)]
    assert seed.rows(pool, "SELECT severity FROM repair_orders") == [("S1",)]
