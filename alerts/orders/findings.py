"""Findings that can wait: told once, and ordered when somebody who may decide asks for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from alerts.desk import Desk, Terms, decide_again
from alerts.errors import InvalidTransition
from alerts.facts import Order, VehicleFacts
from alerts.orders.opening import open_order
from alerts.orders.placing import place_order
from alerts.orders.states import OrderState, idempotency_key
from alerts.orders.visit_store import Finding
from alerts.policy import Alert
from alerts.telling.texts import finding_text
from data.audit import Deed
from data.db import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """The order that somebody's wish led to."""

    order_id: int
    state: OrderState
    is_new: bool  #: False: the finding had an order already, or joined the one of its cause


def tell_finding(desk: Desk, alert: Alert, vehicle: VehicleFacts, *, now: datetime) -> None:
    """Tell the owner of something that waits for the next visit; once at each urgency."""
    desk.store.warnings().queue(
        vehicle,
        transition=f"alert:{alert.alert_id}:{alert.severity}",
        severity=alert.severity,
        text=finding_text(alert.component, alert.failure_mode),
        alert_id=alert.alert_id,
        order_id=None,
        now=now,
    )


def request_order(pool: Pool, terms: Terms, *, alert_id: int, actor: str, now: datetime) -> Requested:
    """Open and place an order for a finding because its owner, or operations for them, ask for it.

    Asked again, the answer is the same order, as long as it is open; one that was declined or cancelled is no
    answer. The circuit breaker does not hold back what a person wants.

    Raises:
        UnknownAlert: There is no such alert.
        InvalidTransition: It is not raised, or repaired: there is nothing to order.
        BookingConflict: The decision lost every time; nothing was written.
    """

    def work(desk: Desk) -> Requested:
        store, visits = desk.store, desk.store.visits()
        store.lock_vehicle(visits.fetch_vehicle_of(alert_id))
        finding = visits.fetch_finding(alert_id)
        alert, vehicle = finding.alert, store.fetch_vehicle(finding.vehicle_id)
        is_repaired = alert.repaired_at is not None
        if vehicle is None or not alert.is_active or is_repaired:
            told = "repaired" if is_repaired else alert.state
            raise InvalidTransition(f"alert {alert_id} is {told}: there is nothing to order for it")
        order = order_of(desk, alert, vehicle, terms)
        is_new = order is None
        if order is None:
            order = open_for(desk, finding, vehicle, terms, now=now, actor=actor)
        elif alert.order_id != order.order_id:
            join_order(desk, finding, order, vehicle, now=now, actor=actor)
        store.acknowledge_alerts(order.order_id, actor=actor, reason="an appointment was asked for", now=now)
        store.warnings().acknowledge(order_id=None, alert_id=alert_id, actor=actor, now=now)
        known = store.work()
        said = {"alert_id": alert_id, "is_new": is_new}
        known.audit(Deed(actor=actor, now=now), known.fetch_order(order.order_id), "order.request", said)
        if is_new:
            place_order(desk, order, vehicle, terms, now=now, alert_id=alert_id)
        state = store.fetch_order(order.order_id).state
        return Requested(order_id=order.order_id, state=state, is_new=is_new)

    return decide_again(pool, work)


def order_of(desk: Desk, alert: Alert, vehicle: VehicleFacts, terms: Terms) -> Order | None:
    """Return the open order that is about an alert's cause or component, locked."""
    cause = terms.policy.cause_of(alert.component, alert.failure_mode)
    return desk.store.fetch_open_order(vehicle.vehicle_id, cause, alert.component)


def open_for(
    desk: Desk, finding: Finding, vehicle: VehicleFacts, terms: Terms, *, now: datetime, actor: str
) -> Order:
    """Open an order for a finding; another one after one that was declined or cancelled."""
    alert = finding.alert
    key = idempotency_key(vehicle.vehicle_id, alert.component, alert.alert_id, alert.severity)
    if alert.order_id is not None:
        key = f"{key} after {alert.order_id}"
    return open_order(desk, alert, finding.prediction, vehicle, terms, now=now, key=key, actor=actor)


def join_order(
    desk: Desk, finding: Finding, order: Order, vehicle: VehicleFacts, *, now: datetime, actor: str
) -> None:
    """Let a finding belong to an order, as far as its history tells."""
    alert = replace(finding.alert, order_id=order.order_id)
    origin = vehicle.origin if finding.prediction is None else finding.prediction.origin
    desk.store.save_alert(alert, vehicle, prediction_id=None, origin=origin, now=now)
    reason = f"joined: {alert.component} {alert.failure_mode} {alert.severity}"
    desk.store.insert_order_event(order.order_id, order.state, order.state, reason, now=now, actor=actor)
    desk.store.tell_browsers("order", order.order_id)
