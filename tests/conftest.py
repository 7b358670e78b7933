"""Fixtures of all suites: a fresh database per test, a broker, the recordings."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
import pytest
from psycopg import sql

from data.broker import ROLES, find_mosquitto
from data.db import Pool, open_pool
from data.embedded import EmbeddedBroker, EmbeddedDatabase
from data.migrate import has_timescaledb, migrate

REPOSITORY = Path(__file__).resolve().parent.parent
#: A file system in memory, if there is one with room: cloning a database there takes a tenth of the time.
MEMORY, MEMORY_BYTES = Path("/dev/shm"), 4 * 2**30  # noqa: S108 - where Linux has it


@pytest.hookimpl(tryfirst=True)  # before markers select
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what meets a database or a broker, and what shares the broker of all."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if names & {"database_server", "broker"}:
            item.add_marker("servers")
        if "broker" in names:
            item.add_marker("one_broker")


class BrokerUnderTest(Protocol):
    """What the ``broker`` fixture gives: an address per role."""

    def url(self, role: str) -> str: ...

    @property
    def kind(self) -> str: ...


@dataclass(frozen=True)
class ExternalBroker:
    """A broker that runs elsewhere; ``ANXIN_TEST_MQTT_URL`` may hold ``{role}`` where the user name goes."""

    template: str
    kind: str = "mosquitto"

    def url(self, role: str) -> str:
        assert role in ROLES
        return self.template.replace("{role}", role)


@pytest.fixture(scope="session")
def server_home() -> Iterator[Path]:
    """A directory for embedded servers, one per pytest process, so that xdist workers never meet."""
    with tempfile.TemporaryDirectory(prefix="anxin-test-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def database_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server where tests may create databases: in memory, unless something is measured."""
    given = os.environ.get("ANXIN_TEST_DATABASE_URL", "")
    if given:
        yield given
        return
    measures = any(item.get_closest_marker("benchmark") for item in request.session.items)
    memory = None if measures or not _has_room(MEMORY) else MEMORY
    prefix = f"anxin-test-{os.getpid()}-"
    with (
        tempfile.TemporaryDirectory(prefix=prefix, dir=memory, ignore_cleanup_errors=True) as home,
        EmbeddedDatabase(Path(home), database="anxin_empty", is_durable=False) as server,
    ):
        yield server.url


@pytest.fixture(scope="session")
def template_database(database_server: str) -> Iterator[str]:
    """The name of a migrated database to clone."""
    with _temporary_database(database_server, "anxin_template") as (name, url):
        migrate(url)
        _stop_timescaledb_workers(url)
        yield name


@pytest.fixture
def empty_database_url(database_server: str) -> Iterator[str]:
    """The address of a fresh database without any table."""
    with _temporary_database(database_server, "anxin_empty") as (_, url):
        yield url


@pytest.fixture
def database_url(database_server: str, template_database: str) -> Iterator[str]:
    """The address of a fresh, migrated database of this test alone."""
    with _temporary_database(database_server, "anxin_test", template=template_database) as (_, url):
        yield url


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    """A pool on this test's own database."""
    opened = open_pool(database_url, size=4, name="anxin-test")
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="session")
def broker(server_home: Path) -> Iterator[BrokerUnderTest]:
    """A broker with an address per role: the one given, else Mosquitto, else amqtt."""
    given = os.environ.get("ANXIN_TEST_MQTT_URL", "")
    if given:
        yield ExternalBroker(given)
        return
    with EmbeddedBroker(server_home / "shared-broker") as running:
        yield running


@pytest.fixture(params=["mosquitto", "amqtt"])
def any_broker(request: pytest.FixtureRequest, server_home: Path) -> Iterator[EmbeddedBroker]:
    """Each kind of embedded broker in turn, one of its own per test: it may be stopped and killed."""
    if request.param == "mosquitto" and find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    with EmbeddedBroker(server_home / f"broker-{uuid.uuid4().hex[:12]}", kind=request.param) as running:
        yield running


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The directory of the recordings, which are never part of the repository."""
    given = os.environ.get("ANXIN_RECORDINGS", "")
    path = Path(given) if given else REPOSITORY.parent / "shared" / "data"
    if not (path / "README.md").is_file():
        pytest.skip(f"no recordings in {path}: set ANXIN_RECORDINGS")
    return path


def _has_room(directory: Path) -> bool:
    """Tell whether a server fits, once what killed runs have left is gone."""
    for left in directory.glob("anxin-test-*-*"):
        pid = left.name.split("-")[2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    return os.access(directory, os.W_OK) and shutil.disk_usage(directory).free >= MEMORY_BYTES


@contextmanager
def _temporary_database(
    server: str, prefix: str, *, template: str | None = None
) -> Iterator[tuple[str, str]]:
    """Create a database, give its name and address, and drop it."""
    name = f"{prefix}_{uuid.uuid4().hex[:12]}"
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if template:
        statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
    with psycopg.connect(server, autocommit=True) as connection:
        _execute_when_unused(connection, statement)
    try:
        yield name, _with_database(server, name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )


def _stop_timescaledb_workers(url: str) -> None:
    """Keep TimescaleDB's own workers out of a template: a database in use cannot be cloned."""
    with psycopg.connect(url) as connection:
        if has_timescaledb(connection):
            connection.execute("SELECT _timescaledb_functions.stop_background_workers()")


def _execute_when_unused(
    connection: psycopg.Connection[tuple[object, ...]], statement: sql.Composable
) -> None:
    """Execute; TimescaleDB's own workers visit a template database for a moment now and then."""
    for pause_s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0):
        try:
            connection.execute(statement)
        except psycopg.errors.ObjectInUse:
            time.sleep(pause_s)
        else:
            return
    connection.execute(statement)


def _with_database(url: str, name: str) -> str:
    """Return a server's address with another database in its path."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, f"/{name}", parts.query, parts.fragment))
