"""OVMS, TeslaMate and JSON messages through a real broker into rows; what the checks found beside them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from data.broker import EmbeddedBroker
from data.db import Pool
from data.settings import Settings
from ingest.adapters.files import load_adapters
from ingest.service import retry_rejects
from tests.integration.small_fleet import register
from tests.integration.test_ingest_service import ask, eventually, serving

LEAF, MODEL3, BUS = (f"LANX000000000000{n}" for n in (1, 2, 3))
FILE = f"""
[[adapter]]
preset = "ovms"
tenant = "demo"
vehicles = {{ "alice/leaf" = "{LEAF}" }}

[[adapter]]
preset = "teslamate"
tenant = "demo"
vehicles = {{ "1" = "{MODEL3}" }}

[[adapter]]
name = "shuttle"
tenant = "demo"
topic = "fleet/{{id}}/state"
readings = "samples"
time = {{ path = "ts", format = "ms" }}
coordinates = "gcj02"
vehicles = {{ "bus-7" = "{BUS}" }}
[adapter.values]
"mph" = {{ alias = "speed", scale = 1.609344 }}
"lon" = {{ alias = "longitude" }}
"lat" = {{ alias = "latitude" }}
"kpa" = {{ alias = "tire.pressure" }}
"""


@dataclass
class World:
    pool: Pool
    settings: Settings
    sender: mqtt.Client

    def send(self, topic: str, payload: object, *, retain: bool = False) -> None:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        self.sender.publish(topic, text, qos=1, retain=retain).wait_for_publish(5)


@pytest.fixture(params=["mosquitto", "amqtt"])
def world(
    request: pytest.FixtureRequest, pool: Pool, database_url: str, server_home: Path, tmp_path: Path
) -> Iterator[World]:
    path = tmp_path / "adapters.toml"
    path.write_text(FILE, "utf-8")
    register(pool, LEAF, MODEL3)
    foreign = [pattern for adapter in load_adapters(str(path)) for pattern in adapter.filters]
    home = server_home / f"adapters-{request.param}"
    with EmbeddedBroker(home, kind=request.param, foreign=foreign) as broker:
        parts = urlsplit(broker.url("adapter"))
        sender = mqtt.Client(CallbackAPIVersion.VERSION2)
        sender.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
        sender.connect("127.0.0.1", parts.port or 1883)
        sender.loop_start()
        settings = Settings(
            database_url=database_url,
            mqtt_url=broker.url("ingest"),
            adapters=str(path),
            ingest_share="" if request.param == "amqtt" else "ingest",
        )
        yield World(pool, settings, sender)
        sender.disconnect()
        sender.loop_stop()


def test_what_owners_already_run_arrives_in_rows(world: World) -> None:
    pool, now_ms = world.pool, int(time.time() * 1000)
    world.send("ovms/alice/leaf/metric/v/b/soc", "99.5", retain=True)  # kept from some day
    with serving(world.settings):
        eventually(
            lambda: ask(pool, "SELECT count(*) FROM service_beats WHERE is_ready") == 1, what="ingest ready"
        )
        time.sleep(1.05 - time.time() % 1)  # the values of one second make one row
        for metric, value in (
            ("v/b/soc", "50.5"),
            ("v/b/current", "-23.5"),
            ("v/t/pressure", "207,216,276,0"),
        ):
            world.send(f"ovms/alice/leaf/metric/{metric}", value, retain=True)
        for wheel, bar in (("fl", "2.9"), ("fr", "2.8"), ("rl", "3.0"), ("rr", "3.1")):
            world.send(f"teslamate/cars/1/tpms_pressure_{wheel}", bar)
        samples = [
            {"ts": now_ms - 2000, "mph": 50, "lon": 116.404, "lat": 39.915, "kpa": [800, 2000, 810, 805]},
            {"ts": now_ms - 1000, "mph": None, "lon": 116.404},
        ]
        world.send("fleet/bus-7/state", {"samples": samples})
        world.send("teslamate/cars/1/odometer", "-5")  # found after the first batch: told at the end
        world.send("fleet/bus-8/state", {"samples": samples})
        eventually(lambda: ask(pool, "SELECT count(*) FROM rejects") == 2, what="rejects")
        eventually(lambda: ask(pool, "SELECT count(*) FROM tire_readings") == 2, what="tire rows")
        eventually(lambda: ask(pool, "SELECT count(*) FROM drive_readings") == 1, what="drive rows")

    assert ask(pool, "SELECT soc, pack_current FROM drive_readings") == (50.5, 23.5)
    found = "SELECT count FROM quality_counts WHERE signal = 'odometer' AND reason = 'range'"
    assert ask(pool, found) == 1
    stored = ask(
        pool,
        "SELECT array_agg(pressure ORDER BY vin) FROM tire_readings JOIN vehicles USING (vehicle_id)",
    )
    assert stored == [[207.0, 216.0, 276.0, 0.0], pytest.approx([290, 280, 300, 310])]
    assert (
        ask(pool, "SELECT array_agg(reason || ' ' || is_retryable) FROM rejects")
        == ["unknown_vehicle true"] * 2
    )

    with pool.connection() as connection:  # registered afterwards: nothing is lost
        connection.execute("INSERT INTO vehicles (tenant_id, vin, model_id) VALUES (1, %s, 'small')", (BUS,))
    assert retry_rejects(world.settings).stored == 1
    row = ask(
        pool,
        "SELECT speed, longitude, latitude FROM drive_readings JOIN vehicles USING (vehicle_id)"
        " WHERE vin LIKE '%3' AND speed IS NOT NULL",
    )
    assert row == pytest.approx((80.4672, 116.39776, 39.91360), abs=2e-5)
    found = ask(
        pool,
        "SELECT array_agg(DISTINCT signal || ' ' || element || ' ' || reason || ' ' || count)"
        " FROM quality_counts JOIN vehicles USING (vehicle_id) WHERE vin LIKE '%3'",
    )
    assert found == ["longitude 0 no_pair 1", "tire.pressure 2 range 1"]


def test_an_alarm_passes_every_filter(world: World, database_url: str) -> None:
    """A vehicle whose clock, tires and cells are all unbelievable still gets its alarm through."""
    from ingest.messages import Delivery
    from ingest.service import build_intake

    intake = build_intake(world.settings, world.pool)
    far = int(time.time() * 1000) + 90 * 86_400_000
    head = {"v": 1, "boot": "b", "sent": far, "hist": 0}
    tele = head | {"seq": 0, "t": [far], "s": {"tire.pressure": [[255] * 4], "cell.voltage": [[0, 0, 0, 0]]}}
    alarm = head | {"seq": 1, "t": far, "kind": "alarm", "level": 3, "data": {"code": "thermal"}}
    deliveries = [
        Delivery(f"anxin/v1/demo/{LEAF}/up/{kind}", json.dumps(body).encode(), time.time_ns() // 1000)
        for kind, body in (("tele", tele), ("event", alarm))
    ]

    intake.store_prepared(intake.prepare(intake.read_all(deliveries)))

    assert ask(world.pool, "SELECT count(*) FROM tire_readings") == 0
    assert ask(world.pool, "SELECT kind, level, code FROM vehicle_events") == ("alarm", 3, "thermal")
    reasons = ask(world.pool, "SELECT array_agg(DISTINCT signal || ':' || reason) FROM quality_counts")
    assert set(reasons) >= {"time:future_time", "tire.pressure:sentinel", "cell.voltage:all_equal"}
