"""A station's system is told of its orders, and one that does not answer delays only itself."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alerts.commands import Commands
from alerts.router import route_waiting
from alerts.service import run_notify
from alerts.telling.notify import deliver_next
from alerts.telling.outbox_store import Delivery
from alerts.telling.signing import HEADER, verify
from alerts.telling.webhook import WebhookSender
from data.db import Pool
from data.settings import Settings
from tests.integration import alerts_seed as seed
from tests.integration.mail_server import running_mail
from tests.integration.webhook_server import running

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
TERMS = seed.make_terms()


def make_sender(**overrides: Any) -> WebhookSender:
    facts: dict[str, Any] = {
        "base_url": "",
        "timeout_s": 1.0,
        "allow_loopback": True,
        "allow_private": False,
        "clock": lambda: NOW,
    }
    return WebhookSender(**{**facts, **overrides})


def register(pool: Pool, url: str) -> None:
    """Let every station be told at this address."""
    seed.rows(
        pool,
        "INSERT INTO webhooks (tenant_id, station_id, url, secret, created_at)"
        " SELECT tenant_id, station_id, %s, 'key', %s FROM stations RETURNING 1",
        url,
        NOW,
    )


def open_order(pool: Pool, url: str) -> tuple[int, int]:
    (vehicle,) = seed.seed_vehicles(pool)
    register(pool, url)
    seed.add_prediction(pool, vehicle, NOW)
    route_waiting(pool, TERMS, now=NOW)
    ((order, version),) = seed.rows(pool, "SELECT order_id, version FROM repair_orders")
    return order, version


def deliver_all(pool: Pool, *, now: datetime = NOW) -> list[str]:
    outcomes = []
    while outcome := deliver_next(pool, {"station": make_sender()}, now=now, by_address=True):
        outcomes.append(outcome)
    return outcomes


def test_each_transition_reaches_the_station_signed_and_in_the_shape_of_a_repair_order(pool: Pool) -> None:
    with running() as server:
        order, version = open_order(pool, server.url)
        Commands(pool, TERMS).answer(order_id=order, answer="yes", actor="owner:li", version=version, now=NOW)
        assert deliver_all(pool) == ["sent", "sent"]

    headers, body = server.heard[0]
    assert verify("key", headers[HEADER], body, now=NOW) == NOW
    offered, booked = server.bodies()
    assert [offered["event"]["name"], booked["event"]["name"]] == ["offered", "booked"]
    assert offered["message_id"] != booked["message_id"]
    assert booked["event"]["actor"] == "owner"
    header, (job,) = booked["RepairOrder"]["RepairOrderHeader"], booked["RepairOrder"]["Job"]
    assert header["RepairOrderStatus"] == "booked"
    assert header["RepairOrderPriorityCode"] == "S3"
    assert header["Vehicle"]["VehicleID"] == seed.vin_of(0)
    assert header["PromisedRepairCompletionDateTime"] > header["AppointmentDateTime"]
    assert set(header["TotalAmount"]) == {"value", "currency"}
    assert job["CodesAndCommentsExpanded"]["ComplaintDescription"].startswith("Your rear-left tyre")
    assert job["ServiceLabor"][0]["LaborAllowanceHoursNumeric"]
    assert job["ServiceParts"][0]["Reservation"] == "reserved"
    assert {line["PayerType"] for line in (*job["ServiceLabor"], *job["ServiceParts"])} == {"customer"}
    assert job["ServiceParts"][0]["PayerReason"] == "wear and road damage: no warranty"
    assert [split["TotalAmount"] for split in header["Splits"]] == [header["CustomerAmount"]]
    assert "owner 0" not in body.decode()


def test_a_station_that_has_the_order_no_longer_is_told_so_and_nothing_more(pool: Pool) -> None:
    with running() as server:
        order, _ = open_order(pool, server.url)
        deliver_all(pool)
        seed.rows(
            pool,
            "UPDATE repair_orders SET station_id = NULL, updated_at = %s WHERE order_id = %s RETURNING 1",
            NOW,
            order,
        )
        assert deliver_all(pool) == ["sent"]

    told = server.bodies()[-1]
    assert told["event"]["name"] == "released"
    assert "RepairOrder" not in told


def test_a_system_that_answers_nonsense_is_tried_later_and_in_order(pool: Pool) -> None:
    with running(status=500) as server:
        order, version = open_order(pool, server.url)
        Commands(pool, TERMS).answer(order_id=order, answer="yes", actor="owner:li", version=version, now=NOW)
        assert deliver_all(pool) == ["postponed"], "one try for both: the address rests"
        assert deliver_all(pool, now=NOW + timedelta(seconds=2)) == ["postponed"]
        assert deliver_all(pool, now=NOW + timedelta(seconds=3)) == []
        server.status = 200
        assert deliver_all(pool, now=NOW + timedelta(seconds=10)) == ["sent", "sent"]

    assert [b["event"]["name"] for b in server.bodies()][-2:] == ["offered", "booked"]
    assert seed.rows(pool, "SELECT * FROM address_pauses") == []


def test_a_slow_system_holds_one_sender_and_no_other_address(pool: Pool) -> None:
    in_send, go_on = threading.Event(), threading.Event()

    class Slow:
        def send(self, delivery: Delivery) -> str:
            if delivery.address.endswith("slow"):
                in_send.set()
                assert go_on.wait(30)
            return delivery.address

    open_order(pool, "https://dms.example/slow")
    seed.rows(pool, "UPDATE deliveries SET state = 'sent' WHERE channel <> 'station' RETURNING 1")
    first: list[str | None] = []

    def deliver() -> str | None:
        return deliver_next(pool, {"station": Slow()}, now=NOW, by_address=True)

    busy = threading.Thread(target=lambda: first.append(deliver()))
    seed.rows(
        pool,
        "INSERT INTO deliveries (order_id, webhook_id, channel, address, audience, state, next_attempt_at)"
        " SELECT order_id, webhook_id, 'station', address, 'station', 'pending', next_attempt_at"
        " FROM deliveries WHERE channel = 'station'"
        " UNION ALL SELECT order_id, webhook_id, 'station', 'https://dms.example/quick', 'station',"
        " 'pending', next_attempt_at FROM deliveries WHERE channel = 'station' RETURNING 1",
    )
    seed.rows(
        pool,
        "UPDATE deliveries SET next_attempt_at = next_attempt_at - interval '1 minute'"
        " WHERE address = 'https://dms.example/slow' RETURNING 1",
    )
    busy.start()
    assert in_send.wait(30)

    outcomes = [deliver(), deliver()]
    go_on.set()
    busy.join()

    assert outcomes == ["sent", None], "the quick one is served, the slow one is left to who waits for it"
    assert first == ["sent"]


def test_the_service_reaches_owner_and_station_by_every_channel_that_is_set_up(
    pool: Pool, database_url: str, tmp_path: Path
) -> None:
    with running() as dms, running_mail() as mailbox:
        settings = Settings(
            database_url=database_url,
            mqtt_url="mqtt://127.0.0.1:1",
            home=str(tmp_path),
            smtp_url=mailbox.url,
            push_allow_loopback=True,
        )
        (vehicle,) = seed.seed_vehicles(pool)
        register(pool, dms.url)
        seed.rows(
            pool,
            "INSERT INTO contact_ways (owner_id, channel, address, rank, created_at, verified_at)"
            " SELECT min(owner_id), 'email', 'li@example.com', 1, now(), now() FROM owners RETURNING 1",
        )
        stop = threading.Event()
        thread = threading.Thread(target=run_notify, args=(settings,), kwargs={"stop": stop})
        thread.start()
        try:
            seed.add_prediction(pool, vehicle, NOW)
            route_waiting(pool, TERMS, now=NOW)
            seed.wait_until(lambda: mailbox.letters and dms.heard)
        finally:
            stop.set()
            thread.join(30)

    assert mailbox.letters[0]["to"] == "li@example.com"
    assert dms.bodies()[0]["event"]["name"] == "offered"
    assert not thread.is_alive(), "a broker that is away delays only its own channel"
