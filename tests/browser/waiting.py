"""Waiting for what a page does by itself."""

from __future__ import annotations

import time

from playwright.sync_api import Page


def wait_until(page: Page, expression: str, *, within_s: float = 10.0) -> None:
    """Wait for a script to be true; the content policy forbids Playwright's own waiting for one."""
    deadline = time.monotonic() + within_s
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"not within {within_s} s: {expression}"
        page.wait_for_timeout(50)
