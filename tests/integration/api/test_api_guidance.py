"""Repair guidance over the API and on the order's page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from data.db import transaction
from tests.integration.api.conftest import NOW


@pytest.fixture
def coded(world):
    """The world with a confirmed code, a pending one, an old one and one that the station read out."""
    codes = [
        ("C0750", 9, timedelta(days=1)),
        ("P0A80-1A", 8, timedelta(days=2)),
        ("U0100", 4, timedelta(days=1)),
        ("P0562", 9, timedelta(days=40)),
    ]
    with transaction(world.pool) as connection:
        for code, status, age in codes:
            connection.execute(
                "INSERT INTO trouble_codes VALUES (1, %s, 'BCM', %s, %s, false)", (NOW - age, code, status)
            )
        connection.execute(
            "INSERT INTO order_findings (order_id, outcome, cause, trouble_codes, found_at, found_by)"
            " VALUES (1, 'confirmed', 'x', '{B1234}', %s, 'station:li')",
            (NOW,),
        )
    return world


def test_an_order_comes_with_its_guide_and_the_meaning_of_its_codes(coded):
    guidance = coded.client("station").get("/api/v1/orders/1/guidance").json()

    assert guidance["guide"]["failure_mode"] == "tire_slow_leak"
    assert len(guidance["guide"]["checks"]) > 3
    assert [(c["code"], c["ecu"], c["failure_mode"]) for c in guidance["codes"]] == [
        ("B1234", None, None),
        ("C0750", "BCM", "sensor_fault"),
        ("P0A80-1A", "BCM", "cell_weak"),
    ]


def test_another_stations_order_has_no_guidance_for_this_one(world):
    assert world.client("station").get("/api/v1/orders/2/guidance").status_code == 404


def test_guides_are_found_by_failure_mode_and_by_code(world):
    client = world.client("engineer")

    assert client.get("/api/v1/guidance/insulation_loss").json()["safety"][0]["name"] == "high_voltage"
    assert (
        client.get("/api/v1/guidance/codes/P0AA6-1A").json()["title"]["en"] == "High-voltage isolation fault"
    )
    assert client.get("/api/v1/guidance/codes/P1234").status_code == 404
    assert client.get("/api/v1/guidance/rust").status_code == 422


def test_the_page_marks_what_is_experience(world):
    part = world.client("operations").get("/orders/2/guidance", headers={"accept-language": "en"}).text

    assert "experience" in part
    assert "Below 60 V DC it is off" in part
