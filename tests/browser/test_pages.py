"""The pages in a real browser: they show what they should, offline, without an error in the console."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.api_world import MINE, WANGS
from tests.browser.waiting import wait_until

pytestmark = pytest.mark.browser


def shoot(page, shots, name):
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=shots / f"{name}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_fleet_shows_map_and_list(visit, shots, scheme):
    page = visit("/", login="operations", color_scheme=scheme)

    expect(page.locator("#fleet tr[data-vin]")).to_have_count(3)
    expect(page.locator("#fleet")).to_contain_text("simulated")
    wait_until(page, "dots.size === 2")
    page.wait_for_timeout(400)
    shoot(page, shots, f"fleet-{scheme}")


def test_the_most_urgent_come_first(visit):
    page = visit("/", login="operations")

    expect(page.locator("#fleet tr[data-vin] td:nth-child(3)").nth(2)).to_be_empty()
    expect(page.locator("#fleet tr[data-vin] .badge.S3").first).to_be_visible()


@pytest.mark.parametrize("path", ["/", f"/vehicles/{MINE}", "/station", "/orders/1"])
def test_no_page_is_wider_than_a_phone(visit, path):
    page = visit(path, login="operations", width=390, height=844)
    page.wait_for_timeout(500)

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_vehicles_that_would_overlap_are_one_mark_until_the_map_is_nearer(visit, site):
    with site.pool.connection() as connection:
        connection.execute(
            """UPDATE vehicle_latest SET readings = readings || '{"latitude": 31.3, "longitude": 121.5}'
            WHERE readings ->> 'latitude' = '39.95'"""
        )
    page = visit("/", login="operations")
    wait_until(page, "dots.size === 2")

    page.evaluate("map.setView([31.2, 121.4], 5, { animate: false })")
    together = page.evaluate("new Set(dots.values()).size")
    page.evaluate("map.setZoom(12, { animate: false })")

    assert (together, page.evaluate("new Set(dots.values()).size")) == (1, 2)


def test_what_is_unfolded_stays_so_when_live_data_arrive(visit, site):
    page = visit("/owner", login="owner", width=390, height=844)
    page.locator("details#price-1 summary").click()
    page.wait_for_timeout(700)

    with site.pool.connection() as connection:
        connection.execute("UPDATE repair_orders SET state = 'booked' WHERE order_id = 1")
        connection.execute("""SELECT pg_notify('anxin_live', '{"kind": "order", "id": 1}')""")

    expect(page.locator("#cards")).to_contain_text("booked")
    expect(page.locator("details#price-1")).to_have_attribute("open", "")


def test_the_fleet_can_be_narrowed_to_alerts(visit):
    page = visit("/", login="operations")

    page.check("[name=has_alerts]")

    expect(page.locator("#fleet tr[data-vin]")).to_have_count(2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_vehicle_shows_plots_and_evidence(visit, shots, scheme):
    page = visit(f"/vehicles/{MINE}", login="engineer", color_scheme=scheme)

    expect(page.locator("#plot-tires canvas")).to_be_visible()
    expect(page.locator("#plot-soc canvas")).to_be_visible()
    expect(page.locator("[data-evidence] canvas")).to_be_visible()
    expect(page.locator("#plot-cells")).to_contain_text("No data")
    expect(page.locator("#state")).to_contain_text("front-left loses 3.9 kPa/day")
    shoot(page, shots, f"vehicle-{scheme}")


def test_the_suspected_cell_is_drawn_apart(visit, shots):
    page = visit(f"/vehicles/{WANGS}", login="engineer")

    expect(page.locator("#plot-cells .u-legend")).to_contain_text("cell 82")
    shoot(page, shots, "vehicle-cell")


def test_the_station_works_its_inbox_by_keyboard(visit, shots, site):
    page = visit("/station", login="operations")
    expect(page.locator("tr[data-order]")).to_have_count(2)
    shoot(page, shots, "station")

    page.keyboard.press("j")
    page.keyboard.press("Enter")

    page.wait_for_url(site.url + "/orders/1")
    expect(page.locator("main")).to_contain_text("Zhao Lei")
    expect(page.locator("[data-evidence] canvas")).to_be_visible()
    shoot(page, shots, "order")


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_an_owner_decides_on_a_phone(visit, shots, site, language):
    page = visit("/owner", login="owner", width=390, height=844, locale=language)
    says = {"en-GB": "Yes, book it", "zh-CN": "好的，预约"}[language]

    expect(page.locator("main")).to_contain_text("¥166.11")
    shoot(page, shots, f"owner-{language}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name=says).click()

    page.wait_for_url(site.url + "/owner")
    assert [(told["order_id"], told["answer"], told["version"]) for told in site.commands.answers] == [
        (1, "yes", 1)
    ]


def test_the_inbox_follows_the_live_stream(visit, site):
    page = visit("/station", login="station")
    expect(page.locator("tr[data-order]")).to_contain_text("waiting for the owner")
    page.wait_for_timeout(700)

    with site.pool.connection() as connection:
        connection.execute("UPDATE repair_orders SET state = 'booked' WHERE order_id = 1")
        connection.execute("""SELECT pg_notify('anxin_live', '{"kind": "order", "id": 1}')""")

    expect(page.locator("tr[data-order]")).to_contain_text("booked")


def test_a_push_shows_one_notification_however_often_it_comes(visit, site, browser):
    page = visit("/owner", login="owner")
    page.context.grant_permissions(["notifications"], origin=site.url)
    devtools = page.context.new_cdp_session(page)
    found: dict[str, str] = {}

    def note(event):
        for version in event["versions"]:
            if version["status"] == "activated":
                found["id"] = version["registrationId"]

    devtools.on("ServiceWorker.workerVersionUpdated", note)
    devtools.send("ServiceWorker.enable")
    page.evaluate("navigator.serviceWorker.register('/sw.js').then(() => navigator.serviceWorker.ready)")
    wait_until(page, "navigator.serviceWorker.controller !== null")
    for _ in range(50):
        if "id" in found:
            break
        page.wait_for_timeout(100)
    warning = (
        '{"warning_id": "11111111-1111-4111-8111-111111111111", "severity": "S3", "title": "Slow leak",'
        ' "body": "Front left", "url": "/owner", "lang": "en"}'
    )
    for _ in range(2):
        devtools.send(
            "ServiceWorker.deliverPushMessage",
            {"origin": site.url, "registrationId": found["id"], "data": warning},
        )
    assert site.commands.received.wait(10)
    shown = page.evaluate(
        "navigator.serviceWorker.ready.then(r => r.getNotifications())"
        ".then(all => all.map(n => [n.title, n.body, n.tag, n.data.url]))"
    )

    assert shown == [["Slow leak", "Front left", "11111111-1111-4111-8111-111111111111", "/owner"]]


def test_what_is_not_there_is_said_in_the_language_of_the_reader(visit, site, person):
    page = visit("/owner", login="owner", locale="zh-CN")

    page.goto(site.url + "/orders/999")

    expect(page.locator("h1")).to_have_text("未找到")
    assert person.errors.pop().endswith("404 (Not Found)")


def test_the_theme_is_remembered(visit, shots):
    page = visit("/owner", login="owner", width=390, height=844)
    page.click("[data-theme-toggle]")
    page.reload()

    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    shoot(page, shots, "owner-dark")


def test_an_owner_says_that_a_warning_is_known(visit, site):
    with site.pool.connection() as connection:
        connection.execute("UPDATE warnings SET severity = 'S2' WHERE order_id = 1")
    page = visit("/owner", login="owner", width=390, height=844)

    page.locator("[data-seen]").click()

    expect(page.locator("[data-seen]")).to_have_count(0)
    assert [str(told["warning_id"]) for told in site.commands.acknowledged] == [
        "11111111-1111-4111-8111-111111111111"
    ]
