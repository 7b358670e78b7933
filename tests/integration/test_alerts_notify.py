import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from alerts.commands import Commands
from alerts.router import route_waiting
from alerts.service import run_notify, run_route
from alerts.telling.notify import deliver_next, take_receipts
from alerts.telling.outbox_store import Delivery, OutboxStore
from alerts.telling.webpush import PushSender
from data.db import Pool, transaction
from data.keys import load_push_keys
from data.settings import Settings
from simulators.push_endpoint import PushEndpoint, Subscription
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
TERMS = seed.make_terms()


def subscribe(pool: Pool, subscription: Subscription) -> None:
    seed.rows(
        pool,
        "INSERT INTO push_subscriptions (owner_id, endpoint, p256dh, auth, created_at)"
        " SELECT min(owner_id), %s, %s, %s, now() FROM owners RETURNING 1",
        subscription.endpoint,
        subscription.p256dh,
        subscription.auth,
    )


@pytest.fixture
def inbox() -> list[Any]:
    return []


@pytest.fixture
def endpoint(inbox: list[Any], tmp_path: Path) -> Iterator[PushEndpoint]:
    with PushEndpoint(inbox.append, public_key=load_push_keys(tmp_path).public_key) as running:
        yield running


def make_sender(home: Path, **overrides: Any) -> PushSender:
    facts: dict[str, Any] = {
        "keys": load_push_keys(home),
        "subject": "mailto:operations@example.com",
        "base_url": "http://127.0.0.1:8737",
        "timeout_s": 5.0,
        "allow_loopback": True,
    }
    return PushSender(**{**facts, **overrides})


def open_order(pool: Pool, subscription: Subscription | None) -> int:
    (vehicle,) = seed.seed_vehicles(pool)
    if subscription:
        subscribe(pool, subscription)
    seed.add_prediction(pool, vehicle, NOW)
    route_waiting(pool, TERMS, now=NOW)
    return int(vehicle)


def test_a_push_message_arrives_encrypted_signed_and_readable(
    pool: Pool, endpoint: PushEndpoint, inbox: list[Any], tmp_path: Path
) -> None:
    open_order(pool, endpoint.subscribe())

    assert deliver_next(pool, {"webpush": make_sender(tmp_path)}, now=NOW) == "sent"
    assert deliver_next(pool, {"webpush": make_sender(tmp_path)}, now=NOW) is None

    (message,) = inbox
    assert set(message) == {"warning_id", "severity", "title", "body", "url", "lang"}
    assert (message["severity"], message["lang"]) == ("S3", "zh")
    assert message["title"] == "您的左后轮胎正在缓慢漏气"
    assert seed.rows(pool, "SELECT outcome, detail FROM delivery_receipts") == [("accepted", "HTTP 201")]


def test_a_sender_killed_between_send_and_commit_sends_again_and_the_receiver_collapses(
    pool: Pool, endpoint: PushEndpoint, inbox: list[Any], tmp_path: Path
) -> None:
    open_order(pool, endpoint.subscribe())
    sender = make_sender(tmp_path)

    class Killed:
        def send(self, delivery: Delivery) -> str:
            sender.send(delivery)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deliver_next(pool, {"webpush": Killed()}, now=NOW)
    assert deliver_next(pool, {"webpush": sender}, now=NOW) == "sent"

    assert (endpoint.received_count, len(inbox)) == (2, 1)


def test_a_sender_that_fails_in_an_unforeseen_way_tries_again_later(pool: Pool) -> None:
    open_order(pool, None)

    class Broken:
        def send(self, delivery: Delivery) -> str:
            raise ZeroDivisionError(delivery.address)

    assert deliver_next(pool, {"mqtt": Broken()}, now=NOW) == "postponed"
    assert deliver_next(pool, {"mqtt": Broken()}, now=NOW) is None
    assert seed.rows(pool, "SELECT state, attempts FROM deliveries") == [("pending", 1)]


def test_a_service_goes_on_after_an_unforeseen_failure(
    pool: Pool, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def fail_once(*_: Any, **__: Any) -> int:
        looks.append(1)
        return 0 if len(looks) > 1 else 1 // 0

    monkeypatch.setattr("alerts.service.take_receipts", fail_once)
    stop = threading.Event()
    settings = Settings(database_url=database_url, mqtt_url="mqtt://127.0.0.1:1", home=str(tmp_path))
    thread = threading.Thread(target=run_notify, args=(settings,), kwargs={"stop": stop})
    thread.start()
    try:
        seed.wait_until(lambda: len(looks) > 1)
    finally:
        stop.set()
        thread.join(20)


def test_one_channel_does_not_wait_for_the_messages_of_another(pool: Pool) -> None:
    open_order(pool, None)
    with transaction(pool) as connection:
        outbox = OutboxStore(connection)

        assert outbox.seconds_to_next(NOW, ["mqtt"]) == 0.0
        assert outbox.seconds_to_next(NOW, ["webpush"]) is None


def test_a_push_service_that_forgot_the_subscription_is_not_called_again(
    pool: Pool, endpoint: PushEndpoint, tmp_path: Path
) -> None:
    subscription = endpoint.subscribe()
    open_order(pool, subscription)
    endpoint.unsubscribe(subscription)

    assert deliver_next(pool, {"webpush": make_sender(tmp_path)}, now=NOW) == "gone"
    assert seed.rows(pool, "SELECT gone_at IS NOT NULL FROM push_subscriptions") == [(True,)]


def test_a_loopback_endpoint_is_refused_unless_the_operator_allows_it(
    pool: Pool, endpoint: PushEndpoint, inbox: list[Any], tmp_path: Path
) -> None:
    open_order(pool, endpoint.subscribe())
    sender = make_sender(tmp_path, allow_loopback=False)

    assert deliver_next(pool, {"webpush": sender}, now=NOW) == "refused"
    assert inbox == []


def test_a_push_service_that_is_away_is_tried_again_later_and_later(
    pool: Pool, endpoint: PushEndpoint, tmp_path: Path
) -> None:
    open_order(pool, endpoint.subscribe())
    endpoint.stop()
    sender, now, pauses = make_sender(tmp_path), NOW, []
    for _ in range(4):
        assert deliver_next(pool, {"webpush": sender}, now=now) == "postponed"
        ((next_at,),) = seed.rows(pool, "SELECT next_attempt_at FROM deliveries WHERE channel = 'webpush'")
        pauses.append(next_at - now)
        assert deliver_next(pool, {"webpush": sender}, now=now) is None
        now = next_at

    assert pauses == [timedelta(seconds=s) for s in (2, 4, 8, 16)]
    assert deliver_next(pool, {"webpush": sender}, now=NOW + timedelta(days=8)) == "refused"


def test_the_vehicles_own_receipt_settles_its_delivery_once(pool: Pool) -> None:
    vehicle = open_order(pool, None)
    ((warning_id,),) = seed.rows(pool, "SELECT warning_id FROM warnings")
    for _ in range(2):
        with transaction(pool) as connection:
            connection.execute(
                "INSERT INTO vehicle_events (vehicle_id, time, kind, source, code, is_hist, received)"
                " VALUES (%s, %s, 'warning_receipt', 'event', %s, false, %s) ON CONFLICT DO NOTHING",
                (vehicle, NOW, str(warning_id), NOW),
            )
            seed.add_batch(connection, vehicle, NOW, NOW)

    assert [take_receipts(pool, now=NOW), take_receipts(pool, now=NOW)] == [1, 0]
    assert seed.rows(pool, "SELECT state FROM deliveries") == [("received",)]


def test_a_browsers_receipt_settles_its_delivery(pool: Pool, endpoint: PushEndpoint, tmp_path: Path) -> None:
    subscription = endpoint.subscribe()
    open_order(pool, subscription)
    deliver_next(pool, {"webpush": make_sender(tmp_path)}, now=NOW)
    ((warning_id,),) = seed.rows(pool, "SELECT warning_id FROM warnings")
    commands = Commands(pool, TERMS)

    assert commands.receive(warning_id=warning_id, endpoint=subscription.endpoint, now=NOW)
    assert not commands.receive(warning_id=warning_id, endpoint=subscription.endpoint, now=NOW)
    assert not commands.receive(warning_id=UUID(int=0), endpoint=None, now=NOW)


def test_both_services_carry_a_prediction_to_browser_and_vehicle(  # noqa: PLR0917 - fixtures
    pool: Pool, database_url: str, broker: Any, endpoint: PushEndpoint, inbox: list[Any], tmp_path: Path
) -> None:
    (vehicle,) = seed.seed_vehicles(pool)
    subscribe(pool, endpoint.subscribe())
    settings = Settings(
        database_url=database_url, mqtt_url=broker.url("notify"), home=str(tmp_path), push_allow_loopback=True
    )
    heard: list[Any] = []
    url = broker.url("simulator").removeprefix("mqtt://")
    account, _, address = url.rpartition("@")
    car = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="test-car")
    car.username_pw_set(*account.split(":"))
    car.on_message = lambda _client, _data, message: heard.append(
        (message.topic, json.loads(message.payload))
    )
    car.connect(address.split(":")[0], int(address.split(":")[1].rstrip("/")))
    car.subscribe(f"anxin/v1/demo/{seed.vin_of(0)}/down/#", qos=1)
    car.loop_start()
    stop = threading.Event()
    threads = [
        threading.Thread(target=run, args=(settings,), kwargs={"stop": stop})
        for run in (run_route, run_notify)
    ]
    for thread in threads:
        thread.start()
    try:
        seed.add_prediction(pool, vehicle, datetime.now(UTC))
        seed.wait_until(lambda: inbox and heard)
        seed.wait_until(
            lambda: seed.rows(pool, "SELECT count(*) FROM deliveries WHERE state = 'sent'") == [(2,)]
        )
    finally:
        stop.set()
        stopping = time.monotonic()
        for thread in threads:
            thread.join(20)
        car.disconnect()
        car.loop_stop()

    topic, payload = heard[0]
    assert topic.endswith("/down/warning")
    assert payload["warning_id"] == inbox[0]["warning_id"]
    assert set(payload) == {"v", "warning_id", "severity", "title", "body", "order_id", "created"}
    assert not any(thread.is_alive() for thread in threads)
    assert time.monotonic() - stopping < 10
