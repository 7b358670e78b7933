"""Give an order its appointment: plan, price, hold and offer in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from alerts.desk import Desk, Terms
from alerts.facts import Order, VehicleFacts
from alerts.jobs import Job
from alerts.network import Network
from alerts.orders import BATCHED, OrderState
from alerts.policy import HELD_SEVERITIES
from alerts.pricing import Quote, price
from alerts.reach import ways_of
from alerts.rules import Mode
from alerts.search import Aims, plan_any
from alerts.stations import Avoid, NoPlan, Occupancy, PassedOver, Place, Plan, Station
from alerts.texts import Appointment, WarningText, warning_text

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
    offer(
        desk,
        order,
        vehicle,
        found,
        place=place,
        terms=terms,
        now=now,
        alert_id=alert_id,
        is_answered=is_answered,
        preface=preface,
    )
    return found


def offer(
    desk: Desk,
    order: Order,
    vehicle: VehicleFacts,
    chosen: Plan,
    *,
    place: Place,
    terms: Terms,
    now: datetime,
    alert_id: int | None = None,
    is_answered: bool = False,
    preface: tuple[str, str] = ("", ""),
) -> None:
    """Price and hold an appointment that was found, and tell the owner; arguments as in ``place_order``.

    Raises:
        BookingConflict: A part was taken meanwhile.
        psycopg.errors.IntegrityError: Likewise bay or technician.
    """
    station = chosen.station
    quote = price(
        chosen.supply.job,
        labour_rate=station.labour_rate,
        tax_rate=station.tax_rate,
        currency=station.currency,
        cover=vehicle.cover(order.failure_mode, terms.policy, found_at=order.opened_at or now),
        fee=None if chosen.mode not in station.fees else (chosen.mode, station.fees[chosen.mode]),
    )
    version = _hold(desk, order, chosen, quote=quote, place=place, terms=terms, now=now)
    offered = (station.station_id, chosen.start, quote.customer_total, chosen.mode)
    if not is_answered or offered != order.shown:
        _tell(
            desk,
            order,
            vehicle,
            chosen,
            quote,
            terms=terms,
            version=version,
            now=now,
            alert_id=alert_id,
            preface=preface,
        )
    desk.store.tell_browsers("order", order.order_id)


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


def _hold(
    desk: Desk,
    order: Order,
    chosen: Plan,
    *,
    quote: Quote,
    place: Place,
    terms: Terms,
    now: datetime,
) -> int:
    """Hold what the appointment needs and write the offer; return the order's new version."""
    store = desk.store
    store.hold(order.order_id, chosen, hold_for=terms.hold_for, now=now)
    version = store.offer_order(order.order_id, chosen, quote, place, mode=chosen.mode, now=now)
    remark = ", after the deadline: nothing was free before it" if chosen.is_late else ""
    remark += "" if chosen.mode is Mode.DRIVE_IN else f", {chosen.mode}"
    for arrival in chosen.supply.arrivals:
        remark += f", {arrival.sku} expected {arrival.due(now):%Y-%m-%dT%H:%MZ}"
    where = "on the road" if chosen.bay is None else f"bay {chosen.bay.name}"
    store.insert_order_event(
        order.order_id,
        order.state,
        OrderState.OFFERED,
        f"{chosen.station.code}, {where}, {chosen.start:%Y-%m-%dT%H:%MZ},"
        f" {quote.told()}{remark}",
        now=now,
    )
    return version


def _tell(
    desk: Desk,
    order: Order,
    vehicle: VehicleFacts,
    chosen: Plan,
    quote: Quote,
    *,
    terms: Terms,
    version: int,
    now: datetime,
    alert_id: int | None,
    preface: tuple[str, str],
) -> None:
    text = warning_text(
        order.component,
        order.failure_mode,
        order.severity,
        Appointment(
            station_en=chosen.station.name_en,
            station_zh=chosen.station.name_zh,
            distance_km=chosen.distance_km,
            start=chosen.start,
            hours=(chosen.end - chosen.start).total_seconds() / 3600,
            currency=quote.currency,
            total=quote.customer_total,
            mode=chosen.mode,
            answer_within_minutes=round(terms.hold_for.total_seconds() / 60),
            time_zone=vehicle.time_zone,
        ),
    )
    desk.store.warnings().queue(
        vehicle,
        transition=f"order:{order.order_id}:offered:{version}",
        severity=order.severity,
        text=prefaced(preface, text),
        alert_id=alert_id,
        order_id=order.order_id,
        now=now,
    )


def prefaced(preface: tuple[str, str], text: WarningText) -> WarningText:
    """Return a text with why the owner hears again before it."""
    first_en, first_zh = preface
    return replace(text, body_en=f"{first_en} {text.body_en}".lstrip(), body_zh=first_zh + text.body_zh)


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
