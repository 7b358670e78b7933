"""Work that waited for parts goes on by itself when they are here."""

from __future__ import annotations

from datetime import datetime

import structlog

from alerts.desk import Terms
from alerts.errors import BookingConflict, InvalidTransition, VersionConflict
from alerts.orders.order_store import ACTOR
from alerts.work.actions import Action, Details
from alerts.work.work_store import WorkStore
from alerts.work.workshop import act
from data.db import Pool, transaction

_log = structlog.get_logger("alerts")


def go_on_supplied(pool: Pool, terms: Terms, *, now: datetime, limit: int = 200) -> int:
    """Reserve the parts of orders that waited for them and can have all of them now; return how many.

    The most urgent come first, then those that have waited longest. An order that somebody else changed
    meanwhile, or whose part went to another, is left for the next time.
    """
    with transaction(pool) as connection:
        supplied = WorkStore(connection).fetch_supplied(limit)
    count = 0
    for order_id, version in supplied:
        try:
            act(
                pool,
                terms,
                order_id=order_id,
                action=Action.RESERVE,
                details=Details(),
                actor=ACTOR,
                version=version,
                key=f"parts are here {version}",
                now=now,
            )
        except (InvalidTransition, VersionConflict, BookingConflict) as error:
            _log.info("parts went elsewhere", action="supply", order_id=order_id, error=str(error)[:200])
            continue
        count += 1
    return count
