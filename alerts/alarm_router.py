"""Follow the vehicles' own alarms: live ones may open orders, all of them join."""

from __future__ import annotations

from datetime import datetime, timedelta

from alerts.alarms import evidence_of
from alerts.desk import Desk, Terms, decide_for_vehicle
from alerts.errors import BookingConflict
from alerts.joining import join_alarms
from alerts.router import Routed, act_on
from alerts.store import AlertStore
from data.db import Pool, transaction

SERVICE = "route"
#: Service of the cursors of vehicles whose decision failed; the vehicle is the partition.
RETRY = "route retry"
PAUSE = timedelta(minutes=1)


def follow_events(pool: Pool, terms: Terms, *, now: datetime, limit: int = 1000) -> Routed:
    """Act on the alarms of the batches that came since the last time.

    The cursor moves only after every vehicle's transaction: after a crash the same alarms are seen again, and
    change nothing, because an alert knows the newest evidence it has seen and counts are counted anew. A
    vehicle whose decision failed is remembered in the database and tried again by ``retry_events``.
    """
    with transaction(pool) as connection:
        store = AlertStore(connection)
        cursor = store.fetch_event_cursor(SERVICE)
        newest, spans = store.fetch_event_spans(cursor, limit)
    done, failed = Routed(), []
    for vehicle_id, first, last in spans:
        taken = _try_vehicle(pool, vehicle_id, (first, last), terms, now=now)
        done += taken or Routed(lost=1)
        if taken is None:
            failed.append(vehicle_id)
    if newest > cursor:
        with transaction(pool) as connection:
            store = AlertStore(connection)
            for vehicle_id in failed:
                store.remember_vehicle(RETRY, vehicle_id, cursor, now)
            store.advance_event_cursor(SERVICE, newest, now)
    return done


def retry_events(pool: Pool, terms: Terms, *, now: datetime, limit: int = 64) -> Routed:
    """Act on the alarms of vehicles whose decision failed earlier; each is tried once a minute."""
    with transaction(pool) as connection:
        waiting = AlertStore(connection).fetch_remembered_vehicles(RETRY, before=now - PAUSE, limit=limit)
    done = Routed()
    for vehicle_id, first, last in waiting:
        taken = None
        if first is not None and last is not None:
            taken = _try_vehicle(pool, vehicle_id, (first, last), terms, now=now)
            done += taken or Routed(lost=1)
        with transaction(pool) as connection:
            store = AlertStore(connection)
            if taken is None and first is not None:
                store.remember_vehicle(RETRY, vehicle_id, 0, now)
            else:
                store.forget_vehicle(RETRY, vehicle_id, before=now - PAUSE)
    return done


def _try_vehicle(
    pool: Pool, vehicle_id: int, span: tuple[datetime, datetime], terms: Terms, *, now: datetime
) -> Routed | None:
    try:
        return decide_for_vehicle(
            pool, vehicle_id, lambda desk: take_alarms(desk, vehicle_id, span, terms, now=now), otherwise=None
        )
    except BookingConflict:
        return None


def take_alarms(
    desk: Desk, vehicle_id: int, span: tuple[datetime, datetime], terms: Terms, *, now: datetime
) -> Routed:
    """Act on one vehicle's own alarms within a span of event time, in the caller's transaction."""
    store = desk.store
    store.lock_vehicle(vehicle_id)
    vehicle = store.fetch_vehicle(vehicle_id)
    alarms = store.fetch_alarms(vehicle_id, *span)
    if vehicle is None or not alarms:
        return Routed()
    store.end_repaired_alerts([vehicle_id], now)
    done = Routed()
    for alarm in alarms:
        evidence = evidence_of(
            alarm,
            terms.policy.alarm,
            vehicle_id=vehicle_id,
            origin=vehicle.origin,
            now=now,
            fresh_s=terms.fresh_s,
        )
        for prediction in evidence:
            done += act_on(desk, prediction, vehicle, terms, now=now)
    for order in store.fetch_open_orders(vehicle_id):
        join_alarms(desk, order, vehicle, terms, now=now)
    return done
