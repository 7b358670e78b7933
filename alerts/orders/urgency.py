"""An order becomes more urgent: by a worse alert, or because the fault may come before its appointment."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from alerts.breaker import HELD_BACK
from alerts.desk import Desk, Terms
from alerts.dispatch.stations import Plan
from alerts.facts import Order, VehicleFacts
from alerts.orders.placing import place_order
from alerts.orders.replanning import move_appointment
from alerts.orders.standing import Upset
from alerts.orders.states import AT_WORK, UNAGREED, OrderState
from alerts.policy import HELD_SEVERITIES, Alert
from alerts.rules import Mode
from alerts.telling.texts import warning_text
from data.records import Prediction, Severity

_LONGEST_H = 8760.0


def threshold_of(prediction: Prediction) -> datetime | None:
    """Return when the threshold may be crossed: the lower bound of the time to it, at most a year away."""
    time = prediction.time_to_threshold_h
    if time is None:
        return None
    return prediction.data_time + timedelta(hours=min(max(time.p10, 0.0), _LONGEST_H))


def hurried(alert: Severity, order: Severity) -> Severity | None:
    """Return the class of an order whose appointment may be too late; None: it is as urgent already.

    One class above the alert's own, but never S0: how dangerous a fault is, only evidence tells.
    """
    classes = list(Severity)
    above = classes[max(classes.index(alert) - 1, classes.index(Severity.S1))]
    return above if above < order else None


def hurry(
    desk: Desk, alert: Alert, prediction: Prediction, vehicle: VehicleFacts, terms: Terms, *, now: datetime
) -> bool:
    """Raise an order's class and bring it forward where the fault may come before the appointment.

    Args:
        desk: Inside the transaction of the prediction.
        alert: The open alert that the prediction adds evidence to.
        prediction: The newest evidence; only a fresh one that would raise by itself counts.
        vehicle: Its vehicle.
        terms: For planning.
        now: Wall time.

    Returns:
        Whether it did; once for each class, and only a person or new evidence lowers it again.
    """
    threshold_at = threshold_of(prediction)
    is_strong = prediction.probability >= terms.policy.modes[alert.failure_mode].raise_level
    if alert.order_id is None or threshold_at is None or not (prediction.is_fresh and is_strong):
        return False
    order = desk.store.fetch_order(alert.order_id)
    is_waiting = order.state in (OrderState.OFFERED, OrderState.BOOKED)
    if not is_waiting or order.slot_start is None or threshold_at >= order.slot_start:
        return False
    severity = hurried(alert.severity, order.severity)
    if severity is None:
        return False
    why = f"the threshold may be crossed at {threshold_at:%Y-%m-%dT%H:%MZ}, before the appointment"
    make_urgent(desk, order, alert, severity, threshold_at, vehicle=vehicle, terms=terms, now=now, why=why)
    return True


def make_urgent(
    desk: Desk,
    order: Order,
    alert: Alert,
    severity: Severity,
    threshold_at: datetime | None,
    *,
    vehicle: VehicleFacts,
    terms: Terms,
    now: datetime,
    why: str = "",
) -> None:
    """Give an order a more urgent class, the appointment and mode that belong to it, and tell the owner.

    An appointment after the new deadline is brought forward, and a vehicle that should stop does not drive
    in: what was agreed is given up and the owner asked again.
    """
    store = desk.store
    deadline = terms.policy.deadline(severity, now, threshold_at)
    version = store.escalate_order(order.order_id, severity=severity, deadline=deadline, now=now)
    told = f"urgency {order.severity} -> {severity}" + (f": {why}" if why else "")
    store.insert_order_event(order.order_id, order.state, order.state, told, now=now)
    urgent = replace(order, severity=severity, deadline=min(order.deadline, deadline), version=version)
    is_silent = order.waiting_reason == HELD_BACK or order.state in AT_WORK
    if is_silent and severity not in HELD_SEVERITIES:
        store.tell_browsers("order", order.order_id)
        return
    is_too_late = order.slot_start is None or order.slot_start > urgent.deadline
    must_not_drive = severity in HELD_SEVERITIES and order.mode == Mode.DRIVE_IN
    if order.state in UNAGREED and (is_too_late or must_not_drive):
        store.release_order(order.order_id)
        found = place_order(desk, urgent, vehicle, terms, now=now, alert_id=alert.alert_id)
        if isinstance(found, Plan) or order.waiting_reason is None:
            return
    elif order.state is OrderState.BOOKED and (is_too_late or must_not_drive):
        move_appointment(desk, urgent, vehicle, terms, Upset.URGENT, now=now, alert_id=alert.alert_id)
        if store.fetch_order(order.order_id).state is not OrderState.BOOKED:
            return
    store.warnings().queue(
        vehicle,
        transition=f"order:{order.order_id}:{severity}",
        severity=severity,
        text=warning_text(
            alert.component,
            alert.failure_mode,
            severity,
            None,
            is_placed=order.waiting_reason is None,
        ),
        alert_id=alert.alert_id,
        order_id=order.order_id,
        now=now,
    )
    store.tell_browsers("order", order.order_id)
