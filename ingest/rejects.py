"""Rejects whose cause may have gone away: read again and stored through the same path."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from data.db import Pool
from ingest.intake import Intake, Item
from ingest.messages import Delivery
from ingest.store_repair import close_retried, count_rejects, fetch_retryable, list_rejects

__all__ = ["Retried", "count_rejects", "list_rejects", "retry_rejects"]

_CHUNK = 200


@dataclass(slots=True)
class Retried:
    """What became of the rejects that were read again."""

    stored: int = 0
    still_rejected: int = 0


def retry_rejects(pool: Pool, intake: Intake, *, now: datetime) -> Retried:
    """Read every retryable reject again; what can be read now is stored as late data and leaves the rejects.

    A reject leaves only after its message has been committed: killed in between, the next retry stores it
    again, without effect.

    Raises:
        DatabaseAway: Try again; what was done stays done.
    """
    intake.refresh()
    result, after = Retried(), 0
    while found := fetch_retryable(pool, after=after, limit=_CHUNK):
        after = found[-1][0]
        good: list[Item] = []
        tried: dict[int, int] = {}
        bad: list[int] = []
        for reject_id, topic, payload, received_us, seen_count in found:
            item = intake.read(Delivery(topic, payload, received_us))
            if item.message is None or item.reject is not None:
                bad.append(reject_id)
            else:
                good.append(_late(item))
                tried[reject_id] = seen_count
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
