"""SQL of repair orders, their bookings and parts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from alerts.dispatch.stations import PassedOver
from alerts.entries import Entries, Event, OrderEntry, news_of
from alerts.entry_store import EntryStore
from alerts.errors import UnknownOrder
from alerts.facts import NewOrder, Order
from alerts.orders.offer_store import OfferStore
from alerts.orders.states import OrderState
from alerts.rows import order_from
from alerts.sql_store import SqlStore
from alerts.telling.warning_store import WarningStore
from data.records import Severity

ACTOR = "anxin"


class OrderStore(SqlStore):
    """Reads and writes orders on one connection; the caller owns the transaction."""

    def warnings(self) -> WarningStore:
        """Return what reads and writes warnings in the same transaction."""
        return WarningStore(self._connection)

    def _row(self, query: str, /, **values: Any) -> dict[str, Any] | None:
        rows = self._rows(query, **values)
        return rows[0] if rows else None

    def offers(self) -> OfferStore:
        """Return what holds and offers appointments in the same transaction."""
        return OfferStore(self._connection)

    # ------------------------------------------------------------ orders

    def fetch_open_order(self, vehicle_id: int, cause: str, component: str) -> Order | None:
        """Return the open order of a cause, else of a component, which has one at most; locked."""
        orders = self.fetch_open_orders(vehicle_id)
        found = [o for o in orders if cause == o.cause or component == o.component]
        return min(found, key=lambda order: order.cause != cause, default=None)

    def fetch_open_orders(self, vehicle_id: int) -> list[Order]:
        """Return all open orders of a vehicle, locked."""
        return self.fetch_open_orders_of([vehicle_id])

    def fetch_open_orders_of(self, vehicle_ids: Sequence[int]) -> list[Order]:
        """Return all open orders of vehicles, locked."""
        return [order_from(row) for row in self._rows("fetch_open_orders", vehicle_ids=list(vehicle_ids))]

    def fetch_order(self, order_id: int) -> Order:
        """Return one order, locked.

        Raises:
            UnknownOrder: There is none.
        """
        row = self._row("fetch_order", order_id=order_id)
        if row is None:
            raise UnknownOrder(f"order {order_id}: there is no such order")
        return order_from(row)

    def fetch_order_vehicle(self, order_id: int) -> int:
        """Return the vehicle of an order, to be locked before the order.

        Raises:
            UnknownOrder: There is none.
        """
        row = self._row("fetch_order_vehicle", order_id=order_id)
        if row is None:
            raise UnknownOrder(f"order {order_id}: there is no such order")
        return int(row["vehicle_id"])

    def fetch_waiting_orders(
        self, before: datetime, limit: int, **reasons: str | list[str]
    ) -> list[tuple[int, int]]:
        """Return (order, vehicle) of those not touched since ``before``, not ``held``, or ``at_once``."""
        rows = self._rows("fetch_waiting_orders", before=before, limit=limit, **reasons)
        return [(row["order_id"], row["vehicle_id"]) for row in rows]

    def insert_order(self, order: NewOrder, now: datetime) -> int:
        """Open an order in state triaged and return its id."""
        number = self._draw_order_id()
        self.keep(Entries(orders={number: OrderEntry(order_id=number, order=order, at=now)}))
        return number

    def insert_order_event(
        self,
        order_id: int,
        from_state: OrderState | None,
        to_state: OrderState,
        reason: str,
        *,
        now: datetime,
        actor: str = ACTOR,
    ) -> None:
        """Append to the history of an order."""
        event = Event(
            subject_id=order_id,
            at=now,
            actor=actor,
            from_state=from_state,
            to_state=to_state,
            reason=reason,
        )
        self.keep(Entries(order_events=[event]))

    def let_order_wait(
        self, order_id: int, *, reason: str, passed_over: Sequence[PassedOver], now: datetime
    ) -> int:
        """Note why no station could be booked; return the order's new version."""
        row = self._row(
            "let_order_wait",
            order_id=order_id,
            waiting_reason=reason,
            passed_over=Jsonb([p.told() for p in passed_over]),
            now=now,
        )
        return int(row["version"]) if row else 0

    def escalate_order(self, order_id: int, *, severity: Severity, deadline: datetime, now: datetime) -> int:
        """Make an order more urgent; return its new version."""
        row = self._row("escalate_order", order_id=order_id, severity=severity, deadline=deadline, now=now)
        return int(row["version"]) if row else 0

    def move_order(self, order_id: int, state: OrderState, *, owner_answer: str | None, now: datetime) -> int:
        """Set state and the owner's answer; return the new version."""
        row = self._row("move_order", order_id=order_id, state=state, owner_answer=owner_answer, now=now)
        return int(row["version"]) if row else 0

    # ------------------------------------------------------------ bookings and parts

    def release_expired_holds(self, now: datetime) -> int:
        """Free what nobody decided on in time; return how many orders lost their hold."""
        return self._run("release_expired_holds", now=now)

    def release_order(self, order_id: int) -> None:
        """Free bay, technician and parts of an order."""
        self._run("release_order", order_id=order_id)

    def extend_hold(self, order_id: int, until: datetime, *, now: datetime) -> bool:
        """Keep a hold until then, at most until its slot begins; False where it is gone or has begun."""
        return self._run("extend_hold", order_id=order_id, expires_at=until, now=now) > 0

    def confirm_hold(self, order_id: int, *, now: datetime) -> bool:
        """Turn a hold into a booking; False where it is gone or its slot has begun."""
        return self._row("confirm_hold", order_id=order_id, now=now) is not None

    # ------------------------------------------------------------ report and live channel

    def fetch_report(self, tenant: str | None, order_id: int | None) -> list[dict[str, Any]]:
        """Return orders with station, lines, parts and alerts, as rows of ``report_orders``."""
        return self._rows("report_orders", tenant=tenant, order_id=order_id)

    def tell_browsers(self, kind: str, key: int | str) -> None:
        """Announce a change on the live channel."""
        self.keep(Entries(news=[news_of(kind, key)]))

    # ------------------------------------------------------------ writing

    def _draw_order_id(self) -> int:
        return EntryStore(self._connection).draw_order_ids(1)[0]

    def keep(self, entries: Entries) -> None:
        """Write entries down."""
        EntryStore(self._connection).write(entries)
