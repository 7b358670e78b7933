"""Give an order its appointment: plan, price, hold and offer in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from alerts.desk import Desk, Terms
from alerts.dispatch.jobs import Job
from alerts.dispatch.network import Network
from alerts.dispatch.reach import ways_of
from alerts.dispatch.search import Aims, plan_any
from alerts.dispatch.stations import Avoid, NoPlan, Occupancy, PassedOver, Place, Plan, Station
from alerts.facts import Order, VehicleFacts
from alerts.orders.offering import Offer, offer_all, prefaced
from alerts.orders.states import BATCHED, OrderState
from alerts.policy import HELD_SEVERITIES
from alerts.telling.texts import warning_text

#: Why an order waits whose planning broke; tried again with the next round.
PLANNING_FAILED = "planning failed; it is tried again"


def place_order(
    desk: Desk,
    order: Order,
    vehicle: VehicleFacts,
    terms: Terms,
    *,
    now: datetime,
    alert_id: int | None = None,
    is_answered: bool = False,
    avoid: Avoid | None = None,
    preface: tuple[str, str] = ("", ""),
) -> Plan | NoPlan:
    """Offer the nearest appointment that fits, or note why the order waits; tell the owner.

    Any earlier hold of this order must have been released. Expired holds of all orders are released first.
    With ``is_answered`` the owner has just answered the order's offer: the same again is no news. ``avoid``
    is the station that gave the work back, ``preface`` says in English and Chinese why the owner hears again.

    Raises:
        BookingConflict: A part was taken meanwhile; the whole decision must be made again.
        psycopg.errors.IntegrityError: Likewise for bay or technician.
    """
    store, policy = desk.store, terms.policy

    def wait(reason: str, passed_over: tuple[PassedOver, ...]) -> NoPlan:
        waiting = NoPlan(reason=reason, passed_over=passed_over)
        _let_wait(desk, order, vehicle, waiting, now=now, alert_id=alert_id, preface=preface)
        return waiting

    if not desk.may_plan:
        return wait(PLANNING_FAILED, ())
    if terms.is_batching and order.severity not in HELD_SEVERITIES:
        return wait(BATCHED, ())
    store.lock_planning(order.tenant_id, is_exclusive=desk.is_exclusive)
    store.release_expired_holds(now)
    network = terms.networks.fetch(desk.network, order.tenant_id)
    job = network.jobs.get(order.failure_mode)
    place = vehicle.place(policy.order)
    if job is None:
        return wait(f"no repair job is set for {order.failure_mode}", ())
    if place is None:
        return wait("neither position nor home of the vehicle is known", ())
    found = _find(
        desk, order, vehicle, job=job, place=place, network=network, terms=terms, now=now, avoid=avoid
    )
    if isinstance(found, NoPlan):
        return wait(found.reason, found.passed_over)
    chosen = Offer(
        order=order,
        vehicle=vehicle,
        plan=found,
        place=place,
        alert_id=alert_id,
        is_answered=is_answered,
        preface=preface,
    )
    offer_all(desk, [chosen], terms, now=now)
    return found


def _find(
    desk: Desk,
    order: Order,
    vehicle: VehicleFacts,
    *,
    job: Job,
    place: Place,
    network: Network,
    terms: Terms,
    now: datetime,
    avoid: Avoid | None,
) -> Plan | NoPlan:
    """Plan without a lock, then again for the station that was found while nobody else books there.

    Nobody else books at a station that is locked: each round rules one station out or ends the search. The
    constraints have the last word.
    """
    policy = terms.policy
    job, ways = ways_of(order, vehicle, job, place, policy=policy, now=now)
    aims = Aims(
        rule=policy.order,
        cost=policy.cost,
        parts=policy.parts,
        notice_h=policy.severities[order.severity].notice_h,
        deadline=order.deadline,
        now=now,
        avoid=avoid,
        preferred_id=vehicle.preferred_station_id,
    )
    road_km = terms.roads.measure(place.lat, place.lon, network.lats, network.lons)
    seen: dict[int, Occupancy] = {}
    locked: set[int] = set()

    def look(stations: Sequence[Station]) -> dict[int, Occupancy]:
        if unknown := [s for s in stations if s.station_id not in seen]:
            seen.update(desk.network.fetch_occupancy(unknown, now))
        return seen

    while True:
        found = plan_any(
            job,
            network.stations,
            look,
            ways=ways,
            aims=aims,
            road_km=road_km,
            worked=network.work_times.mask,
        )
        if isinstance(found, NoPlan) or found.station.station_id in locked:
            return found
        desk.network.lock_station(found.station.station_id)
        locked.add(found.station.station_id)
        seen.update(desk.network.fetch_occupancy([found.station], now))


def _let_wait(
    desk: Desk,
    order: Order,
    vehicle: VehicleFacts,
    waiting: NoPlan,
    *,
    now: datetime,
    alert_id: int | None,
    preface: tuple[str, str],
) -> None:
    """Let the order wait; tell the owner when the waiting begins, not at every further attempt.

    Waiting for a batch is a matter of a minute: the owner hears of what comes of it.
    """
    version = desk.store.let_order_wait(
        order.order_id, reason=waiting.reason, passed_over=waiting.passed_over, now=now
    )
    if waiting.reason != order.waiting_reason:
        desk.store.insert_order_event(
            order.order_id, order.state, OrderState.TRIAGED, f"waiting: {waiting.reason}", now=now
        )
    if order.waiting_reason in (None, BATCHED) and waiting.reason != BATCHED:
        desk.store.warnings().queue(
            vehicle,
            transition=f"order:{order.order_id}:waiting:{version}",
            severity=order.severity,
            text=prefaced(preface, warning_text(order.component, order.failure_mode, order.severity, None)),
            alert_id=alert_id,
            order_id=order.order_id,
            now=now,
        )
    desk.store.tell_browsers("order", order.order_id)
