"""Gap repair of many streams: everybody has a turn, nobody is asked for too much at once."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.db import Pool
from data.records import Origin
from ingest import repair
from ingest.repair import Repairer
from ingest.store import BatchResult, _write_streams
from ingest.streams import StreamPart, multirange
from tests.effort import examples
from tests.integration.small_fleet import register

NOW = datetime(2026, 3, 1, tzinfo=UTC)
STREAMS = 7


class Asked:
    """What was asked of whom."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()

    def publish(self, topic: str, payload: bytes) -> bool:
        ranges = json.loads(payload)["ranges"]
        self.messages[topic.split("/")[3][-1]] += sum(high - low + 1 for low, high in ranges)
        return True


@pytest.fixture
def holes(pool: Pool) -> Pool:
    """Seven vehicles, each with a boot that misses numbers 10 to 19 of 30."""
    register(pool, *(f"LANX000000000000{n}" for n in range(1, STREAMS + 1)))
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO message_streams (vehicle_id, boot, high, missing, first_received, last_received)"
            " SELECT vehicle_id, 'b1', 30, '{[10,20)}', %(now)s, %(now)s FROM vehicles",
            {"now": NOW},
        )
    return pool


def repairer(pool: Pool, asked: Asked) -> Repairer:
    return Repairer(
        pool, asked.publish, interval_s=10, limit=500, horizon_days=7, rng=np.random.default_rng(1)
    )


def test_holes_that_come_and_go_keep_nobody_from_his_turn(
    holes: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages of the first vehicles overtake one another all the time; the others' holes are real."""
    monkeypatch.setattr(repair, "_STREAMS", 2)
    asked = Asked()
    rounds = repairer(holes, asked)
    for number in range(10):
        with holes.connection() as connection:
            connection.execute(
                "UPDATE message_streams SET high = %(n)s + 5,"
                " missing = int4multirange(int4range(%(n)s, %(n)s + 2)) WHERE vehicle_id <= 3",
                {"n": 100 + 10 * number},
            )
        rounds.run_round(NOW + timedelta(seconds=5 * number))

    assert asked.messages.keys() == set("4567")


def test_a_round_asks_for_a_bounded_number_of_messages(holes: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "_MESSAGES", 30)
    asked = Asked()
    rounds = repairer(holes, asked)
    asked_messages = [rounds.run_round(NOW + timedelta(seconds=n)).asked_messages for n in range(5)]

    assert asked_messages == [0, 30, 30, 10, 0]
    assert dict(asked.messages) == dict.fromkeys("1234567", 10)


batches = st.lists(
    st.tuples(st.lists(st.integers(0, 25), max_size=8), st.integers(-1, 30)), min_size=1, max_size=8
)


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=batches, given_up=st.sets(st.integers(0, 12)))
def test_the_account_of_a_stream_is_that_of_sets(
    holes: Pool, batches: list[tuple[list[int], int]], given_up: set[int]
) -> None:
    """Whatever comes in whatever order: what is missing is what was sent and is not here."""
    here: set[int] = set()
    received = repaired = duplicates = 0
    high, missing = -1, set[int]()
    with holes.connection() as connection, connection.transaction(force_rollback=True):
        connection.execute(
            "INSERT INTO message_streams (vehicle_id, boot, high, missing, given_up, first_received,"
            " last_received) VALUES (1, 'b2', %s, '{}', %s::text::int4multirange, now(), now())",
            (max(given_up, default=-1), multirange(sorted(given_up))),
        )
        here |= set(range(max(given_up, default=-1) + 1)) - given_up
        high = max(given_up, default=-1)
        for seqs, known_high in batches:
            part = StreamPart(
                vehicle_id=1, boot="b2", received_us=0, origin=Origin.REAL, seqs=seqs, known_high=known_high
            )
            _write_streams(connection, [part], BatchResult())
            fresh = set(range(high + 1, part.high + 1))
            new = (set(seqs) & (missing | given_up | fresh)) - here
            repaired += len(set(seqs) & (missing | given_up))
            received += len(new)
            duplicates += len(seqs) - len(new)
            high = max(high, part.high)
            missing = (missing | fresh) - set(seqs)
            given_up = given_up - set(seqs)
            here |= set(seqs)
            row = connection.execute(
                "SELECT high, missing::text, given_up::text, received_count, repaired_count, duplicate_count"
                " FROM message_streams WHERE vehicle_id = 1 AND boot = 'b2'"
            ).fetchone()
            wanted = (multirange(sorted(missing)), multirange(sorted(given_up)))
            assert row == (high, *wanted, received, repaired, duplicates)


def test_a_repair_round_waits_for_a_batch_without_holding_what_the_batch_wants(holes: Pool) -> None:
    """Both lock streams in one order: a round that waits for the first has not taken the last."""
    asked = Asked()
    rounds = repairer(holes, asked)
    rounds.run_round(NOW)
    lock = "SELECT 1 FROM message_streams WHERE vehicle_id = %s FOR UPDATE"
    with holes.connection() as batch:
        batch.execute(lock, (1,))
        thread = threading.Thread(target=rounds.run_round, args=(NOW + timedelta(seconds=5),))
        thread.start()
        _wait_for_lock(holes)
        batch.execute("SET LOCAL lock_timeout = '200ms'")
        for vehicle_id in range(2, STREAMS + 1):
            batch.execute(lock, (vehicle_id,))
    thread.join(20)
    assert not thread.is_alive()
    assert asked.messages.keys() == set("1234567")


def _wait_for_lock(pool: Pool) -> None:
    deadline = time.monotonic() + 20
    with pool.connection() as observer:
        observer.autocommit = True
        waiting = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        while observer.execute(waiting).fetchone() == (0,):
            assert time.monotonic() < deadline
            time.sleep(0.02)
