"""What vehicles send wrong, through a broker: kept with its reason, visible, and nothing good is lost."""

from __future__ import annotations

import json
import struct
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import cbor2
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from api.access import create_api_key
from api.service import run as run_api
from data.db import Pool
from data.embedded import EmbeddedBroker
from data.reference import VehicleRegistration, load_reference, register_vehicles
from data.settings import Settings
from ingest.service import run as run_ingest
from tests.installed import anxin, eventually, free_port

KNOWN, STRANGER = "LANXBAD0000000001", "LANXBAD0000000002"
MODEL = "anxin-sedan-96-ncm"
HOUR_MS = 3_600_000


@dataclass
class Sender:
    """A vehicle's connection that also says what a sound vehicle never would."""

    client: mqtt.Client
    now_ms: int
    seq: int = 0

    def head(self, **change: Any) -> dict[str, Any]:
        """The next envelope."""
        self.seq += 1
        return {"v": 1, "boot": "b1", "seq": self.seq - 1, "sent": self.now_ms, "hist": 0} | change

    def tele(self, *, at_ms: int | None = None, **change: Any) -> dict[str, Any]:
        """A sound message of two samples, a second apart, at a time of its own."""
        start = self.now_ms - HOUR_MS + self.seq * 2000 if at_ms is None else at_ms
        samples = {
            "t": [start, start + 1000],
            "s": {"speed": [50.0, 51.0], "tire.pressure": [[250.0] * 4] * 2},
        }
        return self.head() | samples | change

    def say(self, kind: str, payload: bytes, vin: str = KNOWN) -> None:
        self.client.publish(f"anxin/v1/demo/{vin}/up/{kind}", payload, qos=1).wait_for_publish(20)


@contextmanager
def sender(url: str) -> Iterator[Sender]:
    parts = urlsplit(url)
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id="bad-input", protocol=MQTTProtocolVersion.MQTTv311
    )
    client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
    client.connect(parts.hostname or "", parts.port or 1883)
    client.loop_start()
    try:
        yield Sender(client, int(time.time() * 1000))
    finally:
        client.disconnect()
        client.loop_stop()


def gbt_frame(data: bytes, *, vin: str = KNOWN, checksum_error: int = 0) -> bytes:
    """A real-time GB/T 32960 frame of the 2016 edition around blocks, dated an hour ago (China time)."""
    at = datetime.fromtimestamp(time.time() - 3600 + 8 * 3600, UTC)
    unit = bytes([at.year - 2000, at.month, at.day, at.hour, at.minute, at.second]) + data
    body = bytes([2, 0xFE]) + vin.encode() + bytes([1]) + len(unit).to_bytes(2, "big") + unit
    checksum = checksum_error
    for byte in body:
        checksum ^= byte
    return b"##" + body + bytes([checksum])


def bad_messages(car: Sender) -> list[tuple[str, bytes, str]]:
    """Topic kind, payload and the reason that it must be kept with."""
    pressure = [[250.0] * 4, [250.0] * 3]
    record = struct.pack("<IIBB8s", 0, 0x123, 0, 8, b"\0" * 8)
    can = {"t0": car.now_ms - HOUR_MS}
    return [
        ("tele", b'{"v": 1, "boot":', "malformed"),
        ("tele", b"\xbf\x61", "malformed"),
        ("tele", b"", "malformed"),
        ("tele", b"\0" * 5_000_000, "malformed"),
        ("tele", cbor2.dumps(car.tele(s={"speed": [1.0]})), "wrong_length"),
        ("tele", cbor2.dumps(car.tele(s={"tire.pressure": pressure})), "wrong_length"),
        ("tele", cbor2.dumps(car.tele(s={"cell.voltage": [[3.7] * 95] * 2})), "wrong_length"),
        ("tele", json.dumps(car.tele(vin=STRANGER)).encode(), "vin_mismatch"),
        ("tele", cbor2.dumps(car.tele(at_ms=car.now_ms + HOUR_MS)), "future_time"),
        ("tele", cbor2.dumps(car.tele(at_ms=1_199_145_600_000)), "ancient_time"),
        ("can/main", cbor2.dumps(car.head(**can, f=record[:-1])), "wrong_length"),
        ("gbt32960", gbt_frame(b"\x05\0\x07\x3d\x8a\xa4\x01\xdc\x89\xc0")[:-9], "wrong_length"),
        ("gbt32960", gbt_frame(b"\x05\0\x07\x3d\x8a\xa4\x01\xdc\x89\xc0", checksum_error=1), "bad_checksum"),
        ("gbt32960", gbt_frame(b"\x7e\x11\x22\x33"), "unknown_block"),
        ("gbt32960", gbt_frame(b"\x05\0\x07\x3d\x8a\xa4\x01\xdc\x89\xc0", vin=STRANGER), "vin_mismatch"),
        ("weather", cbor2.dumps(car.tele()), "bad_topic"),
    ]


@pytest.fixture
def installed(
    pool: Pool, database_url: str, any_broker: EmbeddedBroker, tmp_path: Path
) -> Iterator[Settings]:
    """Ingest and API running on a fresh database with one known vehicle."""
    with pool.connection() as connection:
        load_reference(connection, tenant="demo")
        register_vehicles(
            connection,
            tenant="demo",
            vehicles=[VehicleRegistration(vin=KNOWN, model_id=MODEL, owner_name="Wang")],
        )
    settings = Settings(
        database_url=database_url,
        mqtt_url=any_broker.url("ingest"),
        http_port=free_port(),
        home=str(tmp_path),
    )
    stop = threading.Event()
    threads = [
        threading.Thread(target=run, args=(settings,), kwargs={"stop": stop}) for run in (run_ingest, run_api)
    ]
    for thread in threads:
        thread.start()
    ready = "SELECT count(*) FROM service_beats WHERE is_ready AND service IN ('ingest', 'api')"
    try:
        eventually(lambda: ask(pool, ready) == 2, what="ingest and API ready")
        yield settings
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()


def ask(pool: Pool, query: str) -> Any:
    with pool.connection() as connection:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]
        return row[0] if row else None


def command(settings: Settings, *arguments: object) -> dict[str, Any]:
    outcome = anxin(
        *arguments,
        "--json",
        ANXIN_DATABASE_URL=settings.database_url,
        ANXIN_MQTT_URL=settings.mqtt_url,
        ANXIN_HOME=settings.home,
    )
    assert outcome.out, outcome.err
    return outcome.json


def counts_of(settings: Settings, pool: Pool) -> dict[str, dict[str, int]]:
    """How many rejects there are for each reason: by the two commands and by the API."""
    with pool.connection() as connection:
        key = create_api_key(
            connection, tenant="demo", role="operations", name="rejects", now=datetime.now(UTC)
        )
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{settings.base_url}/api/v1/rejects?limit=100", headers={"authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
        page = json.loads(answer.read())
    assert all(item["detail"] and item["topic"] for item in page["items"])
    told = command(settings, "rejects", "--limit", 100)
    assert all(item["detail"] for item in told["rejects"])
    (check,) = [c for c in command(settings, "check")["checks"] if c["name"] == "rejects"]
    assert not check["is_ok"]
    return {
        "rejects": {row["reason"]: row["rejects"] for row in told["counts"]},
        "check": {reason: figure["count"] for reason, figure in check["figures"].items()},
        "api": {row["reason"]: row["rejects"] for row in page["counts"]},
    }


def test_every_bad_message_is_kept_with_its_reason_and_every_good_one_is_stored(
    installed: Settings, pool: Pool, any_broker: EmbeddedBroker
) -> None:
    expected: dict[str, int] = {"unknown_vehicle": 1}
    good = 0
    with sender(any_broker.url("simulator")) as car:
        for kind, payload, reason in bad_messages(car):
            car.say(kind, payload)
            car.say("tele", cbor2.dumps(car.tele()))
            good += 1
            expected[reason] = expected.get(reason, 0) + 1
        last = car.seq - 1
        stranger = {"v": 1, "boot": "s1", "seq": 0, "sent": car.now_ms, "hist": 0}
        at = {"t": [car.now_ms - HOUR_MS], "s": {"speed": [77.0]}}
        car.say("tele", cbor2.dumps(stranger | at), vin=STRANGER)
        eventually(lambda: ask(pool, "SELECT sum(seen_count) FROM rejects") == sum(expected.values()))
        eventually(lambda: ask(pool, "SELECT max(high) FROM message_streams") == last)

    rows = "SELECT count(*) FROM drive_readings WHERE speed IN (50, 51)"
    assert 2 * good == ask(pool, rows)
    assert ask(pool, "SELECT count(*) FROM tire_readings WHERE pressure = '{250,250,250,250}'") == 2 * good
    seen = counts_of(installed, pool)
    assert expected == seen["rejects"] == seen["check"] == seen["api"]
    big = "SELECT max(octet_length(payload)) FROM rejects"
    assert ask(pool, big) == 5_000_000

    with pool.connection() as connection:
        register_vehicles(
            connection,
            tenant="demo",
            vehicles=[VehicleRegistration(vin=STRANGER, model_id=MODEL, owner_name="Wang")],
        )
    retried = command(installed, "rejects", "--retry")
    assert retried["retried"]["stored"] <= 1  # the service may have been first
    assert ask(pool, "SELECT count(*) FROM drive_readings WHERE speed = 77") == 1
    assert "unknown_vehicle" not in {row["reason"] for row in retried["counts"]}


def test_what_is_impossible_or_says_not_available_is_missing_and_counted(
    installed: Settings, pool: Pool, any_broker: EmbeddedBroker
) -> None:
    unknown_id = struct.pack("<IIBB8s", 0, 0x7AA, 0, 8, b"\1" * 8)
    with sender(any_broker.url("simulator")) as car:
        car.say("tele", cbor2.dumps(car.tele(s={"speed": [9999.0, 40.0], "soc": [55.0, -3.0]})))
        car.say("can/main", cbor2.dumps(car.head(t0=car.now_ms - HOUR_MS, f=unknown_id * 3)))
        car.say("gbt32960", gbt_frame(b"\x01" + b"\xff" * 20))
        car.say("tele", cbor2.dumps(car.tele()))
        eventually(lambda: ask(pool, "SELECT max(high) FROM message_streams") == car.seq - 1)
        eventually(lambda: ask(pool, "SELECT count(*) FROM drive_readings WHERE speed = 51") == 1)

    assert ask(pool, "SELECT count(*) FROM drive_readings WHERE speed > 300 OR soc < 0") == 0
    assert ask(pool, "SELECT count(*) FROM drive_readings WHERE speed = 40 OR soc = 55") == 2
    (masked,) = [c for c in command(installed, "check")["checks"] if c["name"] == "masked values"]
    figures = masked["figures"]
    assert {"soc:range": 1, "can.7AA:unknown_id": 3}.items() <= figures.items()
    assert {"speed:range", "speed:invalid", "odometer:invalid"} <= figures.keys()
    assert ask(pool, "SELECT count(*) FROM rejects") == 0
