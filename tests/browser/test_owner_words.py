"""What owners say in a browser beside the answer to an order: what they ask for, and what they have read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from alerts.telling.ack_link import make_token
from tests.api_world import LINK_KEY, MINE, WARNING, insert_finding

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-GB"), ("dark", "zh-CN")])
def test_an_owner_asks_for_what_can_wait(site, visit, shots, scheme, locale):
    insert_finding(site.pool, MINE)
    page = visit("/owner", login="owner", color_scheme=scheme, locale=locale, width=390, height=1100)
    card = page.locator("article[data-alert]")
    expect(card).to_have_count(1)
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=shots / f"owner-can-wait-{scheme}.png", full_page=True)

    card.locator("button").click()
    page.wait_for_url(site.url + "/owner")

    assert len(site.commands.requests) == 1


def test_the_link_of_a_letter_needs_a_button_and_no_login(site, browser, shots):
    token = make_token(LINK_KEY, WARNING, expires=datetime.now(UTC) + timedelta(hours=1))
    page = browser.new_page(viewport={"width": 390, "height": 700}, locale="en-GB")
    page.goto(f"{site.url}/seen/{token}")
    assert site.commands.acknowledged == []
    if shots:
        page.screenshot(path=shots / "seen.png")

    page.locator("form[method=post] button").click()

    expect(page.locator("form[method=post]")).to_have_count(0)
    assert [said["warning_id"] for said in site.commands.acknowledged] == [WARNING]
    page.close()
