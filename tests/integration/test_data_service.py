"""The maintenance service: one of many works, the next takes over, a lost connection is no end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from data.db import Pool
from data.locks import LOCK_MAINTAIN
from data.service import run_maintain
from data.settings import Settings
from tests.integration import models_seed as seed


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def until(condition: Callable[[], bool], *, within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.05)


def owe(pool: Pool, minute: int) -> None:
    """Store one row and owe its rollup since ever."""
    at = datetime(2026, 6, 1, 12, minute, tzinfo=UTC)
    with pool.connection() as connection:
        connection.execute("INSERT INTO drive_readings (vehicle_id, time, speed) VALUES (1, %s, 50)", (at,))
        connection.execute("INSERT INTO rollup_debts VALUES (1, 'drive', %s, %s, '-infinity')", (at, at))


def test_one_of_two_processes_works_and_the_other_takes_over(
    pool: Pool, database_url: str, stop: threading.Event
) -> None:
    seed.seed_vehicles(pool, 1)
    owe(pool, 0)
    settings = Settings(database_url=database_url)
    told = {"stop": stop, "every_s": 0.1}
    threads = [threading.Thread(target=run_maintain, args=(settings,), kwargs=told) for _ in "ab"]
    for thread in threads:
        thread.start()

    def minutes() -> int:
        with pool.connection() as connection:
            row = connection.execute("SELECT count(*) FROM drive_five_minutes").fetchone()
        return int(row[0]) if row else 0

    def holders() -> list[int]:
        with pool.connection() as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                (LOCK_MAINTAIN,),
            )
            return [row[0] for row in rows]

    def beats() -> list[tuple[str, bool]]:
        with pool.connection() as connection:
            return connection.execute("SELECT service, is_ready FROM service_beats").fetchall()

    until(lambda: minutes() == 1)
    (holder,) = holders()
    owe(pool, 5)
    with pool.connection() as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", (holder,))

    until(lambda: minutes() == 2)
    assert holders() != [holder]
    until(lambda: beats() == [("maintain", True)])
    stop.set()
    for thread in threads:
        thread.join(timeout=10)
        assert not thread.is_alive()
