"""SQL of alerts and orders: what the router reads and writes inside its one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any

from alerts.alarms import AlarmEvent
from alerts.entries import AlertEntry, Entries, Event
from alerts.entry_store import EntryStore
from alerts.facts import Order, VehicleFacts
from alerts.orders.order_store import ACTOR, OrderStore
from alerts.orders.replan_store import ReplanStore
from alerts.orders.states import BATCHED
from alerts.orders.visit_store import VisitStore
from alerts.policy import Alert, AlertState
from alerts.prices.price_store import PriceStore
from alerts.rows import alarm_from, alert_from, order_from, prediction_from, vehicle_from
from alerts.work.work_store import WorkStore
from data.locks import LOCK_BATCH, LOCK_PLANNING, LOCK_VEHICLE
from data.records import FailureMode, Prediction, Severity

#: Vehicle, component and failure mode: at most one alert of these is open.
AlertKey = tuple[int, str, FailureMode]


class AlertStore(OrderStore):
    """Reads and writes predictions, alerts and orders on one connection; the caller owns the transaction."""

    def work(self) -> WorkStore:
        """Return what reads and writes the work on orders in the same transaction."""
        return WorkStore(self._connection)

    def prices(self) -> PriceStore:
        """Return what reads and writes the prices of orders in the same transaction."""
        return PriceStore(self._connection)

    def replan(self) -> ReplanStore:
        """Return what reads and changes appointments in the same transaction."""
        return ReplanStore(self._connection)

    def visits(self) -> VisitStore:
        """Return what reads and writes findings that wait for a visit in the same transaction."""
        return VisitStore(self._connection)

    def pipeline(self) -> AbstractContextManager[Any]:
        """Send statements without waiting for each answer; an error shows at the next answer that is read."""
        return self._connection.pipeline()

    # ------------------------------------------------------------ locks

    def lock_vehicle(self, vehicle_id: int) -> None:
        """Wait for this vehicle's other decisions; free again at the end of the transaction."""
        self._rows("lock_vehicle", lock=LOCK_VEHICLE, vehicle_id=vehicle_id)

    def try_lock_vehicle(self, vehicle_id: int) -> bool:
        """Take the vehicle if nobody else is deciding about it."""
        return vehicle_id in self.try_lock_vehicles([vehicle_id])

    def try_lock_vehicles(self, vehicle_ids: Sequence[int]) -> set[int]:
        """Take those vehicles that nobody else is deciding about and return them."""
        rows = self._rows("try_lock_vehicles", lock=LOCK_VEHICLE, vehicle_ids=list(vehicle_ids))
        return {row["vehicle_id"] for row in rows}

    def lock_planning(self, tenant_id: int, *, is_exclusive: bool) -> None:
        """Enter planning together with others, or alone."""
        self._rows("lock_planning", lock=LOCK_PLANNING, tenant_id=tenant_id, is_exclusive=is_exclusive)

    def try_lock_batch(self, tenant_id: int) -> bool:
        """Take a tenant's batch if nobody else has it; the connection keeps it until it gives it back."""
        row = self._row("try_lock_batch", lock=LOCK_BATCH, tenant_id=tenant_id)
        return bool(row and row["is_mine"])

    def unlock_batch(self, tenant_id: int) -> None:
        """Give a tenant's batch back."""
        self._rows("unlock_batch", lock=LOCK_BATCH, tenant_id=tenant_id)

    # ------------------------------------------------------------ batches

    def fetch_batched(
        self, tenant_id: int, *, limit: int, order_ids: Sequence[int] | None = None
    ) -> list[Order]:
        """Return orders of a tenant that wait for a batch, of the given ones if any, locked."""
        rows = self._rows(
            "fetch_batched",
            batched=BATCHED,
            tenant_id=tenant_id,
            limit=limit,
            order_ids=None if order_ids is None else list(order_ids),
        )
        return [order_from(row) for row in rows]

    def fetch_batched_tenants(self, before: datetime, *, most: int) -> list[int]:
        """Return tenants with an order that has waited for a batch since then, or with so many."""
        rows = self._rows("fetch_batched_tenants", batched=BATCHED, before=before, most=most)
        return [row["tenant_id"] for row in rows]

    # ------------------------------------------------------------ predictions

    def settle_quiet_predictions(self, *, lowest: float, now: datetime, limit: int) -> int:
        """Mark what can change nothing as routed and return how many there were."""
        return self._run("settle_quiet_predictions", lowest=lowest, now=now, limit=limit)

    def fetch_vehicles_to_route(
        self, limit: int, *, resting: Sequence[int] = (), just_failed: Sequence[int] = ()
    ) -> dict[int, Severity]:
        """Return vehicles with predictions that nobody has acted on, and the most urgent class among these.

        The most urgent come first, then those that have waited longest. Those that rest are left out, with
        something of S0 or S1 only those that have just failed.
        """
        rows = self._rows(
            "fetch_vehicles_to_route", limit=limit, resting=list(resting), just_failed=list(just_failed)
        )
        return {row["vehicle_id"]: Severity(row["severity"]) for row in rows}

    def fetch_unrouted(
        self, vehicle_ids: Sequence[int], limit: int
    ) -> dict[int, tuple[list[int], list[Prediction]]]:
        """Return the ids of all waiting predictions and those that can be read, in order, by vehicle; locked.

        Of more than ``limit`` the oldest; vehicles of which none is among these are left out.
        """
        found: dict[int, tuple[list[int], list[Prediction]]] = {}
        for row in self._rows("fetch_unrouted", vehicle_ids=list(vehicle_ids), limit=limit):
            ids, read = found.setdefault(row["vehicle_id"], ([], []))
            ids.append(row["prediction_id"])
            if (prediction := prediction_from(row)) is not None:
                read.append(prediction)
        return found

    def mark_routed(self, ids: Sequence[int], now: datetime) -> None:
        """Mark predictions as acted on."""
        self._run("mark_routed", ids=list(ids), now=now)

    # ------------------------------------------------------------ vehicles and alarms

    def fetch_vehicle(self, vehicle_id: int) -> VehicleFacts | None:
        """Return what is known of a vehicle."""
        return self.fetch_vehicles([vehicle_id]).get(vehicle_id)

    def fetch_vehicles(self, vehicle_ids: Sequence[int]) -> dict[int, VehicleFacts]:
        """Return what is known of vehicles, by vehicle."""
        rows = self._rows("fetch_vehicles", vehicle_ids=list(vehicle_ids))
        return {row["vehicle_id"]: vehicle_from(row) for row in rows}

    def fetch_alarms(self, vehicle_id: int, after: datetime, until: datetime) -> list[AlarmEvent]:
        """Return the vehicle's own alarms within a span of event time, both ends included, in time order."""
        return self.fetch_alarms_of([vehicle_id], after, until).get(vehicle_id, [])

    def fetch_alarms_of(
        self, vehicle_ids: Sequence[int], after: datetime, until: datetime
    ) -> dict[int, list[AlarmEvent]]:
        """Return vehicles' own alarms within a span of event time, as ``fetch_alarms`` does, by vehicle."""
        found: dict[int, list[AlarmEvent]] = {}
        for row in self._rows("fetch_alarms", vehicle_ids=list(vehicle_ids), after=after, until=until):
            found.setdefault(row["vehicle_id"], []).append(alarm_from(row))
        return found

    def fetch_event_cursor(self, service: str) -> int:
        """Return the last batch whose events this service has acted on; 0 at first."""
        row = self._row("fetch_event_cursor", service=service)
        return int(row["batch_id"]) if row else 0

    def fetch_event_spans(self, cursor: int, limit: int) -> tuple[int, list[tuple[int, datetime, datetime]]]:
        """Return the newest of the next batches, and vehicle, first and last event time of their events."""
        rows = self._rows("fetch_event_spans", cursor=cursor, limit=limit)
        spans = [
            (row["vehicle_id"], row["time_from"], row["time_to"])
            for row in rows
            if row["vehicle_id"] is not None
        ]
        return (rows[0]["batch_id"] if rows else cursor), spans

    def advance_event_cursor(self, service: str, batch_id: int, now: datetime) -> None:
        """Note how far a service has come; never goes back."""
        self._run("advance_event_cursor", service=service, batch_id=batch_id, now=now)

    def remember_vehicle(self, service: str, vehicle_id: int, batch_id: int, now: datetime) -> None:
        """Note a vehicle whose events after a batch were not acted on."""
        self._run("remember_vehicle", service=service, vehicle_id=vehicle_id, batch_id=batch_id, now=now)

    def fetch_remembered_vehicles(
        self, service: str, *, before: datetime, limit: int
    ) -> list[tuple[int, datetime | None, datetime | None]]:
        """Return such vehicles not tried since ``before``, with first and last event time of what waits."""
        rows = self._rows("fetch_remembered_vehicles", service=service, before=before, limit=limit)
        return [(row["vehicle_id"], row["time_from"], row["time_to"]) for row in rows]

    def forget_vehicle(self, service: str, vehicle_id: int, *, before: datetime) -> None:
        """Note that the events of a vehicle that was remembered before then have been acted on."""
        self._run("forget_vehicle", service=service, vehicle_id=vehicle_id, before=before)

    # ------------------------------------------------------------ alerts

    def fetch_vehicles_repaired(self, limit: int) -> list[int]:
        """Return vehicles with alerts whose order has ended with a finding."""
        return [row["vehicle_id"] for row in self._rows("fetch_vehicles_repaired", limit=limit)]

    def end_repaired_alerts(self, vehicle_ids: Sequence[int], now: datetime) -> int:
        """Clear vehicles' alerts whose order has ended with a finding; return how many there were."""
        ended = self._rows("end_repaired_alerts", vehicle_ids=list(vehicle_ids), actor=ACTOR, now=now)
        for row in ended:
            self.tell_browsers("alert", row["alert_id"])
        return len(ended)

    def fetch_latest_alert(self, vehicle_id: int, component: str, failure_mode: FailureMode) -> Alert | None:
        """Return the open alert of this key, else the newest cleared one."""
        key = (vehicle_id, component, failure_mode)
        return self._fetch_latest_alerts([key]).get(key)

    def _fetch_latest_alerts(self, keys: Sequence[AlertKey]) -> dict[AlertKey, Alert]:
        vehicle_ids, components, modes = zip(*keys, strict=True)
        rows = self._rows(
            "fetch_latest_alerts",
            vehicle_ids=list(vehicle_ids),
            components=list(components),
            failure_modes=[str(mode) for mode in modes],
        )
        found = [(row.pop("vehicle_id"), alert_from(row)) for row in rows]
        return {(v, alert.component, alert.failure_mode): alert for v, alert in found}

    def save_alert(
        self,
        alert: Alert,
        vehicle: VehicleFacts,
        *,
        prediction_id: int | None,
        origin: str,
        now: datetime,
    ) -> int:
        """Insert a new alert or update the known one; return its id."""
        is_new = not alert.alert_id
        known = replace(alert, alert_id=self._draw_alert_id()) if is_new else alert
        entry = AlertEntry(
            alert=known,
            tenant_id=vehicle.tenant_id,
            vehicle_id=vehicle.vehicle_id,
            prediction_id=prediction_id,
            origin=origin,
            is_new=is_new,
            at=now,
        )
        self.keep(Entries(alerts={known.alert_id: entry}))
        return known.alert_id

    def _draw_alert_id(self) -> int:
        return EntryStore(self._connection).draw_alert_ids(1)[0]

    def insert_alert_event(
        self,
        alert_id: int,
        from_state: AlertState | None,
        to_state: AlertState,
        reason: str,
        *,
        now: datetime,
    ) -> None:
        """Append to the history of an alert."""
        event = Event(
            subject_id=alert_id,
            at=now,
            actor=ACTOR,
            from_state=from_state,
            to_state=to_state,
            reason=reason,
        )
        self.keep(Entries(alert_events=[event]))

    def acknowledge_alerts(self, order_id: int, *, actor: str, reason: str, now: datetime) -> None:
        """Note that a person knows of the open alerts of an order, and of its warnings."""
        self._run("acknowledge_alerts", order_id=order_id, actor=actor, reason=reason, now=now)
        self.warnings().acknowledge(order_id=order_id, alert_id=None, actor=actor, now=now)
