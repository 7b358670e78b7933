"""How an owner is reached: added, verified, put in order, removed; webhooks of stations and of the desk."""

from __future__ import annotations

from datetime import timedelta

import pytest

from api.app import create_app
from data.db import transaction
from data.settings import Settings
from tests.api_world import LINK_KEY, WARNING
from tests.integration.api.conftest import NOW


@pytest.fixture
def reachable(world, tmp_path):
    """The world on an installation that sends mail and SMS, with a clock that moves."""
    gateways = tmp_path / "gateways.toml"
    gateways.write_text("[sms]\nurl = 'json://127.0.0.1/{address}'\npattern = '\\+[0-9]{8,15}'\n")
    world.now = NOW
    settings = Settings(smtp_url="smtp://127.0.0.1:25", gateways=str(gateways))
    world.app = create_app(
        settings,
        world.pool,
        commands=world.commands,
        clock=lambda: world.now,
        link_key=LINK_KEY,
        push_key="k",
    )
    return world


def add(client, channel="email", address="li@example.com", **more):
    return client.post("/api/v1/contact/ways", json={"channel": channel, "address": address, **more})


def code_of(world, contact_id):
    with transaction(world.pool) as connection:
        row = connection.execute(
            "SELECT code FROM contact_ways WHERE contact_id = %s", (contact_id,)
        ).fetchone()
    return row[0]


def verify(world, client, contact_id, code=None):
    path = f"/api/v1/contact/ways/{contact_id}/verification"
    return client.post(path, json={"code": code or code_of(world, contact_id)})


def wishes(**overrides):
    return {
        "language": "en",
        "quiet_from": "21:30",
        "quiet_to": "08:00",
        "time_zone": "Europe/Berlin",
        "order": ["push"],
        **overrides,
    }


def test_a_way_is_used_once_the_code_sent_there_came_back(reachable):
    client = reachable.client("owner")
    way = add(client).json()
    assert (way["verified_at"], way["secret"]) == (None, None)
    with transaction(reachable.pool) as connection:
        queued = connection.execute(
            "SELECT channel, address, contact_id FROM deliveries WHERE contact_id > 0"
        )
        assert queued.fetchall() == [("email", "li@example.com", way["contact_id"])]

    answer = verify(reachable, client, way["contact_id"])

    assert answer.status_code == 200
    assert answer.json()["ways"][0]["verified_at"] is not None
    assert answer.json()["order"] == ["push", way["contact_id"]]


def test_a_code_is_good_for_five_tries_and_a_quarter_of_an_hour(reachable):
    client = reachable.client("owner")
    contact_id = add(client).json()["contact_id"]
    right = code_of(reachable, contact_id)
    wrong = f"{(int(right) + 1) % 10**6:06}"
    for _ in range(5):
        assert verify(reachable, client, contact_id, wrong).status_code == 422
    assert verify(reachable, client, contact_id, right).status_code == 422
    assert client.post(f"/api/v1/contact/ways/{contact_id}/code").status_code == 422

    reachable.now = NOW + timedelta(minutes=2)
    assert client.post(f"/api/v1/contact/ways/{contact_id}/code").status_code == 204
    again = code_of(reachable, contact_id)
    reachable.now = NOW + timedelta(minutes=18)
    assert verify(reachable, client, contact_id, again).status_code == 422
    reachable.now = NOW + timedelta(minutes=16)
    assert verify(reachable, client, contact_id, again).status_code == 200


def test_a_chinese_owner_hears_by_the_gateway_before_the_browser(reachable):
    client = reachable.client("owner")
    assert client.put("/api/v1/contact", json=wishes(language="zh")).status_code == 200
    contact_id = add(client, "apprise", "sms:+8613800000000").json()["contact_id"]

    assert client.get("/api/v1/contact").json()["order"] == [contact_id, "push"]


def test_order_quiet_hours_and_language_are_the_owners(reachable):
    client = reachable.client("owner")
    contact_id = add(client).json()["contact_id"]

    answer = client.put("/api/v1/contact", json=wishes(order=[contact_id, "push"]))

    assert answer.status_code == 200
    told = client.get("/api/v1/contact").json()
    assert told["order"] == [contact_id, "push"]
    assert (told["quiet_from"], told["quiet_to"], told["time_zone"], told["language"]) == (
        "21:30:00",
        "08:00:00",
        "Europe/Berlin",
        "en",
    )
    assert (told["channels"], told["gateways"]) == (["email", "apprise", "webhook"], ["sms"])


def test_wishes_that_break_a_rule_are_refused_by_name(reachable):
    client = reachable.client("owner")
    for change, named in [
        ({"order": []}, "order"),
        ({"order": ["push", "push"]}, "order"),
        ({"order": ["push", 7]}, "order"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"quiet_to": None}, "quiet_from and quiet_to"),
        ({"language": "de"}, "language"),
    ]:
        answer = client.put("/api/v1/contact", json=wishes(**change))

        assert (answer.status_code, named in answer.json()["detail"]) == (422, True), change


def test_an_address_that_could_lead_elsewhere_is_refused(reachable):
    client = reachable.client("owner")
    for channel, address in [
        ("email", "li@localhost"),
        ("email", "Li <li@example.com>"),
        ("email", "li@example.com\r\nBcc: all@example.com"),
        ("apprise", "json://10.0.0.1/"),
        ("apprise", "wechat:li"),
        ("webhook", "https://10.0.0.1/"),
        ("webhook", "http://example.com/"),
        ("webhook", "https://localhost/"),
    ]:
        answer = add(client, channel, address)

        assert (answer.status_code, "address" in answer.json()["detail"]) == (422, True), address


def test_mail_is_refused_where_the_installation_sends_none(world):
    answer = add(world.client("owner"))

    assert answer.status_code == 422
    assert "sends no mail" in answer.json()["detail"]


def test_the_same_way_twice_and_too_many_are_refused(reachable):
    client = reachable.client("owner")
    for number in range(10):
        assert add(client, address=f"li{number}@example.com").status_code == 201

    assert "at most 10" in add(client).json()["detail"]
    ways = client.get("/api/v1/contact").json()["ways"]
    assert client.delete(f"/api/v1/contact/ways/{ways[0]['contact_id']}").status_code == 204
    assert "is there already" in add(client, address="li9@example.com").json()["detail"]


def test_a_webhook_of_an_owner_gets_a_key_that_is_shown_once(reachable):
    client = reachable.client("owner")

    way = add(client, "webhook", "https://hook.example.com/1").json()

    assert len(way["secret"]) > 30
    assert "secret" not in client.get("/api/v1/contact").json()["ways"][0]


def test_nobody_sees_or_changes_the_ways_of_another(reachable):
    contact_id = add(reachable.client("owner")).json()["contact_id"]
    with transaction(reachable.pool) as connection:
        connection.execute("UPDATE contact_ways SET owner_id = (SELECT max(owner_id) FROM owners)")

    client = reachable.client("owner")
    assert client.get("/api/v1/contact").json()["ways"] == []
    assert client.delete(f"/api/v1/contact/ways/{contact_id}").status_code == 404
    assert client.post(f"/api/v1/contact/ways/{contact_id}/code").status_code == 404


def test_a_person_acknowledges_a_warning_of_theirs(world):
    path = f"/api/v1/warnings/{WARNING}/acknowledgement"

    assert world.client("owner").post(path).status_code == 204
    assert world.client("stranger").post(path).status_code in {403, 404}
    assert world.client("station").post(path).status_code == 403

    assert [told["actor"] for told in world.commands.acknowledged] == ["owner:owner"]


def test_a_station_registers_its_own_webhook_and_sees_no_other(world):
    operations, station = world.client("operations"), world.client("station")
    desk = operations.post("/api/v1/webhooks", json={"url": "https://desk.example.com/"}).json()
    other = operations.post(
        "/api/v1/webhooks", json={"url": "https://dms.example.com/2", "station": "BJ1"}
    ).json()

    mine = station.post(
        "/api/v1/webhooks", json={"url": "https://dms.example.com/1", "station": "BJ1"}
    ).json()

    assert len({desk["secret"], other["secret"], mine["secret"]}) == 3
    assert [h["station"] for h in station.get("/api/v1/webhooks").json()["items"]] == ["SH1"]
    assert [h["station"] for h in operations.get("/api/v1/webhooks").json()["items"]] == [None, "BJ1", "SH1"]
    assert station.delete(f"/api/v1/webhooks/{other['webhook_id']}").status_code == 404
    assert station.delete(f"/api/v1/webhooks/{mine['webhook_id']}").status_code == 204


def test_a_webhook_that_breaks_a_rule_is_refused_by_name(world):
    client = world.client("operations")
    for body, named in [
        ({"url": "https://127.0.0.1/x"}, "url"),
        ({"url": "ftp://dms.example.com/"}, "url"),
        ({"url": "https://dms.example.com/", "station": "nowhere"}, "station"),
    ]:
        answer = client.post("/api/v1/webhooks", json=body)

        assert (answer.status_code, named in answer.json()["detail"]) == (422, True), body


def test_an_owner_chooses_a_station_and_a_way_of_repair(world):
    client = world.client("owner")
    nothing = {"station": None, "mode": None}
    chosen = {"station": "BJ1", "mode": "pickup"}

    assert client.get("/api/v1/contact/preference").json() == nothing
    assert client.put("/api/v1/contact/preference", json=chosen).json() == chosen
    assert client.get("/api/v1/contact/preference").json() == chosen
    for wrong in ({**chosen, "station": "CD1"}, {**chosen, "mode": "tow"}, {"mode": "mobile"}):
        assert client.put("/api/v1/contact/preference", json=wrong).status_code == 422
    assert client.get("/api/v1/contact/preference").json() == chosen
    assert client.put("/api/v1/contact/preference", json=nothing).json() == nothing
    with transaction(world.pool) as connection:
        told = connection.execute("SELECT actor, data FROM audit_events WHERE action = 'contact.preference'")
        assert told.fetchall() == [("owner:owner", chosen), ("owner:owner", nothing)]
