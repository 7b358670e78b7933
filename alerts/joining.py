"""The vehicle's own alarms join the open order of their cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from alerts.alarms import histories_of
from alerts.desk import Desk, Terms
from alerts.facts import Order, VehicleFacts
from alerts.policy import Alert, AlertState


def join_alarms(desk: Desk, order: Order, vehicle: VehicleFacts, terms: Terms, *, now: datetime) -> None:
    """Let the vehicle's own earlier alarms of the order's cause join it, counted, without a warning."""
    store, policy = desk.store, terms.policy
    after = now - timedelta(days=policy.alarm.join_within_days)
    for history in histories_of(store.fetch_alarms(vehicle.vehicle_id, after, now), policy.alarm):
        subject = history.subject
        if policy.cause_of(subject.component, subject.failure_mode) != order.cause:
            continue
        known = store.fetch_latest_alert(vehicle.vehicle_id, subject.component, subject.failure_mode)
        if known is None or known.state is AlertState.CLEARED:
            known = Alert(
                component=subject.component,
                failure_mode=subject.failure_mode,
                severity=order.severity,
                state=AlertState.OPEN,
                first_seen=history.first_seen,
                last_seen=history.last_seen,
                raised_at=now,
            )
        joined = replace(
            known,
            order_id=order.order_id,
            occurrence_count=max(known.occurrence_count, history.occurrence_count),
            last_seen=max(known.last_seen, history.last_seen),
        )
        if joined == known:
            continue
        alert_id = store.save_alert(joined, vehicle, prediction_id=None, origin=vehicle.origin, now=now)
        reason = (
            f"joined: {history.occurrence_count} on-board alarms up to level {history.highest_level}"
            f" between {history.first_seen:%Y-%m-%d} and {history.last_seen:%Y-%m-%d}"
        )
        store.insert_alert_event(
            alert_id, known.state if known.alert_id else None, joined.state, reason, now=now
        )
        store.insert_order_event(order.order_id, order.state, order.state, reason, now=now)
        store.tell_browsers("alert", alert_id)
