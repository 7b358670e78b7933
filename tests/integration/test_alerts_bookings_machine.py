"""Whatever owners say and however time passes, a station holds what was agreed and no more than it has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from alerts.commands import Commands
from alerts.orders.replanning import replan_upset, replan_waiting
from alerts.router import route_waiting
from alerts.work.actions import Action, Details
from data.db import Pool
from tests.effort import examples
from tests.integration import alerts_seed as seed

START = datetime(2026, 3, 10, 2, tzinfo=UTC)  # Tuesday 10:00 in Shanghai
TERMS = seed.make_terms()
VEHICLES, KITS = 5, 3
ORDERS = (
    "SELECT o.order_id, o.vehicle_id, o.state, o.version, o.slot,"
    " (SELECT count(*) FROM bookings b WHERE b.order_id = o.order_id AND b.state IN ('held', 'booked')),"
    " (SELECT coalesce(sum(r.qty), 0) FROM part_reservations r WHERE r.order_id = o.order_id"
    "   AND r.state = 'reserved'),"
    " (SELECT max(b.expires_at) FROM bookings b WHERE b.order_id = o.order_id) <= %s"
    " FROM repair_orders o ORDER BY o.order_id"
)
OVERLAPS = (
    "SELECT count(*) FROM bookings a JOIN bookings b ON a.booking_id < b.booking_id AND a.slot && b.slot"
    " AND (a.bay_id = b.bay_id OR a.technician_id = b.technician_id)"
    " WHERE a.state IN ('held', 'booked') AND b.state IN ('held', 'booked')"
)
STOCK = (
    "SELECT sum(on_hand), sum(reserved), min(on_hand - reserved) FROM part_stock"
    " WHERE sku = 'TIRE-REPAIR-KIT'"
)


class Bookings(RuleBasedStateMachine):
    """One station with three kits; five vehicles whose tires leak."""

    pool: Pool
    vehicles: list[int]

    @initialize()
    def begin(self) -> None:
        self.now, self.count = START, 0
        self.agreed: dict[int, Any] = {}  #: order -> the slot its owner said yes to
        self.over: set[int] = set()  #: orders that were declined or cancelled
        with self.pool.connection() as connection:
            connection.execute(
                "TRUNCATE alerts, repair_orders, predictions, service_cursors, warnings"
                " RESTART IDENTITY CASCADE"
            )
            connection.execute("UPDATE part_stock SET reserved = 0, on_hand = 0")
            connection.execute(
                "UPDATE stations SET is_active = station_id = (SELECT min(station_id) FROM stations)"
            )
            connection.execute(
                "UPDATE part_stock SET on_hand = %s WHERE sku = 'TIRE-REPAIR-KIT'"
                " AND station_id = (SELECT min(station_id) FROM stations)",
                (KITS,),
            )

    def orders(self, *states: str) -> list[tuple[Any, ...]]:
        return [order for order in seed.rows(self.pool, ORDERS, self.now) if not states or order[2] in states]

    @rule(n=st.integers(0, VEHICLES - 1))
    def leak(self, n: int) -> None:
        """A vehicle's tire is told to leak, perhaps once more."""
        self.now += timedelta(seconds=30)
        seed.add_prediction(self.pool, self.vehicles[n], self.now)
        route_waiting(self.pool, TERMS, now=self.now)

    @rule(minutes=st.sampled_from([5, 16, 90]))
    def wait(self, minutes: int) -> None:
        """Holds may end; who waits is planned again."""
        self.now += timedelta(minutes=minutes)
        replan_upset(self.pool, TERMS, now=self.now)
        replan_waiting(self.pool, TERMS, now=self.now)

    @precondition(lambda self: self.orders("offered"))
    @rule(pick=st.integers(0, 9), answer=st.sampled_from(["yes", "yes", "no", "later"]))
    def answer(self, pick: int, answer: str) -> None:
        """An owner answers; what they agreed to is what they were shown."""
        offered = self.orders("offered")
        order_id, _, _, version, slot, *_ = offered[pick % len(offered)]
        answered = Commands(self.pool, TERMS).answer(
            order_id=order_id, answer=answer, actor="owner:1", version=version, now=self.now
        )
        if answer == "yes" and not answered.is_changed:
            self.agreed[order_id] = slot
        if answer == "no":
            self.over.add(order_id)

    @precondition(lambda self: self.orders("booked"))
    @rule(pick=st.integers(0, 9))
    def cancel(self, pick: int) -> None:
        """The station gives an appointment back because the owner wants so."""
        booked = self.orders("booked")
        order_id, _, _, version, *_ = booked[pick % len(booked)]
        self.count += 1
        Commands(self.pool, TERMS).act(
            order_id=order_id, action=Action.CANCEL, details=Details(reason="sold", is_owners_wish=True),
            actor="station:1", version=version, key=f"k{self.count}", now=self.now,
        )  # fmt: skip
        self.agreed.pop(order_id, None)
        self.over.add(order_id)

    @invariant()
    def nothing_is_held_twice_or_beyond_the_shelf(self) -> None:
        if not hasattr(self, "now"):
            return
        orders = self.orders()
        ((on_hand, reserved, least),) = seed.rows(self.pool, STOCK)
        assert (on_hand, least >= 0) == (KITS, True)
        assert reserved == sum(order[6] for order in orders)
        assert seed.rows(self.pool, OVERLAPS) == [(0,)]
        for order_id, _, state, _, slot, bookings, parts, is_lapsed in orders:
            holds_all = (bookings, parts) == (1, 1)
            # a hold that has run out is another owner's for the taking; a late yes plans anew
            is_free = state not in ("offered", "booked") or (state == "offered" and is_lapsed)
            assert holds_all or (is_free and (bookings, parts) == (0, 0)), (order_id, state)
            assert not holds_all or state in ("offered", "booked")
            if order_id in self.over:
                assert state in ("declined", "cancelled")
            if state == "booked":
                assert slot == self.agreed[order_id]
        going_on = [order[1] for order in orders if order[2] in ("triaged", "offered", "booked")]
        assert len(going_on) == len(set(going_on))


def test_any_sequence_of_answers_and_delays_keeps_what_was_agreed(pool: Pool) -> None:
    vehicles = seed.seed_vehicles(pool, VEHICLES)
    run_state_machine_as_test(
        type("SmallStation", (Bookings,), {"pool": pool, "vehicles": vehicles}),
        settings=settings(
            max_examples=examples(40),
            stateful_step_count=10,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
