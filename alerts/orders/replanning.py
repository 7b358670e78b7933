"""Orders get another appointment: those that wait for one, and those whose own can no longer be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from alerts.breaker import HELD_BACK, LET_GO
from alerts.desk import Desk, Terms, decide_for_vehicle, open_desk
from alerts.dispatch.network import Network
from alerts.dispatch.stations import Avoid, NoPlan, Plan
from alerts.errors import BookingConflict
from alerts.facts import Order, VehicleFacts
from alerts.orders.order_store import ACTOR
from alerts.orders.placing import PLANNING_FAILED, place_order
from alerts.orders.standing import PREFACES, Occupied, Standing, Upset, same_time, upset_of
from alerts.orders.states import OrderState
from alerts.store import AlertStore
from data.db import Pool, transaction
from data.records import Severity


def replan_waiting(pool: Pool, terms: Terms, *, now: datetime, limit: int = 50) -> int:
    """Try again to place the orders that wait for a station; return how many were placed.

    One that cannot be planned, or lost every conflict, is left for the next time.
    """
    before = now - timedelta(minutes=terms.policy.order.replan_after_minutes)
    with transaction(pool) as connection:
        waiting = AlertStore(connection).fetch_waiting_orders(
            before, limit, held=HELD_BACK, at_once=[LET_GO, PLANNING_FAILED]
        )
    return decide_each(pool, waiting, lambda desk, order_id: place_waiting(desk, order_id, terms, now=now))


def replan_upset(pool: Pool, terms: Terms, *, now: datetime, limit: int = 200) -> int:
    """Give another appointment to those whose own can no longer be kept; return how many were changed.

    Bays, people and stations that were closed, hours that were changed, vehicles that did not come. The most
    urgent go first. Another bay or technician at the same time is taken where there is one: nothing changes
    for the owner then. Else the old appointment is released and another one offered in the same transaction.
    """
    with transaction(pool) as connection:
        desk = open_desk(connection)
        upset = [
            (standing.order_id, standing.vehicle_id)
            for standing in desk.store.replan().fetch_standing(now)
            if _upset(desk, standing, terms, now) is not None
        ]
    return decide_each(pool, upset[:limit], lambda desk, order_id: _renew(desk, order_id, terms, now=now))


def make_room(pool: Pool, terms: Terms, *, now: datetime) -> int:
    """Let work that takes longer keep its bay and technician; return how many appointments gave way to it.

    Who would have been next there is moved first, one transaction for each, so that the bay is never taken
    twice; what cannot be moved (the vehicle is there already) ends the stretch.
    """
    with transaction(pool) as connection:
        occupied = AlertStore(connection).replan().fetch_occupied(now)
    moved = 0
    for work in occupied:
        until = work.until(terms.policy.standing, now)
        with transaction(pool) as connection:
            next_ones = AlertStore(connection).replan().fetch_in_the_way(work, until)
        moved += decide_each(
            pool,
            next_ones,
            lambda desk, order_id, w=work, u=until: _renew(desk, order_id, terms, now=now, behind=(w, u)),  # type: ignore[misc]
        )
        if not next_ones:
            with transaction(pool) as connection:
                AlertStore(connection).replan().stretch(work, until)
    return moved


def move_appointment(
    desk: Desk,
    order: Order,
    vehicle: VehicleFacts,
    terms: Terms,
    upset: Upset,
    *,
    now: datetime,
    actor: str = ACTOR,
    avoid: Avoid | None = None,
    alert_id: int | None = None,
) -> Plan | NoPlan:
    """Release an order's appointment and offer another one, with the reason; the owner is asked again.

    An owner who had agreed is given longer to answer, and shares data with the new station only when they say
    so again. Where the same station, time, price and mode is found again, it stays agreed.

    Raises:
        BookingConflict: A part was taken meanwhile; the whole decision must be made again.
        psycopg.errors.IntegrityError: Likewise for bay or technician.
    """
    store, is_agreed = desk.store, order.state is OrderState.BOOKED
    store.release_order(order.order_id)
    store.insert_order_event(
        order.order_id, order.state, order.state, f"appointment given up: {upset}", now=now, actor=actor
    )
    if is_agreed:
        terms = replace(terms, hold_for=timedelta(hours=terms.policy.standing.moved_hold_h))
    found = place_order(
        desk,
        order,
        vehicle,
        terms,
        now=now,
        alert_id=alert_id,
        is_answered=is_agreed,
        avoid=avoid,
        preface=PREFACES[upset],
    )
    moved = store.fetch_order(order.order_id)
    if is_agreed and order.shown == moved.shown:
        store.confirm_hold(order.order_id, now=now)
        store.move_order(order.order_id, OrderState.BOOKED, owner_answer="yes", now=now)
        store.insert_order_event(
            order.order_id, moved.state, OrderState.BOOKED, "the same as agreed", now=now
        )
    else:
        store.work().share_data(order.order_id, is_shared=False)
    return found


def decide_each(pool: Pool, orders: Sequence[tuple[int, int]], decide: Callable[[Desk, int], bool]) -> int:
    """Decide about each order in a transaction of its own; return how many decisions did something."""
    done = 0
    for order_id, vehicle_id in orders:
        try:
            done += decide_for_vehicle(
                pool,
                vehicle_id,
                lambda desk, o=order_id, v=vehicle_id: desk.store.try_lock_vehicle(v) and decide(desk, o),  # type: ignore[misc]
                otherwise=False,
            )
        except BookingConflict:
            continue
    return done


def place_waiting(desk: Desk, order_id: int, terms: Terms, *, now: datetime) -> bool:
    """Place one order that waits for a station; tell if it has an appointment now."""
    store = desk.store
    order = store.fetch_order(order_id)
    vehicle = store.fetch_vehicle(order.vehicle_id)
    if vehicle is None or order.state is not OrderState.TRIAGED or order.waiting_reason in (None, HELD_BACK):
        return False
    if order.waiting_reason == LET_GO:
        order = replace(order, waiting_reason=None)  # the owner has not heard of it yet
    return isinstance(place_order(desk, order, vehicle, terms, now=now), Plan)


def _upset(desk: Desk, standing: Standing, terms: Terms, now: datetime) -> Upset | None:
    network = terms.networks.fetch(desk.network, standing.tenant_id)
    return upset_of(standing, network, terms.policy.standing, terms.policy.parts, now)


def _renew(
    desk: Desk,
    order_id: int,
    terms: Terms,
    *,
    now: datetime,
    behind: tuple[Occupied, datetime] | None = None,
) -> bool:
    """Move one appointment if it is still upset, or still in the way of the work before it."""
    store = desk.store
    order = store.fetch_order(order_id)
    vehicle = store.fetch_vehicle(order.vehicle_id)
    standing = next(iter(store.replan().fetch_standing(now, order_id=order_id)), None)
    if vehicle is None or standing is None:
        return False
    upset = _upset(desk, standing, terms, now)
    if (
        upset is None
        and behind is not None
        and (order_id, order.vehicle_id) in store.replan().fetch_in_the_way(*behind)
    ):
        upset = Upset.OVERRUN
    if upset is None:
        return False
    if not _keep_time(desk, order, standing, upset, terms, now=now, behind=behind):
        if behind is not None:
            store.release_order(order_id)
            store.replan().stretch(*behind)
        move_appointment(desk, order, vehicle, terms, upset, now=now)
    elif behind is not None:
        store.replan().stretch(*behind)
    return True


def _keep_time(
    desk: Desk,
    order: Order,
    standing: Standing,
    upset: Upset,
    terms: Terms,
    *,
    now: datetime,
    behind: tuple[Occupied, datetime] | None,
) -> bool:
    """Take another bay or technician at the same time, where that helps; the owner need not be asked."""
    is_helpful = upset in (Upset.BAY_CLOSED, Upset.TECHNICIAN_AWAY, Upset.OVERRUN)
    if not is_helpful or not desk.may_plan or standing.severity is Severity.S0:
        return False
    desk.store.lock_planning(order.tenant_id, is_exclusive=desk.is_exclusive)
    desk.network.lock_station(standing.station_id)
    network: Network = terms.networks.fetch(desk.network, standing.tenant_id)
    station, job = network.station(standing.station_id), network.jobs.get(standing.failure_mode)
    if station is None or job is None:
        return False
    taken = list(desk.network.fetch_occupancy([station], now)[station.station_id].taken)
    if behind is not None:
        work, until = behind
        taken.append(work.taken(until))
    found = same_time(standing, job, network, taken)
    if found is None:
        return False
    bay, technician = found
    desk.store.replan().change_hands(
        standing, bay_id=bay.bay_id, technician_id=technician.technician_id, now=now
    )
    reason = f"{upset}: bay {bay.name}, {technician.name}, at the same time"
    desk.store.insert_order_event(order.order_id, order.state, order.state, reason, now=now)
    desk.store.tell_browsers("order", order.order_id)
    return True
