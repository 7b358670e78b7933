"""One root explains several faults: their alerts share its order instead of having one each."""

from __future__ import annotations

from datetime import datetime

from alerts.desk import Desk, Terms
from alerts.facts import Order, VehicleFacts
from alerts.orders.offering import prefaced
from alerts.orders.order_store import ACTOR
from alerts.orders.states import NOT_BEGUN, OrderState, check_transition
from alerts.orders.urgency import make_urgent
from alerts.policy import Alert
from alerts.rules import Policy
from alerts.telling.texts import warning_text
from data.records import FailureMode, Severity

#: Why the owner has one appointment in the place of several.
_PREFACE = (
    "One cause explains several faults: they are repaired together, their own appointments are cancelled.",
    "多个故障由同一原因引起，将一并维修，原先各自的预约已取消。",
)


def explained_order(desk: Desk, vehicle_id: int, failure_mode: FailureMode, policy: Policy) -> Order | None:
    """Return the open order of what explains this failure mode on the vehicle, locked; None: nothing does."""
    roots = [mode for mode, rule in policy.modes.items() if failure_mode in rule.explains]
    if not roots or not desk.store.fetch_open_orders(vehicle_id):
        return None
    order_id = desk.store.replan().fetch_root_order(vehicle_id, roots)
    return None if order_id is None else desk.store.fetch_order(order_id)


def gather(
    desk: Desk,
    order: Order,
    alert: Alert,
    threshold_at: datetime | None,
    *,
    vehicle: VehicleFacts,
    terms: Terms,
    now: datetime,
) -> None:
    """Let the order of a root take over what the root explains, with its urgency, and tell the owner.

    Args:
        desk: Inside the transaction that raised the root's alert.
        order: The order that the alert opened or joined.
        alert: Of the root.
        threshold_at: When its threshold may be crossed.
        vehicle: The vehicle.
        terms: For planning.
        now: Wall time.
    """
    store = desk.store
    urgency = _absorb(desk, order, alert.failure_mode, terms.policy, now=now)
    if urgency is None:
        return
    known = store.fetch_order(order.order_id)
    is_placed = known.waiting_reason is None
    text = warning_text(alert.component, alert.failure_mode, known.severity, None, is_placed=is_placed)
    store.warnings().queue(
        vehicle,
        transition=f"order:{order.order_id}:gathered:{known.version}",
        severity=known.severity,
        text=prefaced(_PREFACE, text),
        alert_id=alert.alert_id,
        order_id=order.order_id,
        now=now,
    )
    if urgency < known.severity:
        make_urgent(desk, known, alert, urgency, threshold_at, vehicle=vehicle, terms=terms, now=now)


def _absorb(desk: Desk, order: Order, root: FailureMode, policy: Policy, *, now: datetime) -> Severity | None:
    """Make the orders of what a root explains part of its order; return the most urgent class among them."""
    modes = policy.modes[root].explains
    if not modes:
        return None
    store, urgency = desk.store, []
    for part in store.fetch_open_orders(order.vehicle_id):
        order_id = part.order_id
        if order_id == order.order_id or part.failure_mode not in modes or part.state not in NOT_BEGUN:
            continue
        check_transition(part.state, OrderState.CANCELLED)
        reason = f"{root} explains it: order {order.order_id}"
        store.release_order(order_id)
        store.move_order(order_id, OrderState.CANCELLED, owner_answer=None, now=now)
        store.insert_order_event(order_id, part.state, OrderState.CANCELLED, reason, now=now)
        store.replan().hand_over_alerts(
            order_id, order.order_id, is_unknown=False, actor=ACTOR, reason=reason, now=now
        )
        store.insert_order_event(
            order.order_id,
            order.state,
            order.state,
            f"joined: {part.component} {part.failure_mode} {part.severity} of order {order_id}",
            now=now,
        )
        store.tell_browsers("order", order_id)
        urgency.append(part.severity)
    return min(urgency, default=None)
