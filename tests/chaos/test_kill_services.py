"""Services killed at random under load lose nothing and make nothing twice.

The vehicles here are the test's own: they number their messages, keep them, answer requests to send again,
and know afterwards what must be in the database. One of them loses the air of a tire on the way.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import paho.mqtt.client as mqtt
import psycopg
import pytest

from data.broker import find_mosquitto
from data.reference import VehicleRegistration, register_vehicles
from data.reference_rows import read_reference

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(420)]

KILLED = ("ingest", "watch", "score", "route", "notify")
VEHICLES, SECONDS, SAMPLES = 20, 60, 10
LEAK_FROM, LEAK_KPA_PER_S = 15, 4.0
BOOT = "chaos"


@dataclass
class Vehicle:
    """What one vehicle has sent, by sequence number, and what it was told."""

    vin: str
    is_leaking: bool
    next_seq: int = 0
    sent: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    speed_at: dict[int, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass
class Running:
    """An ``anxin up`` of this test alone."""

    process: subprocess.Popen[bytes]
    home: Path

    def state(self) -> dict[str, Any]:
        """Return what the installation says of itself."""
        loaded: dict[str, Any] = json.loads((self.home / "run.json").read_text("utf-8"))
        return loaded

    def kill(self, service: str) -> bool:
        """Kill a service if it runs just now; tell whether it did."""
        pid = self.state()["services"].get(service)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def logs(self) -> str:
        """Return the end of every service's log."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text('utf-8', errors='replace')[-1500:]}"
            for path in sorted((self.home / "logs").glob("*.log"))
        )


@pytest.fixture(params=["mosquitto", "amqtt"])
def running(request: pytest.FixtureRequest, server_home: Path) -> Iterator[Running]:
    if request.param == "mosquitto" and find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    home = server_home / f"up-{request.param}"
    home.mkdir()
    environ = {k: v for k, v in os.environ.items() if not k.startswith("ANXIN_")} | {
        "ANXIN_BROKER": request.param,
        "ANXIN_REPAIR_INTERVAL_S": "0.5",
        "ANXIN_SCORE_EVERY_S": "1",
    }
    command = [
        str(Path(sys.executable).with_name("anxin")),
        "up",
        "--home",
        str(home),
        "--port",
        str(_free_port()),
    ]
    with (home / "up.log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    started = Running(process, home)
    try:
        _until(lambda: (home / "run.json").exists() or process.poll() is not None, 60)
        assert process.poll() is None, (home / "up.log").read_text("utf-8")
        yield started
    finally:
        process.terminate()
        process.wait(40)


class Fleet:
    """Vehicles on one connection; every message is kept until the end."""

    def __init__(self, url: str, vehicles: list[Vehicle]) -> None:
        parts, is_connected = urlsplit(url), threading.Event()
        self.vehicles = {vehicle.vin: vehicle for vehicle in vehicles}
        self._lock = threading.RLock()
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id="chaos-fleet",
            protocol=mqtt.MQTTv311,
            clean_session=False,
        )
        self._client.username_pw_set(parts.username or "", parts.password)
        self._client.max_queued_messages_set(0)
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: (
            client.subscribe("anxin/v1/demo/+/down/#", qos=1),
            is_connected.set(),
        )
        self._client.connect("127.0.0.1", parts.port or 1883)
        self._client.loop_start()
        assert is_connected.wait(10)

    def close(self) -> None:
        """End the connection."""
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, vehicle: Vehicle, kind: str, body: dict[str, Any]) -> None:
        """Publish a numbered message and keep it."""
        with self._lock:
            envelope = {"v": 1, "boot": BOOT, "seq": vehicle.next_seq, "sent": _now_ms(), "hist": 0}
            message = {**envelope, "origin": "simulated", **body}
            vehicle.sent[vehicle.next_seq] = (kind, message)
            vehicle.next_seq += 1
        self._publish(vehicle, kind, message)

    def send_second(self, vehicle: Vehicle, second: int, from_ms: int) -> None:
        """Publish one second of readings, ``SAMPLES`` of them."""
        times = [from_ms + second * 1000 + n * (1000 // SAMPLES) for n in range(SAMPLES)]
        speeds = [40.0 + (second * SAMPLES + n) % 500 / 16 for n in range(SAMPLES)]
        lost = max(0.0, second - LEAK_FROM) * LEAK_KPA_PER_S if vehicle.is_leaking else 0.0
        tires = [[max(20.0, 250.0 - lost), 250.0, 250.0, 250.0]] * SAMPLES
        vehicle.speed_at |= dict(zip(times, speeds, strict=True))
        self.send(vehicle, "tele", {"t": times, "s": {"speed": speeds, "tire.pressure": tires}})

    def say_status(self) -> None:
        """Publish the retained status with the number of the last message."""
        for vehicle in self.vehicles.values():
            status = {"v": 1, "boot": BOOT, "online": True, "seq": vehicle.next_seq - 1}
            self._client.publish(
                f"anxin/v1/demo/{vehicle.vin}/up/status", json.dumps(status), qos=1, retain=True
            )

    def _publish(self, vehicle: Vehicle, kind: str, message: dict[str, Any]) -> None:
        self._client.publish(f"anxin/v1/demo/{vehicle.vin}/up/{kind}", json.dumps(message), qos=1)

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        parts, body = message.topic.split("/"), json.loads(message.payload)
        vehicle = self.vehicles[parts[3]]
        if parts[5] == "resend":
            with self._lock:
                again = [
                    vehicle.sent[seq]
                    for low, high in body["ranges"]
                    for seq in range(low, high + 1)
                    if seq in vehicle.sent and body["boot"] == BOOT
                ]
            for kind, kept in again:
                self._publish(vehicle, kind, kept | {"hist": 1, "sent": _now_ms()})
        elif parts[5] == "warning" and body["warning_id"] not in vehicle.warnings:
            vehicle.warnings.append(body["warning_id"])
            receipt = {
                "kind": "warning_receipt",
                "t": _now_ms(),
                "level": 0,
                "data": {"warning_id": body["warning_id"]},
            }
            self.send(vehicle, "event", receipt)


def test_kills_at_random_lose_nothing_and_double_nothing(running: Running) -> None:
    state, chance = running.state(), random.Random(20)  # noqa: S311 - which process dies is no secret
    vehicles = [Vehicle(f"LSVAC{n:012d}", is_leaking=n == 0) for n in range(VEHICLES)]
    ids = _register(state["database_url"], vehicles)
    fleet = Fleet(state["mqtt_urls"]["simulator"], vehicles)
    kills = dict.fromkeys(KILLED, 0)
    try:
        began, from_ms = time.monotonic(), _now_ms()
        for vehicle in vehicles:
            body = {"model": _model_id(), "firmware": "1", "tz": "Asia/Shanghai"}
            fleet.send(vehicle, "birth", body)
        for second in range(SECONDS):
            for vehicle in vehicles:
                fleet.send_second(vehicle, second, from_ms)
            time.sleep(max(0.0, began + second + chance.uniform(0.6, 1.0) - time.monotonic()))
            service = min(chance.sample(KILLED, len(KILLED)), key=kills.__getitem__)
            if second % 3 == 2 and second < SECONDS - 5:
                kills[service] += running.kill(service)

        def is_complete() -> bool:
            fleet.say_status()
            return _is_complete(state["database_url"], fleet, ids)

        try:
            _until(is_complete, 150, pause_s=2.0)
        except AssertionError as error:
            raise AssertionError(f"{_summary(state['database_url'])}\n{running.logs()}") from error
    finally:
        fleet.close()

    assert min(kills.values()) >= 2, kills
    _check_rows(state["database_url"], fleet, ids)
    _check_service_side(state["database_url"], fleet, ids)


def _check_rows(url: str, fleet: Fleet, ids: dict[str, int]) -> None:
    """Every reading is stored once, with its value, and every message accounted for."""
    with psycopg.connect(url) as connection:
        for vin, vehicle in fleet.vehicles.items():
            rows = connection.execute(
                "SELECT (extract(epoch FROM time) * 1000)::bigint, speed FROM drive_readings"
                " WHERE vehicle_id = %s AND speed IS NOT NULL ORDER BY time",
                (ids[vin],),
            ).fetchall()
            assert [int(row[0]) for row in rows] == sorted(vehicle.speed_at), vin
            stored = np.array([row[1] for row in rows])
            expected = np.array([vehicle.speed_at[t] for t in sorted(vehicle.speed_at)])
            np.testing.assert_array_equal(stored, expected)
            stream = connection.execute(
                "SELECT high, missing::text, given_up::text, received_count FROM message_streams"
                " WHERE vehicle_id = %s AND boot = %s",
                (ids[vin], BOOT),
            ).fetchone()
            assert stream == (vehicle.next_seq - 1, "{}", "{}", vehicle.next_seq), vin
        assert connection.execute("SELECT count(*) FROM rejects").fetchone() == (0,)


def _check_service_side(url: str, fleet: Fleet, ids: dict[str, int]) -> None:
    """The flat tire became one alert, one order, its warnings each told and received; nothing else did."""
    leaking = next(v for v in fleet.vehicles.values() if v.is_leaking)
    with psycopg.connect(url) as connection:
        alerts = connection.execute(
            "SELECT vehicle_id, component FROM alerts WHERE state <> 'pending'"
        ).fetchall()
        orders = connection.execute("SELECT vehicle_id, component FROM repair_orders").fetchall()
        warnings = {
            str(row[0])
            for row in connection.execute(
                "SELECT warning_id FROM warnings WHERE vehicle_id = %s", (ids[leaking.vin],)
            )
        }
        unsent = connection.execute(
            "SELECT count(*) FROM deliveries WHERE channel = 'mqtt' AND state NOT IN ('sent', 'received')"
        ).fetchone()
        twice = connection.execute(
            "SELECT order_id, to_state FROM order_events GROUP BY 1, 2 HAVING count(*) > 1"
        ).fetchall()
        booked = connection.execute(
            "SELECT count(*) FROM bookings WHERE state IN ('held', 'booked')"
        ).fetchone()
    assert set(alerts) == {(ids[leaking.vin], "tire front-left")}
    assert orders == [(ids[leaking.vin], "tire front-left")]
    assert booked is not None
    assert booked[0] <= 1
    assert warnings
    assert set(leaking.warnings) == warnings
    assert unsent == (0,)
    assert twice == []


def _is_complete(url: str, fleet: Fleet, ids: dict[str, int]) -> bool:
    with psycopg.connect(url) as connection:
        streams = dict(
            connection.execute(
                "SELECT vehicle_id, high FROM message_streams WHERE boot = %s AND missing = '{}'", (BOOT,)
            ).fetchall()
        )
        pending = connection.execute(
            "SELECT (SELECT count(*) FROM deliveries WHERE channel = 'mqtt' AND state <> 'received'),"
            " (SELECT count(*) FROM predictions WHERE routed_at IS NULL),"
            " (SELECT count(*) FROM repair_orders)"
        ).fetchone()
    is_stored = all(streams.get(ids[vin]) == v.next_seq - 1 for vin, v in fleet.vehicles.items())
    return is_stored and pending is not None and pending[:2] == (0, 0) and pending[2] > 0


def _summary(url: str) -> str:
    with psycopg.connect(url) as connection:
        lines = []
        for table in (
            "drive_readings",
            "message_streams",
            "predictions",
            "vehicle_scores",
            "alerts",
            "repair_orders",
        ):
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[arg-type] # noqa: S608
            lines.append(f"{table}: {row and row[0]}")
        gaps = connection.execute(
            "SELECT vehicle_id, high, missing::text FROM message_streams WHERE missing <> '{}'"
        )
        lines.append(f"gaps: {gaps.fetchall()}")
        found = connection.execute("SELECT reason, detail FROM rejects LIMIT 5")
        lines.append(f"rejects: {found.fetchall()}")
        states = connection.execute("SELECT channel, state, last_error FROM deliveries LIMIT 10")
        lines.append(f"deliveries: {states.fetchall()}")
    return "\n".join(lines)


def _register(url: str, vehicles: list[Vehicle]) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        return register_vehicles(
            connection,
            tenant="demo",
            vehicles=[
                VehicleRegistration(
                    vin=v.vin,
                    model_id=_model_id(),
                    owner_name=uuid.uuid4().hex,
                    home_lat=31.22,
                    home_lon=121.54,
                )
                for v in vehicles
            ],
        )


def _model_id() -> str:
    return next(str(model.model_id) for model in read_reference().models if len(model.wheels) == 4)


def _until(is_done: Callable[[], bool], timeout_s: float, *, pause_s: float = 0.1) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_done():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(pause_s)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
