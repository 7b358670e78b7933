"""Halves of transfers that come to different ingest processes, or in the wrong order, end as readings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from data.db import Pool
from data.settings import Settings
from ingest.cuts import join_cuts
from ingest.intake import Intake
from ingest.service import build_intake
from simulators.encode_transport import isotp_frames, j1939_frames
from tests.integration.test_ingest_transport import ANSWER, NOW, NOW_MS, delivery, intake, rows, store

__all__ = ["intake"]  # a fixture

DAY = timedelta(days=1)
LATER = datetime.fromtimestamp(NOW_MS / 1000, UTC) + timedelta(seconds=20)
FRAMES = isotp_frames(0x7EC, ANSWER)
HALVES = "SELECT is_rest, length(frames) / 21 FROM cut_transfers ORDER BY is_rest, last_time"


def other(pool: Pool) -> Intake:
    """Another ingest process: it has read nothing yet."""
    return build_intake(Settings(ingest_slot="other"), pool)


def join(pool: Pool, now: datetime = LATER, kept: timedelta = DAY) -> int:
    return join_cuts(pool, other(pool), now=now, kept=kept)


@pytest.mark.parametrize("first", [0, 1])
def test_two_processes_that_read_one_half_each_lose_nothing(intake: Intake, pool: Pool, first: int) -> None:
    halves = [delivery(1, FRAMES[:3], at_ms=0), delivery(2, FRAMES[3:], at_ms=3)]
    store(intake, halves[first])
    store(other(pool), halves[1 - first])
    assert rows(pool, HALVES) == [(False, 3), (True, len(FRAMES) - 3)]
    assert rows(pool, "SELECT * FROM drive_readings") == []

    assert join(pool) == 1

    assert rows(pool, "SELECT soc, round(pack_voltage::numeric, 1)::float FROM drive_readings") == [
        (83.5, 769.7)
    ]
    assert (rows(pool, HALVES), join(pool)) == ([], 0)
    assert rows(pool, "SELECT sum(message_count) FROM ingest_batches") == [(2,)]


def test_a_process_killed_between_two_messages_loses_nothing(intake: Intake, pool: Pool) -> None:
    last = delivery(2, FRAMES[3:], at_ms=3)
    store(intake, delivery(1, FRAMES[:3], at_ms=0))  # acknowledged, then the process is gone
    after = other(pool)
    store(after, last)
    store(after, last)  # delivered again: not acknowledged

    assert join(pool) == 1
    assert rows(pool, "SELECT soc FROM drive_readings") == [(83.5,)]


def test_a_transfer_over_three_messages_of_three_processes_is_whole(intake: Intake, pool: Pool) -> None:
    for seq, (begin, end) in enumerate(((0, 3), (3, 5), (5, len(FRAMES)))):
        store(other(pool), delivery(seq, FRAMES[begin:end], at_ms=begin))

    assert join(pool) == 2
    assert rows(pool, "SELECT soc FROM drive_readings") == [(83.5,)]
    assert rows(pool, HALVES) == []


def test_trouble_codes_told_once_survive_the_cut(intake: Intake, pool: Pool) -> None:
    dm1 = j1939_frames(65226, bytes.fromhex("04ff 2106 1f 05 13f0e3 01"), source=0x27)
    store(intake, delivery(1, dm1[:1], at_ms=0))
    store(other(pool), delivery(2, dm1[1:], at_ms=1))

    assert join(pool) == 1
    assert rows(pool, "SELECT code FROM trouble_codes ORDER BY 1") == [
        ("SPN1569-FMI31",),
        ("SPN520211-FMI3",),
    ]


def test_what_one_process_reads_in_order_waits_for_nobody(intake: Intake, pool: Pool) -> None:
    store(intake, delivery(1, FRAMES[:3], at_ms=0))
    assert rows(pool, HALVES) == [(False, 3)]
    store(intake, delivery(2, FRAMES[3:], at_ms=3), delivery(3, FRAMES[:2], at_ms=1500))
    store(intake, delivery(4, FRAMES[2:], at_ms=1502))

    assert rows(pool, HALVES) == []
    assert rows(pool, "SELECT count(*) FROM drive_readings") == [(2,)]


def test_halves_of_other_buses_and_other_times_are_left_alone(intake: Intake, pool: Pool) -> None:
    store(intake, delivery(1, FRAMES[:3], at_ms=0))
    store(other(pool), delivery(2, FRAMES[3:], at_ms=3, bus="body"), delivery(3, FRAMES[3:], at_ms=2000))

    assert join(pool) == 0
    assert len(rows(pool, HALVES)) == 3


def test_a_half_whose_other_never_comes_is_given_up_with_the_vehicles_store(
    intake: Intake, pool: Pool
) -> None:
    store(intake, delivery(1, FRAMES[:3], at_ms=0))

    assert join(pool, NOW + timedelta(days=6), kept=timedelta(days=7)) == 0
    assert len(rows(pool, HALVES)) == 1
    assert join(pool, NOW + timedelta(days=8), kept=timedelta(days=7)) == 0
    assert rows(pool, HALVES) == []


def test_only_the_newest_halves_of_a_bus_are_kept(intake: Intake, pool: Pool) -> None:
    for seq in range(130):
        store(intake, delivery(seq, FRAMES[:3], at_ms=2000 * seq))
    join(pool)

    assert rows(pool, "SELECT count(*) FROM cut_transfers") == [(128,)]


def test_a_vehicle_that_is_out_of_service_since_stops_nobody(intake: Intake, pool: Pool) -> None:
    store(intake, delivery(1, FRAMES[:3], at_ms=0))
    store(other(pool), delivery(2, FRAMES[3:], at_ms=3))
    with pool.connection() as connection:
        connection.execute("UPDATE vehicles SET retired_at = now()")

    assert join(pool) == 1
    assert (rows(pool, HALVES), rows(pool, "SELECT * FROM drive_readings")) == ([], [])
