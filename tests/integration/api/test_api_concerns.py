"""What needs a person: operations see all of it, a station what it should act on."""

from __future__ import annotations

from data.db import transaction

INSERT = (
    "INSERT INTO concerns (tenant_id, vehicle_id, order_id, kind, audience, detail, raised_at, settled_at)"
    " SELECT tenant_id, vehicle_id, order_id, %s, %s, 'told', now(), %s FROM repair_orders"
    " WHERE order_id = %s"
)


def test_operations_see_the_whole_list_and_a_station_its_own_part(world):
    with transaction(world.pool) as connection:
        for kind, audience, settled, order in (
            ("no_station", "operations", None, 1),
            ("overrun", "station", None, 1),
            ("overrun", "station", None, 2),
            ("promise_broken", "operations", "2026-01-01T00:00:00Z", 1),
        ):
            connection.execute(INSERT, (kind, audience, settled, order))
        stations = dict(connection.execute("SELECT order_id, station_id FROM repair_orders").fetchall())
        (own,) = connection.execute("SELECT station_id FROM users WHERE role = 'station'").fetchone()

    everything = world.client("operations").get("/api/v1/concerns").json()["items"]
    station = world.client("station").get("/api/v1/concerns").json()["items"]

    assert sorted((c["kind"], c["order_id"]) for c in everything) == [
        ("no_station", 1),
        ("overrun", 1),
        ("overrun", 2),
    ]
    assert [(c["kind"], c["order_id"]) for c in station] == [
        ("overrun", order) for order in (1, 2) if stations[order] == own
    ]
    assert world.client("owner").get("/api/v1/concerns").status_code == 403


def test_operations_set_when_their_vehicles_count_as_silent(world):
    client = world.client("operations")
    wanted = {"lost_after_h": 2.5, "parked_after_h": 72.0}
    before = client.get("/api/v1/silence").json()
    answer = client.put("/api/v1/silence", json=wanted)
    refused = client.put("/api/v1/silence", json={**wanted, "lost_after_h": 0})

    assert before == {"lost_after_h": 6.0, "parked_after_h": 336.0}
    assert (answer.status_code, answer.json(), client.get("/api/v1/silence").json()) == (200, wanted, wanted)
    assert refused.status_code == 422
    with transaction(world.pool) as connection:
        told = connection.execute(
            "SELECT actor, data FROM audit_events WHERE action = 'silence.hours'"
        ).fetchall()
        other = connection.execute("SELECT count(*) FROM tenants WHERE lost_after_h <> 2.5").fetchone()
    assert [tuple(row) for row in told] == [("operations:operations", wanted)]
    assert other[0] >= 1
