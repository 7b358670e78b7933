"""The day board in a real browser: what is booked stands where it should, and keys lead to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture
def busy_site(site):
    """The site with a day that has finished, booked and held work, in two bays and on the road."""
    zone = ZoneInfo("Asia/Shanghai")
    today = datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    plan = [  # order, bay, technician, from hour, to hour, state
        (1, 1, 1, 9.0, 10.25, "done"),
        (1, 1, 1, 10.5, 12.0, "booked"),
        (1, 1, None, 14.0, 15.0, "held"),
        (1, 2, None, 11.0, 16.0, "booked"),
        (1, None, 1, 15.5, 17.0, "booked"),
    ]
    with site.pool.connection() as connection:
        connection.execute("DELETE FROM bookings")
        for order, bay, technician, begin, end, state in plan:
            slot = [(today + timedelta(hours=h)).astimezone(UTC) for h in (begin, end)]
            connection.execute(
                "INSERT INTO bookings (order_id, bay_id, technician_id, slot, state, expires_at)"
                " VALUES (%s, %s, %s, tstzrange(%s, %s), %s, %s)",
                (order, bay, technician, *slot, state, datetime.now(UTC) + timedelta(hours=1)),
            )
        connection.execute(
            "INSERT INTO shifts SELECT 1, weekday, '09:00', '18:00' FROM generate_series(1, 7) weekday"
        )
    return site


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-GB"), ("dark", "zh-CN")])
def test_the_day_is_walked_by_keys(busy_site, visit, shots, scheme, locale):
    page = visit("/station/board", login="station", color_scheme=scheme, locale=locale)
    expect(page.locator("#board a.slot")).to_have_count(8)
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=shots / f"board-{scheme}.png", full_page=True)

    for key in ("ArrowDown", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)

    expect(page.locator("tr.lane", has_text="HV 1").locator("a.slot")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(busy_site.url + "/orders/1")


def test_the_days_before_and_after_are_a_key_away(busy_site, visit):
    page = visit("/station/board", login="station")
    today = page.locator(".days b").inner_text()

    page.keyboard.press(".")
    expect(page.locator("#board a.slot")).to_have_count(0)
    assert page.locator(".days b").inner_text() != today
    page.keyboard.press("t")

    expect(page.locator(".days b")).to_have_text(today)


def test_the_board_follows_the_orders_and_keeps_the_chosen_appointment(busy_site, visit):
    page = visit("/station/board", login="station")
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(700)

    with busy_site.pool.connection() as connection:
        connection.execute("UPDATE bookings SET state = 'released' WHERE bay_id = 2")
        connection.execute("""SELECT pg_notify('anxin_live', '{"kind": "order", "id": 1}')""")

    expect(page.locator("#board a.slot")).to_have_count(7)
    expect(page.locator("#board a.slot").first).to_be_focused()


def test_operations_choose_a_station_and_a_phone_moves_the_lanes_only(busy_site, visit, shots):
    page = visit("/station/board?station=SH1", login="operations", width=390, height=844)

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelector('.board').scrollWidth > innerWidth")
    if shots:
        page.screenshot(path=shots / "board-phone.png", full_page=True)
    page.locator("select[name=station]").select_option("BJ1")

    expect(page.locator("#board")).to_contain_text("Sun Mei")
