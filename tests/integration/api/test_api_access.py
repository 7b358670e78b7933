"""Who may call what: the whole table of routes and roles, and whose rows they see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alerts.telling.ack_link import make_token
from api.access import create_user
from data.audit import Deed
from data.fleet import NewOwner, transfer
from tests.api_world import LINK_KEY, MINE, NOBODYS, PASSWORD, STRANGERS, WANGS, WARNING

#: Values for path parameters: what the owner and the station of CALLERS may see.
PATHS = {
    "vin": MINE,
    "order_id": "1",
    "alert_id": "1",
    "token": make_token(LINK_KEY, WARNING, expires=datetime(2100, 1, 1, tzinfo=UTC)),
    "code": "SH1",
    "warning_id": str(WARNING),
    "language": "en",
    "trip_id": "1",
    "contact_id": "99",
    "webhook_id": "99",
    "arrival_id": "99",
    "failure_mode": "tire_slow_leak",
}
BODIES = {
    "/api/v1/orders/{order_id}/work": {"action": "diagnose", "version": 1, "key": "k"},
    "/api/v1/orders/{order_id}/approval": {"decision": "approve", "version": 1, "key": "k"},
    "/api/v1/orders/{order_id}/readings": {"signals": ["soc"]},
    "/api/v1/orders/{order_id}/rating": {"station_stars": 5, "warning_stars": 4},
    "/api/v1/orders/{order_id}/answer": {"answer": "yes", "version": 1},
    "/api/v1/push/subscriptions": {
        "endpoint": "https://push.example.com/1",
        "keys": {"p256dh": "A" * 87, "auth": "A" * 22},
    },
    "/api/v1/receipts/{warning_id}": {},
    "/api/v1/contact": {
        "language": "zh",
        "quiet_from": None,
        "quiet_to": None,
        "time_zone": None,
        "order": ["push"],
    },
    "/api/v1/contact/preference": {"station": "SH1", "mode": "pickup"},
    "/api/v1/contact/ways": {"channel": "webhook", "address": "https://hook.example.com/1"},
    "/api/v1/contact/ways/{contact_id}/verification": {"code": "123456"},
    "/api/v1/webhooks": {"url": "https://dms.example.com/1"},
    "/api/v1/parts/arrivals": {
        "station": "SH1",
        "sku": "TIRE-PLUG",
        "qty": 1,
        "expected_at": "2026-02-01T00:00:00Z",
        "spread_h": 3,
    },
    "/api/v1/parts/arrivals/{arrival_id}": {"action": "receive"},
    "/api/v1/predictors/mode": {"failure_mode": "cell_weak", "mode": "shadow", "reason": "new version"},
    "/api/v1/silence": {"lost_after_h": 6, "parked_after_h": 336},
    "/api/v1/breaker/{trip_id}/release": {"decision": "place", "reason": "looked at"},
}
FORMS = {
    "/orders/{order_id}/work": {"action": "diagnose", "version": "1", "key": "k"},
    "/orders/{order_id}/approval": {"decision": "approve", "version": "1"},
    "/orders/{order_id}/readings": {"signals": "soc"},
    "/orders/{order_id}/rating": {"station_stars": "5", "warning_stars": "4"},
    "/login": {"login": "x", "password": "y"},
    "/orders/{order_id}/answer": {"answer": "yes", "version": "1"},
}


def call(client, entry):
    path = entry.path.format(**PATHS)
    if entry.path == "/events":
        pytest.fail("streams are called apart")
    body = BODIES.get(entry.path)
    if entry.method == "DELETE":
        body = {"endpoint": "https://push.example.com/1"}
    form = FORMS.get(entry.path, {})
    return client.request(entry.method, path, json=body, data=form if not body else None)


def test_every_route_admits_its_roles_and_nobody_else(world):
    table = world.app.state.route_table
    wrong = []
    for caller in (None, "gateway", "owner", "station", "operations", "engineer"):
        client = world.client(caller)
        for entry in table:
            if entry.path == "/events" and caller in [str(r) for r in entry.roles]:
                continue
            status = call_status(client, entry)
            if entry.is_open:
                is_right = status in {200, 303, 401, 429}  # the login page refuses wrong passwords
            elif caller is None:
                is_right = status in {401, 303}
            elif caller in [str(r) for r in entry.roles]:
                is_right = status in {200, 201, 204, 303, 404}
            else:
                is_right = status == 403
            if not is_right:
                wrong.append((caller, entry.method, entry.path, status))

    assert wrong == []
    assert len(table) > 30


def call_status(client, entry):
    if entry.path == "/events":
        return client.get("/events").status_code
    return call(client, entry).status_code


def test_pages_send_the_anonymous_to_the_login_page_and_back(world):
    answer = world.client().get(f"/vehicles/{MINE}")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next=/vehicles/{MINE}")


@pytest.mark.parametrize(
    ("caller", "vins"),
    [
        ("owner", [MINE]),
        ("station", [MINE]),
        ("operations", [MINE, WANGS, NOBODYS]),
        ("stranger", [STRANGERS]),
    ],
)
def test_everyone_lists_only_their_own_vehicles(world, caller, vins):
    items = world.client(caller).get("/api/v1/vehicles").json()["items"]

    assert [item["vin"] for item in items] == vins


@pytest.mark.parametrize("caller", ["owner", "station", "stranger"])
@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/vehicles/{WANGS}",
        f"/api/v1/vehicles/{WANGS}/readings",
        f"/api/v1/vehicles/{WANGS}/events",
        "/api/v1/orders/2",
        f"/api/v1/alerts?vin={WANGS}",
        f"/vehicles/{WANGS}",
        f"/vehicles/{WANGS}/state",
        "/orders/2",
    ],
)
def test_what_belongs_to_others_is_not_found(world, caller, path):
    assert world.client(caller).get(path).status_code == 404


@pytest.mark.parametrize("path", ["alerts", "orders", "predictions", "warnings", "stations", "rejects"])
def test_no_list_crosses_the_border_between_tenants(world, path):
    own = world.client("engineer").get(f"/api/v1/{path}").json()["items"]
    strange = world.client("stranger").get(f"/api/v1/{path}").json()["items"]

    names = {
        "alerts": "alert_id",
        "orders": "order_id",
        "predictions": "prediction_id",
        "rejects": "reject_id",
    }
    key = names.get(path, "warning_id" if path == "warnings" else "code")
    assert own
    assert strange
    assert not {item[key] for item in own} & {item[key] for item in strange}


def test_nobody_answers_for_another_owner(world):
    answer = world.client("owner").post("/api/v1/orders/2/answer", json={"answer": "yes", "version": 1})

    assert answer.status_code == 404
    assert world.commands.answers == []


def test_a_station_sees_no_staff_of_another_and_an_owner_none_at_all(world):
    assert world.client("station").get("/api/v1/stations/BJ1").status_code == 404
    assert world.client("owner").get("/api/v1/stations/SH1").json()["technicians"] is None
    assert world.client("station").get("/api/v1/stations/SH1").json()["technicians"][0]["name"] == "Zhao Lei"


def test_a_login_lasts_until_logout_and_needs_its_token_for_changes(world):
    client = world.client()
    answer = client.post("/login", data={"login": "owner", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/owner")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie

    page = client.get("/owner").text
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    form = {"answer": "yes", "version": "1", "back": "/owner"}
    assert client.post("/orders/1/answer", data=form).status_code == 403
    assert client.post("/api/v1/orders/1/answer", json={"answer": "yes", "version": 1}).status_code == 403
    assert world.commands.answers == []

    assert client.post("/orders/1/answer", data={**form, "csrf": csrf}).headers["location"] == "/owner"
    assert world.commands.answers[0]["actor"] == "owner:owner"
    assert client.post("/logout", data={"csrf": csrf}).status_code == 303
    assert client.get("/owner").status_code == 303


def test_five_wrong_passwords_lock_the_login_for_a_minute(world):
    client = world.client()
    for _ in range(5):
        assert client.post("/login", data={"login": "owner", "password": "wrong"}).status_code == 401

    answer = client.post("/login", data={"login": "owner", "password": PASSWORD})

    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 61


def test_a_login_from_another_site_is_refused(world):
    form = {"login": "owner", "password": PASSWORD}

    assert (
        world.client().post("/login", data=form, headers={"origin": "https://evil.example"}).status_code
        == 403
    )
    assert (
        world.client().post("/login", data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    )


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x"]
)
def test_login_and_language_lead_to_no_other_site(world, target):
    form = {"login": "owner", "password": PASSWORD, "next": target}

    assert world.client().post("/login", data=form).headers["location"] == "/owner"
    assert world.client().get("/language/zh", params={"next": target}).headers["location"] == "/"


def test_a_revoked_key_stops_at_once(world):
    client = world.client("operations")
    assert client.get("/api/v1/vehicles").status_code == 200
    with world.pool.connection() as connection:
        connection.execute("UPDATE api_keys SET revoked_at = now() WHERE name = 'operations'")

    assert client.get("/api/v1/vehicles").status_code == 401


def test_a_key_with_a_wrong_secret_is_refused(world):
    key = world.keys["operations"]
    client = world.client()

    for wrong in (key[:-4] + "AAAA", "anx_000000000000_" + "A" * 43, "nonsense", ""):
        answer = client.get("/api/v1/vehicles", headers={"authorization": f"Bearer {wrong}"})
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_receipt_of_a_service_worker_needs_no_token_but_the_same_origin(world):
    client = world.client()
    client.post("/login", data={"login": "owner", "password": PASSWORD})
    path = f"/api/v1/receipts/{WARNING}"

    assert client.post(path, json={}).status_code == 403
    assert client.post(path, json={}, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post(path, json={}, headers={"sec-fetch-site": "same-origin"}).status_code == 204
    assert [told["warning_id"] for told in world.commands.receipts] == [WARNING]


def test_metrics_are_for_engineers_and_for_this_machine(world):
    assert world.client().get("/metrics").status_code == 401
    assert world.client("owner").get("/metrics").status_code == 403
    assert "anxin_missing_messages 7.0" in world.client("engineer").get("/metrics").text


def test_a_new_password_ends_the_sessions_of_the_old_one(world):
    client = world.client()
    client.post("/login", data={"login": "operations", "password": PASSWORD})
    assert client.get("/").status_code == 200
    with world.pool.connection() as connection:
        tenant = connection.execute(
            "SELECT name FROM tenants JOIN users USING (tenant_id) WHERE login = 'operations'"
        ).fetchone()[0]
        create_user(
            connection, tenant=tenant, login="operations", password="another-one-1", role="operations"
        )

    assert client.get("/").status_code == 303


def test_an_owner_reads_what_was_done_but_not_under_which_login(world):
    with world.pool.connection() as connection:
        connection.execute(
            "INSERT INTO order_events (order_id, at, actor, from_state, to_state, reason)"
            " VALUES (1, now(), 'operations:li.na', 'offered', 'offered', '')"
        )

    for caller, actor in (("owner", "operations"), ("station", "operations:li.na")):
        events = world.client(caller).get("/api/v1/orders/1").json()["events"]
        assert events[-1]["actor"] == actor
    assert "li.na" not in world.client("owner").get("/orders/1").text


def test_a_new_owner_sees_nothing_from_before_and_the_former_one_nothing_at_all(world):
    paths = ("readings?family=drive", "events")
    before = world.client("owner").get(f"/api/v1/vehicles/{WANGS}")
    assert before.status_code == 404
    now = datetime.now(UTC) + timedelta(hours=1)
    with world.pool.connection() as connection:
        mine = connection.execute("SELECT vin FROM vehicles WHERE owner_id = 1").fetchone()[0]
        open_alerts = connection.execute(
            "SELECT count(*) FROM alerts JOIN vehicles USING (vehicle_id) WHERE owner_id = 1"
            " AND state <> 'cleared'"
        ).fetchone()[0]
        transfer(
            connection,
            tenant="demo",
            vin=mine,
            owner=NewOwner(name="Han Meimei"),
            deed=Deed(actor="command:test", now=now),
        )
    assert world.client("owner").get(f"/api/v1/vehicles/{mine}").status_code == 404
    assert world.client("owner").get("/api/v1/orders").json()["items"] == []

    with world.pool.connection() as connection:  # the login of the test becomes the new owner's
        connection.execute(
            "UPDATE api_keys SET owner_id = (SELECT owner_id FROM vehicles WHERE vin = %s)"
            " WHERE name = 'owner'",
            (mine,),
        )
    client = world.client("owner")
    vehicle = client.get(f"/api/v1/vehicles/{mine}").json()
    assert (vehicle["readings"], vehicle["position"], vehicle["order_id"]) == ({}, None, None)
    for path in ("orders", "warnings"):
        assert client.get(f"/api/v1/{path}").json()["items"] == [], path
    for path in paths:
        told = client.get(f"/api/v1/vehicles/{mine}/{path}").json()
        assert (told.get("items") or told.get("time") or []) == [], path
    assert len(client.get("/api/v1/alerts").json()["items"]) == open_alerts > 0
    assert world.client("operations").get("/api/v1/orders").json()["items"]
