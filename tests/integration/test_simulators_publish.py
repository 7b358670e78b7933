"""Vehicles at a real broker: nothing lost, nothing numbered twice, requests answered."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import cbor2
import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from data.broker import EmbeddedBroker
from data.records import Family, FamilyRows, VehicleEvent, parse_vin
from data.settings import Settings
from data.topics import Down, Up, down
from simulators.encode import event_payload
from simulators.errors import LinkError, SimulatorError
from simulators.fleet import build_fleet
from simulators.publish import FleetLink
from simulators.replay import publish_recording
from simulators.sent_store import SentMessage, SentStore
from simulators.service import FleetRun

VIN = parse_vin("LAXSM0A00VA000000")


@dataclass
class Server:
    """What the server side has heard, and a way to speak."""

    client: mqtt.Client
    heard: list[tuple[str, dict[str, Any], bool]] = field(default_factory=list)

    def take(self, message: mqtt.MQTTMessage) -> None:
        payload = message.payload
        body = json.loads(payload) if payload[:1] == b"{" else cbor2.loads(payload)
        self.heard.append((message.topic, body, message.retain))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [body for topic, body, _ in self.heard if topic.split("/")[5] == kind]

    def messages(self, kind: str) -> set[tuple[str, int, int]]:
        """Return boot, seq and hist of what came at least once."""
        return {(body["boot"], body["seq"], body["hist"]) for body in self.of(kind)}

    def numbers(self) -> list[int]:
        return sorted(body["seq"] for topic, body, _ in self.heard if not topic.endswith("status"))


def await_that(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


@contextmanager
def server_at(url: str, name: str) -> Iterator[Server]:
    parts = urlsplit(url)
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv311, clean_session=False
    )
    client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
    server = Server(client)
    ready = threading.Event()
    client.on_message = lambda _c, _u, message: server.take(message)
    client.on_connect = lambda c, *_: c.subscribe("anxin/v1/+/+/up/#", 1)
    client.on_subscribe = lambda *_: ready.set()
    client.connect(parts.hostname or "", parts.port or 1883)
    client.loop_start()
    try:
        assert ready.wait(10.0)
        yield server
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def link_at(url: str, store_dir: Path, boot: str = "b1", **options: Any) -> Iterator[FleetLink]:
    store = SentStore(store_dir)
    link = FleetLink(
        url,
        tenant="demo",
        vins=[VIN],
        boot=boot,
        store=store,
        origin="simulated",
        status_every_s=0.5,
        now_ms=lambda: int(time.time() * 1000),
        **options,
    )
    link.start()
    try:
        yield link
    finally:
        link.stop()
        store.close()


def send(link: FleetLink, count: int) -> None:
    for number in range(count):
        data = {"n": number}
        link.submit(VIN, Up.EVENT, lambda e, d=data: event_payload(e, time_ms=1, kind="impact", data=d))


def ask(server: Server, url: str, boot: str, ranges: list[list[int]]) -> None:
    server.client.publish(
        down("demo", VIN, Down.RESEND), json.dumps({"v": 1, "boot": boot, "ranges": ranges}), qos=1
    )


def test_every_message_arrives_in_order_and_the_status_tells_the_last(
    any_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    with server_at(any_broker.url("ingest"), "ingest-test") as server:
        with link_at(any_broker.url("simulator"), tmp_path) as link:
            send(link, 50)
            assert link.drain(20.0)
            await_that(lambda: any(s.get("seq") == 49 for s in server.of("status")))
            assert (link.counters.published, link.counters.acked) == (50, 50)
        await_that(lambda: not server.of("status")[-1]["online"])

        assert list(range(50)) == [body["seq"] for body in server.of("event")]
        assert {"simulated"} == {body["origin"] for body in server.of("event")}
        assert server.of("status")[-1] == {"v": 1, "boot": "b1", "online": False, "seq": 49}


def test_missing_messages_are_sent_again_even_those_of_an_earlier_boot(
    any_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    url = any_broker.url("simulator")
    with link_at(url, tmp_path, boot="b0") as link:
        send(link, 20)
        assert link.drain(20.0)
    with (
        server_at(any_broker.url("ingest"), "ingest-test") as server,
        link_at(url, tmp_path, boot="b1") as link,
    ):
        send(link, 5)
        assert link.drain(20.0)
        sent = {("b1", seq, 0) for seq in range(5)}
        # amqtt hands on what it acknowledged a moment later: the end of b0 may still come, as it was sent
        early = {("b0", seq, 0) for seq in range(20)}
        await_that(lambda: server.messages("event") - early == sent)
        ask(server, url, "b0", [[3, 5], [18, 40]])
        ask(server, url, "b1", [[0, 0]])
        again = {("b0", seq, 1) for seq in (3, 4, 5, 18, 19)} | {("b1", 0, 1)}
        await_that(lambda: server.messages("event") - early == sent | again)
        assert link.counters.resent == 6
        assert link.counters.published == 5


def test_a_fleet_whose_store_fails_says_so(
    broker: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(SentStore, "save", fail)
    with link_at(broker.url("simulator"), tmp_path, queue_messages=5) as link:
        with pytest.raises(LinkError, match="disk is full"):
            send(link, 50)
        with pytest.raises(LinkError, match="disk is full"):
            link.drain(20.0)


def test_warning_is_answered_once_and_handed_on(any_broker: EmbeddedBroker, tmp_path: Path) -> None:
    got: list[tuple[str, Any]] = []
    with (
        server_at(any_broker.url("ingest"), "ingest-test") as server,
        server_at_role(any_broker.url("notify")) as notify,
        link_at(
            any_broker.url("simulator"), tmp_path, on_warning=lambda vin, body: got.append((vin, body))
        ) as link,
    ):
        await_that(lambda: link.counters.published == 0 and link.refusal is None)
        send(link, 1)
        assert link.drain(10.0)
        warning = {"v": 1, "warning_id": "0b1c", "severity": "S3", "title": {"en": "a", "zh": "b"}}
        for _ in range(3):
            notify.publish(down("demo", VIN, Down.WARNING), json.dumps(warning), qos=1).wait_for_publish(5.0)
        await_that(lambda: len(server.of("event")) == 2)
        time.sleep(0.5)

        receipts = [body for body in server.of("event") if body["kind"] == "warning_receipt"]
        assert [body["data"] for body in receipts] == [{"warning_id": "0b1c"}]
        assert [(VIN, warning)] == got


@contextmanager
def server_at_role(url: str) -> Iterator[mqtt.Client]:
    parts = urlsplit(url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="notify-test", protocol=mqtt.MQTTv311)
    client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
    client.connect(parts.hostname or "", parts.port or 1883)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def test_unreadable_requests_do_no_harm(broker: Any, tmp_path: Path) -> None:
    with (
        server_at(broker.url("ingest"), "ingest-bad") as server,
        link_at(broker.url("simulator"), tmp_path) as link,
    ):
        send(link, 2)
        assert link.drain(10.0)
        for payload in (
            b"\xff",
            b"[]",
            b'{"boot":"b1","ranges":[[1]]}',
            b'{"boot":"b1","ranges":[["x","y"]]}',
        ):
            server.client.publish(down("demo", VIN, Down.RESEND), payload, qos=1)
        ask(server, "", "b1", [[1, 1]])
        await_that(lambda: len([b for b in server.of("event") if b["boot"] == "b1" and b["hist"]]) >= 1)


def test_broker_restart_loses_no_message(any_broker: EmbeddedBroker, tmp_path: Path) -> None:
    with link_at(any_broker.url("simulator"), tmp_path, rate_messages_per_s=200.0) as link:
        send(link, 30)
        any_broker.stop()
        send(link, 30)
        any_broker.start()
        assert link.drain(40.0)
        with server_at(any_broker.url("ingest"), "ingest-late") as server:
            for _ in range(10):  # a server asks until it has everything
                ask(server, "", "b1", [[0, 59]])
                time.sleep(1.0)
                if set(server.numbers()) == set(range(60)):
                    break

        assert set(server.numbers()) == set(range(60))
        assert link.counters.acked == 60


def test_back_fill_goes_out_as_history_and_turns_live(broker: Any, tmp_path: Path) -> None:
    start = datetime.now(UTC) - timedelta(days=2)
    fleet = build_fleet(4, seed=1, start=start, days=2, decoys=2)
    progress: list[tuple[int, int]] = []
    run = FleetRun(
        replace(Settings(), mqtt_url=broker.url("simulator")),
        fleet,
        store_dir=tmp_path,
        on_progress=lambda done, all_: progress.append((done, all_)),
        live_protocol_mix=False,
    )
    stop = threading.Event()
    with server_at(broker.url("ingest"), "ingest-fleet") as server:
        worker = threading.Thread(target=run.run, args=(stop,))
        worker.start()
        try:
            await_that(lambda: run.is_backfill_done)
            await_that(lambda: any(not body["hist"] for body in server.of("tele")))
        finally:
            stop.set()
            worker.join(20.0)
        await_that(lambda: len(server.of("tele")) + len(server.of("birth")) == run.published)

    own = [(topic, body) for topic, body, _ in server.heard if body.get("origin") == "simulated"]
    for vehicle in fleet.vehicles:
        mine = [body for topic, body in own if vehicle.vin in topic and "seq" in body]
        assert list(range(len(mine))) == [body["seq"] for body in mine]
        history = [body for body in mine if body.get("t") and body["hist"]]
        assert min(len(body["t"]) for body in history) >= 30
        assert max(t for body in history for t in body["t"]) <= fleet.end_s * 1000
    assert progress[-1] == (2, 2)
    assert len(server.of("birth")) == 4


def recording(start_us: int, count: int) -> list[FamilyRows]:
    time_us = start_us + 10_000_000 * np.arange(count)
    flags = np.zeros(count, np.bool_)
    ones = np.ones(count, np.int16)
    index = np.zeros(count, np.int32)

    def rows(family: Family, columns: dict[str, Any], place: Any = None) -> FamilyRows:
        return FamilyRows(
            family=family,
            vehicle_id=index,
            time_us=time_us,
            sent_us=time_us,
            received_us=time_us,
            is_hist=flags,
            columns=columns,
            sub_pack=place,
            first_cell=place,
        )

    return [
        rows(Family.DRIVE, {"speed": np.arange(count, dtype=float)}),
        rows(Family.CELL, {"cell.voltage": np.full((count, 88), 3.7)}, ones),
    ]


def test_replay_shifts_the_recording_and_ends_live(broker: Any, tmp_path: Path) -> None:
    start_us = 1_555_321_350_000_000
    now_us = time.time_ns() // 1000
    shift = now_us - (start_us + 399 * 10_000_000)
    alarm = VehicleEvent(
        vehicle_id=0, time_us=start_us + 5_000_000, kind="alarm", source="bms", level=3, code="bms_3"
    )
    with server_at(broker.url("ingest"), "ingest-replay") as server:
        counts = publish_recording(
            broker.url("simulator"),
            tenant="demo",
            vin=parse_vin("LAXSM0A00VA000009"),
            batches=recording(start_us, 400),
            events=[alarm],
            shift_us=shift,
            store_dir=tmp_path,
            position=(31.2, 121.5),
            stop=threading.Event(),
        )
        await_that(lambda: sum(len(b["t"]) for b in server.of("tele") if b["origin"] == "replayed") >= 400)
    tele = [b for b in server.of("tele") if b["origin"] == "replayed"]

    assert counts.rows == 801
    assert len(tele) + 1 == counts.published
    assert [body["hist"] for body in tele] == [1] * (len(tele) - 1) + [0]
    times = [t for body in tele for t in body["t"]]
    assert times == sorted(times)
    assert now_us // 1000 - 1 <= times[-1] <= now_us // 1000
    assert times[-1] - tele[-1]["t"][0] <= 60_000
    assert max(len(body["t"]) for body in tele) <= 120
    assert {31.2} == {lat for body in tele for lat in body["s"]["latitude"]}
    events = [b for b in server.of("event") if b["kind"] == "alarm"]
    assert [(b["level"], b["data"]["code"], b["hist"]) for b in events] == [(3, "bms_3", 1)]


def test_nothing_to_replay_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="no rows"):
        publish_recording(
            "mqtt://localhost", tenant="demo", vin=VIN, shift_us=0, store_dir=tmp_path, stop=threading.Event()
        )


def test_wrong_address_is_named_before_any_connection(tmp_path: Path) -> None:
    store = SentStore(tmp_path)
    with pytest.raises(LinkError, match="mqtt_url"):
        FleetLink("http://x", tenant="demo", vins=[VIN], boot="b", store=store, origin="", now_ms=lambda: 0)
    store.close()


def test_store_forgets_what_is_too_old_or_too_much(tmp_path: Path) -> None:
    store = SentStore(tmp_path, max_bytes=50_000)
    store.save(SentMessage(VIN, "b", seq, 1000 * seq, "t", bytes(1000)) for seq in range(100))
    assert store.prune(now_ms=7 * 86_400_000 + 10_000) > 0
    kept = [m.seq for m in store.fetch(VIN, "b", range(100))]
    store.close()

    assert len(kept) <= 50
    assert kept[-1] == 99


def test_store_knows_the_boot_that_sent_last(tmp_path: Path) -> None:
    store = SentStore(tmp_path)
    assert store.newest_boot(VIN) is None
    store.save(SentMessage(VIN, "b1", seq, 1000 + seq, "t", b"") for seq in range(12))
    store.save([SentMessage(VIN, "a2", 0, 2000, "t", b""), SentMessage("other", "c", 9, 3000, "t", b"")])
    newest = store.newest_boot(VIN)
    store.close()

    assert newest == ("a2", 0)


def test_a_fleet_that_starts_again_tells_what_it_sent_before(broker: EmbeddedBroker, tmp_path: Path) -> None:
    fleet = build_fleet(1, seed=77, start=datetime.now(UTC) - timedelta(days=1), days=1)
    vin, settings = fleet.vehicles[0].vin, replace(Settings(), mqtt_url=broker.url("simulator"))

    def births(server: Server) -> list[dict[str, Any]]:  # others use this broker too
        return [body for topic, body, _ in server.heard if topic.endswith(f"/{vin}/up/birth")]

    with server_at(broker.url("ingest"), "again") as server:
        for _ in range(2):
            stop = threading.Event()
            run = FleetRun(settings, fleet, store_dir=tmp_path)
            thread = threading.Thread(target=run.run, args=(stop,))
            thread.start()
            await_that(lambda run=run: run.is_backfill_done)  # type: ignore[misc]
            stop.set()
            thread.join()
        await_that(lambda: len(births(server)) == 2)

    first, second = births(server)
    sent = [body["seq"] for topic, body, _ in server.heard if vin in topic and body["boot"] == first["boot"]]
    assert "prev" not in first
    assert second["prev"] == {"boot": first["boot"], "seq": max(sent)}
