"""The stores of alerts in memory, for rules that need no database."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from alerts.alarms import AlarmEvent
from alerts.case_store import Case
from alerts.dispatch.jobs import Job, JobPart, Operation
from alerts.dispatch.network import Network
from alerts.dispatch.slots import Period
from alerts.dispatch.stations import Bay, Occupancy, Station, Taken, Technician
from alerts.entries import Entries
from alerts.errors import BookingConflict
from alerts.facts import NewOrder, Order, VehicleFacts
from alerts.orders.offer_store import Offered
from alerts.orders.states import DEALT_WITH, OrderState
from alerts.policy import Alert, AlertState
from alerts.telling.warning_queue import Draft
from data.records import FailureMode, Prediction, Severity
from data.reference_rows import read_reference


@dataclass
class Hold:
    """A booking."""

    order_id: int
    taken: Taken
    parts: list[tuple[int, str, int]]
    expires_at: datetime


@dataclass
class FakeStore:
    """Answers as the SQL does; one thread, no transactions."""

    vehicle: VehicleFacts
    predictions: list[Prediction] = field(default_factory=list)
    alarms: list[AlarmEvent] = field(default_factory=list)
    routed: list[int] = field(default_factory=list)
    alerts: dict[int, Alert] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    events: list[tuple[int, str, str]] = field(default_factory=list)
    told: dict[str, Severity] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    ids: Any = field(default_factory=lambda: count(1))
    version: UUID = field(default_factory=uuid4)

    def __post_init__(self) -> None:
        self.data = read_reference()
        self.stock = {
            (number, sku): on_hand
            for number, row in enumerate(self.data.stations.stations, start=1)
            for sku, on_hand in row.stock.items()
        }

    def lock_vehicle(self, vehicle_id: int) -> None: ...

    def lock_planning(self, tenant_id: int, *, is_exclusive: bool) -> None: ...

    def tell_browsers(self, kind: str, key: int | str) -> None: ...

    def fetch_vehicle(self, vehicle_id: int) -> VehicleFacts:
        return self.vehicle

    def pipeline(self) -> AbstractContextManager[None]:
        return nullcontext()

    def decision(self) -> AbstractContextManager[None]:
        return nullcontext()

    def take(self, vehicle_ids: Sequence[int], *, now: datetime, limit: int) -> list[Case]:
        waiting = [p for p in self.predictions if p.prediction_id not in self.routed]
        ids = [p.prediction_id for p in waiting]
        return [Case(vehicle=self.vehicle, prediction_ids=ids, predictions=waiting)]

    def end(self, prediction_ids: Sequence[int], now: datetime) -> None:
        self.routed += prediction_ids

    def fetch_alarms(self, vehicle_id: int, after: datetime, until: datetime) -> list[AlarmEvent]:
        return sorted((a for a in self.alarms if after <= a.time <= until), key=lambda a: a.time)

    def fetch_latest_alert(self, vehicle_id: int, component: str, failure_mode: FailureMode) -> Alert | None:
        mine = [a for a in self.alerts.values() if (a.component, a.failure_mode) == (component, failure_mode)]
        return min(mine, key=lambda a: (a.state is AlertState.CLEARED, -a.alert_id), default=None)

    def save_alert(self, alert: Alert, vehicle: VehicleFacts, **_: Any) -> int:
        alert_id = alert.alert_id or next(self.ids)
        self.alerts[alert_id] = replace(alert, alert_id=alert_id)
        open_keys = [
            (a.component, a.failure_mode) for a in self.alerts.values() if a.state is not AlertState.CLEARED
        ]
        assert len(open_keys) == len(set(open_keys)), "alerts_one_open"
        return alert_id

    def insert_alert_event(self, alert_id: int, *_: Any, **__: Any) -> None:
        assert alert_id in self.alerts

    def fetch_open_orders(self, vehicle_id: int) -> list[Order]:
        return [o for o in self.orders.values() if o.state not in DEALT_WITH]

    def fetch_open_order(self, vehicle_id: int, cause: str, component: str) -> Order | None:
        found = [
            o for o in self.fetch_open_orders(vehicle_id) if cause == o.cause or component == o.component
        ]
        return min(found, key=lambda o: o.cause != cause, default=None)

    def fetch_order(self, order_id: int) -> Order:
        return self.orders[order_id]

    def insert_order(self, order: NewOrder, now: datetime) -> int:
        assert order.idempotency_key not in self.keys, "idempotency_key"
        found = self.fetch_open_order(0, order.cause, order.component)
        assert found is None, "repair_orders_one_cause, repair_orders_one_open"
        self.keys.add(order.idempotency_key)
        order_id = next(self.ids)
        self.orders[order_id] = Order(
            order_id=order_id,
            vehicle_id=order.vehicle.vehicle_id,
            tenant_id=order.vehicle.tenant_id,
            component=order.component,
            cause=order.cause,
            failure_mode=order.failure_mode,
            severity=order.severity,
            state=OrderState.TRIAGED,
            version=1,
            deadline=order.deadline,
            station_id=None,
            slot_start=None,
            total=Decimal(0),
            waiting_reason=order.waiting_reason,
        )
        return int(order_id)

    def insert_order_event(
        self, order_id: int, from_state: object, to_state: OrderState, reason: str, **_: Any
    ) -> None:
        self.events.append((order_id, to_state, reason))

    def _change(self, order_id: int, **changes: Any) -> int:
        order = self.orders[order_id]
        self.orders[order_id] = replace(order, version=order.version + 1, **changes)
        return order.version + 1

    def offers(self) -> FakeStore:
        return self

    def write(self, offers: Sequence[Offered], *, now: datetime) -> dict[int, int]:
        return {
            one.order_id: self._change(
                one.order_id,
                state=OrderState.OFFERED,
                station_id=one.plan.station.station_id,
                slot_start=one.plan.start,
                total=one.quote.total,
                customer_total=one.quote.customer_total,
                waiting_reason=None,
            )
            for one in offers
        }

    def keep(self, entries: Entries) -> None:
        self.events += [(e.subject_id, e.to_state, e.reason) for e in entries.order_events]

    def let_order_wait(self, order_id: int, *, reason: str, **_: Any) -> int:
        return self._change(
            order_id, state=OrderState.TRIAGED, station_id=None, slot_start=None, waiting_reason=reason
        )

    def escalate_order(self, order_id: int, *, severity: Severity, deadline: datetime, now: datetime) -> int:
        return self._change(
            order_id, severity=severity, deadline=min(deadline, self.orders[order_id].deadline)
        )

    def _free(self, holds: list[Hold]) -> None:
        for hold in holds:
            self.holds.remove(hold)
            for station_id, sku, qty in hold.parts:
                self.stock[station_id, sku] += qty

    def release_expired_holds(self, now: datetime) -> int:
        expired = [h for h in self.holds if h.expires_at <= now]
        self._free(expired)
        return len(expired)

    def release_order(self, order_id: int) -> None:
        self._free([h for h in self.holds if h.order_id == order_id])

    def hold(self, offers: Sequence[Offered], *, hold_for: timedelta, now: datetime) -> None:
        for one in offers:
            station, plan = one.plan.station.station_id, one.plan
            parts = [(part.sku, part.qty) for part in plan.supply.job.parts]
            if any(self.stock.get((station, sku), 0) < qty for sku, qty in parts):
                raise BookingConflict
            for sku, qty in parts:
                self.stock[station, sku] -= qty
            taken = Taken(
                bay_id=None if plan.bay is None else plan.bay.bay_id,
                technician_id=plan.technician.technician_id,
                start=plan.busy[0],
                end=plan.busy[1],
            )
            self.holds.append(Hold(one.order_id, taken, [(station, s, q) for s, q in parts], now + hold_for))

    def end_repaired_alerts(self, vehicle_ids: Sequence[int], now: datetime) -> int:
        return 0

    def fetch_modes(self, tenant_id: int) -> list[tuple[str, str, str]]:
        return []

    def warnings(self) -> FakeStore:
        return self

    def queue(self, vehicle: VehicleFacts, *, transition: str, severity: Severity, **_: Any) -> None:
        self.told.setdefault(transition, severity)

    def queue_all(self, drafts: Sequence[Draft], *, now: datetime) -> None:
        for draft in drafts:
            self.told.setdefault(draft.transition, draft.severity)

    # ------------------------------------------------------------ network

    def fetch_version(self) -> UUID:
        return self.version

    def fetch_network(self, tenant_id: int, *, least_ratings: int) -> Network:
        rows = enumerate(self.data.stations.stations, start=1)
        jobs = {job.failure_mode: self._job(job.failure_mode) for job in self.data.jobs}
        return Network(tuple(self._station(number, row) for number, row in rows), jobs)

    def lock_station(self, station_id: int) -> None: ...

    def fetch_occupancy(self, stations: Sequence[Station], now: datetime) -> dict[int, Occupancy]:
        taken = [hold.taken for hold in self.holds]
        return {
            number: Occupancy(
                taken=taken,
                stock={sku: free for (station, sku), free in self.stock.items() if station == number},
            )
            for number in (s.station_id for s in stations)
        }

    def _station(self, number: int, row: Any) -> Station:
        hours, shifts = self.data.stations.hours, self.data.stations.shifts
        return Station(
            station_id=number,
            code=row.code,
            name_en=row.name_en,
            name_zh=row.name_zh,
            address=row.address,
            lat=row.lat,
            lon=row.lon,
            time_zone=row.time_zone,
            has_hv_certificate=row.has_hv_certificate,
            labour_rate=row.labour_rate,
            currency=row.currency,
            tax_rate=row.tax_rate,
            hours=periods(hours[row.hours].weekdays, hours[row.hours].opens, hours[row.hours].closes),
            bays=tuple(
                Bay(bay_id=number * 100 + n, name=b.name, kinds=frozenset(b.kinds))
                for n, b in enumerate(row.bays)
            ),
            technicians=tuple(
                Technician(
                    technician_id=number * 100 + n,
                    name=t.name,
                    skills=frozenset(t.skills),
                    shift=periods(shifts[t.shift].weekdays, shifts[t.shift].starts, shifts[t.shift].ends),
                    carries=None if t.carries is None else frozenset(t.carries),
                )
                for n, t in enumerate(row.technicians)
            ),
        )

    def _job(self, failure_mode: FailureMode) -> Job:
        row = next(j for j in self.data.jobs if j.failure_mode == failure_mode)
        operations = {o.operation: o for o in self.data.operations}
        parts = {p.sku: p for p in self.data.parts}
        return Job(
            operations=tuple(
                Operation(
                    operation=o.operation,
                    name_en=o.name_en,
                    name_zh=o.name_zh,
                    hours=o.hours,
                    skill=o.skill,
                    bay_kind=o.bay_kind,
                )
                for o in (operations[name] for name in row.operations)
            ),
            parts=tuple(
                JobPart(
                    sku=p.sku,
                    name_en=parts[p.sku].name_en,
                    name_zh=parts[p.sku].name_zh,
                    qty=p.qty,
                    unit_price=parts[p.sku].unit_price,
                )
                for p in row.parts
            ),
            needs_hv=row.needs_hv,
        )


def periods(weekdays: Sequence[int], start: time, end: time) -> tuple[Period, ...]:
    return tuple(
        Period(weekday=d, start_minute=start.hour * 60 + start.minute, end_minute=end.hour * 60 + end.minute)
        for d in weekdays
    )
