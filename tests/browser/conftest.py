"""The whole API behind a real server, and a headless Chromium in front of it."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from api.app import create_app
from api.live import Hub, follow_database
from data.db import Pool
from data.settings import Settings
from tests.api_world import LINK_KEY, PASSWORD, RecordedCommands, fill

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHROMIUM = os.environ.get("ANXIN_TEST_CHROMIUM") or shutil.which("chromium") or ""
#: An uncompressed P-256 point, as the VAPID key is.
PUSH_KEY = "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM"


@dataclass
class Site:
    """A served world."""

    url: str
    pool: Pool
    commands: RecordedCommands


@pytest.fixture
def site(pool: Pool, database_url: str) -> Iterator[Site]:
    fill(pool, now=datetime.now(UTC))
    commands, hub, stop = RecordedCommands(), Hub(), threading.Event()
    app = create_app(
        Settings(),
        pool,
        commands=commands,
        clock=lambda: datetime.now(UTC),
        link_key=LINK_KEY,
        push_key=PUSH_KEY,
        hub=hub,
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=2))
    threads = [
        threading.Thread(target=server.run),
        threading.Thread(target=follow_database, args=(database_url, hub), kwargs={"stop": stop}),
    ]
    for thread in threads:
        thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Site(f"http://127.0.0.1:{port}", pool, commands)
    stop.set()
    hub.close()
    server.should_exit = True
    for thread in threads:
        thread.join(10)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield running
        running.close()


@pytest.fixture
def shots() -> Path | None:
    """Where screenshots go when someone wants to look: ANXIN_TEST_SHOTS."""
    given = os.environ.get("ANXIN_TEST_SHOTS", "")
    return Path(given) if given else None


class Person:
    """Somebody at a browser of their own; errors of the console and of the content policy are collected."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.errors: list[str] = []

    def log_in(
        self,
        site: str,
        path: str,
        login: str,
        password: str,
        *,
        width: int = 1360,
        height: int = 860,
        locale: str = "en-GB",
        **options: Any,
    ) -> Page:
        """Open a page of a site in a fresh browser profile."""
        size: ViewportSize = {"width": width, "height": height}
        context = self._browser.new_context(viewport=size, locale=locale, **options)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", lambda told: self.errors.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(site + "/login?next=" + path)
        page.fill("[name=login]", login)
        page.fill("[name=password]", password)
        page.click("form[action='/login'] button")
        page.wait_for_url(site + path)
        return page

    def leave(self) -> None:
        """Close every page."""
        for context in self._contexts:
            context.close()


@pytest.fixture
def person(browser: Browser) -> Iterator[Person]:
    """Somebody at a browser; the test fails when a page logs an error or breaks its content policy."""
    somebody = Person(browser)
    yield somebody
    somebody.leave()
    assert somebody.errors == []


@pytest.fixture
def visit(site: Site, person: Person) -> Callable[..., Page]:
    """Open a page of the served world as somebody."""

    def open_page(path: str, *, login: str, **options: Any) -> Page:
        return person.log_in(site.url, path, login, PASSWORD, **options)

    return open_page
