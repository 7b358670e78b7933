"""SQL of gap repair and of rejects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import dict_row

from data.db import Pool, load_queries, transaction
from data.locks import LOCK_REPAIR
from data.records import Vin
from ingest.gaps import LONGEST_BACKOFF, Gap, Plan, StreamKey, format_multirange, parse_multirange
from ingest.messages import Reject

_Q = load_queries("ingest")


def repair_round(
    pool: Pool,
    decide: Callable[[Sequence[Gap]], Plan],
    *,
    now: datetime,
    horizon: timedelta,
    interval_s: float,
    after: StreamKey,
    limit: int,
) -> Plan:
    """Let ``decide`` look at up to ``limit`` streams with holes and note what it decides.

    The streams are those behind ``after``, in order of vehicle and boot, that may be asked again at intervals
    of ``interval_s``. Returns an empty plan while another process is at it.

    Raises:
        DatabaseAway: Try again.
    """
    with transaction(pool) as connection:
        held = connection.execute(_Q["try_repair_lock"], (LOCK_REPAIR,)).fetchone()
        if held is None or not held[0]:
            return Plan()
        connection.execute(_Q["give_up_silent"], {"before": now - horizon})
        rows = connection.cursor(row_factory=dict_row).execute(
            _Q["fetch_gaps"],
            {
                "after_vehicle": after[0],
                "after_boot": after[1],
                "now": now,
                "interval_s": interval_s,
                "longest_backoff": LONGEST_BACKOFF,
                "limit": limit,
            },
        )
        plan = decide(
            [
                Gap(
                    vehicle_id=row["vehicle_id"],
                    boot=row["boot"],
                    tenant=row["tenant"],
                    vin=Vin(row["vin"]),
                    missing=parse_multirange(row["missing"]),
                    high=row["high"],
                    requested_at=row["resend_requested_at"],
                    request_count=row["resend_count"],
                )
                for row in rows
            ]
        )
        touched = [request.gap for request in (*plan.requests, *plan.given_up)]
        if touched:  # in the order of those who store batches
            keys = {"vehicle_id": [gap.vehicle_id for gap in touched], "boot": [gap.boot for gap in touched]}
            connection.execute(_Q["lock_streams"], keys)
        for name, decided in (("mark_requested", plan.requests), ("give_up", plan.given_up)):
            if decided:
                values = {
                    "vehicle_id": [r.gap.vehicle_id for r in decided],
                    "boot": [r.gap.boot for r in decided],
                    "ranges": [format_multirange(r.ranges) for r in decided],
                }
                connection.execute(_Q[name], values | {"now": now})
        return plan


def count_holes(pool: Pool) -> tuple[int, int]:
    """Return how many streams have holes, and how many messages are missing in all."""
    with transaction(pool) as connection:
        row = connection.execute(_Q["count_holes"]).fetchone()
        return (0, 0) if row is None else (int(row[0]), int(row[1]))


def count_rejects(pool: Pool) -> list[dict[str, Any]]:
    """Return how many messages were rejected, by reason.

    Each row has ``reason``, ``is_retryable``, ``rejects``, ``messages`` and the span of ``received``.
    """
    with transaction(pool) as connection:
        return connection.cursor(row_factory=dict_row).execute(_Q["count_rejects"]).fetchall()


def list_rejects(pool: Pool, *, reason: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Return the newest rejects, without their bytes, newest first."""
    with transaction(pool) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        return cursor.execute(_Q["list_rejects"], {"reason": reason, "limit": limit}).fetchall()


def find_welcome(pool: Pool) -> dict[str, list[Vin]]:
    """Return by tenant the vehicles that have rejects from before they were registered, or while retired."""
    with transaction(pool) as connection:
        return {tenant: [Vin(v) for v in vins] for tenant, vins in connection.execute(_Q["find_welcome"])}


def fetch_retryable(
    pool: Pool, *, after: int, limit: int, tenant: str | None = None, vins: Sequence[str] | None = None
) -> list[tuple[int, str, bytes, int, int]]:
    """Return (id, topic, payload, received in microseconds, times seen) of rejects worth reading again.

    With ``vins`` only those of these vehicles of the tenant.
    """
    with transaction(pool) as connection:
        wanted = {
            "after": after,
            "limit": limit,
            "tenant": tenant,
            "vins": None if vins is None else list(vins),
        }
        rows = connection.execute(_Q["fetch_retryable"], wanted)
        return [(row[0], row[1], bytes(row[2]), row[3], row[4]) for row in rows]


def close_retried(
    pool: Pool, *, tried: Mapping[int, int], failed: Mapping[int, Reject | None], now: datetime
) -> int:
    """Forget rejects that have been stored after all, and note those that were tried again in vain.

    Args:
        pool: The database.
        tried: Reject id -> times seen before its message was given to the database.
        failed: Reject id -> why it still cannot be read, None where that is stored already.
        now: Timezone-aware.

    Returns:
        How many were forgotten; one that was seen again since then was not stored.
    """
    with transaction(pool) as connection:
        keys = {"reject_ids": list(tried), "seen_counts": list(tried.values())}
        gone = {row[0] for row in connection.execute(_Q["delete_rejects"], keys)}
        kept: dict[int, Reject | None] = {**failed, **dict.fromkeys(tried.keys() - gone)}
        told = [
            reject and (reject.reason, reject.detail[:1000].replace("\0", "\\0")) for reject in kept.values()
        ]
        connection.execute(
            _Q["mark_retried"],
            {
                "reject_ids": list(kept),
                "reasons": [text and text[0] for text in told],
                "details": [text and text[1] for text in told],
                "is_retryable": [None if reject is None else reject.is_retryable for reject in kept.values()],
                "now": now,
            },
        )
    return len(gone)
