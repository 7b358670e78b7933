"""Messages on their way to the broker, and those it has acknowledged lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Done = Callable[[bool], None]


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``done`` is told once whether the broker has taken it."""

    topic: str
    payload: bytes
    done: Done | None  #: None: it has been told

    @property
    def size(self) -> int:
        """Return about how many bytes it is."""
        return len(self.topic) + len(self.payload)


class RecentMessages:
    """What the broker has acknowledged lately, bounded by age and bytes.

    Args:
        age_s: Older ones are forgotten.
        limit_bytes: So are the oldest beyond this.
    """

    def __init__(self, *, age_s: float, limit_bytes: int) -> None:
        self._age_s, self._limit_bytes = age_s, limit_bytes
        self._messages: deque[tuple[float, Message]] = deque()
        self._bytes = 0

    def add(self, message: Message, now_s: float) -> None:
        """Remember a message whose ``done`` has been told, or is about to be."""
        self._messages.append((now_s, Message(message.topic, message.payload, None)))
        self._bytes += message.size
        while self._bytes > self._limit_bytes or self._messages[0][0] < now_s - self._age_s:
            self._bytes -= self._messages.popleft()[1].size
            if not self._messages:
                return

    def take_all(self) -> list[Message]:
        """Return what is remembered, oldest first, and forget it."""
        messages = [message for _, message in self._messages]
        self._messages.clear()
        self._bytes = 0
        return messages
