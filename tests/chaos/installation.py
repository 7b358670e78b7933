"""An ``anxin up`` of one test alone, whose processes may be killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg

#: Settings that make repair and delivery quick enough to watch.
ENVIRON = {
    "ANXIN_REPAIR_INTERVAL_S": "1",
    "ANXIN_SCORE_EVERY_S": "1",
    "ANXIN_PUSH_ALLOW_LOOPBACK": "1",
    "ANXIN_LOG_LEVEL": "info",
}


@dataclass
class Running:
    """A running installation."""

    process: subprocess.Popen[bytes]
    home: Path
    struck: set[int] = field(default_factory=set)  #: backends of services killed while they waited

    @property
    def state(self) -> dict[str, Any]:
        """Return what the installation says of itself."""
        loaded: dict[str, Any] = json.loads((self.home / "run.json").read_text("utf-8"))
        return loaded

    @property
    def database_url(self) -> str:
        """Return where the database is."""
        return str(self.state["database_url"])

    def mqtt_url(self, role: str) -> str:
        """Return where the broker is, under an account."""
        return str(self.state["mqtt_urls"][role])

    def pid(self, service: str) -> int | None:
        """Return the process id of a service or server, None while it does not run."""
        state = self.state
        return state["services"].get(service) or state["servers"].get(service)

    def kill(self, service: str) -> bool:
        """Kill a service or server if it runs just now; tell whether it did."""
        pid = self.pid(service)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def kill_running(self, service: str) -> None:
        """Kill a service as soon as it runs."""
        until(lambda: self.kill(service), 40, what=f"{service} runs")

    def kill_inside(self, service: str, lock: LiteralString, params: Mapping[str, object]) -> None:
        """Kill a service in the middle of a transaction, after its writes and before its commit.

        ``lock`` takes what the transaction needs last; the service is killed while it waits for it.
        """
        with self.holding(lock, params):
            self.kill_waiting(service)

    @contextmanager
    def holding(self, lock: LiteralString, params: Mapping[str, object]) -> Iterator[None]:
        """Hold what services need last in a transaction."""
        with psycopg.connect(self.database_url) as holder:
            holder.execute(lock, params)
            yield

    def kill_waiting(self, service: str) -> None:
        """Kill a service as soon as it waits for what ``holding`` holds.

        The backend of one that was killed before goes on waiting: PostgreSQL looks after its client later.
        Where only such a one waits, the service is being started again, and waits itself soon.
        """
        waiting = (
            "SELECT pid FROM pg_stat_activity"
            " WHERE application_name = %s AND wait_event_type = 'Lock' AND state = 'active'"
        )
        with psycopg.connect(self.database_url, autocommit=True) as observer:

            def is_killed() -> bool:
                found = {pid for (pid,) in observer.execute(waiting, (f"anxin-{service}",))}
                is_new = not found <= self.struck
                self.struck |= found
                return is_new and self.kill(service)

            until(is_killed, 60, what=f"{service} killed in the middle of a transaction")

    def restarts(self) -> dict[str, int]:
        """Return how often each service was started again."""
        return dict(self.state["restarts"])

    def logs(self, length: int = 1500) -> str:
        """Return the end of every service's log."""
        paths = [self.home / "up.log", *sorted((self.home / "logs").glob("*.log"))]
        return "\n".join(
            f"--- {path.name}\n{path.read_text('utf-8', errors='replace')[-length:]}" for path in paths
        )


def start(home: Path, broker: str) -> Running:
    """Start an installation and wait until its services are started."""
    home.mkdir()
    environ = {k: v for k, v in os.environ.items() if not k.startswith("ANXIN_")}
    command = [str(Path(sys.executable).with_name("anxin")), "up", "--home", str(home)]
    command += ["--port", str(_free_port())]
    with (home / "up.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environ | ENVIRON | {"ANXIN_BROKER": broker}, stdout=log, stderr=log
        )
    running = Running(process, home)
    until(lambda: (home / "run.json").exists() or process.poll() is not None, 90, what="anxin up")
    assert process.poll() is None, (home / "up.log").read_text("utf-8")
    return running


def stop(running: Running) -> None:
    """End an installation."""
    running.process.terminate()
    try:
        running.process.wait(40)
    except subprocess.TimeoutExpired:
        running.process.kill()
        running.process.wait()


def until(
    is_done: Callable[[], bool], timeout_s: float, *, pause_s: float = 0.1, what: str = "condition"
) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + timeout_s
    while not is_done():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(pause_s)


def now_ms() -> int:
    """Return milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
