"""What one ingest process has done so far: numbers updated once per batch, read by whoever shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    """One committed batch, measured."""

    messages: int
    rows: int
    payload_bytes: int
    seconds: float  #: from the first statement to the commit
    oldest_wait_s: float  #: from the arrival of its first message to the commit


@dataclass(slots=True)
class Progress:
    """Counters since the start of the process. One thread writes; a reader may see a batch half counted."""

    messages: int = 0  #: stored and acknowledged, rejects included
    payload_bytes: int = 0
    duplicates: int = 0
    repaired: int = 0  #: came after they had been missing
    late_rows: int = 0  #: went through the staging table
    conflicts: int = 0  #: non-null values that contradict stored ones
    batches: int = 0
    store_failures: int = 0  #: attempts that the database did not take
    rows: Counter[str] = field(default_factory=Counter)  #: by family
    rejects: Counter[str] = field(default_factory=Counter)  #: by reason
    masked: Counter[str] = field(default_factory=Counter)  #: by reason
    lag_s: float = 0.0  #: of the newest batch: receive time minus newest sample time; 0 without live samples
    last_flush: Flush | None = None
    flush_seconds_sum: float = 0.0
    on_flush: Callable[[Flush], None] | None = None  #: called after each batch, for histograms
    waiting_messages: int = 0  #: received and not acknowledged: the window in use
    waiting_bytes: int = 0  #: of their payloads

    def count_flush(self, flush: Flush) -> None:
        """Count one committed batch."""
        self.batches += 1
        self.messages += flush.messages
        self.payload_bytes += flush.payload_bytes
        self.flush_seconds_sum += flush.seconds
        self.last_flush = flush
        if self.on_flush is not None:
            self.on_flush(flush)

    def count_masked(self, masked: Mapping[str, int]) -> None:
        """Count what a batch left out, given by ``what:reason``; vehicles choose what, and we the reasons."""
        for key, count in masked.items():
            self.masked[key.rpartition(":")[2].strip()] += count
