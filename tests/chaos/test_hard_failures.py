"""A full disk, peers that vanish without a word, a database that stands still: survived, nothing lost."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import structlog

from data.broker import find_mosquitto
from data.db import connect
from data.embedded import EmbeddedBroker, EmbeddedDatabase
from data.errors import EmbeddedError
from data.locks import LOCK_BATCH_LOG
from data.migrate import migrate
from data.processes import make_directory
from data.reference import load_reference
from simulators.encode import Envelope, event_payload
from tests.chaos.installation import until
from tests.chaos.publisher import Publisher
from tests.chaos.relay import Relay
from tests.chaos.servers import Servers, serving
from tests.chaos.steady_fleet import SteadyFleet, check_readings, count_complete

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

VEHICLES = 24
DISK_MB = 320
MB = 1 << 20
WINDOW_MB, HEAVY_MESSAGES, HEAVY_BYTES = 16, 8000, 64_000
#: Keepalive of the broker connection and its answer; TCP user timeout of the database connection.
NOTICED_S = 75.0
_log = structlog.get_logger("tests")


@pytest.fixture
def home(server_home: Path) -> Path:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    return server_home / f"hard-{uuid.uuid4().hex[:8]}"


@contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    """Mount a file system of ``DISK_MB`` in memory; needs root and the right to mount."""
    make_directory(path)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "anxin-test", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk needs root and the right to mount")
    try:
        make_directory(path)
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(disk: Path, *, leave_mb: float) -> Path:
    """Take the room on a disk but some; return the file that takes it."""
    state = os.statvfs(disk)
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):  # others may take the last of it
        left = int(state.f_bavail * state.f_frsize - leave_mb * MB)
        while left > 0:
            left -= file.write(b"\0" * min(left, MB // 4))
    return ballast


def test_a_full_tablespace_costs_no_reading(home: Path) -> None:
    """The tables' disk is full, the log's is not: every batch is refused until there is room."""
    with serving(home) as servers, small_disk(home / "tables") as disk:
        with connect(servers.database_url, name="anxin-test", is_autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")  # type: ignore[arg-type]
            for (table,) in connection.execute(
                "SELECT tablename FROM pg_tables WHERE tablename LIKE '%\\_readings'"
            ).fetchall():
                connection.execute(f"ALTER TABLE {table} SET TABLESPACE small")
        with fleet_at(servers) as fleet:
            ingest = servers.add_ingest("a")
            servers.wait_ready()
            fleet.start()
            until(lambda: stored(servers) > 5_000, 60, what="readings stored")
            ballast = fill(disk, leave_mb=1)
            until(lambda: "database trouble" in ingest.log_path.read_text(), 90, what="a refused batch")
            before = stored(servers)
            time.sleep(8)
            assert stored(servers) - before < 40_000  # what was left of the last pages
            refused = ingest.log_path.read_text()
            assert "No space left on device" in refused
            assert ingest.is_running
            ballast.unlink()
            time.sleep(3)
            _all_is_stored(servers, fleet)
            assert fleet.link.counters.resent == 0  # nothing had been acknowledged early
        with connect(servers.database_url, name="anxin-test", is_autocommit=True) as connection:
            for (table,) in connection.execute(
                "SELECT tablename FROM pg_tables WHERE tablespace = 'small'"
            ).fetchall():
                connection.execute(f"ALTER TABLE {table} SET TABLESPACE pg_default")


def test_a_full_disk_that_ends_the_database_costs_no_reading(home: Path) -> None:
    """Tables and write-ahead log share the full disk: PostgreSQL ends, and starts when there is room."""
    home.mkdir(parents=True)
    with small_disk(home / "postgres") as disk:
        servers = Servers(home, EmbeddedDatabase(home), EmbeddedBroker(home, kind="mosquitto"))
        try:
            servers.database.start()
            servers.broker.start()
            migrate(servers.database_url)
            with connect(servers.database_url, name="anxin-test") as connection:
                load_reference(connection, tenant="demo")
            with fleet_at(servers) as fleet:
                ingest = servers.add_ingest("a")
                servers.wait_ready()
                fleet.start()
                until(lambda: stored(servers) > 5_000, 60, what="readings stored")
                ballast = fill(disk, leave_mb=0)
                until(lambda: "database trouble" in ingest.log_path.read_text(), 90, what="a refused batch")
                for _ in range(5):
                    with suppress(EmbeddedError):
                        servers.database.ensure_running(timeout_s=5)
                    time.sleep(1)
                assert ingest.is_running
                assert "No space left on device" in (disk / "postgres.log").read_text(errors="replace")
                ballast.unlink()
                until(lambda: _is_up(servers), 60, pause_s=0.5, what="the database again")
                time.sleep(2)
                _all_is_stored(servers, fleet)
                assert fleet.link.counters.resent == 0
        finally:
            servers.stop()


@pytest.mark.parametrize("how", ["vanish", "stall"])
def test_a_broker_connection_that_hangs_is_replaced(home: Path, how: str) -> None:
    with serving(home) as servers, fleet_at(servers) as fleet:
        parts = urlsplit(servers.broker.url("ingest"))
        relay = Relay(("127.0.0.1", servers.broker.port))
        through = f"mqtt://{parts.username}:{parts.password}@127.0.0.1:{relay.port}"
        ingest = servers.add_ingest("a", ANXIN_MQTT_URL=through)
        try:
            _hang(servers, fleet, relay, how)
            assert ingest.is_running
        finally:
            ingest.stop()
            relay.close()


@pytest.mark.parametrize("how", ["vanish", "stall"])
def test_a_database_connection_that_hangs_is_replaced(home: Path, how: str) -> None:
    with serving(home) as servers, fleet_at(servers) as fleet:
        socket_path = next((home / "postgres").glob("**/.s.PGSQL.5432"))
        relay = Relay(str(socket_path))
        ingest = servers.add_ingest(
            "a",
            ANXIN_DATABASE_URL=f"postgresql://anxin@127.0.0.1:{relay.port}/anxin?sslmode=disable",
            ANXIN_DB_ANSWER_S="20",
        )
        try:
            _hang(servers, fleet, relay, how)
            assert ingest.is_running
        finally:
            ingest.stop()
            relay.close()


def test_a_database_that_stands_still_costs_no_memory_without_bound(home: Path) -> None:
    """While no batch can be committed, the broker keeps what comes: ingest holds its window and no more."""
    with serving(home) as servers, fleet_at(servers) as fleet:
        ingest = servers.add_ingest("a", ANXIN_INGEST_WINDOW_BYTES=str(WINDOW_MB * MB))
        servers.wait_ready()
        fleet.start()
        until(lambda: stored(servers) > 5_000, 60, what="readings stored")
        before_mb = ingest.rss_bytes() / MB
        publisher = Publisher(servers.broker.url("simulator"))
        with psycopg.connect(servers.database_url) as holder:
            holder.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_BATCH_LOG,))
            for number in range(HEAVY_MESSAGES // 50):
                publisher.publish([heavy_event(50 * number + n, fleet.cars[0].vin) for n in range(50)])
                ingest.rss_bytes()
            time.sleep(3)
            ingest.rss_bytes()
        publisher.close()
        _all_is_stored(servers, fleet)
        until(lambda: _count_heavy(servers) == HEAVY_MESSAGES, 120, pause_s=0.5, what="every event stored")
        ingest.rss_bytes()
        _log.info(
            "stood still",
            rss_mb=(round(before_mb), round(ingest.peak_rss_bytes / MB)),
            published_mb=HEAVY_MESSAGES * HEAVY_BYTES // MB,
            window_mb=WINDOW_MB,
        )
        assert ingest.peak_rss_bytes / MB < before_mb + 8 * WINDOW_MB  # as the setting says
        assert fleet.link.counters.resent == 0


def heavy_event(seq: int, vin: str) -> tuple[str, bytes]:
    """Return an event of much data and one row, in a boot of its own."""
    head = Envelope(boot="heavy", seq=seq, sent_ms=time.time_ns() // 1_000_000, is_hist=True)
    data = {"trace": f"{seq:08}" * (HEAVY_BYTES // 8)}
    payload = event_payload(head, time_ms=head.sent_ms, kind="trace", data={**data, "code": str(seq)})
    return f"anxin/v1/demo/{vin}/up/event", payload


def _count_heavy(servers: Servers) -> int:
    with psycopg.connect(servers.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM vehicle_events WHERE kind = 'trace'").fetchone()
    return int(row[0]) if row else 0


@contextmanager
def fleet_at(servers: Servers) -> Iterator[SteadyFleet]:
    fleet = SteadyFleet(
        servers.broker.url("simulator"), servers.database_url, VEHICLES, servers.home / "vehicles"
    )
    try:
        yield fleet
    finally:
        fleet.close()


def stored(servers: Servers) -> int:
    """Return how many rows the commit log tells of."""
    with psycopg.connect(servers.database_url) as connection:
        row = connection.execute("SELECT coalesce(sum(row_count), 0) FROM ingest_batches").fetchone()
    return int(row[0]) if row else 0


def _hang(servers: Servers, fleet: SteadyFleet, relay: Relay, how: str) -> None:
    """Let the connections through a relay hang under load; ingest must store again within a bound."""
    servers.wait_ready()
    fleet.start()
    until(lambda: stored(servers) > 5_000, 60, what="readings stored")
    connections = relay.accepted
    assert (relay.vanish if how == "vanish" else relay.stall)() > 0
    began = time.monotonic()
    time.sleep(1)
    before = stored(servers)
    until(
        lambda: relay.accepted > connections and stored(servers) > before + 10_000,
        NOTICED_S,
        pause_s=0.5,
        what=f"readings stored again\n{servers.logs()}",
    )
    _log.info("replaced", how=how, after_s=round(time.monotonic() - began, 1))
    _all_is_stored(servers, fleet)


def _all_is_stored(servers: Servers, fleet: SteadyFleet) -> None:
    fleet.fall_silent()
    until(
        lambda: count_complete(servers.database_url, fleet) == len(fleet.cars),
        120,
        pause_s=1.0,
        what=f"every message stored\n{servers.logs()}",
    )
    assert check_readings(servers.database_url, fleet) == fleet.reading_count


def _is_up(servers: Servers) -> bool:
    with suppress(EmbeddedError, psycopg.OperationalError):
        servers.database.ensure_running(timeout_s=20)
        return stored(servers) > 0
    return False
