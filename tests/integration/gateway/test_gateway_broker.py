"""Nothing is confirmed that the broker has not taken, and nothing is lost when it goes."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.db import Pool, connect
from data.embedded import EmbeddedBroker
from simulators import encode_gbt_frames as frames
from simulators.gbt_fleet import GbtFleet
from simulators.gbt_vehicle import Answer, GbtVehicle, late
from tests.integration.gateway.steps import (
    ICCID,
    SECOND,
    START_US,
    VIN,
    Heard,
    eventually,
    ingesting,
    kill_broker,
    login,
    readings,
    serving,
    settings_for,
)


def test_what_is_under_way_at_the_end_is_still_answered(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    with serving(settings_for(database_url, broker)) as port:
        car = dial(port)
        assert car.mark(login()) == 1
        car.say(*[readings(i) for i in range(20)])
        assert car.hear() is not None
    answered = 1 + sum(car.hear() is not None for _ in range(20))

    assert answered >= 20
    assert car.is_closed()


@pytest.mark.chaos
def test_without_a_broker_readings_wait_unanswered_and_heartbeats_do_not(
    fleet: Pool, database_url: str, any_broker: EmbeddedBroker, dial: Any
) -> None:
    listener = Heard(any_broker.url("ingest"))
    with serving(settings_for(database_url, any_broker)) as port:
        car = dial(port)
        assert car.mark(login()) == 1
        kill_broker(any_broker)
        time.sleep(0.5)
        assert car.mark(frames.heartbeat_frame(VIN)) == 1
        assert car.mark(readings(0), within_s=1.0) is None
        any_broker.ensure_running()
        answer = car.hear(within_s=30.0)
    listener.close()

    assert answer == Answer(2, 1, readings(0)[24:30])


@pytest.mark.chaos
def test_a_broker_killed_again_and_again_costs_no_frame_and_doubles_none(
    fleet: Pool, database_url: str, server_home: Path
) -> None:
    odd = frames.data_frame(VIN, START_US, [b"\x44\x01\x02"])
    vehicles = [GbtVehicle(vin=vin, iccid=ICCID, resend_s=2.0) for vin in (VIN, SECOND)]
    count = 400
    with EmbeddedBroker(server_home / f"gateway-{os.getpid()}-{time.monotonic_ns()}") as broker:
        settings = settings_for(database_url, broker)
        listening = replace(settings, mqtt_url=broker.url("ingest"))
        with ingesting(listening), serving(settings) as port:
            cars = GbtFleet("127.0.0.1", port, vehicles, now_us=lambda: int(time.time() * 1e6))
            cars.start()
            assert cars.wait_logged_in(20)
            for i in range(count):
                for vehicle in vehicles:
                    cars.submit(vehicle.vin, readings(i, vehicle.vin))
                if i % 200 == 100:
                    kill_broker(broker)
                    broker.ensure_running()
                time.sleep(0.005)
            cars.submit(VIN, odd)
            assert cars.drain(60)
            confirmed = cars.counters.confirmed
            cars.stop()
            with connect(database_url, is_autocommit=True) as connection:

                def ask(query: str) -> list[tuple[Any, ...]]:
                    return connection.execute(query).fetchall()  # type: ignore[arg-type]

                rows = "SELECT count(*), count(DISTINCT (vehicle_id, time)) FROM drive_readings"
                eventually(lambda: ask(rows) == [(2 * count, 2 * count)], what="every frame stored once")
                eventually(
                    lambda: (
                        ask("SELECT DISTINCT reason, payload FROM rejects")[:1]
                        in ([("unknown_block", odd)], [("unknown_block", late(odd))])
                    ),
                    what="the unreadable one is put aside",
                )

    assert confirmed == 2 * count + 1


def test_what_nobody_listens_to_is_kept_until_somebody_does(
    fleet: Pool, database_url: str, server_home: Path, dial: Any
) -> None:
    with EmbeddedBroker(server_home / f"unheard-{os.getpid()}", kind="auto") as broker:
        if broker.kind == "amqtt":
            pytest.skip("MQTT 3.1.1 does not tell that nobody listens")
        with serving(settings_for(database_url, broker)) as port:
            car = dial(port)
            assert car.mark(login(), within_s=0.5) is None
            assert car.mark(frames.heartbeat_frame(VIN)) == 1
            listener = Heard(broker.url("ingest"))
            assert car.hear(within_s=10.0) == Answer(1, 1, login()[24:30])
        listener.close()

    assert [payload for _, payload in listener.frames] == [login()]


def test_a_full_window_stops_reading_and_everything_is_answered_in_the_end(
    fleet: Pool, database_url: str, broker: Any, heard: Heard, dial: Any
) -> None:
    count = 1000
    with serving(settings_for(database_url, broker, gateway_window_messages=2)) as port:
        cars = [dial(port), dial(port)]
        assert [car.mark(login(vin)) for car, vin in zip(cars, (VIN, SECOND), strict=True)] == [1, 1]
        sender = threading.Thread(target=cars[0].say, args=[readings(i) for i in range(count)])
        sender.start()
        assert cars[1].mark(readings(0, SECOND)) == 1  # takes its turn
        answers = [cars[0].hear() for _ in range(count)]
        sender.join()

    assert [a and (a.mark, a.time) for a in answers] == [(1, readings(i)[24:30]) for i in range(count)]
