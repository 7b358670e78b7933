"""Rejects whose cause may have gone away: read again and stored through the same path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from data.db import Pool
from ingest.intake import Intake, Item
from ingest.messages import Delivery, Reject
from ingest.store_repair import close_retried, count_rejects, fetch_retryable, find_welcome, list_rejects

__all__ = ["Retried", "count_rejects", "list_rejects", "retry_rejects", "retry_welcome"]

_CHUNK = 200


@dataclass(slots=True)
class Retried:
    """What became of the rejects that were read again."""

    stored: int = 0
    still_rejected: int = 0


def retry_welcome(pool: Pool, intake: Intake, *, now: datetime) -> Retried:
    """Read again what vehicles said before they were registered; costs one question where there is nothing.

    Raises:
        DatabaseAway: Try again; what was done stays done.
    """
    result = Retried()
    for tenant, vins in find_welcome(pool).items():
        done = retry_rejects(pool, intake, now=now, tenant=tenant, vins=vins)
        result.stored += done.stored
        result.still_rejected += done.still_rejected
    return result


def retry_rejects(
    pool: Pool,
    intake: Intake,
    *,
    now: datetime,
    tenant: str | None = None,
    vins: Sequence[str] | None = None,
) -> Retried:
    """Read retryable rejects again; what can be read now is stored as late data and leaves the rejects.

    A reject leaves only after its message has been committed: killed in between, the next retry stores it
    again, without effect. What still cannot be read tells the reason of today.

    Args:
        pool: The database.
        intake: The path of new messages.
        now: Timezone-aware.
        tenant: Of the vehicles.
        vins: Only these; None: all.

    Raises:
        DatabaseAway: Try again; what was done stays done.
    """
    intake.refresh()
    result, after = Retried(), 0
    while found := fetch_retryable(pool, after=after, limit=_CHUNK, tenant=tenant, vins=vins):
        after = found[-1][0]
        good: list[Item] = []
        tried: dict[int, int] = {}
        bad: dict[int, Reject | None] = {}
        for reject_id, topic, payload, received_us, seen_count in found:
            item = intake.read(Delivery(topic, payload, received_us))
            if item.message is None:
                bad[reject_id] = item.reject
                continue
            good.append(_late(item))
            if item.reject is None:
                tried[reject_id] = seen_count
            else:  # what could be read of it is stored, and the reject with it
                bad[reject_id] = None
        if good:
            intake.store(good)
        stored = close_retried(pool, tried=tried, failed=bad, now=now)
        result.stored += stored
        result.still_rejected += len(found) - stored
    return result


def _late(item: Item) -> Item:
    """Return the item as data out of a store: what waited here says nothing of now."""
    message = item.message
    if message is not None and message.status is not None:
        message.status = replace(message.status, is_online=None)
    if message is None or message.envelope is None:
        return item
    message.envelope = replace(message.envelope, is_hist=True)
    message.events = [replace(event, is_hist=True) for event in message.events]
    return item
