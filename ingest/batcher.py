"""When to flush: when enough rows or messages have come, or when the oldest has waited long enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Batcher(Generic[Item]):
    """Collects items until a batch is worth a transaction; time is passed in.

    Args:
        rows: Rows that make a batch.
        messages: Items that make a batch; below the broker's window, or it would wait for us and we for it.
        payload_bytes: Bytes of payload that make a batch; below the window too.
        after_s: Longest wait of the first item, seconds.
    """

    def __init__(self, *, rows: int, messages: int, payload_bytes: int, after_s: float) -> None:
        self._rows = rows
        self._messages = messages
        self._payload_bytes = payload_bytes
        self._after_s = after_s
        self._items: list[Item] = []
        self._row_count = self._byte_count = 0
        self._first_s = 0.0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Item, *, rows: int, payload_bytes: int, now_s: float) -> None:
        """Take one item that will make about ``rows`` rows."""
        if not self._items:
            self._first_s = now_s
        self._items.append(item)
        self._row_count += rows
        self._byte_count += payload_bytes

    def is_full(self) -> bool:
        """Tell whether the batch must go before it may grow."""
        return bool(self._items) and (
            self._row_count >= self._rows
            or len(self._items) >= self._messages
            or self._byte_count >= self._payload_bytes
        )

    def is_due(self, now_s: float) -> bool:
        """Tell whether the batch should go now; one that cannot yet go may grow until it is full."""
        return bool(self._items) and (self.is_full() or now_s - self._first_s >= self._after_s)

    def wait_s(self, now_s: float) -> float:
        """Return how long the next item may be waited for, seconds."""
        return self._after_s if not self._items else max(0.0, self._first_s + self._after_s - now_s)

    def take(self) -> Sequence[Item]:
        """Hand over the batch, in arrival order, and begin the next."""
        items, self._items = self._items, []
        self._row_count = self._byte_count = 0
        return items
