"""What people do to an agreed repair order, when they may, and what they have to say with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from alerts.errors import InvalidDetails, InvalidTransition
from alerts.orders.states import PRE_WORK, OrderState


class Action(StrEnum):
    """Everything that moves an order after the owner's yes."""

    DISPATCH = "dispatch"  #: mobile technician, tow truck or pick-up leaves
    CHECK_IN = "check_in"
    DIAGNOSE = "diagnose"
    FIND = "find"  #: tell what was found
    ESTIMATE = "estimate"  #: tell the price of what was found
    APPROVE = "approve"  #: the owner agrees to a changed price or scope
    DECLINE = "decline"
    RESERVE = "reserve"  #: missing parts have come
    PICK = "pick"  #: parts leave the shelf
    ASSIGN = "assign"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish"  #: the work is done, to be checked
    PASS = "pass"  # noqa: S105 - the work is good
    REWORK = "rework"  #: the work is not good
    INVOICE = "invoice"
    PAY = "pay"
    CLOSE = "close"  #: vehicle and papers are handed over
    GOODWILL = "goodwill"  #: maker or station pays lines that the customer would
    CANCEL = "cancel"
    NO_SHOW = "no_show"  #: nobody came: a new appointment is offered


class Outcome(StrEnum):
    """What a technician found."""

    CONFIRMED = "confirmed"
    OTHER = "other"  #: a fault, but not the predicted one
    NO_FAULT_FOUND = "no_fault_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateLine:
    """One line of a proposed price; its unit price comes from the catalogue."""

    kind: str  #: ``labour`` or ``part``
    code: str  #: labour operation or part number
    qty: Decimal  #: hours of labour, whole pieces of a part


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What is said with an action; which fields an action needs and takes is in ``FIELDS``."""

    reason: str = ""
    odometer_km: float | None = None
    outcome: Outcome | None = None
    cause: str | None = None
    measured_value: float | None = None
    measured_unit: str | None = None
    trouble_codes: tuple[str, ...] | None = None
    onset: datetime | None = None  #: timezone-aware; since when, as far as the technician can tell
    lines: tuple[EstimateLine, ...] | None = None
    codes: tuple[str, ...] | None = None  #: of lines that the customer does not pay any more
    bay: str | None = None
    technician: str | None = None
    isolated_by: str | None = None  #: the technician who measured that high voltage is off
    isolated_v: float | None = None  #: what was measured across the isolated terminals
    checked_by: tuple[str, ...] | None = None  #: technicians who stand for the quality
    correction: str | None = None
    part_removed: str | None = None
    is_owners_wish: bool | None = None  #: of a cancellation; else the station gives the work back


@dataclass(frozen=True, slots=True)
class _Fields:
    needed: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()


def _f(needed: str = "", allowed: str = "") -> _Fields:
    return _Fields(frozenset(needed.split()), frozenset(f"{needed} {allowed} reason".split()))


_A, _S = Action, OrderState
FIELDS: Mapping[Action, _Fields] = MappingProxyType(
    {
        **{action: _f() for action in Action},
        _A.CHECK_IN: _f("odometer_km"),
        _A.FIND: _f("outcome", "cause measured_value measured_unit trouble_codes onset"),
        _A.ESTIMATE: _f("lines reason"),
        _A.GOODWILL: _f("codes reason"),
        _A.ASSIGN: _f("", "bay technician"),
        _A.START: _f("", "isolated_by isolated_v"),
        _A.RESUME: _f("", "isolated_by isolated_v"),
        _A.PAUSE: _f("reason"),
        _A.FINISH: _f("correction", "part_removed"),
        _A.PASS: _f("checked_by"),
        _A.REWORK: _f("reason"),
        _A.CLOSE: _f("", "odometer_km"),
        _A.CANCEL: _f("reason", "is_owners_wish"),
    }
)
#: States in which there is a price that is not billed yet.
BILLABLE = frozenset(
    {_S.BOOKED, _S.DISPATCHED, _S.CHECKED_IN, _S.DIAGNOSING, _S.ESTIMATED, _S.APPROVED, _S.PARTS_RESERVED,
     _S.WAITING_PARTS, _S.ASSIGNED, _S.IN_PROGRESS, _S.PAUSED, _S.QC, _S.REWORK, _S.READY}
)  # fmt: skip
FROM: Mapping[Action, frozenset[OrderState]] = MappingProxyType(
    {
        _A.DISPATCH: frozenset({_S.BOOKED}),
        _A.CHECK_IN: frozenset({_S.BOOKED, _S.DISPATCHED}),
        _A.DIAGNOSE: frozenset({_S.CHECKED_IN}),
        _A.FIND: frozenset({_S.DIAGNOSING, _S.IN_PROGRESS}),
        _A.ESTIMATE: frozenset({_S.DIAGNOSING, _S.IN_PROGRESS}),
        _A.GOODWILL: BILLABLE,
        _A.APPROVE: frozenset({_S.ESTIMATED}),
        _A.DECLINE: frozenset({_S.ESTIMATED}),
        _A.RESERVE: frozenset({_S.WAITING_PARTS}),
        _A.PICK: frozenset({_S.PARTS_RESERVED, _S.ASSIGNED}),
        _A.ASSIGN: frozenset({_S.PARTS_RESERVED}),
        _A.START: frozenset({_S.ASSIGNED}),
        _A.PAUSE: frozenset({_S.IN_PROGRESS}),
        _A.RESUME: frozenset({_S.PAUSED, _S.REWORK}),
        _A.FINISH: frozenset({_S.IN_PROGRESS}),
        _A.PASS: frozenset({_S.QC}),
        _A.REWORK: frozenset({_S.QC}),
        _A.INVOICE: frozenset({_S.READY}),
        _A.PAY: frozenset({_S.INVOICED}),
        _A.CLOSE: frozenset({_S.PAID, _S.NO_FAULT_FOUND}),
        _A.CANCEL: PRE_WORK,
        _A.NO_SHOW: frozenset({_S.BOOKED}),
    }
)
#: What only the owner, or operations in their name, may decide.
OWNER_ACTIONS = frozenset({_A.APPROVE, _A.DECLINE})
#: How far a price may rise without asking, if nothing is added to the work.
FREE_RISE = Decimal("1.10")
#: Across isolated terminals; below it high voltage is off (ISO 6469-3: voltage class A ends at 60 V DC).
SAFE_V = 60.0
_LONGEST = {"lines": 50, "codes": 50, "trouble_codes": 50, "checked_by": 5}


def next_actions(state: OrderState, *, has_begun: bool) -> tuple[Action, ...]:
    """Return what may be done to an order in this state, in the order of ``Action``."""
    return tuple(a for a in Action if state in FROM[a] and not (a is Action.CANCEL and has_begun))


def check_action(action: Action, state: OrderState, *, has_begun: bool) -> None:
    """Make sure that an action is possible now.

    Raises:
        InvalidTransition: It is not; says what is.
    """
    possible = next_actions(state, has_begun=has_begun)
    if action not in possible:
        names = ", ".join(possible) or "nothing"
        raise InvalidTransition(f"action {action}: the order is {state}; possible now: {names}")


def check_details(action: Action, details: Details) -> None:
    """Make sure that what is said fits the action.

    Raises:
        InvalidDetails: A field is missing, out of place or out of range; names field, value and rule.
    """
    rule = FIELDS[action]
    given = {f.name for f in fields(details) if getattr(details, f.name) not in (None, "", ())}
    for name in sorted(rule.needed - given):
        raise InvalidDetails(f"{name}: {action} needs it")
    for name in sorted(given - rule.allowed):
        raise InvalidDetails(f"{name}: {action} does not take it")
    for name, most in _LONGEST.items():
        if len(getattr(details, name) or ()) > most:
            raise InvalidDetails(f"{name}: at most {most}")
    if (details.measured_value is None) != (details.measured_unit is None):
        raise InvalidDetails("measured_value, measured_unit: only together")
    if (details.isolated_by is None) != (details.isolated_v is None):
        raise InvalidDetails("isolated_by, isolated_v: only together")
    if details.isolated_v is not None and not abs(details.isolated_v) < SAFE_V:
        raise InvalidDetails(f"isolated_v {details.isolated_v:g}: must be below {SAFE_V:g} V")
    if details.odometer_km is not None and not 0 <= details.odometer_km <= 10_000_000:
        raise InvalidDetails(f"odometer_km {details.odometer_km:g}: must be 0 to 10 000 000")
    if details.outcome not in (None, Outcome.NO_FAULT_FOUND) and details.cause is None:
        raise InvalidDetails(f"cause: outcome {details.outcome} needs it")
    if details.onset is not None and details.onset.tzinfo is None:
        raise InvalidDetails("onset: must have a time zone")
    for line in details.lines or ():
        check_line(line)


def check_line(line: EstimateLine) -> None:
    """Make sure that a line can be priced.

    Raises:
        InvalidDetails: Unknown kind, or a quantity that is not possible.
    """
    if line.kind not in ("labour", "part"):
        raise InvalidDetails(f"lines.kind {line.kind[:20]!r}: must be labour or part")
    if not 0 < line.qty <= 1000:
        raise InvalidDetails(f"lines.qty {line.qty}: must be above 0 and at most 1000")
    if line.kind == "part" and line.qty != int(line.qty):
        raise InvalidDetails(f"lines.qty {line.qty}: parts come in whole pieces")
    if line.qty != line.qty.quantize(Decimal("0.01")):
        raise InvalidDetails(f"lines.qty {line.qty}: at most two decimals")


def digest_of(action: Action, version: int, details: Details) -> bytes:
    """Return what tells a repeated command from another one under the same key."""
    text = json.dumps([action, version, asdict(details)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).digest()
