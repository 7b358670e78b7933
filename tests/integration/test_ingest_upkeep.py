"""What ingest does beside the stream: late registration, end of life, drained slots, numbers and health."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, LiteralString
from urllib.parse import unquote, urlsplit

import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from data.broker import find_mosquitto
from data.db import Pool
from data.embedded import EmbeddedBroker
from data.settings import Settings
from ingest.errors import SlotTaken
from ingest.intake import Intake
from ingest.messages import Delivery
from ingest.service import build_intake, run
from ingest.upkeep import Upkeep
from tests.installed import free_port
from tests.integration.small_fleet import add, register

VIN, LATE = "LANX0000000000001", "LANX0000000000009"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


@pytest.fixture
def fleet(pool: Pool) -> Pool:
    return register(pool, VIN)


@pytest.fixture
def intake(fleet: Pool) -> Intake:
    return build_intake(Settings(), fleet)


def ask(pool: Pool, query: LiteralString, *values: object) -> Any:
    with pool.connection() as connection:
        return connection.execute(query, values).fetchall()


def tele(vin: str, seq: int, **signals: Any) -> Delivery:
    said = {"v": 1, "boot": "b1", "seq": seq, "sent": NOW_MS, "hist": 0, "t": [NOW_MS - 1000], "s": signals}
    return Delivery(f"anxin/v1/demo/{vin}/up/tele", json.dumps(said).encode(), NOW_MS * 1000)


def feed(intake: Intake, *deliveries: Delivery) -> None:
    intake.store([intake.read(delivery) for delivery in deliveries])


def upkeep(pool: Pool) -> Upkeep:
    return Upkeep(
        Settings(),
        pool,
        build_intake(Settings(), pool),
        publish=lambda _topic, _payload: True,
        is_connected=lambda: True,
        stop=threading.Event(),
        rng=np.random.default_rng(1),
        clock=lambda: NOW,
    )


def test_what_a_vehicle_said_before_it_was_registered_is_stored_by_itself(
    fleet: Pool, intake: Intake
) -> None:
    feed(intake, tele(LATE, 0, speed=[7.0]))
    rounds = upkeep(fleet)
    rounds.run_round()
    assert ask(fleet, "SELECT reason FROM rejects") == [("unknown_vehicle",)]

    add(fleet, LATE)
    rounds.run_round()

    assert ask(fleet, "SELECT reason FROM rejects") == []
    assert ask(fleet, "SELECT speed FROM drive_readings") == [(7.0,)]
    assert rounds.counts.retried_messages == 1


def test_what_still_cannot_be_read_tells_todays_reason_and_is_not_tried_for_ever(
    fleet: Pool, intake: Intake
) -> None:
    broken = Delivery(f"anxin/v1/demo/{LATE}/up/tele", b"{", NOW_MS * 1000)
    feed(intake, broken, tele(LATE, 1, speed=[7.0]))
    add(fleet, LATE)
    rounds = upkeep(fleet)

    rounds.run_round()

    assert ask(fleet, "SELECT reason, is_retryable FROM rejects ORDER BY reject_id") == [("malformed", False)]
    assert ask(fleet, "SELECT speed FROM drive_readings") == [(7.0,)]


def test_nothing_is_taken_from_a_retired_vehicle_until_it_is_back(fleet: Pool, intake: Intake) -> None:
    feed(intake, tele(VIN, 0, speed=[1.0]))
    with fleet.connection() as connection:
        connection.execute("UPDATE vehicles SET retired_at = now()")
    intake.refresh()

    feed(intake, tele(VIN, 1, soc=[50.0]))

    assert ask(fleet, "SELECT reason, is_retryable FROM rejects") == [("retired_vehicle", True)]
    assert ask(fleet, "SELECT speed, soc FROM drive_readings") == [(1.0, None)]
    rounds = upkeep(fleet)
    rounds.run_round()
    assert rounds.counts.retried_messages == 0
    with fleet.connection() as connection:
        connection.execute("UPDATE vehicles SET retired_at = NULL")
    rounds.run_round()
    assert ask(fleet, "SELECT speed, soc FROM drive_readings") == [(1.0, 50.0)]


def test_messages_of_one_vehicle_over_two_processes_in_any_order_give_the_same_tables(fleet: Pool) -> None:
    """A broker that does not hash by client gives no order at all between members of a group.

    The newest message tells all its family's signals: of one that tells only some, the page may show an older
    value of the others.
    """
    messages = [
        tele(VIN, seq, **{name: [float(seq)] for name in ("speed", "soc")[: 1 + seq % 2]})
        for seq in range(40)
    ]
    for seq, message in enumerate(messages):
        said = json.loads(message.payload) | {"t": [NOW_MS - 100_000 + seq // 2 * 1000]}
        if seq % 2:
            said["s"].pop("speed")
        message.payload = json.dumps(said).encode()
    messages.append(tele(VIN, 40, speed=[77.0], soc=[78.0]))
    tables = []
    for seed in (None, 1, 2, 3):
        with fleet.connection() as connection:
            for table in ("drive_readings", "vehicle_latest", "message_streams", "rejects"):
                connection.execute(f"TRUNCATE {table}")  # type: ignore[arg-type]
        rng = np.random.default_rng(seed)
        order = list(range(41)) if seed is None else rng.permutation(41).tolist()
        processes = [build_intake(Settings(ingest_slot=str(n)), fleet) for n in (0, 1)]
        sizes = [41] if seed is None else rng.integers(1, 6, 40).tolist()
        at = 0
        for number, size in enumerate(sizes):
            if batch := [messages[i] for i in order[at : at + size]]:
                feed(processes[number % 2], *batch)
            at += size
        tables.append(
            (  # all but what tells of the way: counts of batches, times of arrival
                ask(fleet, "SELECT vehicle_id, time, speed, soc FROM drive_readings ORDER BY time"),
                ask(fleet, "SELECT vehicle_id, family, time, is_hist, readings FROM vehicle_latest"),
                ask(
                    fleet,
                    "SELECT boot, high, missing::text, received_count, duplicate_count, first_time, last_time"
                    " FROM message_streams",
                ),
                ask(fleet, "SELECT count(*) FROM rejects"),
            )
        )

    assert len(tables[0][0]) == 21
    assert all(row[2] is not None and row[3] is not None for row in tables[0][0])
    for rows_of_table in zip(*tables, strict=True):
        assert rows_of_table[1:] == rows_of_table[:1] * 3


# ------------------------------------------------------------------ with a broker


@contextmanager
def serving(settings: Settings, **options: Any) -> Iterator[threading.Thread]:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(settings,), kwargs={"stop": stop, **options})
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(timeout=20)


def eventually(condition: Callable[[], bool], *, within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


@contextmanager
def publisher(url: str) -> Iterator[mqtt.Client]:
    parts = urlsplit(url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
    client.connect(parts.hostname or "", parts.port or 1883)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def send(client: mqtt.Client, seqs: range) -> None:
    now_ms = int(time.time() * 1000)
    for seq in seqs:
        said = {"v": 1, "boot": "b1", "seq": seq, "sent": now_ms, "hist": 0}
        said |= {"t": [now_ms - 60_000 + seq * 100], "s": {"speed": [float(seq)]}}
        client.publish(f"anxin/v1/demo/{VIN}/up/tele", json.dumps(said).encode(), qos=1).wait_for_publish(10)


@pytest.mark.chaos  # ten seconds with each broker
def test_a_drained_slot_leaves_nothing_behind(
    fleet: Pool, any_broker: EmbeddedBroker, database_url: str
) -> None:
    share = "" if any_broker.kind == "amqtt" else "ingest"
    settings = Settings(
        database_url=database_url,
        mqtt_url=any_broker.url("ingest"),
        ingest_slot="old",
        ingest_share=share,
        metrics_port=free_port(),
    )
    with publisher(any_broker.url("simulator")) as car:
        with serving(settings):
            eventually(lambda: get(settings.metrics_port, "/health/ready")[0] == 200)
            send(car, range(5))
            eventually(lambda: ask(fleet, "SELECT count(*) FROM drive_readings") == [(5,)])
            with pytest.raises(SlotTaken, match="'old': process"):
                run(settings, stop=threading.Event(), is_draining=True)
            assert get(settings.metrics_port, "/health/live")[0] == 200
            text = get(settings.metrics_port, "/metrics")[1]
        assert "anxin_ingest_messages_total 5.0" in text
        assert 'anxin_ingest_rows_total{family="drive"} 5.0' in text
        assert ask(fleet, "SELECT client_id FROM broker_sessions") == [("anxin-ingest-old",)]
        send(car, range(5, 10))  # nobody serves: the broker keeps them for the slot

        with serving(settings, is_draining=True) as draining:
            draining.join(timeout=30)
            assert not draining.is_alive()
        kept = 10 if any_broker.kind == "mosquitto" else 5  # amqtt keeps nothing for who is away
        assert ask(fleet, "SELECT count(*) FROM drive_readings")[0][0] >= kept
        assert ask(fleet, "SELECT client_id FROM broker_sessions") == []

        stored = ask(fleet, "SELECT count(*) FROM drive_readings")
        send(car, range(10, 15))  # for nobody: the session is gone
        with serving(replace(settings, ingest_slot="old")):
            eventually(lambda: get(settings.metrics_port, "/health/ready")[0] == 200)
            time.sleep(0.5)
            assert ask(fleet, "SELECT count(*) FROM drive_readings") == stored


@pytest.mark.chaos
@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_two_processes_with_one_slot_do_not_fight_in_silence(
    fleet: Pool, server_home: Any, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with EmbeddedBroker(server_home / "broker-slots", kind="mosquitto") as broker:
        first = Settings(
            database_url=database_url,
            mqtt_url=broker.url("ingest"),
            ingest_slot="x",
            metrics_port=free_port(),
        )
        second = replace(first, metrics_port=free_port())
        with serving(first):
            eventually(lambda: get(first.metrics_port, "/health/ready")[0] == 200)
            with serving(second):
                eventually(lambda: takeovers(first) + takeovers(second) > 0)
                assert get(first.metrics_port, "/health/live")[0] == 200
                time.sleep(3.0)
    told = "".join(capsys.readouterr())
    assert "session taken over" in told
    assert told.count("broker connected") <= 10  # they back off


def takeovers(settings: Settings) -> float:
    found = re.search(r"^anxin_ingest_takeovers_total (\S+)", get(settings.metrics_port, "/metrics")[1], re.M)
    return float(found[1]) if found else 0.0
