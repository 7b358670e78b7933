"""From predictions to alerts and repair orders: a vehicle by itself, or many in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import psycopg
import structlog

from alerts.breaker import HELD_BACK, WINDOW, combination_of, hold_back
from alerts.case_store import Case
from alerts.desk import Desk, Terms, decide_for_vehicle, is_deadlock, open_desk
from alerts.errors import BookingConflict
from alerts.facts import Order, VehicleFacts
from alerts.joining import join_alarms
from alerts.orders.findings import tell_finding
from alerts.orders.opening import open_order
from alerts.orders.placing import place_order
from alerts.orders.roots import explained_order, gather
from alerts.orders.urgency import hurry, make_urgent, threshold_of
from alerts.policy import HELD_SEVERITIES, Alert, Move, decide
from alerts.rules import Policy
from alerts.setbacks import Setbacks
from alerts.shadow import Modes, PredictorMode, fetch_modes, record_shadow
from alerts.store import AlertStore
from data.db import Pool, transaction
from data.errors import DatabaseAway
from data.records import Prediction

_log = structlog.get_logger("alerts")
#: Vehicles that are decided in one transaction where many wait.
TOGETHER: Final = 64
#: Predictions of each that are acted on at once.
_PREDICTIONS: Final = 500


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
    pool: Pool, terms: Terms, *, now: datetime, limit: int = 128, setbacks: Setbacks | None = None
) -> Routed:
    """Act on the predictions that wait and return what was done.

    What calls for stopping comes first, each vehicle by itself; where many wait, the others are decided many
    in a transaction. Vehicles that another process is deciding about are left to it; those that failed rest
    (``setbacks``).
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
    calm = [v for v, severity in vehicles.items() if severity not in HELD_SEVERITIES]
    together = calm if terms.is_batching else []
    alone = [v for v in vehicles if v not in set(together)]
    done += _route_each(pool, alone, terms, setbacks, now=now)
    for begin in range(0, len(together), TOGETHER):
        routed, apart = _route_together(pool, together[begin : begin + TOGETHER], terms, setbacks, now=now)
        done += routed + _route_each(pool, apart, terms, setbacks, now=now)
    return done


def _route_each(
    pool: Pool, vehicle_ids: Sequence[int], terms: Terms, setbacks: Setbacks, *, now: datetime
) -> Routed:
    """Decide about vehicles in transactions of their own."""
    done = Routed()
    for vehicle_id in vehicle_ids:
        try:
            routed = decide_for_vehicle(
                pool,
                vehicle_id,
                lambda desk, v=vehicle_id: route_vehicles(desk, [v], terms, now=now)[0],  # type: ignore[misc]
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


def _route_together(
    pool: Pool, vehicle_ids: Sequence[int], terms: Terms, setbacks: Setbacks, *, now: datetime
) -> tuple[Routed, Sequence[int]]:
    """Decide about vehicles in one transaction; return those that need one of their own.

    Where it cannot be written, because of one of them or because of somebody else, that is all of them.
    """
    try:
        with transaction(pool) as connection:
            routed, apart = route_vehicles(open_desk(connection), vehicle_ids, terms, now=now)
    except Exception as error:
        if isinstance(error, DatabaseAway) and not is_deadlock(error):
            raise
        _log.warning(
            "decided one by one", action="decide", vehicles=len(vehicle_ids), error=repr(error)[:300]
        )
        return Routed(), vehicle_ids
    for vehicle_id in set(vehicle_ids).difference(apart):
        setbacks.forget(vehicle_id)
    return routed, apart


def route_vehicles(
    desk: Desk, vehicle_ids: Sequence[int], terms: Terms, *, now: datetime
) -> tuple[Routed, list[int]]:
    """Act on vehicles' waiting predictions in order, in the caller's transaction.

    Args:
        desk: Of a transaction that has done nothing else yet.
        vehicle_ids: One or many; those that another process is deciding about are left to it.
        terms: For deciding.
        now: Wall time.

    Returns:
        What was done, and of several vehicles those about which nothing was decided: what follows for them
        needs a transaction of its own, or deciding failed. With one vehicle, that is raised.
    """
    done = Routed()
    ended: list[int] = []
    apart: list[int] = []
    with desk.store.pipeline():
        cases = desk.store.take(vehicle_ids, now=now, limit=_PREDICTIONS * len(vehicle_ids))
        tenants = {case.vehicle.tenant_id for case in cases}
        modes = {tenant_id: fetch_modes(desk.predictors, tenant_id) for tenant_id in sorted(tenants)}
        if terms.policy.breaker.is_on:
            desk.breaker.enter(
                {
                    combination_of(p, case.vehicle)
                    for case in cases
                    for p in case.predictions
                    if _may_order(desk, p, terms.policy)
                },
                after=now - WINDOW,
            )
        for case in cases:
            try:
                with desk.store.decision(), desk.breaker.decision():
                    routed = _decide(desk, case, modes[case.vehicle.tenant_id], terms, now=now)
            except psycopg.Error:
                raise
            except Exception:
                if len(cases) == 1:
                    raise
                apart.append(case.vehicle.vehicle_id)
            else:
                done += routed
                ended += case.prediction_ids
        if ended:
            desk.store.end(ended, now)
    return done, apart


def _may_order(desk: Desk, prediction: Prediction, policy: Policy) -> bool:
    """Tell whether a prediction may open an order that the circuit breaker counts, as things are now."""
    is_strong = prediction.probability >= policy.modes[prediction.failure_mode].raise_level
    if not (is_strong and prediction.is_fresh) or prediction.severity in HELD_SEVERITIES:
        return False
    known = desk.store.fetch_latest_alert(
        prediction.vehicle_id, prediction.component, prediction.failure_mode
    )
    return known is None or not known.is_active or prediction.severity < known.severity


def _decide(desk: Desk, case: Case, modes: Modes, terms: Terms, *, now: datetime) -> Routed:
    done = Routed(predictions=len(case.prediction_ids))
    for prediction in case.predictions:
        mode = modes.of(prediction.failure_mode, prediction.model_version)
        if mode is PredictorMode.LIVE:
            done += act_on(desk, prediction, case.vehicle, terms, now=now)
        elif mode is PredictorMode.SHADOW:
            record_shadow(desk.predictors, prediction, case.vehicle, terms.policy, now=now)
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
        linked = replace(alert, order_id=order.order_id)
        store.save_alert(linked, vehicle, prediction_id=None, origin=prediction.origin, now=now)
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
