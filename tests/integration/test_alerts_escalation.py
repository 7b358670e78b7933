"""Who is told next when nobody answers, and what waits for the morning."""

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.commands import Commands
from alerts.errors import DeliveryError
from alerts.router import route_waiting
from alerts.telling.notify import deliver_next, take_receipts, take_step
from alerts.telling.outbox_store import Delivery
from data.db import Pool, transaction
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)  # 10:00 in Shanghai
NIGHT = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)  # 23:30
MORNING = datetime(2026, 3, 10, 23, tzinfo=UTC)  # 07:00
TERMS = seed.make_terms()
ADD_WAY = (
    "INSERT INTO contact_ways (owner_id, channel, address, rank, is_emergency, created_at, verified_at)"
    " SELECT min(owner_id), %s, %s, %s, %s, now(), now() FROM owners RETURNING 1"
)


def minutes(count: float) -> datetime:
    return NOW + timedelta(minutes=count)


def add_vehicle(pool: Pool, *, ways: bool = True) -> int:
    (vehicle,) = seed.seed_vehicles(pool)
    seed.rows(
        pool,
        "INSERT INTO push_subscriptions (owner_id, endpoint, p256dh, auth, created_at)"
        " SELECT min(owner_id), 'https://push.example/1', 'k', 'a', now() FROM owners RETURNING 1",
    )
    if ways:
        seed.rows(pool, ADD_WAY, "apprise", "sms:+8613800000000", 1, False)
        seed.rows(pool, ADD_WAY, "email", "li@example.com", 2, False)
        seed.rows(pool, ADD_WAY, "email", "wife@example.com", 3, True)
    return int(vehicle)


def warn(pool: Pool, vehicle: int, *, now: datetime = NOW, **facts: Any) -> None:
    seed.add_prediction(pool, vehicle, now, **facts)
    route_waiting(pool, TERMS, now=now)


def urgent(pool: Pool, vehicle: int, *, now: datetime = NOW) -> None:
    warn(pool, vehicle, now=now, severity="S1", failure_mode="tire_puncture", ttt_p10_h=1.0)


def go_on(pool: Pool, now: datetime) -> list[str]:
    """Take the steps that are due and return where the newest messages go, in order."""
    before = {row[0] for row in seed.rows(pool, "SELECT delivery_id FROM deliveries")}
    while take_step(pool, now=now):
        pass
    rows = seed.rows(pool, "SELECT delivery_id, address FROM deliveries ORDER BY delivery_id")
    return [address for delivery_id, address in rows if delivery_id not in before]


def told(pool: Pool) -> list[tuple[str, str]]:
    return seed.rows(pool, "SELECT channel, audience FROM deliveries ORDER BY delivery_id")


def acknowledge(pool: Pool, now: datetime) -> None:
    ((warning_id,),) = seed.rows(pool, "SELECT warning_id FROM warnings WHERE superseded_by IS NULL")
    assert Commands(pool, TERMS).acknowledge(warning_id=warning_id, actor="owner:li", now=now)


def test_an_urgent_warning_goes_on_from_way_to_way_and_then_to_the_desk(pool: Pool) -> None:
    vehicle = add_vehicle(pool)
    seed.rows(
        pool,
        "INSERT INTO webhooks (tenant_id, url, secret, created_at)"
        " SELECT tenant_id, 'https://desk.example/', 's', now() FROM tenants RETURNING 1",
    )
    urgent(pool, vehicle)
    assert told(pool) == [("mqtt", "vehicle"), ("webpush", "owner")]

    steps = [go_on(pool, minutes(m)) for m in (1, 2, 4, 5, 9, 10, 600)]

    assert steps == [
        [],
        ["sms:+8613800000000"],
        [],
        ["li@example.com"],
        [],
        ["wife@example.com", "https://desk.example/"],
        [],
    ]
    assert seed.rows(pool, "SELECT kind, audience, settled_at FROM concerns") == [
        ("unacknowledged", "operations", None)
    ]


def test_what_a_device_says_stops_nothing_and_what_a_person_says_stops_all(pool: Pool) -> None:
    vehicle = add_vehicle(pool)
    urgent(pool, vehicle)
    ((warning_id,),) = seed.rows(pool, "SELECT warning_id FROM warnings")
    Commands(pool, TERMS).receive(warning_id=warning_id, endpoint="https://push.example/1", now=minutes(1))
    assert go_on(pool, minutes(2)) == ["sms:+8613800000000"]

    acknowledge(pool, minutes(3))

    assert go_on(pool, minutes(600)) == []
    assert seed.rows(pool, "SELECT acknowledged_by FROM warnings") == [("owner:li",)]
    assert seed.rows(pool, "SELECT DISTINCT state FROM alerts") == [("acknowledged",)]


def test_an_acknowledgement_takes_it_off_the_list_of_operations(pool: Pool) -> None:
    urgent(pool, add_vehicle(pool))
    go_on(pool, minutes(10))

    acknowledge(pool, minutes(11))

    assert seed.rows(pool, "SELECT settled_at FROM concerns") == [(minutes(11),)]


@pytest.mark.parametrize(("said", "stopped"), [({}, False), ({"by": "person"}, True)])
def test_a_person_in_the_vehicle_acknowledges_by_its_receipt(
    pool: Pool, said: dict[str, str], stopped: bool
) -> None:
    vehicle = add_vehicle(pool)
    urgent(pool, vehicle)
    ((warning_id,),) = seed.rows(pool, "SELECT warning_id FROM warnings")
    with transaction(pool) as connection:
        connection.execute(
            "INSERT INTO vehicle_events (vehicle_id, time, kind, source, code, data, is_hist, received)"
            " VALUES (%s, %s, 'warning_receipt', 'event', %s, %s, false, %s)",
            (vehicle, NOW, str(warning_id), json.dumps(said), NOW),
        )
        seed.add_batch(connection, vehicle, NOW, NOW)

    take_receipts(pool, now=minutes(1))

    assert (go_on(pool, minutes(2)) == []) is stopped


def test_the_answer_of_the_owner_acknowledges(pool: Pool) -> None:
    urgent(pool, add_vehicle(pool))
    ((order, version),) = seed.rows(pool, "SELECT order_id, version FROM repair_orders")

    Commands(pool, TERMS).answer(
        order_id=order, answer="yes", actor="owner:li", version=version, now=minutes(1)
    )

    assert go_on(pool, minutes(600)) == []


def test_any_number_of_notifiers_take_each_step_once(pool: Pool) -> None:
    urgent(pool, add_vehicle(pool))
    start = threading.Barrier(4)

    def step() -> None:
        start.wait()
        take_step(pool, now=minutes(6))

    threads = [threading.Thread(target=step) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    go_on(pool, minutes(6))

    assert sorted(c for c, _ in told(pool)) == ["apprise", "email", "mqtt", "webpush"]


def test_an_owner_who_cannot_be_reached_is_made_known_at_once(pool: Pool) -> None:
    vehicle = add_vehicle(pool, ways=False)
    seed.rows(pool, "DELETE FROM push_subscriptions RETURNING 1")

    urgent(pool, vehicle)

    assert seed.rows(pool, "SELECT kind FROM concerns") == [("unacknowledged",)]


def test_a_way_that_fails_for_good_brings_the_next_one_forward(pool: Pool) -> None:
    warn(pool, add_vehicle(pool))

    class Refusing:
        def send(self, delivery: Delivery) -> str:
            error = DeliveryError("no such subscriber")
            error.is_final = True
            raise error

    assert deliver_next(pool, {"webpush": Refusing()}, now=minutes(1)) == "refused"

    assert go_on(pool, minutes(1)) == ["sms:+8613800000000"]


def test_a_calm_warning_that_was_taken_is_told_no_further(pool: Pool) -> None:
    warn(pool, add_vehicle(pool))

    class Taking:
        def send(self, delivery: Delivery) -> str:
            return "taken"

    deliver_next(pool, {"webpush": Taking()}, now=NOW)

    assert go_on(pool, minutes(61)) == []


def test_what_waits_for_the_morning_is_not_told_when_something_more_urgent_took_its_place(pool: Pool) -> None:
    vehicle = add_vehicle(pool)
    seed.rows(pool, "UPDATE owners SET quiet_from = NULL, quiet_to = NULL RETURNING 1")
    warn(pool, vehicle, now=NIGHT)
    assert told(pool) == []

    warn(pool, vehicle, now=NIGHT + timedelta(hours=1), severity="S2", ttt_p10_h=20.0)

    assert [c for c, _ in told(pool)] == ["mqtt", "webpush"]
    assert seed.rows(pool, "SELECT severity FROM warnings WHERE superseded_by IS NULL") == [("S2",)]
    assert "https://push.example/1" not in go_on(pool, MORNING)


def test_what_waited_for_the_morning_is_told_then_and_not_again(pool: Pool) -> None:
    vehicle = add_vehicle(pool)
    seed.rows(pool, "UPDATE owners SET quiet_from = '22:00', quiet_to = '06:30' RETURNING 1")
    warn(pool, vehicle, now=NIGHT)

    assert go_on(pool, MORNING - timedelta(minutes=31)) == []
    assert len(go_on(pool, MORNING - timedelta(minutes=30))) == 2
    assert go_on(pool, MORNING - timedelta(minutes=29)) == []


def test_an_owner_who_was_told_much_is_told_the_rest_later(pool: Pool) -> None:
    vehicle = add_vehicle(pool)
    for number in range(10):
        warn(pool, vehicle, now=minutes(number), component=f"motor {number}", failure_mode="motor_thermal")

    ((told_at_once,),) = seed.rows(pool, "SELECT count(*) FROM warnings WHERE step > 0")
    ((held,),) = seed.rows(pool, "SELECT count(*) FROM warnings WHERE step = 0 AND next_step_at > created_at")

    assert (told_at_once, held) == (8, 2)
