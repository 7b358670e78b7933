"""A server that owes an answer and says nothing: the connection is given up, the next one works."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from data.db import Pool, connect, open_pool, transaction
from data.errors import DatabaseAway


@pytest.fixture
def impatient(database_url: str) -> Iterator[Pool]:
    opened = open_pool(database_url, size=2, name="anxin-test", answer_s=0.5)
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize("is_nested", [False, True])
def test_a_silent_server_counts_as_away_within_the_bound(impatient: Pool, is_nested: bool) -> None:
    def ask() -> None:
        with transaction(impatient) as connection:
            if is_nested:
                with connection.transaction():
                    connection.execute("SELECT pg_sleep(60)")
            connection.execute("SELECT pg_sleep(60)")

    began = time.monotonic()
    with pytest.raises(DatabaseAway, match=r"no answer within 0\.5 s"):
        ask()
    assert time.monotonic() - began < 5.0

    with transaction(impatient) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_server_that_goes_on_speaking_is_never_silent(impatient: Pool) -> None:
    slowly = "SELECT repeat('x', 9000), pg_sleep(0.1) FROM generate_series(1, 12)"
    with transaction(impatient) as connection, connection.cursor() as cursor:
        began = time.monotonic()
        with cursor.copy(f"COPY ({slowly}) TO STDOUT") as copy:  # type: ignore[arg-type]
            received = sum(1 for _ in copy.rows())

    assert received == 12
    assert time.monotonic() - began > 1.0


def test_patience_is_the_default(database_url: str) -> None:
    with connect(database_url, name="anxin-test") as connection:
        assert connection.execute("SELECT pg_sleep(0.7), 1").fetchone() == ("", 1)
