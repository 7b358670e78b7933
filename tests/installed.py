"""The installed command as a user runs it, in a process and a home of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ANXIN = Path(sys.executable).with_name("anxin")


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object of ``--json``: the only line of standard output."""
        (line,) = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


def environment(**settings: str) -> dict[str, str]:
    """The environment without any setting but those given."""
    return {k: v for k, v in os.environ.items() if not k.startswith("ANXIN_")} | settings


def anxin(*arguments: object, timeout_s: float = 240.0, **settings: str) -> Outcome:
    """Run a command to its end."""
    done = subprocess.run(
        [ANXIN, *map(str, arguments)],
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Installation:
    """A running ``anxin up``."""

    home: Path

    def anxin(self, *arguments: object) -> Outcome:
        """Run a command beside it."""
        return anxin(*arguments, ANXIN_HOME=str(self.home))

    @property
    def run(self) -> dict[str, Any]:
        """What it says of itself: URLs and process ids."""
        found: dict[str, Any] = json.loads((self.home / "run.json").read_text("utf-8"))
        return found

    @property
    def database_url(self) -> str:
        return str(self.run["database_url"])

    def logs(self) -> str:
        """The end of every log."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text('utf-8', errors='replace')[-1500:]}"
            for path in sorted(self.home.glob("**/*.log"))
        )


@contextmanager
def installation(**settings: str) -> Iterator[Installation]:
    """Run ``anxin up`` in a fresh home until every service is alive and ready; stop it at the end.

    The home is not one of pytest's: started by root, servers run as another user, and each start of pytest
    closes its directories to others.
    """
    with tempfile.TemporaryDirectory(prefix="anxin-test-", ignore_cleanup_errors=True) as name:
        yield from _run_up(Path(name), settings)


def _run_up(home: Path, settings: Mapping[str, str]) -> Iterator[Installation]:
    command = [ANXIN, "up", "--home", str(home), "--port", str(free_port())]
    with (home / "up.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment(**settings), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    running = Installation(home)
    try:
        eventually(
            lambda: (home / "run.json").exists() or process.poll() is not None,
            within_s=90,
            what="anxin up",
            logs=running.logs,
        )
        assert process.poll() is None, running.logs()
        eventually(
            lambda: _is_ready(running.anxin("check", "--json")),
            within_s=60,
            what="all services ready",
            logs=running.logs,
        )
        yield running
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_ready(check: Outcome) -> bool:
    services = [c for c in check.json["checks"] if c["name"] == "services"] if check.out else []
    return bool(services and services[0]["is_ok"])


def eventually(
    check: Callable[[], bool],
    *,
    within_s: float = 30.0,
    what: str = "",
    logs: Callable[[], str] = str,
) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}\n{logs()}"
        time.sleep(0.2)


def free_port() -> int:
    """A port of this machine that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
