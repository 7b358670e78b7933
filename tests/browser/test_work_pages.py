"""An order's whole life on the pages of station and owner, with the real commands behind them."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from alerts.commands import Commands
from tests.integration.work_steps import TERMS

pytestmark = pytest.mark.browser


def shoot(page, shots, name):
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=shots / f"{name}.png", full_page=True)


@pytest.fixture
def working_site(site):
    """The site with real commands and the labour operations that its orders need."""
    with site.pool.connection() as connection:
        connection.execute(
            "INSERT INTO labour_operations (tenant_id, operation, name_en, name_zh, hours, skill, bay_kind,"
            " is_mobile) VALUES (1, 'tire-repair', 'Tyre repair', '轮胎修补', 0.5, 'T1', 'tire', false),"
            " (1, 'tire-replace', 'Tyre replacement', '更换轮胎', 0.7, 'T1', 'tire', false)"
        )
    real = Commands(site.pool, TERMS)
    site.commands.answer, site.commands.act, site.commands.rate = real.answer, real.act, real.rate
    return site


class Station:
    """Somebody at the order's page who fills in the form of an action and sends it."""

    def __init__(self, page):
        self.page = page

    def open(self, name):
        box = self.page.locator(f"#do-{name}")
        if box.get_attribute("open") is None:
            box.locator("summary").click()
        return box

    def press(self, name, **fields):
        box = self.open(name)
        for field, value in fields.items():
            control = box.locator(f"[name={field}]").last
            if field == "outcome":
                control.select_option(value)
            else:
                control.fill(value)
        box.locator("button").click()


def test_station_and_owner_carry_an_order_from_yes_to_hand_over(working_site, visit, shots):
    owner = visit("/owner", login="owner", width=390, height=844)
    owner.locator("[name=shares_data]").check()
    shoot(owner, shots, "work-1-offer")
    owner.get_by_role("button", name="Yes, book it").click()
    expect(owner.locator("main")).to_contain_text("You said yes")

    station = visit("/orders/1", login="station")
    desk = Station(station)
    press = desk.press

    press("check_in", odometer_km="12034")
    expect(station.locator(".head .badge").nth(1)).to_contain_text("arrived")
    press("diagnose")
    press(
        "find", outcome="confirmed", cause="nail in the tread", measured_value="3.9", measured_unit="kPa/day"
    )
    expect(station.locator("main")).to_contain_text("nail in the tread")
    labour = desk.open("estimate").locator(".line").nth(2)
    labour.locator("[name=line_code]").fill("tire-replace")
    labour.locator("[name=line_qty]").fill("0.7")
    shoot(station, shots, "work-2-estimate")
    press("estimate", reason="the side wall is cut")
    expect(station.locator("main")).to_contain_text("Waiting for the owner's decision")

    desk.open("goodwill").locator("[name=codes][value=tire-repair]").check()
    press("goodwill", reason="second visit")
    expect(station.locator("main")).to_contain_text("Waiting for the owner's decision")

    owner.goto(working_site.url + "/owner")
    expect(owner.locator(".approval")).to_contain_text("Tyre replacement")
    expect(owner.locator(".approval [data-payer=goodwill]")).to_have_count(2)  # with its tax
    expect(owner.locator(".approval")).to_contain_text("goodwill: second visit")
    expect(owner.locator(".approval tfoot")).to_contain_text("For the customer")
    assert owner.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shoot(owner, shots, "work-3-approval")
    owner.get_by_role("button", name="Approve").click()
    expect(owner.locator("main")).to_contain_text("parts reserved")

    station.reload()
    for name in ("pick", "assign", "start"):
        press(name)
    press("finish", correction="tyre replaced", part_removed="tyre")
    expect(station.locator("tfoot")).to_contain_text("For the customer")
    shoot(station, shots, "work-4-quality")
    press("pass", checked_by="Zhao Lei")
    for name in ("invoice", "pay", "close"):
        press(name)
    expect(station.locator("main")).to_contain_text("handed over")
    shoot(station, shots, "work-5-closed")

    owner.goto(working_site.url + "/owner")
    owner.locator(".rating [name=warning_stars]").select_option("4")
    shoot(owner, shots, "work-6-rating")
    owner.locator(".rating button").click()
    owner.goto(working_site.url + "/orders/1")
    expect(owner.locator("main")).to_contain_text("★★★★")
    with working_site.pool.connection() as connection:
        found = connection.execute(
            "SELECT l.outcome, l.part_removed, r.warning_stars FROM outcomes l"
            " JOIN order_ratings r USING (order_id)"
        ).fetchall()
    assert found == [("confirmed", "tyre", 4)]
