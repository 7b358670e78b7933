"""What the circuit breaker holds back: operations see and decide it."""

from __future__ import annotations

from data.db import transaction


def hold_back(world) -> None:
    with transaction(world.pool) as connection:
        connection.execute(
            "INSERT INTO breaker_trips (tenant_id, failure_mode, model_version, model_id, tripped_at,"
            " order_count, order_limit)"
            " VALUES (1, 'tire_slow_leak', 'tire_slow_leak/1', 'sedan-96-ncm', now(), 20, 20)"
        )
        connection.execute(
            "UPDATE repair_orders SET trip_id = 1, state = 'triaged', station_id = NULL,"
            " waiting_reason = 'circuit breaker: waits for a person' WHERE order_id = 1"
        )


def test_operations_see_and_dismiss_what_is_held_back(world):
    hold_back(world)
    client = world.client("operations")
    before = client.get("/api/v1/breaker").json()["items"]
    answer = client.post("/api/v1/breaker/1/release", json={"decision": "dismiss", "reason": "sensor batch"})
    after = client.get("/api/v1/breaker").json()["items"]

    assert [(t["failure_mode"], t["waiting_orders"]) for t in before] == [("tire_slow_leak", 1)]
    assert (answer.status_code, answer.json()["orders"]) == (200, 1)
    assert (after[0]["decision"], after[0]["released_by"]) == ("dismiss", "operations:operations")
    assert client.get("/api/v1/orders/1").json()["state"] == "cancelled"
    assert (
        client.post("/api/v1/breaker/1/release", json={"decision": "place", "reason": "again"}).status_code
        == 409
    )


def test_an_owner_does_not_see_what_is_held_back(world):
    hold_back(world)

    assert world.client("owner").get("/api/v1/orders/1").status_code == 404
    assert world.client("operations").get("/api/v1/orders/1").status_code == 200


def test_another_tenant_neither_sees_nor_releases_a_trip(world):
    hold_back(world)

    assert world.client("stranger").get("/api/v1/breaker").json()["items"] == []
