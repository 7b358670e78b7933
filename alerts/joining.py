"""The vehicle's own alarms join the open order of their cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

from alerts.alarms import AlarmEvent, Subject, histories_of, is_evidence
from alerts.desk import Desk, Terms
from alerts.facts import Order, VehicleFacts
from alerts.policy import Alert, AlertState


def join_alarms(desk: Desk, order: Order, vehicle: VehicleFacts, terms: Terms, *, now: datetime) -> None:
    """Let the vehicle's own earlier alarms of the order's cause join it, counted, without a warning.

    A live alarm that nobody has acted on stays out: it has to raise or escalate its own alert, and an alert
    that had joined here would take it for evidence it has seen.
    """
    store, policy = desk.store, terms.policy

    @cache
    def latest(subject: Subject) -> Alert | None:
        return store.fetch_latest_alert(vehicle.vehicle_id, subject.component, subject.failure_mode)

    waiting: set[Subject] = set()  # and what came after it

    def is_settled(event: AlarmEvent, subject: Subject) -> bool:
        repaired = latest(subject)
        if repaired is not None and repaired.repaired_at is not None and event.time <= repaired.repaired_at:
            return False
        if is_evidence(event, subject, policy.alarm, now=now, fresh_s=terms.fresh_s):
            alert = latest(subject)
            if alert is None or event.time > alert.last_seen:
                waiting.add(subject)
        return subject not in waiting

    after = now - timedelta(days=policy.alarm.join_within_days)
    alarms = store.fetch_alarms(vehicle.vehicle_id, after, now)
    for history in histories_of(alarms, policy.alarm, is_counted=is_settled):
        subject = history.subject
        if policy.cause_of(subject.component, subject.failure_mode) != order.cause:
            continue
        known = latest(subject)
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
