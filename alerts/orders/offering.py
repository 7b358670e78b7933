"""Appointments that were found are priced, held and offered, one or many of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from alerts.desk import Desk, Terms
from alerts.dispatch.stations import Place, Plan
from alerts.entries import Entries, Event, news_of
from alerts.facts import Order, VehicleFacts
from alerts.orders.offer_store import Offered
from alerts.orders.order_store import ACTOR
from alerts.orders.states import OrderState
from alerts.prices.pricing import price
from alerts.rules import Mode
from alerts.telling.texts import Appointment, WarningText, warning_text
from alerts.telling.warning_queue import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An appointment for an order."""

    order: Order
    vehicle: VehicleFacts
    plan: Plan
    place: Place  #: where the vehicle is
    alert_id: int | None = None
    is_answered: bool = False  #: the owner has just answered the order's offer: the same again is no news
    preface: tuple[str, str] = ("", "")  #: in English and Chinese why the owner hears again


def offer_all(desk: Desk, offers: Sequence[Offer], terms: Terms, *, now: datetime) -> None:
    """Price and hold appointments and tell the owners; all of them or none.

    Args:
        desk: Of a transaction in which the stations are locked.
        offers: At most one for each order, whose earlier holds have been released.
        terms: For price and hold.
        now: Wall time.

    Raises:
        BookingConflict: A part was taken meanwhile.
        psycopg.errors.IntegrityError: Likewise bay or technician.
    """
    written = [_offered(offer, terms, now) for offer in offers]
    store = desk.store.offers()
    store.hold(written, hold_for=terms.hold_for, now=now)
    versions = store.write(written, now=now)
    drafts = [
        _draft(offer, one, terms, versions[one.order_id])
        for offer, one in zip(offers, written, strict=True)
        if not offer.is_answered or one.shown != offer.order.shown
    ]
    desk.store.keep(
        Entries(
            order_events=[_event(*pair, now) for pair in zip(offers, written, strict=True)],
            news=[news_of("order", one.order_id) for one in written],
        )
    )
    desk.store.warnings().queue_all(drafts, now=now)


def _offered(offer: Offer, terms: Terms, now: datetime) -> Offered:
    order, plan = offer.order, offer.plan
    station = plan.station
    quote = price(
        plan.supply.job,
        labour_rate=station.labour_rate,
        tax_rate=station.tax_rate,
        currency=station.currency,
        cover=offer.vehicle.cover(order.failure_mode, terms.policy, found_at=order.opened_at or now),
        fee=None if plan.mode not in station.fees else (plan.mode, station.fees[plan.mode]),
    )
    return Offered(
        order_id=order.order_id, plan=plan, quote=quote, is_distance_estimated=offer.place.is_estimated
    )


def _event(offer: Offer, one: Offered, now: datetime) -> Event:
    plan = offer.plan
    remark = ", after the deadline: nothing was free before it" if plan.is_late else ""
    remark += "" if plan.mode is Mode.DRIVE_IN else f", {plan.mode}"
    for arrival in plan.supply.arrivals:
        remark += f", {arrival.sku} expected {arrival.due(now):%Y-%m-%dT%H:%MZ}"
    where = "on the road" if plan.bay is None else f"bay {plan.bay.name}"
    return Event(
        subject_id=one.order_id,
        at=now,
        actor=ACTOR,
        from_state=offer.order.state,
        to_state=OrderState.OFFERED,
        reason=f"{plan.station.code}, {where}, {plan.start:%Y-%m-%dT%H:%MZ}, {one.quote.told()}{remark}",
    )


def _draft(offer: Offer, one: Offered, terms: Terms, version: int) -> Draft:
    order, plan = offer.order, offer.plan
    text = warning_text(
        order.component,
        order.failure_mode,
        order.severity,
        Appointment(
            station_en=plan.station.name_en,
            station_zh=plan.station.name_zh,
            distance_km=plan.distance_km,
            start=plan.start,
            hours=(plan.end - plan.start).total_seconds() / 3600,
            currency=one.quote.currency,
            total=one.quote.customer_total,
            mode=plan.mode,
            answer_within_minutes=round(terms.hold_for.total_seconds() / 60),
            time_zone=offer.vehicle.time_zone,
        ),
    )
    return Draft(
        vehicle=offer.vehicle,
        transition=f"order:{order.order_id}:offered:{version}",
        severity=order.severity,
        text=prefaced(offer.preface, text),
        alert_id=offer.alert_id,
        order_id=order.order_id,
    )


def prefaced(preface: tuple[str, str], text: WarningText) -> WarningText:
    """Return a text with why the owner hears again before it."""
    first_en, first_zh = preface
    return replace(text, body_en=f"{first_en} {text.body_en}".lstrip(), body_zh=first_zh + text.body_zh)
