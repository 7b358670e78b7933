"""The operations list: orders that cannot go on by themselves, and promises that will not be kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerts.orders.concern_store import ConcernStore
from alerts.orders.order_store import OrderStore
from alerts.rules import Policy
from data.db import Pool, transaction


class ConcernKind(StrEnum):
    """What needs a person; settled by itself when it no longer holds."""

    NO_STATION = "no_station"  #: nobody can do the work for now
    PLANNING_FAILED = "planning_failed"  #: the search itself broke
    UNANSWERED = "unanswered"  #: the time offered has come without an answer
    NOT_ARRIVED = "not_arrived"  #: sent out, and not checked in
    OVERRUN = "overrun"  #: the work takes much longer than planned
    PROMISE_AT_RISK = "promise_at_risk"  #: it will not be done when promised
    PROMISE_BROKEN = "promise_broken"
    OWNER_CHANGED = "owner_changed"  #: while the vehicle is at the station
    VEHICLE_RETIRED = "vehicle_retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What one look at all orders changed."""

    raised: int = 0
    settled: int = 0


def watch_orders(pool: Pool, policy: Policy, *, now: datetime) -> Watched:
    """Raise what needs a person and settle what no longer does; any number of processes may do it at once.

    A concern is one row from its beginning to its end and one entry in the order's history.
    """
    with transaction(pool) as connection:
        concerns, orders = ConcernStore(connection), OrderStore(connection)
        current = concerns.fetch_current(policy.standing, now)
        settled = concerns.settle_others([(c.order_id, c.kind) for c in current], list(ConcernKind), now)
        raised = 0
        for concern in current:
            if not concerns.raise_for_order(concern, now):
                continue
            raised += 1
            state = concern.state
            orders.insert_order_event(
                concern.order_id, state, state, f"{concern.kind}: {concern.detail}", now=now
            )
            orders.tell_browsers("order", concern.order_id)
        for order_id in settled:
            orders.tell_browsers("order", order_id)
    return Watched(raised=raised, settled=len(settled))
