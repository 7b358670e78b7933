"""When the pipeline hands a batch over, with hands of its own in the place of broker and database."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from data.exposition import Vitals
from data.settings import Settings
from ingest.intake import Item, Prepared
from ingest.messages import Delivery
from ingest.pipeline import Clock, Pipeline
from ingest.progress import Progress
from ingest.store import BatchResult

HALF_A_SECOND = 0.5


class Window:
    """Three deliveries, and then none before one is acknowledged."""

    waiting_messages = waiting_bytes = 0

    def __init__(self, *, is_full: bool) -> None:
        self.is_full = is_full
        self.acknowledged = threading.Event()
        self._deliveries = [Delivery("t", bytes([n]), 1) for n in range(3)]

    def receive(self, timeout_s: float, *, limit: int) -> list[Delivery]:
        del limit
        taken, self._deliveries = self._deliveries, []
        if not taken:
            time.sleep(timeout_s)
        return taken

    def acknowledge(self, deliveries: Sequence[Delivery]) -> int:
        self.acknowledged.set()
        return len(deliveries)


class Memory:
    """Stores nothing."""

    def read_all(self, deliveries: Sequence[Delivery], items: list[Item]) -> list[Item]:
        items += [Item(delivery, None, None) for delivery in deliveries]
        return items

    def prepare(self, items: Sequence[Item]) -> Prepared:
        return Prepared(items, None)

    def store_prepared(self, prepared: Prepared) -> list[BatchResult]:
        return [BatchResult(message_count=len(prepared.items))]


@pytest.mark.parametrize("is_full", [True, False])
def test_a_full_window_goes_at_once_and_another_waits_for_more(is_full: bool) -> None:
    window, stop, is_storing = Window(is_full=is_full), threading.Event(), threading.Event()
    pipeline = Pipeline(
        Settings(ingest_flush_after_s=60.0),
        Memory(),  # type: ignore[arg-type]
        window,  # type: ignore[arg-type]
        stop=stop,
        is_storing=is_storing,
        progress=Progress(),
        clock=Clock(time.monotonic, lambda: 1),
        vitals=Vitals(lambda: True),
    )
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    try:
        assert window.acknowledged.wait(HALF_A_SECOND) == is_full
    finally:
        stop.set()
        thread.join(timeout=10)

    assert window.acknowledged.is_set(), "what was received is stored in the end"
