"""The vehicles of a gateway, their connections and a listener at the broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from data.db import Pool
from tests.integration.gateway.steps import ICCID, RETIRED, SECOND, TWICE, VIN, Heard, Terminal
from tests.integration.small_fleet import register


@pytest.fixture
def fleet(pool: Pool) -> Pool:
    """Vehicles in service, out of service, and in two tenants at once."""
    register(pool)
    with pool.connection() as connection:
        connection.execute("INSERT INTO tenants (name) VALUES ('other')")
        connection.execute(
            "INSERT INTO vehicles (tenant_id, vin, model_id, iccid, retired_at) VALUES"
            " (1, %s, 'small', %s, NULL), (1, %s, 'small', NULL, NULL), (1, %s, 'small', NULL, now()),"
            " (1, %s, 'small', NULL, NULL), (2, %s, 'small', NULL, NULL)",
            (VIN, ICCID, SECOND, RETIRED, TWICE, TWICE),
        )
    return pool


@pytest.fixture
def heard(broker: Any) -> Iterator[Heard]:
    listener = Heard(broker.url("ingest"))
    yield listener
    listener.close()


@pytest.fixture
def dial() -> Iterator[Callable[[int], Terminal]]:
    opened: list[Terminal] = []

    def open_one(port: int) -> Terminal:
        opened.append(Terminal(port))
        return opened[-1]

    yield open_one
    for terminal in opened:
        terminal.close()
