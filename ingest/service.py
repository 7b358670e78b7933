"""The ingest loop: receive, read, store, acknowledge; and the rounds of gap repair beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import structlog

from data.db import Pool, open_pool
from data.errors import DatabaseAway, DatabaseError
from data.heartbeat import Heartbeat
from data.migrate import check_schema
from data.settings import Settings
from data.topics import UP_FILTER
from ingest.batcher import Batcher
from ingest.can import parse_can_payload
from ingest.can.rows import CanDecoders
from ingest.intake import Intake, Item, describe
from ingest.messages import Adapter, Delivery
from ingest.progress import Flush, Progress
from ingest.rejects import Retried
from ingest.rejects import retry_rejects as _retry_rejects
from ingest.store import BatchResult
from ingest.subscriber import Subscriber
from ingest.upkeep import Upkeep

_log = structlog.get_logger("ingest")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0


def run(
    settings: Settings,
    *,
    stop: threading.Event,
    adapters: Sequence[Adapter] = (),
    progress: Progress | None = None,
) -> None:
    """Store what vehicles send until ``stop`` is set.

    Survives the database and the broker going away. May be killed at any instant: what was not committed was
    not acknowledged, and what was committed has no effect twice.

    Args:
        settings: Database, broker, slot, window.
        stop: Ends the service.
        adapters: Read topics that are not ours; their filters are subscribed to beside ours.
        progress: Counts what is done.

    Raises:
        SchemaError: The database is of another version.
    """
    pool = _open_pool(settings, stop)
    if pool is None:
        return
    subscriber = Subscriber(
        settings.mqtt_url,
        client_id=f"anxin-ingest-{settings.ingest_slot}",
        share=settings.ingest_share,
        window=settings.ingest_window_messages,
        clock_us=_now_us,
        filters=(UP_FILTER, *(f for adapter in adapters for f in adapter.filters)),
    )
    progress = Progress() if progress is None else progress
    upkeep = Upkeep(
        settings,
        pool,
        build_intake(settings, pool, adapters),
        publish=subscriber.publish,
        is_connected=lambda: subscriber.is_connected,
        stop=stop,
        rng=np.random.default_rng(),
        clock=lambda: datetime.now(UTC),
    )
    try:
        subscriber.start()
        upkeep.start()
        is_storing = threading.Event()
        is_storing.set()
        with Heartbeat(
            settings.database_url,
            "ingest",
            slot=settings.ingest_slot,
            is_ready=lambda: subscriber.is_connected and is_storing.is_set(),
        ):
            intake = build_intake(settings, pool, adapters)
            _receive(settings, intake, subscriber, stop=stop, is_storing=is_storing, progress=progress)
    finally:
        subscriber.stop()
        upkeep.join(timeout_s=10.0)
        pool.close()


def build_intake(settings: Settings, pool: Pool, adapters: Sequence[Adapter] = ()) -> Intake:
    """Return the path from deliveries to rows that the service uses."""
    return Intake(
        pool,
        slot=settings.ingest_slot,
        future_s=settings.ingest_future_s,
        can_decode=CanDecoders(),
        parse_can=parse_can_payload,
        clock_s=time.monotonic,
        adapters=adapters,
    )


def retry_rejects(settings: Settings) -> Retried:
    """Read the retryable rejects again and store what can be read now.

    Raises:
        DatabaseAway: The database does not answer.
    """
    pool = open_pool(settings.database_url, size=2, name="anxin-rejects")
    try:
        return _retry_rejects(pool, build_intake(settings, pool), now=datetime.now(UTC))
    finally:
        pool.close()


def _open_pool(settings: Settings, stop: threading.Event) -> Pool | None:
    """Return a pool on a database of the right schema, or None when stopped before there was one."""
    is_told = False
    while not stop.is_set():
        try:
            pool = open_pool(
                settings.database_url, size=settings.db_pool_size, name="anxin-ingest", timeout_s=5.0
            )
        except DatabaseAway as error:
            if not is_told:
                _log.warning("database away", error=str(error))
            is_told = True
            stop.wait(1.0)
            continue
        try:
            with pool.connection() as connection:
                check_schema(connection)
        except BaseException:
            pool.close()
            raise
        return pool
    return None


def _receive(
    settings: Settings,
    intake: Intake,
    subscriber: Subscriber,
    *,
    stop: threading.Event,
    is_storing: threading.Event,
    progress: Progress,
) -> None:
    """Receive and store until ``stop``; ``is_storing`` is cleared while the database takes nothing."""
    batcher: Batcher[Item] = Batcher(
        rows=settings.ingest_flush_rows,
        messages=max(1, settings.ingest_window_messages // 2),
        after_s=settings.ingest_flush_after_s,
    )
    reading = _Retry("reading the vehicle registry", stop, is_storing)
    storing = _Retry("storing a batch", stop, is_storing)
    while not stop.is_set():
        delivery = subscriber.receive(min(batcher.wait_s(time.monotonic()), 0.2))
        if delivery is not None:
            item = _read(intake, delivery, reading)
            if item is None:
                return
            batcher.add(item, rows=item.row_count, now_s=time.monotonic())
        if batcher.is_due(time.monotonic()):
            _flush(intake, subscriber, batcher.take(), storing, progress)
    if len(batcher):
        _flush(intake, subscriber, batcher.take(), storing, progress)


def _read(intake: Intake, delivery: Delivery, retry: _Retry) -> Item | None:
    """Read one delivery, however long the vehicle registry is away; None when stopped meanwhile."""
    while True:
        try:
            item = intake.read(delivery)
        except DatabaseError as error:
            if not retry.wait(error):
                return None
        else:
            retry.succeed()
            return item


def _flush(
    intake: Intake, subscriber: Subscriber, items: Sequence[Item], retry: _Retry, progress: Progress
) -> None:
    """Commit, then acknowledge; a database that is away never costs a message."""
    started_s = time.monotonic()
    while True:
        try:
            results = intake.store(items)
            break
        except DatabaseError as error:
            progress.store_failures += 1
            if not retry.wait(error):
                return
    retry.succeed()
    acknowledged = subscriber.acknowledge([item.delivery for item in items])
    took_s = time.monotonic() - started_s
    _count(progress, items, results, took_s)
    for result in results:
        _log.info("stored", acknowledged=acknowledged, seconds=round(took_s, 3), **describe(result))


def _count(progress: Progress, items: Sequence[Item], results: Sequence[BatchResult], took_s: float) -> None:
    for result in results:
        progress.duplicates += result.duplicate_count
        progress.repaired += result.repaired_count
        progress.late_rows += result.late_row_count
        progress.conflicts += result.conflict_count
        progress.rows.update(result.rows)
        progress.rejects.update(result.rejects)
        progress.masked.update(result.masked)
    oldest_us = items[0].delivery.received_us
    newest_us = max((result.newest_us for result in results), default=0)
    progress.lag_s = max(0.0, (items[-1].delivery.received_us - newest_us) / 1e6) if newest_us else 0.0
    progress.count_flush(
        Flush(
            messages=len(items),
            rows=sum(result.row_count for result in results),
            payload_bytes=sum(len(item.delivery.payload) for item in items),
            seconds=took_s,
            oldest_wait_s=max(0.0, (_now_us() - oldest_us) / 1e6),
        )
    )


class _Retry:
    """Waits ever longer between attempts and tells of the trouble once; ``is_well`` is cleared meanwhile."""

    def __init__(self, action: str, stop: threading.Event, is_well: threading.Event) -> None:
        self._action = action
        self._stop = stop
        self._is_well = is_well
        self._pause_s = _FIRST_PAUSE_S
        self._is_told = False

    def wait(self, error: DatabaseError) -> bool:
        """Wait for the next attempt; False when there is to be none."""
        if not self._is_told:
            _log.warning("database trouble, trying again", action=self._action, error=str(error))
            self._is_told = True
        self._is_well.clear()
        is_stopped = self._stop.wait(self._pause_s)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return not is_stopped

    def succeed(self) -> None:
        """Begin anew: the last attempt was the last one needed."""
        if self._is_told:
            self._pause_s, self._is_told = _FIRST_PAUSE_S, False
            self._is_well.set()


def _now_us() -> int:
    return time.time_ns() // 1000
