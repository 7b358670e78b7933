"""The router keeps its rules on the store in memory and on the database alike."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from alerts.alarm_router import take_alarms
from alerts.alarms import AlarmEvent
from alerts.desk import Desk, open_desk
from alerts.facts import VehicleFacts
from alerts.router import route_vehicles
from data.db import Pool, transaction
from data.records import FailureMode, Origin, Prediction, Reason, Severity
from tests.contract.alerts_fake import FakeStore
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
TERMS = seed.make_terms()


class World(Protocol):
    """One vehicle and everything that is decided about it."""

    def predict(self, hours: float = 0, **changes: Any) -> None: ...
    def alarm(self, hours: float = 0, *, is_hist: bool = False) -> None: ...
    def orders(self) -> list[tuple[str, str, str]]: ...
    def alerts(self) -> list[tuple[str, str, int]]: ...
    def warnings(self) -> list[str]: ...


def make_prediction(hours: float, **changes: Any) -> Prediction:
    time = NOW + timedelta(hours=hours)
    base = Prediction(
        vehicle_id=1,
        component="cell 82",
        failure_mode=FailureMode.CELL_INTERNAL_SHORT,
        severity=Severity.S3,
        probability=0.9,
        horizon_h=168.0,
        time_to_threshold_h=None,
        predicted_at=time,
        data_time=time,
        since=time - timedelta(days=3),
        window_from=time,
        window_to=time,
        reasons=(Reason(feature="f", value=1.0, unit="mV", text_en="en", text_zh="zh"),),
        model_version="c-1",
        origin=Origin.REAL,
        is_fresh=True,
    )
    return replace(base, **changes)


class FakeWorld:
    def __init__(self) -> None:
        self.store = FakeStore(
            VehicleFacts(
                vehicle_id=1,
                tenant_id=1,
                tenant="demo",
                vin=seed.vin_of(0),
                model_id="anxin-sedan-96-ncm",
                time_zone="Asia/Shanghai",
                owner_id=1,
                home=seed.SHANGHAI,
                position=None,
                energy_kwh=53.0,
                soc_percent=None,
                soh_percent=None,
                origin=Origin.REAL,
            )
        )
        self.desk = Desk(
            store=self.store,  # type: ignore[arg-type]
            network=self.store,  # type: ignore[arg-type]
            breaker=self.store,  # type: ignore[arg-type]
            predictors=self.store,  # type: ignore[arg-type]
        )

    def predict(self, hours: float = 0, **changes: Any) -> None:
        number = len(self.store.predictions) + 1
        self.store.predictions.append(replace(make_prediction(hours, **changes), prediction_id=number))
        route_vehicles(self.desk, [1], TERMS, now=NOW + timedelta(hours=hours))

    def alarm(self, hours: float = 0, *, is_hist: bool = False) -> None:
        time = NOW + timedelta(hours=hours)
        self.store.alarms.append(
            AlarmEvent(time=time, level=3, code="", data={}, is_hist=is_hist, received=max(time, NOW))
        )
        take_alarms(self.desk, 1, (time, time), TERMS, now=max(time, NOW))

    def orders(self) -> list[tuple[str, str, str]]:
        return [(o.component, o.severity, o.state) for o in self.store.orders.values()]

    def alerts(self) -> list[tuple[str, str, int]]:
        return sorted((a.failure_mode, a.state, a.occurrence_count) for a in self.store.alerts.values())

    def warnings(self) -> list[str]:
        return sorted(self.store.told.values())


class RealWorld:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        (self.vehicle,) = seed.seed_vehicles(pool)

    def predict(self, hours: float = 0, **changes: Any) -> None:
        p = make_prediction(hours, **changes)
        seed.add_prediction(
            self.pool,
            self.vehicle,
            p.data_time,
            component=p.component,
            failure_mode=p.failure_mode,
            severity=p.severity,
            probability=p.probability,
            since=p.since,
            is_fresh=p.is_fresh,
            origin=p.origin,
            reasons=json.dumps(
                [{"feature": "f", "value": 1.0, "unit": "mV", "text_en": "en", "text_zh": "zh"}]
            ),
        )
        with transaction(self.pool) as connection:
            route_vehicles(open_desk(connection), [self.vehicle], TERMS, now=p.data_time)

    def alarm(self, hours: float = 0, *, is_hist: bool = False) -> None:
        time = NOW + timedelta(hours=hours)
        seed.add_alarms(self.pool, self.vehicle, [time], received=NOW, is_hist=is_hist)
        with transaction(self.pool) as connection:
            take_alarms(open_desk(connection), self.vehicle, (time, time), TERMS, now=max(time, NOW))

    def orders(self) -> list[tuple[str, str, str]]:
        return seed.rows(self.pool, "SELECT component, severity, state FROM repair_orders ORDER BY order_id")

    def alerts(self) -> list[tuple[str, str, int]]:
        return sorted(seed.rows(self.pool, "SELECT failure_mode, state, occurrence_count FROM alerts"))

    def warnings(self) -> list[str]:
        return sorted(row[0] for row in seed.rows(self.pool, "SELECT severity FROM warnings"))


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> World:
    return FakeWorld() if request.param == "fake" else RealWorld(request.getfixturevalue("pool"))


def test_one_order_however_often_the_trouble_is_seen(world: World) -> None:
    for hour in range(4):
        world.predict(hour)

    assert world.orders() == [("cell 82", "S3", "offered")]
    assert world.warnings() == ["S3"]


def test_stale_evidence_raises_nothing(world: World) -> None:
    world.predict(is_fresh=False)

    assert (world.orders(), world.alerts()) == ([], [])


def test_dwell_holds_an_alert_back(world: World) -> None:
    world.predict(0, since=NOW)
    before = world.orders()
    world.predict(24, since=NOW)

    assert before == []
    assert world.orders() == [("cell 82", "S3", "offered")]


def test_alarms_of_the_past_join_and_are_counted_without_a_second_order_or_warning(world: World) -> None:
    for day in (87, 49, 21, 2):
        world.alarm(-24 * day, is_hist=True)
    before = world.alerts()
    world.predict()

    assert before == []
    assert world.orders() == [("cell 82", "S3", "offered")]
    assert world.alerts() == [("cell_internal_short", "open", 1), ("onboard_alarm", "open", 4)]
    assert world.warnings() == ["S3"]


def test_another_cell_joins_the_order_of_the_battery(world: World) -> None:
    world.predict()
    world.predict(1, component="cell 40")

    assert world.orders() == [("cell 82", "S3", "offered")]
    assert len(world.alerts()) == 2


def test_another_cause_gets_its_own_order(world: World) -> None:
    world.predict()
    world.predict(1, component="tire rear-left", failure_mode=FailureMode.TIRE_SLOW_LEAK)

    assert [component for component, _, _ in world.orders()] == ["cell 82", "tire rear-left"]


def test_more_urgent_evidence_makes_the_order_more_urgent(world: World) -> None:
    world.predict()
    world.predict(1, severity=Severity.S2)
    world.alarm(2)

    assert [(component, severity) for component, severity, _ in world.orders()] == [("cell 82", "S1")]
    assert world.warnings() == ["S1", "S2", "S3"]


def test_a_live_alarm_opens_one_order_and_later_findings_join_it(world: World) -> None:
    world.alarm()
    world.alarm(0.01)
    world.predict(1)

    assert [(component, severity) for component, severity, _ in world.orders()] == [("battery", "S1")]
    assert world.warnings() == ["S1"]


def test_a_cleared_alert_leaves_its_order_to_people(world: World) -> None:
    world.predict()
    world.predict(1, probability=0.1)
    world.predict(1 + 168, probability=0.1)

    assert world.alerts() == [("cell_internal_short", "cleared", 1)]
    assert world.orders() == [("cell 82", "S3", "offered")]
