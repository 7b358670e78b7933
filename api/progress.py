"""How far a repair is, in the words of an owner: six stages instead of twenty states. Pure."""

from __future__ import annotations

from alerts.orders.states import OrderState

_S = OrderState
#: Each stage with the states in which it is the present one.
STAGES: tuple[tuple[str, frozenset[OrderState]], ...] = (
    ("booked", frozenset({_S.BOOKED, _S.DISPATCHED})),
    ("arrived", frozenset({_S.CHECKED_IN})),
    (
        "examined",
        frozenset(
            {
                _S.DIAGNOSING,
                _S.ESTIMATED,
                _S.APPROVED,
                _S.WAITING_PARTS,
                _S.PARTS_RESERVED,
                _S.ASSIGNED,
            }
        ),
    ),
    ("repaired", frozenset({_S.IN_PROGRESS, _S.PAUSED, _S.REWORK})),
    ("checked", frozenset({_S.QC})),
    ("ready", frozenset({_S.READY, _S.INVOICED, _S.PAID, _S.CLOSED})),
)
#: From here on the workshop has the vehicle.
ARRIVED = 1


def stage_of(state: str) -> int | None:
    """Return which stage an order is in, None before it is booked and where it ended otherwise."""
    for index, (_, states) in enumerate(STAGES):
        if state in states:
            return index
    return None
