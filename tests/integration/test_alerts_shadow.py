"""Predictors that are tried out or switched off change nothing for anybody."""

from datetime import UTC, datetime, timedelta

from alerts.alarm_router import follow_events
from alerts.router import route_waiting
from alerts.shadow import PredictorMode, set_mode
from data.db import Pool
from data.records import FailureMode
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
TERMS = seed.make_terms()


def change(
    pool: Pool, mode: PredictorMode, *, version: str = "*", failure_mode: str = "tire_slow_leak"
) -> None:
    ((tenant_id,),) = seed.rows(pool, "SELECT tenant_id FROM tenants WHERE name = 'demo'")
    set_mode(
        pool,
        tenant_id=tenant_id,
        failure_mode=FailureMode(failure_mode),
        model_version=version,
        mode=mode,
        actor="engineer:chen",
        reason="on trial",
        now=NOW,
    )


def test_a_shadow_is_recorded_and_neither_warns_nor_orders(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    change(pool, PredictorMode.SHADOW)
    seed.add_prediction(pool, vehicle, NOW)
    route_waiting(pool, TERMS, now=NOW)

    for table in ("alerts", "repair_orders", "warnings"):
        assert seed.rows(pool, f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608 - own names
    assert seed.rows(pool, "SELECT state, model_version, severity FROM shadow_alerts") == [
        ("open", "test-1", "S3")
    ]
    assert seed.rows(pool, "SELECT count(*) FROM predictions WHERE routed_at IS NULL") == [(0,)]


def test_a_shadow_clears_by_the_same_rules(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    change(pool, PredictorMode.SHADOW)
    for hours, probability in ((0, 0.9), (1, 0.1), (26, 0.1)):
        at = NOW + timedelta(hours=hours)
        seed.add_prediction(pool, vehicle, at, probability=probability)
        route_waiting(pool, TERMS, now=at)

    assert seed.rows(pool, "SELECT state FROM shadow_alerts") == [("cleared",)]


def test_a_named_version_counts_before_all_versions(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    change(pool, PredictorMode.SHADOW)
    change(pool, PredictorMode.LIVE, version="test-1")
    seed.add_prediction(pool, vehicle, NOW)
    seed.add_prediction(pool, vehicle, NOW, model_version="test-2")
    route_waiting(pool, TERMS, now=NOW)

    assert seed.rows(pool, "SELECT count(*) FROM repair_orders") == [(1,)]
    assert seed.rows(pool, "SELECT model_version FROM shadow_alerts") == [("test-2",)]


def test_a_predictor_that_is_off_has_no_effect_until_it_is_live_again(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    change(pool, PredictorMode.OFF)
    seed.add_prediction(pool, vehicle, NOW)
    route_waiting(pool, TERMS, now=NOW)
    counts = "SELECT (SELECT count(*) FROM alerts), (SELECT count(*) FROM shadow_alerts)"
    off = seed.rows(pool, counts)
    change(pool, PredictorMode.LIVE)
    seed.add_prediction(pool, vehicle, NOW + timedelta(hours=1))
    route_waiting(pool, TERMS, now=NOW + timedelta(hours=1))

    assert off == [(0, 0)]
    assert seed.rows(pool, counts) == [(1, 0)]
    assert seed.rows(pool, "SELECT actor, data ->> 'mode' FROM audit_events ORDER BY event_id") == [
        ("engineer:chen", "off"),
        ("engineer:chen", "live"),
    ]


def test_what_the_vehicle_itself_alarms_cannot_be_switched_off(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    change(pool, PredictorMode.OFF, failure_mode="onboard_alarm")
    seed.add_alarms(pool, vehicle, [NOW], received=NOW, is_hist=False)

    assert follow_events(pool, TERMS, now=NOW).orders == 1
