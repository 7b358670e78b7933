"""Two million readings while ingest, broker and database are killed thirty times: each is stored once.

The vehicles speak CBOR, JSON, CAN and GB/T 32960 of both editions at a steady rate; two ingest processes
share the subscription. What the broker had acknowledged when it was killed comes back by gap repair.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

import numpy as np
import psycopg
import pytest
import structlog

from data.broker import find_mosquitto
from tests.chaos.installation import until
from tests.chaos.servers import Servers, serving
from tests.chaos.steady_fleet import SteadyFleet, check_readings, count_complete

_log = structlog.get_logger("tests")
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(2400)]

#: A shorter run for whoever works on it; the figures that count are the defaults.
READINGS = int(os.environ.get("ANXIN_TEST_CHAOS_READINGS", "2000000"))
VEHICLES = 84
KILLS = {"a": 6, "b": 6, "broker": 9, "database": 9}
#: About a second of readings: 63 vehicles of 50 drive, 50 tires and 1 cells; 7 of 3; 14 of 2.
READINGS_PER_S = 63 * 101 + 7 * 3 + 14 * 2


def test_two_million_readings_survive_thirty_kills(server_home: Path) -> None:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    seed = int(os.environ.get("ANXIN_TEST_CHAOS_SEED", "20"))
    with serving(server_home / f"kills-{uuid.uuid4().hex[:8]}") as servers:
        for slot in ("a", "b"):
            servers.add_ingest(slot)
        fleet = SteadyFleet(
            servers.broker.url("simulator"), servers.database_url, VEHICLES, servers.home / "vehicles"
        )
        try:
            servers.wait_ready()
            fleet.start()
            kills = _kill_at_random(servers, fleet, np.random.default_rng(seed))
            until(lambda: _has_published(fleet), 900, what="all readings published: a machine too busy?")
            fleet.fall_silent()
            ended_s = time.monotonic()
            _wait_complete(servers, fleet)
            repaired_s = time.monotonic() - ended_s
        finally:
            fleet.close()

        assert kills == KILLS
        assert fleet.link.counters.published == VEHICLES * fleet.messages_per_car
        assert check_readings(servers.database_url, fleet) == fleet.reading_count >= READINGS
        with psycopg.connect(servers.database_url) as connection:
            gaps = connection.execute(
                "SELECT vehicle_id, boot FROM message_streams WHERE missing <> '{}' OR given_up <> '{}'"
            ).fetchall()
            refused = connection.execute("SELECT topic, reason, detail FROM rejects").fetchall()
            accounts = connection.execute(
                "SELECT sum(received_count), sum(duplicate_count), sum(repaired_count) FROM message_streams"
            ).fetchone()
        assert gaps == []
        assert refused == []
        assert accounts is not None
        assert accounts[0] == fleet.link.counters.published
        _log.info(
            "survived",
            seed=seed,
            readings=fleet.reading_count,
            messages=fleet.link.counters.published,
            kills=sum(kills.values()),
            duplicates=int(accounts[1]),
            repaired=int(accounts[2]),
            sent_again=fleet.link.counters.resent,
            whole_after_s=round(repaired_s),
        )


def _kill_at_random(servers: Servers, fleet: SteadyFleet, rng: np.random.Generator) -> dict[str, int]:
    """Kill in random order at random times, spread over the publishing; return who was killed how often."""
    victims = [name for name, count in KILLS.items() for _ in range(count)]
    rng.shuffle(victims)
    span_s = 0.97 * READINGS / READINGS_PER_S
    moments = np.sort(rng.uniform(3.0, span_s, len(victims)))
    done = dict.fromkeys(KILLS, 0)
    began = time.monotonic()
    for victim, moment in zip(victims, moments, strict=True):
        time.sleep(max(0.0, began + moment - time.monotonic()))
        fleet.check_alive()
        servers.kill_and_restart(victim, down_s=float(rng.uniform(0.0, 2.0)))
        done[victim] += 1
    return done


def _has_published(fleet: SteadyFleet) -> bool:
    fleet.check_alive()
    return fleet.reading_count >= READINGS


def _wait_complete(servers: Servers, fleet: SteadyFleet) -> None:
    """Wait until the server says of every vehicle that nothing is missing up to its last message."""
    try:
        until(
            lambda: count_complete(servers.database_url, fleet) == len(fleet.cars),
            300,
            pause_s=2.0,
            what="every message stored",
        )
    except AssertionError as error:
        with psycopg.connect(servers.database_url) as connection:
            streams = connection.execute(
                "SELECT vehicle_id, high, missing::text, given_up::text, received_count, resend_count,"
                " is_online FROM message_streams WHERE missing <> '{}' OR received_count <> %s",
                (fleet.messages_per_car,),
            ).fetchall()
        raise AssertionError(
            f"{error}: {streams[:10]} of {len(streams)}, wanted {fleet.messages_per_car}\n{servers.logs()}"
        ) from error
