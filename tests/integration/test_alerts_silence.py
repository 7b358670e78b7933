"""A vehicle that falls silent is an alert of its own, until it is heard again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from alerts.listening import listen
from data.db import Pool
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
SILENT = (
    "SELECT severity, state, order_id FROM alerts WHERE failure_mode = 'vehicle_silent' ORDER BY alert_id"
)
LISTED = "SELECT kind, audience, settled_at IS NULL FROM concerns"
H = timedelta(hours=1)


def hear(pool: Pool, vehicle: int, at: datetime, **said: Any) -> None:
    readings = {"speed": 0.0, "charging": 3, "vehicle.state": 2, **said}
    seed.rows(
        pool,
        "INSERT INTO vehicle_latest (vehicle_id, family, time, received, is_hist, origin, readings)"
        " VALUES (%s, 'drive', %s, %s, false, 'simulated', %s)"
        " ON CONFLICT (vehicle_id, family) DO UPDATE SET received = excluded.received,"
        " readings = excluded.readings RETURNING 1",
        vehicle,
        at,
        at,
        json.dumps(readings),
    )
    seed.rows(
        pool,
        "INSERT INTO message_streams (vehicle_id, boot, origin, high, first_received, last_received)"
        " VALUES (%s, 'b', 'simulated', 9, %s, %s)"
        " ON CONFLICT (vehicle_id, boot) DO UPDATE SET last_received = excluded.last_received RETURNING 1",
        vehicle,
        at,
        at,
    )


def test_a_lost_vehicle_is_listed_and_orders_nothing_and_the_first_message_ends_it(pool: Pool) -> None:
    lost, parked = seed.seed_vehicles(pool, 2)
    hear(pool, lost, NOW, charging=1)
    hear(pool, parked, NOW)
    too_early = listen(pool, now=NOW + 5 * H)
    raised = listen(pool, now=NOW + 7 * H)
    again = listen(pool, now=NOW + 8 * H)
    open_alerts = seed.rows(pool, SILENT)
    listed = seed.rows(pool, LISTED)
    hear(pool, lost, NOW + 9 * H, charging=1)
    heard = listen(pool, now=NOW + 9 * H)

    assert (too_early, raised, again, heard) == (0, 1, 0, 1)
    assert open_alerts == [("S3", "open", None)]
    assert listed == [("silent", "operations", True)]
    assert seed.rows(pool, SILENT) == [("S3", "cleared", None)]
    assert seed.rows(pool, LISTED) == [("silent", "operations", False)]
    assert seed.rows(pool, "SELECT count(*) FROM repair_orders") == [(0,)]
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == [(0,)]


def test_a_hazard_that_becomes_known_makes_the_silence_more_urgent(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    hear(pool, vehicle, NOW, charging=1)
    listen(pool, now=NOW + 7 * H)
    seed.rows(
        pool,
        "INSERT INTO alerts (tenant_id, vehicle_id, component, failure_mode, severity, state, first_seen,"
        " last_seen, origin, updated_at) VALUES (1, %s, 'battery', 'battery_thermal_event', 'S0',"
        " 'acknowledged', %s, %s, 'simulated', %s) RETURNING 1",
        vehicle,
        NOW,
        NOW,
        NOW,
    )

    assert listen(pool, now=NOW + 8 * H) == 1
    assert seed.rows(pool, SILENT) == [("S1", "open", None)]
    hear(pool, vehicle, NOW + 9 * H)
    assert listen(pool, now=NOW + 9 * H) == 1
    assert seed.rows(pool, SILENT) == [("S1", "cleared", None)]


def test_a_tenant_sets_its_own_hours(pool: Pool) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    hear(pool, vehicle, NOW)
    seed.rows(pool, "UPDATE tenants SET parked_after_h = 48 RETURNING 1")

    assert listen(pool, now=NOW + 47 * H) == 0
    assert listen(pool, now=NOW + 48 * H) == 1
    assert seed.rows(pool, SILENT) == [("S4", "open", None)]
    assert seed.rows(pool, LISTED) == []


def test_a_vehicle_that_was_never_heard_or_is_out_of_service_is_not_silent(pool: Pool) -> None:
    _, retired = seed.seed_vehicles(pool, 2)
    hear(pool, retired, NOW, charging=1)
    seed.rows(pool, "UPDATE vehicles SET retired_at = %s WHERE vehicle_id = %s RETURNING 1", NOW, retired)

    assert listen(pool, now=NOW + 1000 * H) == 0
