"""Router and notifier may die at any commit, just before it or just after: nothing is lost or doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from alerts.alarm_router import follow_events
from alerts.commands import Commands
from alerts.router import route_waiting
from alerts.telling.notify import deliver_next, take_step
from alerts.telling.outbox_store import Delivery
from data.db import Connection, Pool, transaction
from tests.effort import IS_FULL
from tests.integration import alerts_seed as seed

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
LATER = NOW + timedelta(minutes=6)  # by then an urgent warning that nobody has acknowledged goes on
TERMS = seed.make_terms()


class Died(BaseException):
    """The process has ended here."""


class DyingPool:
    """A pool that counts commits and ends the process before or after one of them.

    Args:
        pool: The real one.
        at: Number of the commit, from 1; 0: never.
        is_before: Whether what it would have committed is lost.
    """

    def __init__(self, pool: Pool, *, at: int = 0, is_before: bool = False) -> None:
        self._pool, self._at, self._is_before = pool, at, is_before
        self.commits = 0

    @contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[Connection]:
        with self._pool.connection(timeout) as connection:
            yield connection
            self.commits += 1
            is_last = self.commits == self._at
            if is_last and self._is_before:
                raise Died
        if is_last:
            raise Died


class Receiver:
    """Takes every delivery and remembers how often each came."""

    def __init__(self) -> None:
        self.taken: Counter[tuple[str, str]] = Counter()

    def send(self, delivery: Delivery) -> str:
        self.taken[str(delivery.warning_id), delivery.channel] += 1
        return "taken"


@pytest.fixture
def vehicles(pool: Pool) -> list[int]:
    """Four vehicles whose owners have a phone."""
    found = seed.seed_vehicles(pool, 4)
    with transaction(pool) as connection:
        connection.execute(
            "INSERT INTO push_subscriptions (owner_id, endpoint, p256dh, auth, created_at)"
            " SELECT owner_id, 'https://push.example.com/' || owner_id, 'k', 'a', now() FROM owners"
        )
    return found


def fill(pool: Pool, vehicles: list[int]) -> None:
    """Begin anew: an alarm with a prediction, a leak, a short that two predictions tell of, and a note."""
    with transaction(pool) as connection:
        connection.execute(
            "TRUNCATE alerts, repair_orders, predictions, vehicle_events, ingest_batches, service_cursors,"
            " warnings RESTART IDENTITY CASCADE"
        )
        connection.execute("UPDATE part_stock SET reserved = 0")
    seed.add_alarms(pool, vehicles[0], [NOW], received=NOW, is_hist=False)
    seed.add_prediction(pool, vehicles[0], NOW, component="cell 7", failure_mode="cell_internal_short")
    seed.add_prediction(pool, vehicles[1], NOW)
    for component in ("cell 7", "cell 9"):
        seed.add_prediction(pool, vehicles[2], NOW, component=component, failure_mode="cell_internal_short")
    seed.add_prediction(pool, vehicles[3], NOW, severity="S4", failure_mode="battery_capacity_fade")


def decide(pool: Pool, _: Receiver) -> None:
    """What the router does, until nothing waits."""
    follow_events(pool, TERMS, now=NOW)
    while route_waiting(pool, TERMS, now=NOW).predictions:
        continue


def tell(pool: Pool, receiver: Receiver) -> None:
    """What the notifier does, until nothing waits, now and six minutes later."""
    senders = {"webpush": receiver, "mqtt": receiver}
    for now in (NOW, LATER):
        while take_step(pool, now=now) or deliver_next(pool, senders, now=now) is not None:
            continue


def answer(pool: Pool, _: Receiver) -> None:
    """What owners do who said yes already when their phone lost the connection: they say it again."""
    commands = Commands(pool, TERMS)
    query = "SELECT order_id, version FROM repair_orders WHERE state = 'offered' ORDER BY order_id"
    for order_id, version in seed.rows(pool, query):
        commands.answer(order_id=order_id, answer="yes", actor="owner:1", version=version, now=NOW)


def work_all(pool: Pool, receiver: Receiver) -> None:
    for part in (decide, tell, answer, tell):
        part(pool, receiver)


def picture(pool: Pool) -> dict[str, list[tuple[Any, ...]]]:
    """All that came of it, without the numbers that a lost transaction uses up."""
    queries = {
        "alerts": "SELECT vehicle_id, component, failure_mode, severity, state, occurrence_count,"
        " order_id IS NULL FROM alerts ORDER BY 1, 2, 3",
        "alert history": "SELECT a.vehicle_id, a.component, a.failure_mode, e.from_state, e.to_state,"
        " e.reason FROM alert_events e JOIN alerts a USING (alert_id) ORDER BY 1, 2, 3, e.event_id",
        "orders": "SELECT vehicle_id, component, failure_mode, state, station_id, slot, total, version"
        " FROM repair_orders ORDER BY 1, 2",
        "history": "SELECT o.vehicle_id, e.actor, e.from_state, e.to_state, e.reason"
        " FROM order_events e JOIN repair_orders o USING (order_id) ORDER BY 1, o.component, e.event_id",
        "bookings": "SELECT o.vehicle_id, b.bay_id, b.technician_id, b.slot, b.state"
        " FROM bookings b JOIN repair_orders o USING (order_id) ORDER BY 1, 2, 3, 4",
        "parts": "SELECT o.vehicle_id, r.sku, r.qty, r.state"
        " FROM part_reservations r JOIN repair_orders o USING (order_id) ORDER BY 1, 2",
        "stock": "SELECT station_id, sku, on_hand, reserved FROM part_stock ORDER BY 1, 2",
        "warnings": "SELECT vehicle_id, severity, body_en FROM warnings ORDER BY 1, 2, 3",
        "deliveries": "SELECT w.vehicle_id, w.severity, d.channel, d.state, d.audience"
        " FROM deliveries d JOIN warnings w USING (warning_id) ORDER BY 1, 2, 3, w.body_en",
    }
    return {name: seed.rows(pool, query) for name, query in queries.items()}


def run(pool: Pool, vehicles: list[int], *, at: int, is_before: bool) -> tuple[DyingPool, Receiver]:
    """Do all the work in a process that dies once, and go on in a second one."""
    fill(pool, vehicles)
    dying, receiver = DyingPool(pool, at=at, is_before=is_before), Receiver()
    with suppress(Died):
        work_all(cast("Pool", dying), receiver)
    work_all(pool, receiver)
    return dying, receiver


@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
def test_whoever_dies_at_any_commit_leaves_nothing_lost_or_doubled(
    pool: Pool, vehicles: list[int], is_before: bool
) -> None:
    undisturbed, receiver = run(pool, vehicles, at=0, is_before=is_before)
    expected = picture(pool)
    assert [len(expected[name]) for name in ("alerts", "orders")] == [6, 3]
    assert set(receiver.taken.values()) == {1}
    assert undisturbed.commits > 20  # or the pool no longer sees them

    # all of them in .ci/run; in between others before than after
    for at in range(1 if IS_FULL else 1 + 2 * is_before, undisturbed.commits + 1, 1 if IS_FULL else 4):
        dying, receiver = run(pool, vehicles, at=at, is_before=is_before)

        assert dying.commits == at
        assert picture(pool) == expected, f"commit {at}"
        sent = sum(receiver.taken.values())
        # a message that was handed over before its commit goes out once more, under the same warning
        assert len(receiver.taken) <= sent <= len(receiver.taken) + is_before
