"""From predictions and the vehicle's own alarms to alerts and repair orders, one transaction per vehicle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from alerts.breaker import HELD_BACK, hold_back
from alerts.desk import Desk, Terms, decide_for_vehicle
from alerts.errors import BookingConflict
from alerts.facts import Order, VehicleFacts
from alerts.findings import tell_finding
from alerts.joining import join_alarms
from alerts.opening import open_order
from alerts.placing import place_order
from alerts.policy import Alert, Move, decide
from alerts.roots import explained_order, gather
from alerts.setbacks import Setbacks
from alerts.shadow import PredictorMode, fetch_modes, record_shadow
from alerts.store import AlertStore
from alerts.urgency import hurry, make_urgent, threshold_of
from data.db import Pool, transaction
from data.records import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """What one transaction did."""

    predictions: int = 0
    raised: int = 0
    orders: int = 0
    lost: int = 0  #: vehicles left for the next time because the decision lost every conflict

    def __add__(self, other: Routed) -> Routed:
        """Return the sum."""
        return Routed(
            predictions=self.predictions + other.predictions,
            raised=self.raised + other.raised,
            orders=self.orders + other.orders,
            lost=self.lost + other.lost,
        )


def route_waiting(
    pool: Pool, terms: Terms, *, now: datetime, limit: int = 64, setbacks: Setbacks | None = None
) -> Routed:
    """Act on the predictions that wait, vehicle by vehicle, and return what was done.

    Vehicles that another process is deciding about are left to it; those that failed rest (``setbacks``).
    """
    setbacks = setbacks or Setbacks()
    with transaction(pool) as connection:
        store = AlertStore(connection)
        quiet = store.settle_quiet_predictions(lowest=terms.policy.lowest_raise_level, now=now, limit=20_000)
        vehicles = store.fetch_vehicles_to_route(
            limit, resting=setbacks.resting(now), just_failed=setbacks.just_failed(now)
        )
    done = Routed(predictions=quiet)
    terms = replace(terms, is_batching=len(vehicles) >= terms.policy.batch.from_vehicles)
    for vehicle_id in vehicles:
        try:
            routed = decide_for_vehicle(
                pool,
                vehicle_id,
                lambda desk, v=vehicle_id: _route(desk, v, terms, now=now),  # type: ignore[misc]
                otherwise=None,
            )
        except BookingConflict:
            routed = None
        if routed is None:
            setbacks.note(vehicle_id, now)
        else:
            setbacks.forget(vehicle_id)
        done += routed or Routed(lost=1)
    return done


def _route(desk: Desk, vehicle_id: int, terms: Terms, *, now: datetime) -> Routed:
    with desk.store.pipeline():
        return route_vehicle(desk, vehicle_id, terms, now=now)


def route_vehicle(desk: Desk, vehicle_id: int, terms: Terms, *, now: datetime, limit: int = 500) -> Routed:
    """Act on one vehicle's waiting predictions in order, in the caller's transaction."""
    store = desk.store
    if not store.try_lock_vehicle(vehicle_id):
        return Routed()
    store.end_repaired_alerts(vehicle_id, now)
    ids, predictions = store.fetch_unrouted(vehicle_id, limit)
    if not ids:
        return Routed()
    vehicle = store.fetch_vehicle(vehicle_id)
    done = Routed(predictions=len(ids))
    if vehicle is not None:
        modes = fetch_modes(desk.predictors, vehicle.tenant_id)
        for prediction in predictions:
            mode = modes.of(prediction.failure_mode, prediction.model_version)
            if mode is PredictorMode.LIVE:
                done += act_on(desk, prediction, vehicle, terms, now=now)
            elif mode is PredictorMode.SHADOW:
                record_shadow(desk.predictors, prediction, vehicle, terms.policy, now=now)
    store.mark_routed(ids, now)
    return done


def act_on(
    desk: Desk, prediction: Prediction, vehicle: VehicleFacts, terms: Terms, *, now: datetime
) -> Routed:
    """Apply the policy to one prediction and do what follows: alert, order, warning."""
    store = desk.store
    latest = store.fetch_latest_alert(vehicle.vehicle_id, prediction.component, prediction.failure_mode)
    change = decide(prediction, latest, terms.policy, now)
    if change.move is Move.NOTHING or change.alert is None:
        return Routed()
    alert = change.alert
    prediction_id = prediction.prediction_id or None
    alert_id = store.save_alert(
        alert, vehicle, prediction_id=prediction_id, origin=prediction.origin, now=now
    )
    alert = replace(alert, alert_id=alert_id)
    if change.move is Move.UPDATE:
        if alert.is_active:
            hurry(desk, alert, prediction, vehicle, terms, now=now)
        return Routed()
    store.insert_alert_event(alert_id, change.from_state, alert.state, change.reason, now=now)
    store.tell_browsers("alert", alert_id)
    if change.move is Move.CLEAR and alert.order_id is not None:
        order = store.fetch_order(alert.order_id)
        store.insert_order_event(
            order.order_id,
            order.state,
            order.state,
            f"{alert.component} {alert.failure_mode}: cleared",
            now=now,
        )
    if change.move not in (Move.RAISE, Move.ESCALATE):
        return Routed()
    is_new_order = _attach(desk, alert, prediction, vehicle, terms, now=now)
    return Routed(raised=1, orders=int(is_new_order))


def _attach(
    desk: Desk, alert: Alert, prediction: Prediction, vehicle: VehicleFacts, terms: Terms, *, now: datetime
) -> bool:
    """Let a raised or escalated alert join the order of its cause, or open one; tell if it opened one."""
    store, policy = desk.store, terms.policy
    cause = policy.cause_of(alert.component, alert.failure_mode)
    order = store.fetch_open_order(vehicle.vehicle_id, cause, alert.component) or explained_order(
        desk, vehicle.vehicle_id, alert.failure_mode, policy
    )
    if order is not None:
        _join(desk, order, alert, prediction=prediction, vehicle=vehicle, terms=terms, now=now)
        gather(desk, order, alert, threshold_of(prediction), vehicle=vehicle, terms=terms, now=now)
        return False
    if not policy.opens_order(alert.failure_mode, alert.severity):
        tell_finding(desk, alert, vehicle, now=now)
        return False
    trip_id = hold_back(desk.breaker, alert.severity, prediction, vehicle, terms.policy.breaker, now=now)
    order = open_order(desk, alert, prediction, vehicle, terms, now=now, trip_id=trip_id)
    if trip_id is None:
        place_order(desk, order, vehicle, terms, now=now, alert_id=alert.alert_id)
        gather(desk, order, alert, threshold_of(prediction), vehicle=vehicle, terms=terms, now=now)
    else:
        store.insert_order_event(order.order_id, order.state, order.state, HELD_BACK, now=now)
        store.tell_browsers("order", order.order_id)
    join_alarms(desk, order, vehicle, terms, now=now)
    return True


def _join(
    desk: Desk,
    order: Order,
    alert: Alert,
    *,
    prediction: Prediction,
    vehicle: VehicleFacts,
    terms: Terms,
    now: datetime,
) -> None:
    store = desk.store
    if alert.order_id != order.order_id:
        _link(desk, alert, vehicle, order.order_id, prediction, now=now)
        reason = f"joined: {alert.component} {alert.failure_mode} {alert.severity}"
        store.insert_order_event(order.order_id, order.state, order.state, reason, now=now)
    if alert.severity < order.severity:
        make_urgent(
            desk,
            order,
            alert,
            alert.severity,
            threshold_of(prediction),
            vehicle=vehicle,
            terms=terms,
            now=now,
        )


def _link(
    desk: Desk,
    alert: Alert,
    vehicle: VehicleFacts,
    order_id: int,
    prediction: Prediction,
    *,
    now: datetime,
) -> None:
    desk.store.save_alert(
        replace(alert, order_id=order_id), vehicle, prediction_id=None, origin=prediction.origin, now=now
    )
