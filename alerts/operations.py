"""What operations decide about predictors: what the circuit breaker holds back."""

from __future__ import annotations

from datetime import datetime

from alerts.breaker import HELD_BACK, LET_GO, Decision, Released
from alerts.desk import Desk, decide_again
from alerts.errors import InvalidTransition, UnknownTrip
from data.audit import Deed
from data.db import Pool


def release_trip(
    pool: Pool, *, trip_id: int, tenant_id: int, decision: Decision, actor: str, reason: str, now: datetime
) -> Released:
    """Close a trip of the breaker: place all orders that it holds back, or dismiss them.

    Placing hands them to the router, which plans them within seconds. Dismissing cancels them and
    acknowledges their alerts, so that the same evidence orders nothing again. Counting starts anew.

    Raises:
        UnknownTrip: The tenant has no such trip.
        InvalidTransition: It has been released already.
    """

    def work(desk: Desk) -> Released:
        trip = desk.breaker.lock_trip(trip_id, tenant_id=tenant_id)
        if trip is None:
            raise UnknownTrip(f"breaker trip {trip_id}: there is no such trip")
        if trip["released_at"] is not None:
            raise InvalidTransition(f"breaker trip {trip_id}: released already")
        if decision is Decision.PLACE:
            orders = desk.breaker.let_orders_go(trip_id, held=HELD_BACK, let_go=LET_GO, actor=actor, now=now)
        else:
            why = f"dismissed: {reason}"
            orders = desk.breaker.cancel_orders(trip_id, held=HELD_BACK, actor=actor, reason=why, now=now)
            for order_id in orders:
                desk.store.acknowledge_alerts(order_id, actor=actor, reason=why, now=now)
        desk.breaker.close_trip(trip_id, decision=decision, actor=actor, reason=reason, now=now)
        desk.breaker.record(
            Deed(actor=actor, now=now),
            tenant_id,
            "breaker.release",
            f"trip {trip_id}",
            {"decision": decision, "reason": reason, "orders": len(orders)},
        )
        for order_id in orders:
            desk.store.tell_browsers("order", order_id)
        return Released(trip_id=trip_id, decision=decision, orders=len(orders))

    return decide_again(pool, work)
