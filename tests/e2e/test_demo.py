"""The whole chain from one command: a simulated fault ends as a repair order and a delivered warning."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

import pytest

from tests.installed import Outcome, anxin, free_port

VEHICLES = 12


def run_demo(*options: object, goal: str = "order", vehicles: int = VEHICLES, **settings: str) -> Outcome:
    common = ("--json", "--vehicles", vehicles, "--port", free_port())
    return anxin("demo", f"--until-{goal}", *common, *options, **settings)


def assert_time(text: str) -> None:
    assert datetime.fromisoformat(text).utcoffset() is not None


def assert_story(outcome: Outcome, vehicles: int) -> None:
    """Assert everything that the command promises to those who read its last line."""
    assert outcome.code == 0, outcome.err[-3000:]
    story = outcome.json
    assert (vehicles, 0) == (story["vehicles_scored"], story["false_orders"])
    assert story["simulated"] is True
    assert story["orders"]
    for order in story["orders"]:
        assert_order(order)
    assert len({(order["vin"], order["component"]) for order in story["orders"]}) == len(story["orders"])

    assert_time(story["push"]["delivered_at"])
    pushed = {order["id"]: order for order in story["orders"]}[story["push"]["order"]]
    title, body = story["push"]["text"].split("\n", 1)
    assert title
    assert body
    if pushed["state"] == "offered":
        assert f"{pushed['price']['total']:,.2f}" in body

    messages = story["messages"]
    assert {"published", "stored", "duplicate", "rejected", "repaired"} == messages.keys()
    assert messages["published"] == messages["stored"] > vehicles
    assert messages["rejected"] == 0
    assert 0 < story["seconds"]["first_row"] < story["seconds"]["order"] < 180


def assert_order(order: dict[str, Any]) -> None:
    assert isinstance(order["id"], int)
    assert len(order["vin"]) == 17
    assert (order["component"].split()[0], order["failure_mode"]) in {
        ("tire", "tire_slow_leak"),
        ("cell", "cell_internal_short"),
    }
    assert order["severity"] in {"S0", "S1", "S2", "S3"}
    assert order["origin"] == "simulated"
    assert isinstance(order["station"], str)
    assert 0 <= order["distance_km"] < 1000
    assert isinstance(order["technician"], str)
    is_on_the_road = "mobile" in {line["code"] for line in order["price"]["lines"]}
    assert (order["bay"] is None) is is_on_the_road
    assert_time(order["slot_start"])
    for part in order["parts"]:
        assert part["sku"]
        assert part["qty"] > 0
        assert part["reserved"] is (order["state"] != "closed")  # then it is in the vehicle
    lines = order["price"]["lines"]
    assert order["price"]["currency"] == "CNY"
    assert order["price"]["total"] > 0
    assert order["price"]["total"] == pytest.approx(sum(line["amount"] for line in lines), abs=0.01)
    assert order["reasons"]
    for reason in order["reasons"]:
        assert {
            "feature",
            "value",
            "unit",
            "healthy_low",
            "healthy_high",
            "text_en",
            "text_zh",
        } <= reason.keys()
    if order["time_to_threshold_h"] is not None:
        left = order["time_to_threshold_h"]
        assert 0 <= left["p10"] <= left["p50"] <= left["p90"]


def test_a_fault_ends_as_a_warning_an_order_and_a_labelled_repair_and_nothing_else_does() -> None:
    outcome = run_demo(goal="closed")

    assert_story(outcome, VEHICLES)
    assert outcome.json["missing"] == []
    closed = outcome.json["closed"]
    states = [event["to_state"] for event in closed["events"]]
    for state in ("offered", "booked", "diagnosing", "estimated", "approved", "in_progress", "qc", "ready"):
        assert state in states
    assert (closed["state"], states[-1]) == ("closed", "closed")
    assert {event["actor"] for event in closed["events"]} == {"anxin", "owner:owner", "station:station"}
    for event in closed["events"]:
        assert_time(event["at"])
        assert event["reason"] in outcome.err
    (estimate,) = (event["reason"] for event in closed["events"] if event["to_state"] == "estimated")
    offered = float(estimate.split(" after CNY ")[1].split(":")[0])
    assert f"{offered:,.2f}" in outcome.json["push"]["text"]
    assert closed["label"]["outcome"] == "confirmed"
    assert closed["label"]["decided_at"] >= closed["label"]["found_at"]
    assert closed["rating"]["warning_stars"] == 5
    assert len({signoff["technician"] for signoff in closed["signoffs"]}) == 2


def test_the_story_is_the_same_with_the_broker_of_pure_python() -> None:
    assert_story(run_demo(ANXIN_BROKER="amqtt"), VEHICLES)


def test_when_the_time_is_up_the_missing_steps_are_told() -> None:
    outcome = run_demo("--timeout", 1)

    assert outcome.code == 1
    assert outcome.json["missing"]
    for step in outcome.json["missing"]:
        assert f"missing: {step}" in outcome.err
    assert outcome.json["orders"] == []


@pytest.mark.timescale
def test_sixty_vehicles_on_real_servers_end_in_orders_of_faulty_ones_only(empty_database_url: str) -> None:
    broker = os.environ["ANXIN_TEST_MQTT_URL"]
    outcome = run_demo(vehicles=60, ANXIN_DATABASE_URL=empty_database_url, ANXIN_MQTT_URL=broker)

    assert_story(outcome, 60)
    assert outcome.json["faults"]["ordered"] > 1
