"""What the broker has delivered and nobody has acknowledged: bounded in messages and in bytes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from ingest.messages import Delivery


class Window:
    """Deliveries on their way from the connection's thread to the commit.

    Args:
        messages: So many may be unacknowledged.
        payload_bytes: So many bytes of payload may be unacknowledged; one message may exceed it.
    """

    def __init__(self, *, messages: int, payload_bytes: int) -> None:
        self.limit = messages
        self._limit_bytes = payload_bytes
        self._arrived: deque[Delivery] = deque()
        self._changed = threading.Condition()
        self.messages = 0  #: handed over or to be handed over, not acknowledged
        self.payload_bytes = 0  #: of these
        self.arrived_s = time.monotonic()  #: when something last came, monotonic seconds

    @property
    def is_full(self) -> bool:
        """Tell whether the broker is to keep the rest."""
        return self.messages >= self.limit or self.payload_bytes >= self._limit_bytes

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """Take what has come."""
        size = sum([len(d.payload) for d in deliveries])
        with self._changed:
            self._arrived.extend(deliveries)
            self.arrived_s = time.monotonic()
            self.messages += len(deliveries)
            self.payload_bytes += size
            self._changed.notify()

    def take(self, timeout_s: float, *, limit: int) -> list[Delivery]:
        """Return up to ``limit`` deliveries that wait, or those that come first within ``timeout_s``."""
        with self._changed:
            if not self._arrived and timeout_s > 0:
                self._changed.wait(timeout_s)
            if len(self._arrived) <= limit:
                taken, self._arrived = list(self._arrived), deque()
                return taken
            return [self._arrived.popleft() for _ in range(limit)]

    def release(self, deliveries: Sequence[Delivery]) -> bool:
        """Give room back for deliveries that are committed; tell whether there was none before."""
        size = sum([len(d.payload) for d in deliveries])
        with self._changed:
            was_full = self.is_full
            self.messages -= len(deliveries)
            self.payload_bytes -= size
        return was_full
