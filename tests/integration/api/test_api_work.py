"""The work on an order over HTTP: the whole life, its refusals, and what a station may see."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest
from starlette.testclient import TestClient

from alerts.commands import Commands
from alerts.work.actions import OWNER_ACTIONS, Action
from api.app import create_app
from api.work_schemas import StationAction
from data.db import transaction
from data.settings import Settings
from tests.api_world import LINK_KEY, MINE, fill
from tests.integration.api.conftest import NOW
from tests.integration.work_steps import TERMS


def test_a_station_is_offered_every_action_but_the_owners():
    assert set(get_args(StationAction)) == {str(a) for a in Action if a not in OWNER_ACTIONS}


class Desk:
    """Somebody who calls and remembers the order's version."""

    def __init__(self, app, keys):
        self.app, self.keys, self.version, self.count = app, keys, 1, 0

    def post(self, caller, path, **body):
        with TestClient(self.app, headers={"authorization": f"Bearer {self.keys[caller]}"}) as client:
            answer = client.post(f"/api/v1/orders/{path}", json=body)
        if answer.status_code == 200:
            self.version = answer.json()["version"]
        return answer

    def get(self, caller, path):
        with TestClient(self.app, headers={"authorization": f"Bearer {self.keys[caller]}"}) as client:
            return client.get(path)

    def work(self, action, caller="station", **said):
        self.count += 1
        said = {"version": self.version, "key": f"k{self.count}", **said}
        return self.post(caller, "1/work", action=action, **said)


@pytest.fixture
def desk(pool):
    keys = fill(pool, now=NOW)
    with transaction(pool) as connection:
        connection.execute(
            "INSERT INTO labour_operations (tenant_id, operation, name_en, name_zh, hours, skill, bay_kind,"
            " is_mobile)"
            " VALUES (1, 'tire-repair', 'Tyre repair', '轮胎修补', 0.5, 'T1', 'tire', false),"
            " (1, 'tire-replace', 'Tyre replacement', '更换轮胎', 0.7, 'T1', 'tire', false)"
        )
    commands = Commands(pool, TERMS)
    return Desk(
        create_app(Settings(), pool, commands=commands, clock=lambda: NOW, link_key=LINK_KEY, push_key="k"),
        keys,
    )


LINES = [
    {"kind": "labour", "code": "tire-repair", "qty": "0.5"},
    {"kind": "part", "code": "TIRE-PLUG", "qty": "1"},
]


def test_an_order_goes_from_yes_to_closed_and_leaves_a_label(desk):
    desk.post("owner", "1/answer", answer="yes", version=desk.version, shares_data=True)
    told = desk.work("check_in", odometer_km=12034.2).json()
    assert (told["state"], told["work"]["next_actions"]) == (
        "checked_in",
        ["diagnose", "goodwill", "cancel"],
    )
    desk.work("diagnose")
    desk.work("find", outcome="confirmed", cause="nail", measured_value=3.9, measured_unit="kPa/day")
    asked = desk.work(
        "estimate",
        reason="side wall cut",
        lines=[*LINES, {"kind": "labour", "code": "tire-replace", "qty": "0.7"}],
    ).json()
    assert (asked["state"], asked["work"]["estimate"]["decision"]) == ("estimated", "pending")
    approved = desk.post("owner", "1/approval", decision="approve", version=desk.version, key="yes").json()
    assert (approved["state"], approved["price"]["total"]) == (
        "parts_reserved",
        asked["work"]["estimate"]["total"],
    )
    for action in ("pick", "assign", "start"):
        assert desk.work(action).status_code == 200
    desk.work("finish", correction="replaced", part_removed="tyre")
    for action, said in (("pass", {"checked_by": ["Zhao Lei"]}), ("invoice", {}), ("pay", {}), ("close", {})):
        done = desk.work(action, **said)
    rated = desk.post("owner", "1/rating", station_stars=5, warning_stars=4)

    assert done.json()["state"] == "closed"
    assert done.json()["work"]["label"]["outcome"] == "confirmed"
    assert rated.json()["work"]["rating"]["warning_stars"] == 4
    assert rated.json()["work"]["signoffs"] == []  # who stood for it is not an owner's business
    assert {event["actor"] for event in rated.json()["events"]} <= {"route", "owner", "station", "anxin"}


@pytest.mark.parametrize(
    ("said", "status", "rule"),
    [
        ({"action": "check_in"}, 422, "odometer_km: check_in needs it"),
        ({"action": "check_in", "odometer_km": 1, "version": 99}, 409, "is at version 2, not 99"),
        ({"action": "pay"}, 409, "booked; possible now: dispatch, check_in, goodwill, cancel, no_show"),
        ({"action": "approve"}, 422, "action"),
        ({"action": "explode"}, 422, "action"),
        ({"action": "no_show"}, 409, "the appointment has not begun"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused_by_name(desk, said, status, rule):
    desk.post("owner", "1/answer", answer="yes", version=1)
    answer = desk.work(**said)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert rule in answer.json()["detail"]


def test_goodwill_by_the_station_leaves_the_owner_their_part_of_the_price(desk):
    desk.post("owner", "1/answer", answer="yes", version=1)
    unsaid = desk.work("goodwill", codes=["TIRE-PLUG"])
    unknown = desk.work("goodwill", codes=["FLUX"], reason="second visit")
    by_owner = desk.work("goodwill", caller="owner", codes=["TIRE-PLUG"], reason="please")
    price = desk.work("goodwill", codes=["TIRE-PLUG"], reason="second visit").json()["price"]

    assert [a.status_code for a in (unsaid, unknown, by_owner)] == [422, 422, 403]
    assert unknown.json()["detail"] == (
        "codes 'FLUX': must be of a line that the customer pays: TIRE-PLUG, tire-repair"
    )
    assert (price["total"], price["customer_total"]) == ("166.11", "124.30")
    assert price["shares"] == [
        {"payer": "goodwill", "net": "37.00", "tax": "4.81", "total": "41.81"},
        {"payer": "customer", "net": "110.00", "tax": "14.30", "total": "124.30"},
    ]
    assert {line["code"]: line["payer"] for line in price["lines"] if line["kind"] != "tax"} == {
        "tire-repair": "customer",
        "TIRE-PLUG": "goodwill",
    }
    seen = desk.get("owner", "/owner").text
    assert ("¥124.30" in seen, "goodwill: second visit" in seen) == (True, True)
    assert 'name="codes" type="checkbox" value="tire-repair"' in desk.get("station", "/orders/1").text


def test_an_unknown_part_and_a_closed_station_are_refused(desk, pool):
    desk.post("owner", "1/answer", answer="yes", version=1)
    with transaction(pool) as connection:
        connection.execute("UPDATE stations SET is_active = false WHERE station_id = 1")
    closed = desk.work("check_in", odometer_km=1)
    with transaction(pool) as connection:
        connection.execute("UPDATE stations SET is_active = true")
    desk.work("check_in", odometer_km=1)
    desk.work("diagnose")
    desk.work("find", outcome="other", cause="valve")
    unknown = desk.work("estimate", reason="x", lines=[{"kind": "part", "code": "FLUX", "qty": 1}])

    assert (closed.status_code, closed.json()["detail"]) == (409, "action check_in: the station is closed")
    assert (unknown.status_code, unknown.json()["detail"]) == (422, "lines: unknown part 'FLUX'")


def test_a_repeated_command_is_answered_again_and_done_once(desk):
    desk.post("owner", "1/answer", answer="yes", version=1)
    first = desk.work("check_in", odometer_km=1, version=2, key="same")
    again = desk.work("check_in", odometer_km=1, version=2, key="same")
    other = desk.work("check_in", odometer_km=2, version=2, key="same")

    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 409)
    states = [event["to_state"] for event in again.json()["events"]]
    assert states.count("checked_in") == 1


def test_nobody_works_on_the_order_of_another_station(desk):
    answer = desk.post("station", "2/work", action="diagnose", version=1, key="k")

    assert answer.status_code == 404


def test_a_station_sees_plate_name_and_place_only_after_the_owner_agreed(desk, pool):
    with transaction(pool) as connection:
        connection.execute("UPDATE vehicles SET plate = '沪A12345' WHERE vehicle_id = 1")
    before, car = (
        desk.get("station", path).json() for path in ("/api/v1/orders/1", f"/api/v1/vehicles/{MINE}")
    )
    drive = desk.get("station", f"/api/v1/vehicles/{MINE}/readings?family=drive").json()
    desk.post("owner", "1/answer", answer="yes", version=1, shares_data=True)
    after = desk.get("station", "/api/v1/orders/1").json()

    assert (before["plate"], before["owner"][1:]) == ("沪A•••", "•••")
    assert (car["plate"], car["position"]) == ("沪A•••", None)
    assert "latitude" not in car["readings"]
    assert "latitude" not in str(drive)
    assert after["plate"] == "沪A12345"
    assert "•" not in after["owner"]
    assert desk.get("station", f"/api/v1/vehicles/{MINE}").json()["position"] is not None
    assert desk.get("operations", "/api/v1/orders/1").json()["plate"] == "沪A12345"


def test_a_stations_look_at_personal_data_is_in_the_audit_trail_once_an_hour(desk, pool):
    def views():
        with transaction(pool) as connection:
            return connection.execute(
                "SELECT actor, subject FROM audit_events WHERE action = 'personal_data.view' ORDER BY subject"
            ).fetchall()

    desk.get("station", "/api/v1/orders/1")
    desk.get("operations", "/api/v1/orders/1")
    assert views() == []
    desk.post("owner", "1/answer", answer="yes", version=1, shares_data=True)
    for _ in range(2):
        desk.get("station", "/api/v1/orders/1")
        desk.get("station", f"/api/v1/vehicles/{MINE}")

    assert views() == [("station:station", MINE), ("station:station", "order 1")]


def test_what_one_owner_agreed_to_shows_a_station_nothing_of_the_next_one(desk, pool):
    desk.post("owner", "1/answer", answer="yes", version=1, shares_data=True)
    with transaction(pool) as connection:
        connection.execute(
            "UPDATE vehicles SET plate = '沪A12345', owner_since = %s WHERE vehicle_id = 1",
            (NOW + timedelta(days=1),),
        )
    order = desk.get("station", "/api/v1/orders/1").json()
    car = desk.get("station", f"/api/v1/vehicles/{MINE}").json()
    alerts = desk.get("station", "/api/v1/alerts").json()["items"]

    assert (order["plate"], order["owner"][1:], order["shares_data"]) == ("沪A•••", "•••", False)
    assert (car["plate"], car["position"]) == ("沪A•••", None)
    assert "沪A12345" not in str(alerts)


def test_a_station_sees_the_number_of_a_vehicles_sim_only_after_the_owner_agreed(desk, pool):
    with transaction(pool) as connection:
        connection.execute(
            "INSERT INTO vehicle_events (vehicle_id, time, kind, source, data, is_hist, received) VALUES"
            " (1, %(at)s, 'login', 'gbt32960', '{\"iccid\": \"89860000000000000001\"}', false, %(at)s)",
            {"at": NOW},
        )
    before = desk.get("station", f"/api/v1/vehicles/{MINE}/events").json()["items"]
    desk.post("owner", "1/answer", answer="yes", version=1, shares_data=True)
    after = desk.get("station", f"/api/v1/vehicles/{MINE}/events").json()["items"]

    assert "login" in str(before)
    assert "8986" not in str(before)
    assert "8986" in str(after)


def test_a_station_reads_no_place_from_signals_of_the_bus_before_the_owner_agreed(desk, pool):
    names = ("ID04FGPS.Latitude04F", "Nav.pos_lon", "Bms.InsulationRes")
    with transaction(pool) as connection:
        for name in names:
            connection.execute(
                "INSERT INTO signal_readings (vehicle_id, time, signal, value) VALUES (1, %s, %s, 31.2)",
                (NOW, name),
            )
    path = f"/api/v1/vehicles/{MINE}/readings?family=signal&from=2026-01-20T00:00:00Z&to=2026-01-21T00:00:00Z"
    before = desk.get("station", path).json()["series"]
    desk.post("owner", "1/answer", answer="yes", version=1, shares_data=True)

    assert set(before) & set(names) == {"Bms.InsulationRes"}
    assert set(names) <= set(desk.get("station", path).json()["series"])
