"""What stations and owners do to an agreed order, one transaction for each action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from alerts.desk import Desk, Terms, decide_again
from alerts.errors import InvalidDetails, InvalidTransition, KeyReused, VersionConflict
from alerts.orders.replanning import move_appointment
from alerts.orders.standing import Upset
from alerts.orders.states import OrderState
from alerts.prices.pricing import stored_quote
from alerts.rules import Mode
from alerts.work.actions import Action, Details, Outcome, check_action, check_details, digest_of
from alerts.work.estimates import approve, cancelled_text, decline, propose, provide_parts, ready_text
from alerts.work.goodwill import grant
from alerts.work.succession import give_back
from alerts.work.workbench import Workbench
from data.db import Pool

_S = OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """Where an action left the order."""

    order_id: int
    state: OrderState
    version: int
    is_repeat: bool = False  #: the same key was answered before; nothing was done now


def act(
    pool: Pool,
    terms: Terms,
    *,
    order_id: int,
    action: Action,
    details: Details,
    actor: str,
    version: int,
    key: str,
    now: datetime,
) -> Acted:
    """Do one action to an order; under the same key it is done once, however often it is asked for.

    Args:
        pool: Of the database.
        terms: For planning anew where nobody came.
        order_id: The order; whether the caller may act on it has been decided before.
        action: What is done.
        details: What is said with it.
        actor: For history and audit trail.
        version: The version of the order that the caller saw.
        key: The caller's own key of this command, 1 to 200 characters.
        now: Wall time.

    Raises:
        UnknownOrder: There is no such order.
        InvalidDetails: A field breaks a rule; names it.
        VersionConflict: The order has changed since ``version``.
        InvalidTransition: The action is not possible now; says what is.
        KeyReused: The key belongs to another command.
        BookingConflict: Bay, technician or part is taken.
    """
    if not 1 <= len(key) <= 200:
        raise InvalidDetails(f"key: must have 1 to 200 characters, not {len(key)}")
    check_details(action, details)
    digest = digest_of(action, version, details)

    def work(desk: Desk) -> Acted:
        store = desk.store.work()
        desk.store.lock_vehicle(desk.store.fetch_order_vehicle(order_id))
        order = store.fetch_order(order_id)
        known = store.fetch_command(order_id, key)
        if known is not None:
            if known[0] != digest:
                raise KeyReused(f"key {key[:40]!r}: belongs to another command for order {order_id}")
            return Acted(order_id=order_id, state=known[1], version=known[2], is_repeat=True)
        if order.version != version:
            raise VersionConflict(f"order {order_id}: is at version {order.version}, not {version}")
        check_action(action, order.state, has_begun=order.begun_at is not None)
        bench = Workbench(
            desk=desk,
            work=store,
            prices=desk.store.prices(),
            terms=terms,
            order=order,
            action=action,
            details=details,
            actor=actor,
            now=now,
        )
        _HANDLERS[action](bench)
        done = bench.order
        store.insert_command(order_id, key, digest, state=done.state, version=done.version, now=now)
        desk.store.tell_browsers("order", order_id)
        return Acted(order_id=order_id, state=done.state, version=done.version)

    return decide_again(pool, work)


# ------------------------------------------------------------ one function for each action


def _dispatch(bench: Workbench) -> None:
    if bench.order.mode == Mode.DRIVE_IN:
        raise InvalidTransition("action dispatch: the owner drives in, nothing is sent")
    bench.move(_S.DISPATCHED, f"{bench.order.mode} is on its way")


def _check_in(bench: Workbench) -> None:
    if not bench.order.is_station_active:
        raise InvalidTransition("action check_in: the station is closed")
    km = bench.details.odometer_km
    bench.move(_S.CHECKED_IN, f"checked in at {km:.0f} km", odometer_in_km=km)


def _find(bench: Workbench) -> None:
    details, order = bench.details, bench.order
    bench.work.insert_finding(order.order_id, details, actor=bench.actor, now=bench.now)
    measured = (
        "" if details.measured_value is None else f", {details.measured_value:g} {details.measured_unit}"
    )
    told = f"found: {details.outcome}, {details.cause or 'nothing'}{measured}"
    if details.outcome is not Outcome.NO_FAULT_FOUND:
        bench.note(told)
        return
    for sku in bench.work.fetch_reservations(order.order_id):
        bench.work.release_part(order.order_id, sku)
    bench.work.finish_bookings(order.order_id)
    bench.audit("order.price", agreed=str(order.customer_total), proposed="0.00", is_asked=False)
    bench.prices.replace_lines(order.order_id, stored_quote(order.currency, ()), agreed_total=Decimal(0))
    bench.move(_S.NO_FAULT_FOUND, told)
    bench.work.insert_label(order.order_id, now=bench.now)
    bench.end_alerts(f"order {order.order_id}: no fault found")


def _pick(bench: Workbench) -> None:
    if not bench.work.pick_parts(bench.order.order_id):
        raise InvalidTransition("action pick: no part waits to be picked")
    bench.note("parts picked")


def _assign(bench: Workbench) -> None:
    details, order, work = bench.details, bench.order, bench.work
    needs = work.fetch_needs(order.order_id)
    is_mobile = order.mode == Mode.MOBILE and details.bay is None
    bay = work.find_bay(order.station_id, name=details.bay, bay_id=None if details.bay else order.bay_id)
    if not is_mobile and (bay is None or not needs.bay_kinds <= frozenset(bay["kinds"])):
        wanted = " + ".join(sorted(needs.bay_kinds)) or "any"
        raise InvalidDetails(
            f"bay {details.bay or 'as booked'!r}: must be an open bay of the station for {wanted}"
        )
    technician = work.find_technician(
        order.station_id,
        name=details.technician,
        technician_id=None if details.technician else order.technician_id,
    )
    if technician is None or not needs.skills <= frozenset(technician["skills"]):
        wanted = " + ".join(sorted(needs.skills)) or "any skill"
        raise InvalidDetails(
            f"technician {details.technician or 'as booked'!r}: must be an active one of the station"
            f" with {wanted}"
        )
    given = {
        "bay_id": None if bay is None else bay["bay_id"],
        "technician_id": technician["technician_id"],
    }
    work.move_booking(order.order_id, **given, now=bench.now)
    where = "on the road" if bay is None else f"bay {bay['name']}"
    bench.move(_S.ASSIGNED, f"{where}, {technician['name']}", **given)


def _start(bench: Workbench) -> None:
    order, work = bench.order, bench.work
    unpicked = [sku for sku, (_, state) in work.fetch_reservations(order.order_id).items() if state != "used"]
    if unpicked:
        raise InvalidTransition(f"action start: not picked yet: {', '.join(unpicked)}")
    bench.move(_S.IN_PROGRESS, f"{bench.isolate()}work begun", begun_at=bench.now)


def _resume(bench: Workbench) -> None:
    """Go on after a pause, or do again what was not good: that is a new intervention on high voltage."""
    if bench.order.state is _S.REWORK:
        bench.move(_S.IN_PROGRESS, f"{bench.isolate()}work goes on")
        return
    if bench.details.isolated_by is not None:
        raise InvalidDetails("isolated_by: the isolation that was signed before the pause still holds")
    bench.move(_S.IN_PROGRESS, "work goes on")


def _finish(bench: Workbench) -> None:
    details = bench.details
    bench.move(
        _S.QC,
        f"done: {details.correction}",
        correction=details.correction,
        part_removed=details.part_removed,
    )


def _pass(bench: Workbench) -> None:
    order, work = bench.order, bench.work
    checkers = {
        found["technician_id"]: found["name"]
        for name in bench.details.checked_by or ()
        for found in [bench.technician(name, "checked_by")]
    }
    if work.fetch_needs(order.order_id).is_hv and len(checkers) < 2:
        raise InvalidDetails("checked_by: work on high voltage is checked by two different technicians")
    for technician_id in checkers:
        work.insert_signoff(order.order_id, "quality", technician_id, now=bench.now)
    work.finish_bookings(order.order_id)
    bench.move(_S.READY, f"checked by {', '.join(checkers.values())}")
    bench.tell_owner(ready_text())


def _close(bench: Workbench) -> None:
    order, km = bench.order, bench.details.odometer_km
    if km is not None and order.odometer_in_km is not None and km < order.odometer_in_km:
        raise InvalidDetails(f"odometer_km {km:g}: was {order.odometer_in_km:g} at check-in")
    bench.move(_S.CLOSED, "handed over", odometer_out_km=km)
    bench.work.insert_label(order.order_id, now=bench.now)
    outcome = bench.work.fetch_outcome(order.order_id)
    bench.end_alerts(f"order {order.order_id} closed: {outcome}")


def _cancel(bench: Workbench) -> None:
    bench.audit("order.cancel", reason=bench.details.reason)
    if bench.order.state is _S.ESTIMATED:
        bench.prices.decide_estimate(bench.order.order_id, "withdrawn", actor=bench.actor, now=bench.now)
    bench.free_everything()
    bench.move(_S.CANCELLED, "cancelled")
    bench.work.insert_label(bench.order.order_id, now=bench.now)
    if not give_back(bench) and bench.order.station_id is not None:
        bench.tell_owner(cancelled_text())


def _no_show(bench: Workbench) -> None:
    order, store = bench.order, bench.desk.store
    if order.slot_start is None or order.slot_start > bench.now:
        raise InvalidTransition("action no_show: the appointment has not begun")
    vehicle = store.fetch_vehicle(order.vehicle_id)
    if vehicle is None:
        raise InvalidTransition("action no_show: the vehicle is not registered")
    bench.note("nobody came")
    known = store.fetch_order(order.order_id)
    move_appointment(bench.desk, known, vehicle, bench.terms, Upset.NO_SHOW, now=bench.now, actor=bench.actor)
    bench.order = bench.work.fetch_order(order.order_id)


def _to(state: OrderState, told: str) -> Callable[[Workbench], None]:
    return lambda bench: bench.move(state, told)


_HANDLERS: Mapping[Action, Callable[[Workbench], None]] = MappingProxyType(
    {
        Action.DISPATCH: _dispatch,
        Action.CHECK_IN: _check_in,
        Action.DIAGNOSE: _to(_S.DIAGNOSING, "diagnosis begun"),
        Action.FIND: _find,
        Action.ESTIMATE: propose,
        Action.GOODWILL: grant,
        Action.APPROVE: approve,
        Action.DECLINE: decline,
        Action.RESERVE: provide_parts,
        Action.PICK: _pick,
        Action.ASSIGN: _assign,
        Action.START: _start,
        Action.PAUSE: _to(_S.PAUSED, "paused"),
        Action.RESUME: _resume,
        Action.FINISH: _finish,
        Action.PASS: _pass,
        Action.REWORK: _to(_S.REWORK, "to be done again"),
        Action.INVOICE: _to(_S.INVOICED, "invoiced"),
        Action.PAY: _to(_S.PAID, "paid"),
        Action.CLOSE: _close,
        Action.CANCEL: _cancel,
        Action.NO_SHOW: _no_show,
    }
)
