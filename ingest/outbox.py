"""What ingest publishes: in order, and never more of it unacknowledged than the broker takes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from ingest.mqtt_packets import encode_publish

#: On the way at once, whatever the broker allows: packet ids never come round to one that is still in use.
_MOST = 1000
#: Waiting behind them; more than a round of gap repair asks for.
_LONGEST = 10_000
#: Ids of subscriptions come before, so that none is used for both.
_FIRST_ID, _LAST_ID = 10, 65_535


class Outbox:
    """Messages to publish at quality of service 1 on one connection.

    MQTT 5 §3.3.4: more than the broker's receive maximum is a protocol error that ends the connection.

    Args:
        send: Sends packets without waiting; tells whether the connection still stood.
        is_v5: Whether the connection speaks MQTT 5.
    """

    def __init__(self, send: Callable[[bytes], bool], *, is_v5: bool) -> None:
        self._send = send
        self._is_v5 = is_v5
        self._lock = threading.Lock()
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._limit, self._sent = _MOST, 0
        self._next_id = _FIRST_ID

    def limit(self, messages: int) -> None:
        """Have at most so many unacknowledged."""
        with self._lock:
            self._limit = min(messages, _MOST)

    def put(self, topic: str, payload: bytes) -> bool:
        """Publish now or as soon as there is room; False when the connection is lost or too much waits."""
        with self._lock:
            if len(self._waiting) >= _LONGEST:
                return False
            self._waiting.append((topic, payload))
            return self._send_on()

    def acknowledge(self) -> None:
        """Note that the broker has taken one."""
        with self._lock:
            self._sent = max(0, self._sent - 1)
            self._send_on()

    def _send_on(self) -> bool:
        packets = []
        while self._waiting and self._sent < self._limit:
            topic, payload = self._waiting.popleft()
            packets.append(encode_publish(topic, payload, self._next_id, is_v5=self._is_v5))
            self._next_id = _FIRST_ID if self._next_id >= _LAST_ID else self._next_id + 1
            self._sent += 1
        return self._send(b"".join(packets)) if packets else True
