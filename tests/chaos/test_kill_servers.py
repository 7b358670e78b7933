"""The broker, the database and the supervisor killed; vehicles that lose power."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.chaos import accounts
from tests.chaos.installation import ENVIRON, Running, until
from tests.chaos.live_vehicles import LiveVehicles
from tests.chaos.simulated_fleet import read_sent

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


def test_killed_servers_lose_nothing(running: Running) -> None:
    live = LiveVehicles(running.mqtt_url("simulator"), running.database_url, 8)
    try:
        live.start()
        for server in ("broker", "database", "broker", "database"):
            time.sleep(3)
            killed = running.pid(server)
            running.kill_running(server)
            until(lambda s=server, k=killed: running.pid(s) not in (k, None), 30, what=f"{server} again")  # type: ignore[misc]
        time.sleep(3)
        live.fall_silent()

        def is_complete() -> bool:
            live.say_status()
            published = sum(v.next_seq for v in live.vehicles.values())
            try:
                return accounts.count_received(running.database_url) == published
            except psycopg.OperationalError:
                return False

        until(is_complete, 90, pause_s=1.0, what=f"every message stored\n{running.logs()}")
    finally:
        live.close()
    accounts.check_live(running.database_url, live)


def test_vehicles_that_lose_power_lose_no_message(running: Running) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("ANXIN_")} | ENVIRON
    command = [str(Path(sys.executable).with_name("anxin")), "simulate", "--vehicles", "4", "--days", "1"]

    def simulate() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*command, "--rate", "10"],
            env=environ | {"ANXIN_HOME": str(running.home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    directory = running.home / "vehicles"
    for _ in range(2):
        vehicles = simulate()
        before = len(read_sent(directory)) if (directory / "sent.sqlite3").exists() else 0
        until(lambda n=before: _count_sent(directory) >= n + 15, 60, what="messages sent")  # type: ignore[misc]
        # while ingest is down, some brokers forget what they were about to hand over
        running.kill_running("ingest")
        time.sleep(0.3)
        vehicles.kill()
        vehicles.wait()
    vehicles = simulate()
    try:
        until(lambda: _is_all_there(running, directory), 90, pause_s=1.0, what="every message stored")
    finally:
        vehicles.terminate()
        vehicles.wait(20)
    boots = accounts.query(running.database_url, "SELECT count(DISTINCT boot) FROM message_streams")
    assert boots == [(3,)]


def test_no_service_outlives_a_killed_supervisor(running: Running) -> None:
    state = running.state
    pids = [*state["services"].values(), *state["servers"].values()]
    children = [psutil.Process(pid) for pid in pids]
    assert len(children) == 9  # seven services, PostgreSQL, the broker

    os.kill(running.process.pid, signal.SIGKILL)

    _, alive = psutil.wait_procs(children, timeout=30)
    assert [process.cmdline() for process in alive] == []


def _count_sent(directory: Path) -> int:
    return len(read_sent(directory)) if (directory / "sent.sqlite3").exists() else 0


def _is_all_there(running: Running, directory: Path) -> bool:
    """Tell whether every boot's messages up to now have arrived, those of dead boots included."""
    sent = {(m.vin, m.boot, m.seq) for m in read_sent(directory)}
    newest = max(boot for _, boot, _ in sent)
    wanted: dict[tuple[str, str], int] = {}
    for vin, boot, _ in sent:
        if boot != newest:
            wanted[vin, boot] = wanted.get((vin, boot), 0) + 1
    found = accounts.query(
        running.database_url,
        "SELECT vin, boot, received_count FROM message_streams JOIN vehicles USING (vehicle_id)"
        " WHERE missing = '{}' AND given_up = '{}'",
    )
    stored = {(vin, boot): count for vin, boot, count in found}
    return len({boot for _, boot in wanted}) == 2 and all(stored.get(k) == n for k, n in wanted.items())
