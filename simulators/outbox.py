"""What one vehicle has to send and what is under way: sequence numbers, window, acknowledgements. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from data import topics
from data.records import Vin
from simulators.encode import Envelope, status_payload
from simulators.newest import Newest
from simulators.sent_store import SentMessage

MakePayload = Callable[[Envelope], bytes]


@dataclass(slots=True)
class Outbox:
    """The sending side of one boot of one vehicle."""

    tenant: str
    vin: Vin
    boot: str
    origin: str
    next_seq: int = 0
    waiting: deque[SentMessage] = field(default_factory=deque)
    in_flight: dict[int, tuple[SentMessage, bool]] = field(
        default_factory=dict
    )  #: mid -> message, is it a repeat
    repeats: deque[tuple[str, int]] = field(default_factory=deque)  #: boot and sequence number asked for
    asked: set[tuple[str, int]] = field(default_factory=set)
    seen_warnings: set[str] = field(default_factory=set)
    newest: dict[str, Newest] = field(default_factory=dict)  #: alias -> what its sensor said last
    answered: set[str] = field(default_factory=set)  #: requests for readings
    announced_seq: int = -2  #: sequence number in the newest status

    def add(self, kind: topics.Up, make: MakePayload, *, sent_ms: int, is_hist: bool, bus: str = "") -> None:
        """Number a message and queue it."""
        envelope = Envelope(
            boot=self.boot, seq=self.next_seq, sent_ms=sent_ms, is_hist=is_hist, origin=self.origin
        )
        topic = topics.up(self.tenant, self.vin, kind, bus)
        message = SentMessage(self.vin, self.boot, self.next_seq, sent_ms, topic, make(envelope))
        self.next_seq += 1
        self.waiting.append(message)

    def ask(self, boot: str, first: int, last: int, *, limit: int) -> None:
        """Queue what the server misses, each number once until it has been sent again."""
        for seq in range(max(first, 0), min(last, first + limit - 1) + 1):
            key = (boot, seq)
            if key not in self.asked and len(self.asked) < limit:
                self.asked.add(key)
                self.repeats.append(key)

    def acknowledge(self, mid: int) -> bool | None:
        """Take an acknowledgement; return whether it was a repeat, None when it was neither."""
        entry = self.in_flight.pop(mid, None)
        if entry is None:
            return None
        message, is_repeat = entry
        if is_repeat:
            self.asked.discard((message.boot, message.seq))
        return is_repeat

    @property
    def acknowledged_seq(self) -> int:
        """Return the highest sequence number below which everything is with the broker; -1: nothing is."""
        pending = [m.seq for m, is_repeat in self.in_flight.values() if not is_repeat]
        if self.waiting:
            pending.append(self.waiting[0].seq)
        return min(pending, default=self.next_seq) - 1

    def count_under_way(self, *, is_repeat: bool) -> int:
        """Return how many new messages, or repeats, the broker has not acknowledged yet."""
        return sum(repeats is is_repeat for _, repeats in self.in_flight.values())

    def status(self, *, is_online: bool) -> tuple[str, bytes]:
        """Return topic and payload of the present status."""
        seq = self.acknowledged_seq
        self.announced_seq = seq
        topic = topics.up(self.tenant, self.vin, topics.Up.STATUS)
        return topic, status_payload(self.boot, is_online=is_online, seq=seq if seq >= 0 else None)

    @property
    def is_idle(self) -> bool:
        """Tell whether everything has been acknowledged."""
        return not self.waiting and not self.in_flight
