"""Thousands of terminals at one gateway: frames a second until each is answered, and its memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
import psutil
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from data.db import Pool
from data.embedded import EmbeddedBroker
from simulators import encode_gbt_frames as frames
from simulators.encode_gbt_blocks import Pack, cell_block, position_block, probe_block, vehicle_block
from simulators.gbt_fleet import GbtFleet
from simulators.gbt_vehicle import GbtVehicle

pytestmark = pytest.mark.benchmark

VEHICLES = int(os.environ.get("ANXIN_TEST_GATEWAY_VEHICLES", "2000"))
FRAMES_EACH = 20
START_US = 1_768_437_000_000_000


def vin(i: int) -> str:
    return f"LANX{i:013d}"


def frame_body() -> list[bytes]:
    """A passenger car: 96 cells, 32 probes."""
    return [
        vehicle_block("2016", speed_kmh=60.0, odometer_km=12_345.6, voltage_v=355.2, soc_percent=70),
        position_block("2016", latitude=31.2304, longitude=121.4737),
        cell_block("2016", [Pack(number=1, voltage_v=355.2, current_a=12.0, cells_v=[3.7] * 96)]),
        probe_block("2016", {1: [25.0] * 32}),
    ]


@pytest.fixture
def registered(pool: Pool) -> Pool:
    with pool.connection() as connection:
        connection.execute("INSERT INTO tenants (name) VALUES ('demo')")
        connection.execute(
            "INSERT INTO vehicle_models (model_id, name, chemistry, cell_count, probe_count, capacity_ah,"
            " energy_kwh, wheels, placard_kpa) VALUES ('small', 'Small', 'NCM', 96, 32, 100, 40,"
            " '{front-left,front-right,rear-left,rear-right}', '{250,250,250,250}')"
        )
        connection.cursor().executemany(
            "INSERT INTO vehicles (tenant_id, vin, model_id) VALUES (1, %s, 'small')",
            [(vin(i),) for i in range(VEHICLES)],
        )
    return pool


def test_thousands_of_terminals_are_served_with_bounded_memory(
    registered: Pool, database_url: str, server_home: Path
) -> None:
    body = frame_body()
    vehicles = [GbtVehicle(vin=vin(i), resend_s=120.0) for i in range(VEHICLES)]
    for vehicle in vehicles:
        for n in range(FRAMES_EACH):
            vehicle.add(frames.data_frame(vehicle.vin, START_US + n * 1_000_000, body))
    size = len(vehicles[0].waiting[0])
    with EmbeddedBroker(server_home / f"load-{os.getpid()}") as broker:
        counted = [0]
        listener = listen(broker.url("ingest"), counted)
        port = 20_000 + os.getpid() % 20_000
        environ = {
            **os.environ,
            "ANXIN_DATABASE_URL": database_url,
            "ANXIN_MQTT_URL": broker.url("gateway"),
            "ANXIN_GATEWAY_PORT": str(port),
        }
        process = subprocess.Popen([sys.executable, "-m", "anxin", "gateway"], env=environ)
        try:
            gateway = psutil.Process(process.pid)
            fleet = GbtFleet("127.0.0.1", port, vehicles, now_us=lambda: int(time.time() * 1e6))
            wait_listening(port)
            idle_mb = gateway.memory_info().rss / 1e6
            cpu_before, began = gateway.cpu_times(), time.monotonic()
            fleet.start()
            peak_mb, logged_in_s = idle_mb, 0.0
            while not fleet.drain(0.2):
                assert time.monotonic() - began < 240
                peak_mb = max(peak_mb, gateway.memory_info().rss / 1e6)
                if not logged_in_s and fleet.counters.logins >= VEHICLES:
                    logged_in_s = time.monotonic() - began
            took_s = time.monotonic() - began
            cpu = gateway.cpu_times()
            cpu_s = cpu.user + cpu.system - cpu_before.user - cpu_before.system
            open_count = gateway.num_fds()
            fleet.stop(is_polite=False)
        finally:
            process.terminate()
            process.wait(20)
        listener.disconnect()
        listener.loop_stop()
    total = VEHICLES * FRAMES_EACH
    sys.stdout.write(
        json.dumps(
            {
                "vehicles": VEHICLES,
                "frames": total,
                "frame_bytes": size,
                "frames_per_s": round(total / took_s),
                "frames_per_cpu_s": round((total + VEHICLES) / cpu_s),
                "seconds": round(took_s, 2),
                "all_logged_in_s": round(logged_in_s, 2),
                "idle_mb": round(idle_mb, 1),
                "peak_mb": round(peak_mb, 1),
                "open_files": open_count,
                "repeated": fleet.counters.repeated,
                "cores": os.cpu_count(),
            }
        )
        + "\n"
    )

    assert fleet.counters.confirmed == total
    assert counted[0] >= total
    assert peak_mb < 400


def listen(url: str, counted: list[int]) -> mqtt.Client:
    parts = urlsplit(url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
    ready = threading.Event()

    def count(*_: object) -> None:
        counted[0] += 1

    client.on_connect = lambda c, *_: c.subscribe("anxin/v1/+/+/up/gbt32960", qos=0)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = count
    client.connect(parts.hostname or "", parts.port or 1883)
    client.loop_start()
    assert ready.wait(10)
    return client


def wait_listening(port: int) -> None:
    deadline = time.monotonic() + 30
    while not any(c.laddr.port == port for c in psutil.net_connections("tcp") if c.status == "LISTEN"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
