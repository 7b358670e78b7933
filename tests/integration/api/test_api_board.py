"""The day board of a station, over the API and as a page."""

from __future__ import annotations

import pytest

from data.db import transaction

DAY = "2026-01-21"  # the offers of the world's orders are for 10:00 to 11:00 UTC of it


def test_a_station_sees_its_day_with_its_bays_and_technicians(world):
    board = world.client("station").get(f"/api/v1/stations/SH1/day?day={DAY}").json()

    assert (board["begin"], board["end"]) == ("2026-01-21T00:00:00Z", "2026-01-21T11:00:00Z")
    assert [(lane["kind"], lane["name"], len(lane["bookings"])) for lane in board["lanes"]] == [
        ("bay", "Bay 1", 1),
        ("bay", "HV 1", 0),
        ("technician", "Zhao Lei", 1),
    ]
    (booking,) = board["lanes"][0]["bookings"]
    assert (booking["order_id"], booking["booking_state"], booking["plate"]) == (1, "held", "沪A•••")


def test_a_plate_is_shown_and_noted_where_the_owner_agreed(world):
    with transaction(world.pool) as connection:
        connection.execute("UPDATE repair_orders SET shares_data = true WHERE order_id = 1")

    board = world.client("station").get(f"/api/v1/stations/SH1/day?day={DAY}").json()

    assert board["lanes"][0]["bookings"][0]["plate"] == "沪A·D1234"
    with transaction(world.pool) as connection:
        seen = connection.execute(
            "SELECT subject FROM audit_events WHERE action = 'personal_data.view'"
        ).fetchall()
    assert ("order 1",) in seen


def test_work_without_a_bay_belongs_to_the_station_of_its_order(world):
    with transaction(world.pool) as connection:
        connection.execute("UPDATE bookings SET bay_id = NULL WHERE order_id = 1")
        connection.execute("UPDATE repair_orders SET mode = 'mobile' WHERE order_id = 1")

    board = world.client("operations").get(f"/api/v1/stations/SH1/day?day={DAY}").json()

    assert [(b["order_id"], b["mode"]) for b in board["without_bay"]] == [(1, "mobile")]
    assert world.client("operations").get(f"/api/v1/stations/BJ1/day?day={DAY}").json()["without_bay"] == []


@pytest.mark.parametrize(
    ("caller", "path", "status"),
    [
        ("station", f"/api/v1/stations/BJ1/day?day={DAY}", 404),
        ("stranger", f"/api/v1/stations/SH1/day?day={DAY}", 404),
        ("operations", "/api/v1/stations/NONE/day", 404),
        ("operations", "/api/v1/stations/SH1/day?day=yesterday", 422),
        ("operations", "/api/v1/stations/SH1/day?day=9999-12-31", 422),
        ("operations", "/api/v1/stations/SH1/day?day=0001-01-01", 422),
    ],
)
def test_what_is_not_ones_own_or_no_day_is_refused(world, caller, path, status):
    assert world.client(caller).get(path).status_code == status


def test_the_page_opens_today_and_leads_to_the_days_around_it(world):
    page = world.client("operations").get("/station/board?station=BJ1")

    assert page.status_code == 200
    assert "2026-01-20" in page.text
    assert "/station/board?station=BJ1&amp;day=2026-01-19" in page.text
    assert "/orders/" not in page.text


def test_the_lanes_link_their_orders(world):
    lanes = world.client("station").get(f"/station/board/lanes?day={DAY}")

    assert lanes.text.count('href="/orders/1"') == 2
    assert "/orders/2" not in lanes.text
