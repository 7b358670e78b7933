"""The pages for stations and owners' apps work when pasted: their blocks run, in order, against an API."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from psycopg.types.json import Jsonb

from alerts.commands import Commands
from alerts.router import route_waiting
from api.app import create_app
from data.db import Pool, transaction
from data.settings import Settings
from tests.installed import environment
from tests.integration import alerts_seed as seed

pytestmark = pytest.mark.installation
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Shell:
    """A shell in which the blocks of a page are pasted, one after the other."""

    url: str
    database_url: str

    def run_page(self, name: str) -> str:
        """Return what the blocks of a page print; the first one that fails ends it."""
        text = (ROOT / name).read_text("utf-8")
        blocks = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
        settings = environment(ANXIN=self.url, ANXIN_DATABASE_URL=self.database_url)
        done = subprocess.run(
            ["bash", "-c", "set -eo pipefail\n" + "\n".join(blocks)],
            cwd=ROOT,
            env=settings,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout


def _answer_questions(pool: Pool, stop: threading.Event) -> None:
    """Be the vehicle: answer what is asked."""
    while not stop.wait(0.1):
        with transaction(pool) as connection:
            connection.execute(
                "INSERT INTO vehicle_events (vehicle_id, time, kind, source, code, data, is_hist, received)"
                " SELECT vehicle_id, now(), 'answer', 'event', request_id::text, %s, false, now()"
                " FROM reading_requests WHERE sent_at IS NULL"
                " ON CONFLICT DO NOTHING",
                (Jsonb({"s": {"soc": {"t": int(time.time() * 1000), "v": 50.5}}}),),
            )


@pytest.fixture
def shell(pool: Pool, database_url: str) -> Iterator[Shell]:
    """An API with an offered order of a slow leak behind it."""
    now = datetime.now(UTC)
    vehicle = seed.seed_vehicles(pool)[0]
    seed.add_prediction(pool, vehicle, now)
    terms = seed.make_terms()
    route_waiting(pool, terms, now=now)
    with transaction(pool) as connection:
        connection.execute(
            "INSERT INTO vehicle_latest (vehicle_id, family, time, received, is_hist, origin, live_time,"
            """ readings) VALUES (%s, 'drive', %s, %s, false, 'simulated', %s, '{"soc": 55.0}')""",
            (vehicle, now - timedelta(seconds=4), now, now),
        )
    stop = threading.Event()
    app = create_app(
        Settings(push_allow_loopback=True),
        pool,
        commands=Commands(pool, terms),
        clock=lambda: datetime.now(UTC),
        link_key=b"k",
        push_key="k" * 87,
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=2))
    threads = [
        threading.Thread(target=server.run),
        threading.Thread(target=_answer_questions, args=(pool, stop)),
    ]
    for thread in threads:
        thread.start()
    while not server.started:
        time.sleep(0.02)
    yield Shell(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", database_url)
    stop.set()
    server.should_exit = True
    for thread in threads:
        thread.join(10)


def _fits(lines: list[str], *needed: str) -> list[str]:
    return [word for word in needed if not any(word in line for line in lines)]


def test_every_example_for_stations_works_when_pasted(shell: Shell) -> None:
    lines = shell.run_page("STATIONS.md").splitlines()

    assert lines.count("booked") == 1
    missing = _fits(
        lines,
        "('soc', 50.5, '%'",
        "parts_reserved",
        "('closed', [])",
        "('closed', 'confirmed')",
        "sent 20",
        "404",
        "version 1",
    )
    assert missing == [], "\n".join(lines)


def test_every_example_for_owners_apps_works_when_pasted(shell: Shell) -> None:
    lines = shell.run_page("OWNERS.md").splitlines()

    missing = _fits(
        lines, "booked", "estimated", "the side wall is cut", "parts_reserved", "'warning_stars': 4"
    )
    assert missing == [], "\n".join(lines)
