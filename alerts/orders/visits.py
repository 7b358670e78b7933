"""What waits for the next visit is offered with the visit: right after its work, at the same station."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from alerts.breaker import HELD_BACK, hold_back
from alerts.desk import Desk, Terms
from alerts.dispatch.modes import Way
from alerts.dispatch.search import Aims, plan
from alerts.dispatch.stations import NoPlan, Place, Plan
from alerts.facts import VehicleFacts
from alerts.orders.findings import join_order, open_for, order_of
from alerts.orders.offering import Offer, offer_all
from alerts.orders.order_store import ACTOR
from alerts.orders.replanning import decide_each
from alerts.orders.visit_store import Finding, Visit
from alerts.rules import Mode
from alerts.shadow import PredictorMode, fetch_modes
from alerts.store import AlertStore
from data.db import Pool, transaction

#: Why the owner hears of something that could wait.
_WITH_VISIT = (
    "Your car is at the workshop then anyway: this could be done in the same visit.",
    "您的车辆届时正好在维修站，可在同一次到店时一并处理。",
)
#: An offer of what could wait need not be answered at once.
_HOLD = timedelta(hours=24)


def offer_with_visits(pool: Pool, terms: Terms, *, now: datetime) -> int:
    """Offer what waits for a visit with the visits that have been agreed; return how many were looked at.

    Each finding is looked at once for each visit. It joins the order of its cause, or has one of its own at
    the same station right after the visit, where all it needs is free; else it waits for the next visit.
    """
    with transaction(pool) as connection:
        waiting = AlertStore(connection).visits().fetch_findings(now)
    visits = list(dict.fromkeys((visit_id, vehicle_id) for visit_id, vehicle_id, _ in waiting))
    return decide_each(pool, visits, lambda desk, order_id: _look(desk, order_id, terms, now=now))


def _look(desk: Desk, visit_id: int, terms: Terms, *, now: datetime) -> bool:
    """Look at all findings of one visit; what several of them need follows one another."""
    visits = desk.store.visits()
    found = visits.fetch_findings(now, visit_id=visit_id)
    if not found or not desk.may_plan:
        return False
    vehicle = desk.store.fetch_vehicle(found[0][1])
    if vehicle is None:
        return False
    visit = visits.fetch_visit(visit_id)
    for _, _, alert_id in found:
        finding = visits.fetch_finding(alert_id)
        known = order_of(desk, finding.alert, vehicle, terms)
        if known is not None:
            join_order(desk, finding, known, vehicle, now=now, actor=ACTOR)
            visits.insert_finding(visit_id, alert_id, order_id=known.order_id, reason=None, now=now)
            continue
        order_id, ends, reason = _offer(desk, finding, visit, vehicle, terms, now=now)
        visit = replace(visit, ends=ends)
        visits.insert_finding(visit_id, alert_id, order_id=order_id, reason=reason, now=now)
    return True


def _offer(
    desk: Desk, finding: Finding, visit: Visit, vehicle: VehicleFacts, terms: Terms, *, now: datetime
) -> tuple[int | None, datetime, str | None]:
    """Return the order that was opened and when its work ends; else None, the visit's end and why not."""
    store = desk.store
    store.lock_planning(vehicle.tenant_id, is_exclusive=desk.is_exclusive)
    store.release_expired_holds(now)
    chosen = _plan_after(desk, finding, visit, vehicle, terms, now=now)
    if isinstance(chosen, NoPlan):
        return None, visit.ends, chosen.reason
    if (why := _held(desk, finding, vehicle, terms, now=now)) is not None:
        return None, visit.ends, why
    order, station = open_for(desk, finding, vehicle, terms, now=now, actor=ACTOR), chosen.station
    told = f"in the same visit as order {visit.order_id}"
    store.insert_order_event(order.order_id, order.state, order.state, told, now=now)
    together = Offer(
        order=order,
        vehicle=vehicle,
        plan=chosen,
        place=Place(lat=station.lat, lon=station.lon, is_estimated=visit.is_distance_estimated),
        alert_id=finding.alert.alert_id,
        preface=_WITH_VISIT,
    )
    offer_all(desk, [together], replace(terms, hold_for=_HOLD), now=now)
    return order.order_id, chosen.end, None


def _plan_after(
    desk: Desk, finding: Finding, visit: Visit, vehicle: VehicleFacts, terms: Terms, *, now: datetime
) -> Plan | NoPlan:
    """Return an appointment at the visit's station that begins soon after its work, or why there is none."""
    policy = terms.policy
    network = terms.networks.fetch(desk.network, vehicle.tenant_id)
    station, job = network.station(visit.station_id), network.jobs.get(finding.alert.failure_mode)
    if station is None or job is None:
        reason = "the station is closed" if station is None else "no repair job is set for it"
        return NoPlan(reason=reason, passed_over=())
    desk.network.lock_station(station.station_id)
    begins = max(visit.ends, now)
    found = plan(
        job,
        [station],
        lambda stations: desk.network.fetch_occupancy(stations, now),
        way=Way(mode=Mode.DRIVE_IN, limit_km=1.0, limit_en="same visit", limit_zh="同一次到店"),
        aims=Aims(
            rule=replace(policy.order, overdue_days=1.0),  # the work may end later
            cost=policy.cost,
            parts=policy.parts,
            notice_h=(begins - now) / timedelta(hours=1),
            deadline=begins + timedelta(hours=policy.standing.visit_gap_h),
            now=now,
        ),
        road_km=np.zeros(1),
        worked=network.work_times.mask,
    )
    if isinstance(found, NoPlan):
        return found
    if found.is_late:
        return NoPlan(reason="nothing is free there right after the visit", passed_over=())
    return replace(found, distance_km=visit.distance_km)


def _held(desk: Desk, finding: Finding, vehicle: VehicleFacts, terms: Terms, *, now: datetime) -> str | None:
    """Return why nothing is offered that nobody has asked for: its predictor is not trusted at present."""
    prediction = finding.prediction
    if prediction is None:
        return None
    modes = fetch_modes(desk.predictors, vehicle.tenant_id)
    mode = modes.of(prediction.failure_mode, prediction.model_version)
    if mode is not PredictorMode.LIVE:
        return f"its predictor is {mode}"
    severity, rule = finding.alert.severity, terms.policy.breaker
    is_held = hold_back(desk.breaker, severity, prediction, vehicle, rule, now=now) is not None
    return HELD_BACK if is_held else None
