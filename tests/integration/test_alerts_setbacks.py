"""What route could not act on at first is acted on later, and holds up nobody meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.alarm_router import RETRY, follow_events, retry_events
from alerts.facts import VehicleFacts
from alerts.orders.replanning import replan_waiting
from alerts.router import act_on, route_waiting
from alerts.setbacks import Setbacks
from data.db import Pool
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
TERMS = seed.make_terms()
#: Breaks planning: appointments are written in local time.
BREAK = "UPDATE vehicles SET time_zone = 'Mars/Olympus' WHERE vehicle_id = %s RETURNING 1"
MEND = "UPDATE vehicles SET time_zone = 'Asia/Shanghai' WHERE vehicle_id = %s RETURNING 1"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Vehicles on which every decision fails, with planning or without."""
    vehicles: set[int] = set()

    def act(desk: Any, prediction: Any, vehicle: VehicleFacts, terms: Any, **rest: Any) -> Any:
        if vehicle.vehicle_id in vehicles:
            raise ValueError("vehicle data that nobody foresaw")
        return act_on(desk, prediction, vehicle, terms, **rest)

    monkeypatch.setattr("alerts.router.act_on", act)
    monkeypatch.setattr("alerts.alarm_router.act_on", act)
    return vehicles


@pytest.mark.parametrize(("hours_away", "severity"), [(0.0, "S1"), (1.5, "S1"), (30.0, "S2")])
def test_an_alarm_that_was_live_is_acted_on_when_route_comes_back(
    pool: Pool, hours_away: float, severity: str
) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_alarms(pool, vehicle, [NOW], received=NOW, is_hist=False)
    follow_events(pool, TERMS, now=NOW + timedelta(hours=hours_away))

    assert seed.rows(pool, "SELECT severity FROM repair_orders") == [(severity,)]
    assert seed.rows(pool, "SELECT severity, state FROM alerts") == [(severity, "open")]


def test_an_alarm_nobody_acted_on_for_more_than_a_week_raises_nothing(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.add_alarms(pool, vehicle, [NOW], received=NOW, is_hist=False)

    assert follow_events(pool, TERMS, now=NOW + timedelta(days=8)).raised == 0


def test_the_alarm_of_a_vehicle_whose_decision_failed_is_acted_on_later(pool: Pool, broken: set[int]) -> None:
    failing, sound = seed.seed_vehicles(pool, 2)
    broken.add(failing)
    for vehicle in (failing, sound):
        seed.add_alarms(pool, vehicle, [NOW], received=NOW, is_hist=False)
    first = follow_events(pool, TERMS, now=NOW)
    again = follow_events(pool, TERMS, now=NOW)
    too_early = retry_events(pool, TERMS, now=NOW + timedelta(seconds=30))
    in_vain = retry_events(pool, TERMS, now=NOW + timedelta(minutes=2))
    broken.clear()
    late = retry_events(pool, TERMS, now=NOW + timedelta(minutes=4))

    assert (first.orders, first.lost, again.lost, too_early.lost, in_vain.lost) == (1, 1, 0, 0, 1)
    assert late.orders == 1
    assert seed.rows(pool, "SELECT count(*) FROM repair_orders") == [(2,)]
    assert seed.rows(pool, "SELECT count(*) FROM service_cursors WHERE service = %s", RETRY) == [(0,)]


def test_vehicles_that_fail_do_not_starve_the_others(pool: Pool, broken: set[int]) -> None:
    vehicles = seed.seed_vehicles(pool, 5)
    broken.update(vehicles[:4])
    for vehicle in vehicles:
        seed.add_prediction(pool, vehicle, NOW)
    setbacks = Setbacks()
    for _ in range(5):
        route_waiting(pool, TERMS, now=NOW, limit=1, setbacks=setbacks)
    orders = seed.rows(pool, "SELECT vehicle_id FROM repair_orders")
    broken.clear()
    later = NOW + timedelta(minutes=1)
    resting = setbacks.resting(later)
    route_waiting(pool, TERMS, now=later, limit=10, setbacks=setbacks)

    assert orders == [(vehicles[4],)]
    assert resting == []
    assert seed.rows(pool, "SELECT count(*) FROM repair_orders") == [(5,)]


def test_what_calls_for_stopping_does_not_wait_until_a_vehicle_has_rested(
    pool: Pool, broken: set[int]
) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    broken.add(vehicle)
    seed.add_prediction(pool, vehicle, NOW)
    setbacks = Setbacks()
    for hours in range(4):
        route_waiting(pool, TERMS, now=NOW + timedelta(hours=hours), setbacks=setbacks)
    broken.clear()
    later = NOW + timedelta(hours=3, seconds=6)
    resting = route_waiting(pool, TERMS, now=later, setbacks=setbacks)
    seed.add_prediction(pool, vehicle, NOW + timedelta(hours=3), component="tire FR", severity="S1")
    urgent = route_waiting(pool, TERMS, now=later, setbacks=setbacks)

    assert (resting.predictions, resting.lost) == (0, 0)
    assert (urgent.lost, urgent.orders) == (0, 2)


@pytest.mark.parametrize("severity", ["S0", "S1", "S3"])
def test_an_owner_is_warned_although_planning_fails_and_the_order_is_planned_later(
    pool: Pool, severity: str
) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.rows(pool, BREAK, vehicle)
    seed.add_prediction(pool, vehicle, NOW, severity=severity)
    done = route_waiting(pool, TERMS, now=NOW)
    warned = seed.rows(pool, "SELECT severity FROM warnings")
    waiting = seed.rows(pool, "SELECT state, waiting_reason FROM repair_orders")
    in_vain = replan_waiting(pool, TERMS, now=NOW + timedelta(seconds=20))
    seed.rows(pool, MEND, vehicle)
    placed = replan_waiting(pool, TERMS, now=NOW + timedelta(seconds=40))

    assert (done.raised, done.lost, warned) == (1, 0, [(severity,)])
    assert waiting == [("triaged", "planning failed; it is tried again")]
    assert (in_vain, placed) == (0, 1)
    assert seed.rows(pool, "SELECT state FROM repair_orders") == [("offered",)]
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(2,)]
