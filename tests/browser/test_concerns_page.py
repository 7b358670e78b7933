"""What needs a person, in a real browser: found by kind, led to from everywhere, gone when it is settled."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

LISTED = (
    ("no_station", "operations", "no station has the part"),
    ("promise_broken", "operations", "the work is not done as promised"),
    ("overrun", "station", "the work takes longer than planned"),
)


@pytest.fixture
def worried_site(site):
    """The site with three concerns about its first order, one of them the station's, and a silent vehicle."""
    with site.pool.connection() as connection:
        for kind, audience, detail in LISTED:
            connection.execute(
                "INSERT INTO concerns (tenant_id, vehicle_id, order_id, kind, audience, detail, raised_at)"
                " SELECT tenant_id, vehicle_id, order_id, %s, %s, %s, now() - interval '3 hours'"
                " FROM repair_orders WHERE order_id = 1",
                (kind, audience, detail),
            )
        connection.execute(
            "INSERT INTO concerns (tenant_id, vehicle_id, alert_id, kind, audience, detail, raised_at)"
            " SELECT tenant_id, vehicle_id, alert_id, 'silent', 'operations', 'last heard of driving', now()"
            " FROM alerts WHERE alert_id = 1"
        )
    return site


def settle(site, kind: str) -> None:
    with site.pool.connection() as connection:
        connection.execute("UPDATE concerns SET settled_at = now() WHERE kind = %s", (kind,))
        connection.execute("""SELECT pg_notify('anxin_live', '{"kind": "order", "id": 1}')""")


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-GB"), ("dark", "zh-CN")])
def test_operations_find_all_of_it_by_kind_and_go_to_the_order(worried_site, visit, shots, scheme, locale):
    page = visit("/concerns", login="operations", color_scheme=scheme, locale=locale)
    expect(page.locator("tr[data-concern]")).to_have_count(4)
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=shots / f"concerns-{scheme}.png", full_page=True)

    page.locator("nav.kinds a[href='/concerns?kind=overrun']").click()
    expect(page.locator("tr[data-concern]")).to_have_count(1)
    page.locator("tr[data-concern] a").first.click()

    page.wait_for_url(worried_site.url + "/orders/1")


def test_what_is_settled_leaves_the_page_by_itself(worried_site, visit):
    page = visit("/concerns", login="operations")
    expect(page.locator("tr[data-concern]")).to_have_count(4)

    page.wait_for_timeout(700)
    settle(worried_site, "no_station")

    expect(page.locator("tr[data-concern]")).to_have_count(3)


def test_a_station_sees_its_own_on_a_phone_without_moving_the_page(worried_site, visit, shots):
    page = visit("/concerns", login="station", width=390, height=844)

    expect(page.locator("tr[data-concern]")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if shots:
        page.screenshot(path=shots / "concerns-phone.png", full_page=True)


def test_where_nothing_needs_a_person_the_page_says_so(site, visit):
    page = visit("/concerns", login="operations")

    expect(page.locator("p.empty")).to_be_visible()
