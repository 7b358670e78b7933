"""What the JSON routes answer."""

from __future__ import annotations

import pytest

from tests.api_world import MINE, STRANGERS, WANGS


def test_a_vehicle_shows_unit_age_and_origin_of_every_number(world):
    vehicle = world.client("operations").get(f"/api/v1/vehicles/{MINE}").json()

    assert vehicle["state"] == "live"
    assert vehicle["origin"] == "simulated"
    assert vehicle["position"] | {"time": 0} == {
        "lat": 31.22,
        "lon": 121.47,
        "time": 0,
        "age_s": 4.0,
        "origin": "simulated",
    }
    assert vehicle["readings"]["soc"] | {"time": 0} == {
        "value": 71.5,
        "unit": "%",
        "time": 0,
        "age_s": 4.0,
        "origin": "simulated",
    }
    assert vehicle["missing_messages"] == 7
    assert vehicle["worst_severity"] == "S3"


def test_readings_are_thinned_out_to_what_was_asked_for_and_keep_the_extremes(world):
    client = world.client("owner")
    span = {"from": "2026-01-06T08:00:00Z", "to": "2026-01-20T08:00:00Z"}

    thin = client.get(
        f"/api/v1/vehicles/{MINE}/readings", params={"family": "drive", "max_points": 100, **span}
    ).json()
    whole = client.get(
        f"/api/v1/vehicles/{MINE}/readings", params={"family": "drive", "max_points": 5000, **span}
    ).json()

    assert len(whole["time"]) == 14 * 144 + 1
    assert whole["bucket_s"] is None
    assert 95 <= len(thin["time"]) <= 101
    assert thin["bucket_s"] == pytest.approx(14 * 864)
    assert max(thin["high"]["soc"]) == pytest.approx(max(whole["series"]["soc"]))
    assert min(thin["low"]["soc"]) == pytest.approx(min(whole["series"]["soc"]))
    assert whole["units"]["soc"] == "%"
    assert "motor.torque" not in whole["series"]


def test_tires_have_a_series_per_wheel_and_cells_a_column_per_cell(world):
    client = world.client("operations")

    tires = client.get(
        f"/api/v1/vehicles/{MINE}/readings", params={"family": "tire", "max_points": 50}
    ).json()
    cells = client.get(
        f"/api/v1/vehicles/{WANGS}/readings",
        params={
            "family": "cell",
            "max_points": 20,
            "from": "2026-01-06T08:00:00Z",
            "to": "2026-01-20T08:00:00+00:00",
        },
    ).json()

    assert (
        tires["series"]["tire.pressure:front-left"][-1]
        < 200
        < tires["series"]["tire.pressure:rear-right"][-1]
    )
    assert [len(row) for row in cells["voltage"]] == [96] * len(cells["time"])
    assert cells["voltage"][-1][81] < min(v for i, v in enumerate(cells["voltage"][-1]) if i != 81) - 0.05
    assert cells["temperature"][0] == [25.0, 25.2, 24.9, 25.1]


def test_dbc_signals_come_on_their_own_times(world):
    answer = (
        world.client("owner")
        .get(f"/api/v1/vehicles/{MINE}/readings", params={"family": "signal", "signals": "Body.Door"})
        .json()
    )

    assert len(answer["series"]["Body.Door"]) == 61 == len(answer["time"]) or answer["bucket_s"] is not None


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"from": "2026-01-20T08:00:00"}, "from"),
        ({"from": "2026-01-20T08:00:00Z", "to": "2026-01-19T08:00:00Z"}, "must be before"),
        ({"from": "2020-01-20T08:00:00Z", "to": "2026-01-19T08:00:00Z"}, "400 days"),
        ({"family": "wheel"}, "family"),
        ({"family": "event"}, "family"),
        ({"signals": "flux"}, "flux"),
        ({"max_points": 1}, "max_points"),
    ],
)
def test_a_bad_question_is_told_field_value_and_rule(world, query, words):
    answer = world.client("owner").get(f"/api/v1/vehicles/{MINE}/readings", params=query)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


@pytest.mark.parametrize("vin", ["x", "LANXTEST00000000I", "LANXTEST000000001%00"])
def test_what_is_no_vin_is_told_so(world, vin):
    assert world.client("operations").get(f"/api/v1/vehicles/{vin}").status_code == 422


def test_quality_tells_which_sensor_is_not_believed_and_since_when(world):
    with world.pool.connection() as connection:
        connection.execute(
            "INSERT INTO quality_counts SELECT vehicle_id, d, 'tire.pressure', 3, r, n, %(now)s, %(now)s"
            " FROM vehicles, (VALUES (DATE '2026-01-19', 'range', 5), ('2026-01-20', 'range', 2),"
            " ('2026-01-20', 'stuck', 9), ('2025-01-20', 'range', 99)) AS f (d, r, n) WHERE vin = %(vin)s",
            {"vin": MINE, "now": "2026-01-20T08:00:00Z"},
        )
        connection.execute(
            "INSERT INTO vehicle_clocks SELECT vehicle_id, 3600.5, true, %s FROM vehicles WHERE vin = %s",
            ("2026-01-20T08:00:00Z", MINE),
        )
    client = world.client("engineer")
    quality = client.get(f"/api/v1/vehicles/{MINE}/quality").json()

    found = [
        (f["signal"], f["element"], f["reason"], f["is_masked"], f["count"]) for f in quality["findings"]
    ]
    assert found == [("tire.pressure", 3, "stuck", False, 9), ("tire.pressure", 3, "range", True, 7)]
    assert quality["findings"][1]["days"] == [
        {"day": "2026-01-19", "count": 5},
        {"day": "2026-01-20", "count": 2},
    ]
    assert quality["clock"]["offset_s"] == 3600.5
    page = client.get(f"/vehicles/{MINE}", headers={"accept-language": "en"}).text
    assert "rear left" in page
    assert "stands still" in page
    assert "+36" in page
    assert "stands still" not in world.client("owner").get(f"/vehicles/{MINE}").text
    assert client.get(f"/api/v1/vehicles/{WANGS}/quality").json()["findings"] == []


def test_gaps_name_the_missing_ranges(world):
    gaps = world.client("engineer").get(f"/api/v1/vehicles/{MINE}/gaps").json()

    assert gaps["missing_count"] == 7
    assert gaps["streams"][0]["missing"] == [[12, 17], [20, 20]]


def test_an_order_carries_station_slot_parts_price_reasons_and_history(world):
    order = world.client("station").get("/api/v1/orders/1").json()

    assert order["component"] == "tire front-left"
    assert order["station"]["code"] == "SH1"
    assert (order["bay"], order["technician"]) == ("Bay 1", "Zhao Lei")
    assert order["slot_start"] == "2026-01-21T02:00:00Z"
    assert order["parts"][0] | {"name_en": 0, "name_zh": 0} == {
        "sku": "TIRE-PLUG",
        "qty": 1,
        "state": "reserved",
        "name_en": 0,
        "name_zh": 0,
    }
    assert order["price"]["total"] == "166.11"
    assert [line["kind"] for line in order["price"]["lines"]] == ["labour", "part", "tax"]
    assert order["time_to_threshold_h"] == {"p10": 118.0, "p50": 139.0, "p90": 170.0}
    assert order["passed_over"][0]["reason"].startswith("no technician")
    assert [event["to_state"] for event in order["events"]] == ["predicted", "offered"]
    assert order["bookings"][0]["state"] == "held"


def test_orders_come_by_urgency_page_by_page(world):
    client = world.client("operations")

    first = client.get("/api/v1/orders", params={"limit": 1}).json()
    second = client.get("/api/v1/orders", params={"limit": 1, "cursor": first["next_cursor"]}).json()

    assert [first["items"][0]["severity"], second["items"][0]["severity"]] == ["S2", "S3"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    "path", ["vehicles", "orders", "alerts", "predictions", "rejects", "stations", "warnings"]
)
def test_every_list_pages_to_its_end_without_a_double(world, path):
    client = world.client("operations")
    seen, cursor = [], None
    while True:
        page = client.get(
            f"/api/v1/{path}", params={"limit": 1, **({"cursor": cursor} if cursor else {})}
        ).json()
        seen += [str(sorted(item.items(), key=lambda pair: pair[0])) for item in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break

    assert len(seen) == len(set(seen)) == len(client.get(f"/api/v1/{path}").json()["items"])


@pytest.mark.parametrize("cursor", ["x", "bm9uc2Vuc2U", "W10"])
def test_a_foreign_cursor_is_refused(world, cursor):
    assert world.client("operations").get("/api/v1/orders", params={"cursor": cursor}).status_code == 422


def test_the_owner_answers_for_the_version_they_saw(world):
    answer = world.client("owner").post("/api/v1/orders/1/answer", json={"answer": "later", "version": 1})

    assert answer.status_code == 200
    assert world.commands.answers[0] | {"now": 0} == {
        "order_id": 1,
        "answer": "later",
        "version": 1,
        "actor": "owner:owner",
        "shares_data": False,
        "now": 0,
    }


@pytest.mark.parametrize(
    "body", [{"answer": "maybe", "version": 1}, {"answer": "yes"}, {"answer": "yes", "version": 1, "more": 1}]
)
def test_a_bad_answer_changes_nothing(world, body):
    assert world.client("owner").post("/api/v1/orders/1/answer", json=body).status_code == 422
    assert world.commands.answers == []


def test_a_subscription_is_kept_once_and_forgotten_on_request(world):
    client = world.client("owner")
    body = {"endpoint": "https://push.example.com/1", "keys": {"p256dh": "A" * 87, "auth": "A" * 22}}

    assert [client.post("/api/v1/push/subscriptions", json=body).status_code for _ in range(2)] == [201, 201]
    with world.pool.connection() as connection:
        assert connection.execute(
            "SELECT count(*) FROM push_subscriptions WHERE owner_id = 1"
        ).fetchone() == (1,)
    gone = [
        client.request(
            "DELETE", "/api/v1/push/subscriptions", json={"endpoint": body["endpoint"]}
        ).status_code
        for _ in range(2)
    ]
    assert gone == [204, 404]


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example.com/1",
        "https://127.0.0.1/1",
        "https://10.0.0.1/1",
        "https://localhost/",
        "file:///etc/passwd",
        "https://[::1]/",
        "nonsense",
        "https://169.254.169.254/",
    ],
)
def test_a_push_address_inside_the_network_is_refused(world, endpoint):
    body = {"endpoint": endpoint, "keys": {"p256dh": "A" * 87, "auth": "A" * 22}}

    assert world.client("owner").post("/api/v1/push/subscriptions", json=body).status_code == 422


def test_rejects_are_counted_by_reason(world):
    page = world.client("operations").get("/api/v1/rejects").json()

    assert [(item["reason"], item["is_retryable"]) for item in page["items"]] == [("unknown_vehicle", True)]
    assert page["counts"][0]["messages"] == 1


def test_health_says_alive_and_ready(world):
    assert world.client().get("/health/live").json()["status"] == "ok"
    assert world.client().get("/health/ready").json()["checks"] == {"database": "ok", "schema": "ok"}


def test_an_old_schema_is_not_ready(world):
    with world.pool.connection() as connection:
        connection.execute("DELETE FROM schema_migrations")

    answer = world.client().get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["checks"]["schema"].startswith("migration 0 of")


def test_openapi_says_who_may_call_each_operation(world):
    described = world.client("gateway").get("/api/v1/openapi.json").json()

    operations = [op for path in described["paths"].values() for op in path.values()]
    assert all(op["x-roles"] for op in operations)
    assert all(op["summary"] and op["tags"] for op in operations)


def test_every_answer_carries_the_security_headers(world):
    for path in ("/login", "/api/v1/vehicles", "/static/app.css", "/nowhere"):
        headers = world.client().get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_another_tenants_vin_is_not_found(world):
    assert world.client("operations").get(f"/api/v1/vehicles/{STRANGERS}").status_code == 404
