"""An order that takes the place of a cancelled one, as long as its fault is there."""

from __future__ import annotations

from datetime import datetime

from alerts.breaker import HELD_BACK
from alerts.desk import Desk, Terms
from alerts.dispatch.stations import Avoid
from alerts.facts import VehicleFacts
from alerts.orders.order_store import ACTOR
from alerts.orders.placing import place_order
from alerts.orders.replanning import decide_each
from alerts.orders.states import OrderState
from alerts.store import AlertStore
from alerts.work.workbench import Workbench
from data.db import Pool, transaction

#: Actors whose cancellation is not a decision about the fault.
_STATION = "station:"
_GAVE_BACK = ("The workshop has cancelled your appointment.", "维修站取消了您的预约。")


def give_back(bench: Workbench) -> bool:
    """Look for another appointment where a station has cancelled by itself; tell if one is looked for.

    What the owner or operations cancel stays cancelled.
    """
    order, details = bench.order, bench.details
    if not bench.actor.startswith(_STATION) or details.is_owners_wish or order.station_id is None:
        return False
    vehicle = bench.desk.store.fetch_vehicle(order.vehicle_id)
    if vehicle is None:
        return False
    until = max(bench.now, order.slot_end or bench.now)
    return replace_order(
        bench.desk,
        order.order_id,
        vehicle,
        bench.terms,
        now=bench.now,
        avoid=Avoid(station_id=order.station_id, until=until),
        preface=_GAVE_BACK,
    )


def follow_owners(pool: Pool, terms: Terms, *, now: datetime) -> int:
    """Let vehicles' new owners decide about what the former ones left open; return how many orders changed.

    A new owner sees nothing that is older than their ownership, and the former one may not decide any more:
    the order is cancelled, everything it held is free again, and where the fault is still there another one
    is opened and offered to the new owner. What is at the station already is left to people.
    """
    with transaction(pool) as connection:
        left = AlertStore(connection).replan().fetch_left_behind()
    return decide_each(pool, left, lambda desk, order_id: _pass_on(desk, order_id, terms, now=now))


def replace_order(
    desk: Desk,
    order_id: int,
    vehicle: VehicleFacts,
    terms: Terms,
    *,
    now: datetime,
    avoid: Avoid | None = None,
    preface: tuple[str, str] = ("", ""),
    is_unknown: bool = False,
) -> bool:
    """Open an order in the place of a cancelled one and give it an appointment.

    Args:
        desk: Inside the transaction of the cancellation.
        order_id: The cancelled order.
        vehicle: Its vehicle.
        terms: For planning.
        now: Wall time.
        avoid: The station that gave it back.
        preface: Why the owner hears again, in English and Chinese.
        is_unknown: Whoever has to know now has not acknowledged its alerts.

    Returns:
        Whether there is one; not where the fault is gone.
    """
    store = desk.store
    successor_id = store.replan().insert_successor(order_id, held=HELD_BACK, now=now)
    if successor_id is None:
        return False
    reason = f"order {successor_id} in the place of {order_id}"
    store.replan().hand_over_alerts(
        order_id, successor_id, is_unknown=is_unknown, actor=ACTOR, reason=reason, now=now
    )
    store.insert_order_event(order_id, OrderState.CANCELLED, OrderState.CANCELLED, reason, now=now)
    store.insert_order_event(successor_id, None, OrderState.TRIAGED, reason, now=now)
    order = store.fetch_order(successor_id)
    if order.waiting_reason is None:
        place_order(desk, order, vehicle, terms, now=now, avoid=avoid, preface=preface)
    store.tell_browsers("order", successor_id)
    return True


def _pass_on(desk: Desk, order_id: int, terms: Terms, *, now: datetime) -> bool:
    store = desk.store
    order = store.fetch_order(order_id)
    vehicle = store.fetch_vehicle(order.vehicle_id)
    if vehicle is None or not store.replan().fetch_left_behind(order_id=order_id):
        return False
    store.release_order(order_id)
    store.move_order(order_id, OrderState.CANCELLED, owner_answer=None, now=now)
    store.insert_order_event(
        order_id, order.state, OrderState.CANCELLED, "the vehicle has another owner", now=now
    )
    replace_order(desk, order_id, vehicle, terms, now=now, is_unknown=True)
    store.tell_browsers("order", order_id)
    return True
