"""Many vehicles in one transaction: read at once, decided in memory, written at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from alerts.alarms import AlarmEvent
from alerts.dispatch.stations import PassedOver
from alerts.entries import Entries, OrderEntry
from alerts.entry_store import EntryStore
from alerts.errors import NeedsOwnTransaction
from alerts.facts import Order, VehicleFacts
from alerts.orders.states import OrderState
from alerts.policy import Alert
from alerts.store import AlertKey, AlertStore
from data.db import Connection
from data.records import FailureMode, Prediction

#: Numbers of alerts and orders that are drawn at once where many are decided; what is left over is a gap.
_DRAWN: Final = 8
#: Thresholds further away than a year are not given a date, as ``fetch_order`` reads them.
_FORESEEN_H: Final = 8760.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A vehicle that is decided about."""

    vehicle: VehicleFacts
    prediction_ids: Sequence[int]  #: all that wait
    predictions: Sequence[Prediction]  #: those of them that can be read, in order


class CaseStore(AlertStore):
    """An ``AlertStore`` that knows the vehicles it has taken and writes what is decided at the end.

    Alerts, orders, histories and news of taken vehicles are answered from memory and kept in memory. Whatever
    else is asked of the database, by this store or by one that it hands out, has to see them: a vehicle that
    is alone in its transaction is written first, and from then on every statement goes to the database. With
    others, ``NeedsOwnTransaction`` is raised: locks on stations, parts and people are never taken for many
    vehicles at once, so that no two transactions can wait for each other.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._entries = EntryStore(connection)
        self._vehicles: list[int] = []  # taken ones; empty: no memory
        self._ended: list[Entries] = []  # of the vehicles that have been decided
        self._current = Entries()  # of the one that is being decided
        self._alerts: dict[AlertKey, Alert | None] = {}
        self._orders: dict[int, dict[int, Order]] | None = None  # open ones by vehicle; None: not read yet
        self._alarms: dict[tuple[datetime, datetime], dict[int, list[AlarmEvent]]] = {}
        self._numbers: dict[str, list[int]] = {"alerts": [], "orders": []}

    @property
    def _connection(self) -> Connection:
        self._settle()
        return self._bare

    @_connection.setter
    def _connection(self, connection: Connection) -> None:
        self._bare = connection

    # ------------------------------------------------------------ the vehicles

    def take(self, vehicle_ids: Sequence[int], *, now: datetime, limit: int) -> list[Case]:
        """Return those vehicles that nobody else is deciding about and that have predictions waiting.

        Alerts whose order has ended with a finding are cleared before. Only once in a transaction.

        Args:
            vehicle_ids: The ones to be decided about.
            now: Wall time.
            limit: Of predictions in all.
        """
        locked = self.try_lock_vehicles(sorted(vehicle_ids))
        if not locked:
            return []
        self.end_repaired_alerts(sorted(locked), now)
        waiting = self.fetch_unrouted(sorted(locked), limit)
        if not waiting:
            return []
        facts = self.fetch_vehicles(list(waiting))
        cases = [
            Case(vehicle=facts[vehicle_id], prediction_ids=ids, predictions=predictions)
            for vehicle_id, (ids, predictions) in waiting.items()
        ]
        keys = {(p.vehicle_id, p.component, p.failure_mode) for case in cases for p in case.predictions}
        if keys:
            self._alerts = dict.fromkeys(keys) | self._fetch_latest_alerts(sorted(keys))
        self._vehicles = list(waiting)
        return cases

    @contextmanager
    def decision(self) -> Iterator[None]:
        """Decide about one of the vehicles that were taken; where that fails, nothing of it is written."""
        self._current = Entries()
        yield
        if self._vehicles:
            self._ended.append(self._current)
        self._current = Entries()

    def end(self, prediction_ids: Sequence[int], now: datetime) -> None:
        """Write what was decided and mark the predictions as acted on; nothing is kept any more."""
        self._write()
        self.mark_routed(prediction_ids, now)

    def _settle(self) -> None:
        if len(self._vehicles) > 1:
            raise NeedsOwnTransaction
        self._write()

    def _write(self) -> None:
        entries = Entries()
        entries.add([*self._ended, self._current])
        self._vehicles, self._ended, self._current = [], [], Entries()
        self._entries.write(entries)

    # ------------------------------------------------------------ what is kept

    def keep(self, entries: Entries) -> None:
        """Write entries down, with all others of the vehicles that were taken."""
        if not self._vehicles:
            self._entries.write(entries)
            return
        self._current.add([entries])
        for entry in entries.alerts.values():
            alert = entry.alert
            self._alerts[entry.vehicle_id, alert.component, alert.failure_mode] = alert
        for order in entries.orders.values():
            self._open_orders(order.order.vehicle.vehicle_id)[order.order_id] = _order_of(order)

    def _draw_alert_id(self) -> int:
        return self._draw("alerts")

    def _draw_order_id(self) -> int:
        return self._draw("orders")

    def _draw(self, kind: str) -> int:
        numbers = self._numbers[kind]
        if not numbers:
            draw = self._entries.draw_alert_ids if kind == "alerts" else self._entries.draw_order_ids
            numbers += draw(_DRAWN if len(self._vehicles) > 1 else 1)
        return numbers.pop(0)

    # ------------------------------------------------------------ answers from memory

    def fetch_latest_alert(self, vehicle_id: int, component: str, failure_mode: FailureMode) -> Alert | None:
        """Return the open alert of this key, else the newest cleared one."""
        key = (vehicle_id, component, failure_mode)
        if vehicle_id not in self._vehicles:
            return super().fetch_latest_alert(vehicle_id, component, failure_mode)
        if key not in self._alerts:
            self._alerts[key] = AlertStore(self._bare).fetch_latest_alert(vehicle_id, component, failure_mode)
        return self._alerts[key]

    def fetch_open_orders(self, vehicle_id: int) -> list[Order]:
        """Return all open orders of a vehicle, locked."""
        if vehicle_id not in self._vehicles:
            return super().fetch_open_orders(vehicle_id)
        return list(self._open_orders(vehicle_id).values())

    def _open_orders(self, vehicle_id: int) -> dict[int, Order]:
        if self._orders is None:
            self._orders = {taken: {} for taken in self._vehicles}
            for order in AlertStore(self._bare).fetch_open_orders_of(self._vehicles):
                self._orders[order.vehicle_id][order.order_id] = order
        return self._orders[vehicle_id]

    def fetch_order(self, order_id: int) -> Order:
        """Return one order, locked.

        Raises:
            UnknownOrder: There is none.
        """
        if not self._vehicles:
            return super().fetch_order(order_id)
        for vehicle_id in self._vehicles:
            if (order := self._open_orders(vehicle_id).get(order_id)) is not None:
                return order
        return AlertStore(self._bare).fetch_order(order_id)

    def fetch_alarms(self, vehicle_id: int, after: datetime, until: datetime) -> list[AlarmEvent]:
        """Return the vehicle's own alarms within a span of event time, both ends included, in time order."""
        if vehicle_id not in self._vehicles:
            return super().fetch_alarms(vehicle_id, after, until)
        span = (after, until)
        if span not in self._alarms:
            self._alarms[span] = AlertStore(self._bare).fetch_alarms_of(self._vehicles, after, until)
        return self._alarms[span].get(vehicle_id, [])

    def let_order_wait(
        self, order_id: int, *, reason: str, passed_over: Sequence[PassedOver], now: datetime
    ) -> int:
        """Note why no station could be booked; return the order's new version."""
        entry = self._current.orders.get(order_id)
        if entry is None or passed_over:
            return super().let_order_wait(order_id, reason=reason, passed_over=passed_over, now=now)
        self.keep(
            Entries(orders={order_id: replace(entry, order=replace(entry.order, waiting_reason=reason))})
        )
        return 1  # as it is inserted


def _order_of(entry: OrderEntry) -> Order:
    """Return an order that is not yet written as it would be read."""
    new, p10 = entry.order, (entry.order.time_to_threshold_h or (None,))[0]
    return Order(
        order_id=entry.order_id,
        vehicle_id=new.vehicle.vehicle_id,
        tenant_id=new.vehicle.tenant_id,
        component=new.component,
        cause=new.cause,
        failure_mode=new.failure_mode,
        severity=new.severity,
        state=OrderState.TRIAGED,
        version=1,
        deadline=new.deadline,
        station_id=None,
        slot_start=None,
        total=Decimal(0),
        waiting_reason=new.waiting_reason,
        opened_at=entry.at,
        threshold_at=None if p10 is None or not p10 < _FORESEEN_H else entry.at + timedelta(hours=p10),
    )
