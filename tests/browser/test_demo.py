"""The demo as people use it: the owner answers, the station sees it at once."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.waiting import wait_until
from tests.installed import ANXIN, environment, eventually, free_port

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Demo:
    """A running demo and what it has told so far."""

    log: Path

    def told(self) -> str:
        return self.log.read_text("utf-8")

    @property
    def site(self) -> str:
        return re.findall(r"Pages: (\S+)", self.told())[0]

    @property
    def api_key(self) -> str:
        return re.findall(r"API key of operations (\S+)", self.told())[0]

    def password(self, login: str) -> str:
        (password,) = re.findall(rf"login {login}  password (\S+)", self.told())
        return password


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, once the owner of its first order can log in."""
    running = Demo(tmp_path_factory.mktemp("demo") / "log")
    command = [ANXIN, "demo", "--vehicles", "12", "--port", str(free_port())]
    with running.log.open("wb") as log:
        process = subprocess.Popen(
            command, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        eventually(
            lambda: "station page:" in running.told(), within_s=150, what="first order", logs=running.told
        )
        yield running
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_an_owner_says_yes_and_the_station_sees_it_without_reloading(demo, person, shots):
    station = person.log_in(demo.site, "/station", "station", demo.password("station"))
    owner = person.log_in(demo.site, "/owner", "owner", demo.password("owner"), width=390, height=844)
    row = station.locator("tr[data-order]").first
    expect(row).to_contain_text("waiting for the owner")
    for cell in (4, 5, 6, 7):  # slot, bay, technician, parts
        assert row.locator("td").nth(cell).inner_text().strip() not in {"", "–"}
    station.evaluate("document.documentElement.dataset.mark = 'same page'")
    station.wait_for_timeout(700)

    expect(owner.locator("main")).to_contain_text("simulated")
    owner.get_by_role("button", name="Yes, book it").click()

    expect(owner.locator("main")).to_contain_text("The appointment is booked")
    expect(row).to_contain_text("booked")
    assert station.evaluate("document.documentElement.dataset.mark") == "same page"
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
        station.screenshot(path=shots / "demo-station.png")
        owner.screenshot(path=shots / "demo-owner.png", full_page=True)


def test_the_station_asks_the_vehicle_and_sees_its_answer(demo, person, shots):
    """After the owner's yes of the test before."""
    page = person.log_in(demo.site, "/station", "station", demo.password("station"))
    page.locator("tr[data-order] a").first.click()

    page.get_by_role("button", name="Ask now").click()

    expect(page.locator("#readings article header").first).to_contain_text("answered", timeout=30_000)
    expect(page.locator("#readings")).to_contain_text(re.compile(r"\d\s+(kPa|V)"))  # of a tire, or of cells
    expect(page.locator("#readings .age").nth(1)).to_contain_text("ago")
    if shots:
        page.screenshot(path=shots / "demo-readings.png", full_page=True)


def test_the_vehicle_of_an_order_shows_the_evidence_and_the_age_of_its_data(demo, person):
    page = person.log_in(demo.site, "/station", "operations", demo.password("operations"))
    page.locator("tr[data-order] a").first.click()
    page.locator("main a[href^='/vehicles/']").click()

    expect(page.locator("[data-evidence] canvas").first).to_be_visible()
    for plot in ("tires", "cells", "soc", "temperature", "speed"):
        expect(page.locator(f"#plot-{plot} canvas")).to_be_visible()
        expect(page.locator(f"#plot-{plot} [data-note]")).to_have_text("simulated")
    expect(page.locator("#state .tiles .age").first).to_contain_text("ago")
    expect(page.locator("#state")).to_contain_text("No message is missing.")


def test_the_map_shows_the_fleet_in_four_cities(demo, person):
    page = person.log_in(demo.site, "/", "engineer", demo.password("engineer"))

    wait_until(page, "dots.size === 12")
    page.wait_for_timeout(500)

    assert page.locator("#map .many").count() == 4
    assert sorted(page.locator("#map .many").all_inner_texts()) == ["3"] * 4


def test_the_printed_key_opens_the_api(demo):
    headers = {"authorization": f"Bearer {demo.api_key}"}

    answer = requests.get(f"{demo.site}/api/v1/vehicles?limit=500", headers=headers, timeout=10)

    assert len(answer.json()["items"]) == 12
