"""The application on a filled database, and a client per caller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from api.app import create_app
from data.db import Pool
from data.settings import Settings
from tests.api_world import LINK_KEY, RecordedCommands, fill

NOW = datetime(2026, 1, 20, 8, tzinfo=UTC)


@dataclass
class World:
    """The application under test."""

    app: FastAPI
    pool: Pool
    keys: dict[str, str]
    commands: RecordedCommands
    clients: list[TestClient] = field(default_factory=list)

    def client(self, caller: str | None = None) -> TestClient:
        """A client that follows no redirects, with the key of a caller."""
        headers = {"authorization": f"Bearer {self.keys[caller]}"} if caller else {}
        client = TestClient(
            self.app,
            base_url="http://anxin.test",
            follow_redirects=False,
            headers=headers,
            raise_server_exceptions=False,
        )
        self.clients.append(client)
        return client


@pytest.fixture
def world(pool: Pool) -> Iterator[World]:
    keys = fill(pool, now=NOW)
    commands = RecordedCommands()
    made = World(
        create_app(Settings(), pool, commands=commands, clock=lambda: NOW, link_key=LINK_KEY, push_key="k"),
        pool,
        keys,
        commands,
    )
    yield made
    for client in made.clients:
        client.close()
