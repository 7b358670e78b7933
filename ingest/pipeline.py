"""From the subscriber to committed rows: one thread reads batch after batch, another one writes them.

The two overlap: while the database takes one batch, the next is read. Batches are committed and acknowledged
one after the other, in arrival order. Each stage holds one batch at most, whatever the database does; what
waits before them is bounded by the subscriber's window.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from data.errors import DatabaseError
from data.exposition import Vitals
from data.settings import Settings
from ingest.batcher import Batcher
from ingest.intake import Intake, Item, Prepared
from ingest.messages import Delivery
from ingest.progress import Flush, Progress
from ingest.store import BatchResult
from ingest.subscriber import Subscriber

_log = structlog.get_logger("ingest")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
#: Deliveries that are read in one go: enough to share the cost, few enough to look at the clock in between.
_CHUNK = 1000
#: One is written while the next is read. Larger ones cost less: each touches a row per vehicle and family.
_BATCHES_OF_WINDOW = 2


@dataclass(frozen=True, slots=True)
class Clock:
    """The time, passed in."""

    now_s: Callable[[], float]  #: monotonic seconds
    now_us: Callable[[], int]  #: microseconds since 1970 UTC


class Pipeline:
    """Receives and stores until it is told to stop.

    Args:
        settings: Size and age of a batch.
        intake: Reads and stores.
        subscriber: Delivers and is told what may be acknowledged.
        stop: Ends ``run``.
        is_storing: Cleared while the database takes nothing.
        progress: Counts what is done.
        clock: The time.
        vitals: Told whenever the reader or the writer moves.
    """

    def __init__(
        self,
        settings: Settings,
        intake: Intake,
        subscriber: Subscriber,
        *,
        stop: threading.Event,
        is_storing: threading.Event,
        progress: Progress,
        clock: Clock,
        vitals: Vitals,
    ) -> None:
        self._intake, self._subscriber, self._vitals = intake, subscriber, vitals
        self._stop, self._progress, self._clock = stop, progress, clock
        self._batcher: Batcher[Item] = Batcher(
            rows=settings.ingest_flush_rows,
            messages=max(1, settings.ingest_window_messages // _BATCHES_OF_WINDOW),
            payload_bytes=max(1, settings.ingest_window_bytes // _BATCHES_OF_WINDOW),
            after_s=settings.ingest_flush_after_s,
        )
        self._handed: queue.Queue[Prepared | None] = queue.Queue(maxsize=1)
        self._reading = Retry("reading the vehicle registry", stop, is_storing)
        self._storing = Retry("storing a batch", stop, is_storing)
        self._failure: BaseException | None = None
        self._writer = threading.Thread(target=self._write, name="ingest-writer", daemon=True)

    def run(self) -> None:
        """Receive and store until stopped; what was received by then is stored, if the database is there."""
        self._writer.start()
        try:
            self._read()
            if len(self._batcher):
                self._hand_over(self._intake.prepare(self._batcher.take()))
        finally:
            self._hand_over(None)
            self._writer.join()
        if self._failure is not None:
            raise self._failure

    def _read(self) -> None:
        while not self._stop.is_set() and self._failure is None:
            self._vitals.move("read")
            now_s = self._clock.now_s()
            wait_s = min(self._batcher.wait_s(now_s), 0.2)
            # the window is full and the writer is free of us: nothing can be added by waiting
            is_whole = self._subscriber.is_full and len(self._batcher) > 0 and self._handed.empty()
            deliveries = self._subscriber.receive(
                0.0 if is_whole else wait_s if wait_s > 0 else 0.005, limit=_CHUNK
            )
            self._progress.waiting_messages = self._subscriber.waiting_messages
            self._progress.waiting_bytes = self._subscriber.waiting_bytes
            if deliveries and not self._add(deliveries):
                return
            now_s = self._clock.now_s()
            is_due = self._batcher.is_due(now_s) or (is_whole and not deliveries)
            if self._batcher.is_full() or (is_due and self._handed.empty()):
                self._hand_over(self._intake.prepare(self._batcher.take()))

    def _add(self, deliveries: Sequence[Delivery]) -> bool:
        """Read deliveries, however long the vehicle registry is away; False when stopped meanwhile."""
        items: list[Item] = []
        while True:
            self._vitals.move("read")
            try:
                self._intake.read_all(deliveries, items)
            except DatabaseError as error:
                if not self._reading.wait(error):
                    return False
            else:
                self._reading.succeed()
                now_s = self._clock.now_s()
                for item in items:
                    self._batcher.add(
                        item, rows=item.row_count, payload_bytes=len(item.delivery.payload), now_s=now_s
                    )
                return True

    def _hand_over(self, prepared: Prepared | None) -> None:
        while self._writer.is_alive():
            self._vitals.move("read")
            try:
                self._handed.put(prepared, timeout=0.2)
            except queue.Full:
                continue
            return

    def _write(self) -> None:
        try:
            while (prepared := self._handed.get()) is not None:
                if not self._flush(prepared):
                    return
                self._vitals.rest("write")
        except BaseException as error:
            self._failure = error
            raise

    def _flush(self, prepared: Prepared) -> bool:
        """Commit, then acknowledge; a database that is away never costs a message. False when stopped."""
        started_s = self._clock.now_s()
        while True:
            self._vitals.move("write")
            try:
                results = self._intake.store_prepared(prepared)
                break
            except DatabaseError as error:
                self._progress.store_failures += 1
                if not self._storing.wait(error):
                    return False
        self._storing.succeed()
        acknowledged = self._subscriber.acknowledge([item.delivery for item in prepared.items])
        took_s = self._clock.now_s() - started_s
        self._count(prepared.items, results, took_s)
        for result in results:
            _log.info("stored", acknowledged=acknowledged, seconds=round(took_s, 3), **_describe(result))
        return True

    def _count(self, items: Sequence[Item], results: Sequence[BatchResult], took_s: float) -> None:
        progress = self._progress
        for result in results:
            progress.duplicates += result.duplicate_count
            progress.repaired += result.repaired_count
            progress.late_rows += result.late_row_count
            progress.conflicts += result.conflict_count
            progress.rows.update(result.rows)
            progress.rejects.update(result.rejects)
            progress.count_masked(result.masked)
        oldest_us, last_us = items[0].delivery.received_us, items[-1].delivery.received_us
        newest_us = max((result.newest_us for result in results), default=0)
        progress.lag_s = max(0.0, (last_us - newest_us) / 1e6) if newest_us else 0.0
        progress.count_flush(
            Flush(
                messages=len(items),
                rows=sum(result.row_count for result in results),
                payload_bytes=sum([len(item.delivery.payload) for item in items]),
                seconds=took_s,
                oldest_wait_s=max(0.0, (self._clock.now_us() - oldest_us) / 1e6),
            )
        )


class Retry:
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


def _describe(result: BatchResult) -> dict[str, Any]:
    """Return the fields of one log event per batch."""
    return {
        "batch": result.batch_id,
        "messages": result.message_count,
        "rows": result.row_count,
        "late_rows": result.late_row_count,
        "duplicates": result.duplicate_count,
        "repaired": result.repaired_count,
        "rejects": result.reject_count,
        "conflicts": result.conflict_count,
        "masked": sum(result.masked.values()),
    }
