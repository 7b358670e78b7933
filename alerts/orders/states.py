"""The life of a repair order: states and legal transitions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from alerts.errors import InvalidTransition
from data.records import Severity

#: Why an order waits that is placed together with many others.
BATCHED = "it is placed with the next batch"


class OrderState(StrEnum):
    """States of a repair order, as in the table ``repair_orders``."""

    PREDICTED = "predicted"
    TRIAGED = "triaged"  #: urgency known, no appointment yet
    OFFERED = "offered"  #: appointment held, the owner decides
    BOOKED = "booked"
    DISPATCHED = "dispatched"  #: mobile technician, tow truck or pick-up is on its way
    CHECKED_IN = "checked_in"
    DIAGNOSING = "diagnosing"
    ESTIMATED = "estimated"
    APPROVED = "approved"
    DECLINED = "declined"
    PARTS_RESERVED = "parts_reserved"
    WAITING_PARTS = "waiting_parts"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    PAUSED = "paused"
    QC = "qc"
    REWORK = "rework"
    READY = "ready"
    INVOICED = "invoiced"
    PAID = "paid"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    NO_FAULT_FOUND = "no_fault_found"


_S = OrderState
_FORWARD: Mapping[OrderState, frozenset[OrderState]] = {
    _S.PREDICTED: frozenset({_S.TRIAGED}),
    _S.TRIAGED: frozenset({_S.OFFERED}),
    _S.OFFERED: frozenset({_S.BOOKED, _S.DECLINED, _S.TRIAGED}),
    _S.BOOKED: frozenset({_S.DISPATCHED, _S.CHECKED_IN, _S.OFFERED, _S.TRIAGED}),
    _S.DISPATCHED: frozenset({_S.CHECKED_IN}),
    _S.CHECKED_IN: frozenset({_S.DIAGNOSING}),
    _S.DIAGNOSING: frozenset({_S.ESTIMATED, _S.NO_FAULT_FOUND}),
    _S.ESTIMATED: frozenset({_S.APPROVED, _S.DECLINED}),
    _S.APPROVED: frozenset({_S.PARTS_RESERVED, _S.WAITING_PARTS}),
    _S.PARTS_RESERVED: frozenset({_S.WAITING_PARTS, _S.ASSIGNED}),
    _S.WAITING_PARTS: frozenset({_S.PARTS_RESERVED}),
    _S.ASSIGNED: frozenset({_S.IN_PROGRESS}),
    _S.IN_PROGRESS: frozenset({_S.PAUSED, _S.QC, _S.ESTIMATED, _S.NO_FAULT_FOUND}),
    _S.PAUSED: frozenset({_S.IN_PROGRESS}),
    _S.QC: frozenset({_S.REWORK, _S.READY}),
    _S.REWORK: frozenset({_S.IN_PROGRESS}),
    _S.READY: frozenset({_S.INVOICED}),
    _S.INVOICED: frozenset({_S.PAID}),
    _S.PAID: frozenset({_S.CLOSED}),
    _S.NO_FAULT_FOUND: frozenset({_S.CLOSED}),
    _S.DECLINED: frozenset(),
    _S.CLOSED: frozenset(),
    _S.CANCELLED: frozenset(),
}
#: Until work begins an order may be cancelled.
PRE_WORK = frozenset(
    {
        _S.PREDICTED, _S.TRIAGED, _S.OFFERED, _S.BOOKED, _S.DISPATCHED, _S.CHECKED_IN, _S.DIAGNOSING,
        _S.ESTIMATED, _S.APPROVED, _S.PARTS_RESERVED, _S.WAITING_PARTS, _S.ASSIGNED,
    }
)  # fmt: skip
#: An order in one of these is over.
ENDED = frozenset({_S.CLOSED, _S.CANCELLED, _S.DECLINED, _S.NO_FAULT_FOUND, _S.PAID})
#: Nothing will be repaired any more: the component may get a new order.
DEALT_WITH = ENDED | {_S.READY, _S.INVOICED}
#: The vehicle is being worked on.
AT_WORK = frozenset(
    {
        _S.CHECKED_IN, _S.DIAGNOSING, _S.ESTIMATED, _S.APPROVED, _S.PARTS_RESERVED, _S.WAITING_PARTS,
        _S.ASSIGNED, _S.IN_PROGRESS, _S.PAUSED, _S.QC, _S.REWORK,
    }
)  # fmt: skip
#: Until the owner has agreed, Anxin may change the appointment by itself.
UNAGREED = frozenset({_S.PREDICTED, _S.TRIAGED, _S.OFFERED})
#: Nobody has done anything for it yet: another order may take it over.
NOT_BEGUN = UNAGREED | {_S.BOOKED}

NEXT: Mapping[OrderState, frozenset[OrderState]] = MappingProxyType(
    {state: nexts | ({_S.CANCELLED} if state in PRE_WORK else set()) for state, nexts in _FORWARD.items()}
)


def check_transition(from_state: OrderState, to_state: OrderState) -> None:
    """Make sure an order may move.

    Raises:
        InvalidTransition: It may not; names both states and what is possible.
    """
    if to_state not in NEXT[from_state]:
        possible = ", ".join(sorted(NEXT[from_state])) or "nothing, it is over"
        raise InvalidTransition(f"order {from_state} -> {to_state}: possible from here: {possible}")


def idempotency_key(vehicle_id: int, component: str, alert_id: int, severity: Severity) -> str:
    """Return the key under which one alert at one urgency opens an order at most once."""
    text = f"{vehicle_id}|{component}|{alert_id}|{severity}"
    return hashlib.sha256(text.encode()).hexdigest()
