"""Engineers and operations try predictors out and switch them off."""

from __future__ import annotations

from data.db import transaction


def test_a_mode_is_set_with_its_reason_and_shown_with_what_the_shadow_would_have_raised(world):
    with transaction(world.pool) as connection:
        connection.execute(
            "INSERT INTO shadow_alerts (tenant_id, vehicle_id, component, failure_mode, model_version,"
            " severity, state, first_seen, raised_at, last_seen, origin, updated_at)"
            " SELECT tenant_id, vehicle_id, component, failure_mode, 'new/2', severity, 'open', first_seen,"
            " raised_at, last_seen, origin, updated_at FROM alerts WHERE vehicle_id = 1"
            " AND component = 'tire front-left' LIMIT 1"
        )
    client = world.client("engineer")
    change = {"failure_mode": "tire_slow_leak", "model_version": "new/2", "mode": "shadow", "reason": "new"}
    (shown,) = client.post("/api/v1/predictors/mode", json=change).json()["items"]

    assert (shown["mode"], shown["actor"], shown["reason"]) == ("shadow", "engineer:engineer", "new")
    assert (shown["shadow_alerts"], shown["shared_alerts"]) == (1, 1)
    assert world.client("stranger").get("/api/v1/predictors").json()["items"] == []


def test_an_unknown_failure_mode_is_refused(world):
    change = {"failure_mode": "tyre", "mode": "off", "reason": "x"}

    assert world.client("engineer").post("/api/v1/predictors/mode", json=change).status_code == 422
