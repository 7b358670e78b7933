"""A few vehicles of the test's own on one connection; one of them loses the air of a tire on the way."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import psycopg

from data.reference import NEVER_QUIET, VehicleRegistration, register_vehicles
from data.reference_rows import read_reference
from tests.chaos.installation import now_ms

BOOT = "chaos"
#: The watch rule lets a vehicle settle and keeps one reading in 20 s: the past comes from its store.
PAST_S, LEAK_FROM_S, LEAK_KPA_PER_S, SAMPLES = 300, 8, 1.5, 10


@dataclass
class Vehicle:
    """What one vehicle has sent, by sequence number, and what it was told."""

    vin: str
    is_leaking: bool
    next_seq: int = 0
    sent: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    speed_at: dict[int, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class LiveVehicles:
    """Number messages, keep them, answer requests to send again, and know afterwards what was sent."""

    def __init__(self, url: str, database_url: str, count: int) -> None:
        vehicles = [Vehicle(f"LSVAC{n:012d}", is_leaking=n == 0) for n in range(count)]
        self.vehicles = {vehicle.vin: vehicle for vehicle in vehicles}
        self.ids = _register(database_url, vehicles)
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._drive, name="live-vehicles", daemon=True)
        parts, is_connected = urlsplit(url), threading.Event()
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

    def start(self) -> None:
        """Begin to drive."""
        self._thread.start()

    def fall_silent(self) -> None:
        """Say nothing new; go on answering."""
        self._ended.set()
        self._thread.join()

    def close(self) -> None:
        """End the connection."""
        self._ended.set()
        self._client.disconnect()
        self._client.loop_stop()

    def say_status(self) -> None:
        """Publish the retained status with the number of the last message."""
        for vehicle in self.vehicles.values():
            status = {"v": 1, "boot": BOOT, "online": True, "seq": vehicle.next_seq - 1}
            self._client.publish(
                f"anxin/v1/demo/{vehicle.vin}/up/status", json.dumps(status), qos=1, retain=True
            )

    def _drive(self) -> None:
        began, from_ms = time.monotonic(), now_ms()
        for vehicle in self.vehicles.values():
            self._send(vehicle, "birth", {"model": _model_id(), "firmware": "1", "tz": "Asia/Shanghai"})
            self._send_readings(vehicle, list(range(from_ms - PAST_S * 1000, from_ms, 5000)), from_ms, hist=1)
        second = 0
        while not self._ended.is_set():
            times = [from_ms + second * 1000 + n * (1000 // SAMPLES) for n in range(SAMPLES)]
            for vehicle in self.vehicles.values():
                self._send_readings(vehicle, times, from_ms, hist=0)
            second += 1
            self._ended.wait(max(0.0, began + second - time.monotonic()))

    def _send_readings(self, vehicle: Vehicle, times: list[int], from_ms: int, *, hist: int) -> None:
        speeds = [40.0 + t // 100 % 500 / 16 for t in times]
        leaking_s = [max(0.0, (t - from_ms) / 1000 - LEAK_FROM_S) * vehicle.is_leaking for t in times]
        tires = [[max(60.0, 250.0 - LEAK_KPA_PER_S * s), 250.0, 250.0, 250.0] for s in leaking_s]
        vehicle.speed_at |= dict(zip(times, speeds, strict=True))
        self._send(
            vehicle, "tele", {"hist": hist, "t": times, "s": {"speed": speeds, "tire.pressure": tires}}
        )

    def _send(self, vehicle: Vehicle, kind: str, body: dict[str, Any]) -> None:
        with self._lock:
            envelope = {"v": 1, "boot": BOOT, "seq": vehicle.next_seq, "sent": now_ms(), "hist": 0}
            message = {**envelope, "origin": "simulated", **body}
            vehicle.sent[vehicle.next_seq] = (kind, message)
            vehicle.next_seq += 1
        self._publish(vehicle, kind, message)

    def _publish(self, vehicle: Vehicle, kind: str, message: dict[str, Any]) -> None:
        self._client.publish(f"anxin/v1/demo/{vehicle.vin}/up/{kind}", json.dumps(message), qos=1)

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        parts, body = message.topic.split("/"), json.loads(message.payload)
        vehicle = self.vehicles.get(parts[3])
        if vehicle is None:
            return
        if parts[5] == "resend":
            with self._lock:
                again = [
                    vehicle.sent[seq]
                    for low, high in body["ranges"]
                    for seq in range(low, high + 1)
                    if seq in vehicle.sent and body["boot"] == BOOT
                ]
            for kind, kept in again:
                self._publish(vehicle, kind, kept | {"hist": 1, "sent": now_ms()})
        elif parts[5] == "warning" and body["warning_id"] not in vehicle.warnings:
            vehicle.warnings.append(body["warning_id"])
            receipt = {
                "kind": "warning_receipt",
                "t": now_ms(),
                "level": 0,
                "data": {"warning_id": body["warning_id"]},
            }
            self._send(vehicle, "event", receipt)


def _register(url: str, vehicles: list[Vehicle]) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        return register_vehicles(
            connection,
            tenant="demo",
            vehicles=[
                VehicleRegistration(
                    vin=v.vin,
                    model_id=_model_id(),
                    owner_name=f"owner of {v.vin}",
                    home_lat=31.22,
                    home_lon=121.54,
                    quiet=NEVER_QUIET,
                )
                for v in vehicles
            ],
        )


def _model_id() -> str:
    return next(str(model.model_id) for model in read_reference().models if len(model.wheels) == 4)
