"""One installation for each test, with each kind of broker."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.broker import find_mosquitto

pytest.register_assert_rewrite("tests.chaos.accounts")

from tests.chaos.installation import Running, start, stop  # noqa: E402 - after the registration


@pytest.fixture(params=["mosquitto", "amqtt"])
def running(request: pytest.FixtureRequest, server_home: Path) -> Iterator[Running]:
    if request.param == "mosquitto" and find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    started = start(server_home / f"up-{uuid.uuid4().hex[:8]}", request.param)
    try:
        yield started
    finally:
        stop(started)
