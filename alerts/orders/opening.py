"""An order is opened: written down for an alert, which belongs to it from then on."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime

from alerts.breaker import HELD_BACK
from alerts.desk import Desk, Terms
from alerts.facts import NewOrder, Order, VehicleFacts
from alerts.orders.order_store import ACTOR
from alerts.orders.states import OrderState, idempotency_key
from alerts.orders.urgency import threshold_of
from alerts.policy import Alert
from alerts.telling.texts import title_of
from data.records import Prediction


def open_order(
    desk: Desk,
    alert: Alert,
    prediction: Prediction | None,
    vehicle: VehicleFacts,
    terms: Terms,
    *,
    now: datetime,
    trip_id: int | None = None,
    key: str | None = None,
    actor: str = ACTOR,
) -> Order:
    """Write an order for an alert and link the two; it has no appointment yet.

    Args:
        desk: Inside the transaction of the decision, the vehicle locked.
        alert: What is to be repaired.
        prediction: Its evidence; None where there is no more of it than the alert.
        vehicle: Its vehicle.
        terms: For cause and deadline.
        now: Wall time.
        trip_id: The trip of the circuit breaker that holds it back.
        key: Idempotency key; the alert's at its urgency by default.
        actor: Who had it opened, for its history.
    """
    store, policy = desk.store, terms.policy
    time = None if prediction is None else prediction.time_to_threshold_h
    threshold_at = None if prediction is None else threshold_of(prediction)
    complaint = _complaint(alert, prediction)
    origin = vehicle.origin if prediction is None else prediction.origin
    order_id = store.insert_order(
        NewOrder(
            vehicle=vehicle,
            component=alert.component,
            cause=policy.cause_of(alert.component, alert.failure_mode),
            failure_mode=alert.failure_mode,
            severity=alert.severity,
            deadline=policy.deadline(alert.severity, now, threshold_at),
            complaint=complaint,
            reasons=[] if prediction is None else [asdict(reason) for reason in prediction.reasons],
            time_to_threshold_h=None if time is None else (time.p10, time.p50, time.p90),
            origin=origin,
            prediction_id=None if prediction is None else prediction.prediction_id or None,
            model_version="" if prediction is None else prediction.model_version,
            trip_id=trip_id,
            waiting_reason=None if trip_id is None else HELD_BACK,
            idempotency_key=key
            or idempotency_key(vehicle.vehicle_id, alert.component, alert.alert_id, alert.severity),
        ),
        now,
    )
    store.insert_order_event(order_id, None, OrderState.PREDICTED, complaint, now=now, actor=actor)
    store.insert_order_event(
        order_id, OrderState.PREDICTED, OrderState.TRIAGED, f"urgency {alert.severity}", now=now
    )
    store.save_alert(replace(alert, order_id=order_id), vehicle, prediction_id=None, origin=origin, now=now)
    return store.fetch_order(order_id)


def _complaint(alert: Alert, prediction: Prediction | None) -> str:
    title = title_of(alert.component, alert.failure_mode)[0]
    if prediction is None or not prediction.reasons:
        return title
    return f"{title}: {prediction.reasons[0].text_en}"
