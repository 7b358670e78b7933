"""Transfers that span two messages: what is still open goes along with the vehicle's next message."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from ingest.messages import CanFrames
from ingest.transport.j1939 import LIMIT_US
from ingest.transport.receiver import TransportReceiver

_MOST_BUSES = 50_000
_MOST_FRAMES = 2_000_000  #: over all buses: some 50 MB of classic frames
_MOST_OF_BUS = 1024  #: a longer transfer is not carried over
_REMEMBERED = 8  #: messages of a bus that may be read again


@dataclass(slots=True)
class _Bus:
    """What is kept of one bus of one vehicle."""

    kept: CanFrames | None = None
    read: deque[tuple[tuple[int, int, int], CanFrames | None]] = field(
        default_factory=lambda: deque(maxlen=_REMEMBERED)
    )  #: first time, last time and frames of the last messages, and what went before each

    @property
    def size(self) -> int:
        """Return the frames that are kept."""
        kept = [self.kept, *(before for _, before in self.read)]
        return sum(frames.time_us.size for frames in kept if frames is not None)


class OpenTransfers:
    """Frames of open transfers by vehicle and bus; classic and CAN FD frames come in messages of their own.

    The frames are put before those of the next message when that message is read; what is stored later, and
    as often as the database wants, is then complete in itself. A message that is read again gets the same
    frames again, and one that comes late neither takes nor changes what is kept for a newer one.

    Kept in memory alone: what is open when the process ends is lost, one transfer a channel at the most.

    Args:
        most_frames: Frames kept over all buses; beyond, the bus longest without a message is forgotten.
    """

    def __init__(self, *, most_frames: int = _MOST_FRAMES) -> None:
        self._buses: OrderedDict[tuple[int, str, int], _Bus] = OrderedDict()
        self._most_frames = most_frames
        self._size = 0

    def join(
        self, receiver: TransportReceiver, vehicle_id: int, bus_name: str, frames: CanFrames
    ) -> tuple[CanFrames, dict[str, int]]:
        """Return the frames of a message with the open ones before them, and what was given up by reason.

        Args:
            receiver: Of the vehicle's model.
            vehicle_id: Whose message it is.
            bus_name: Of the topic.
            frames: Of the message.
        """
        if not frames.time_us.size:
            return frames, {}
        key = (vehicle_id, bus_name, frames.data.shape[1])
        bus = self._buses.get(key) or _Bus()
        mark = (int(frames.time_us.min()), int(frames.time_us.max()), frames.time_us.size)
        for known, before in bus.read:
            if known == mark:
                return _joined(before, frames), {}
        lost: dict[str, int] = {}
        before = bus.kept
        if before is not None:
            gap_us = mark[0] - int(before.time_us.max())
            if gap_us < 0:
                return frames, lost
            if gap_us > LIMIT_US:
                lost["can:transfer given up"] = 1
                before = None
        joined = _joined(before, frames)
        rows = receiver.find_open(joined)
        if rows.size > _MOST_OF_BUS:
            lost["can:transfer too long"] = 1
            rows = rows[:0]
        if rows.size or key in self._buses:
            self._size -= bus.size
            bus.kept = joined.take(rows) if rows.size else None
            bus.read.append((mark, before))
            self._size += bus.size
            self._buses[key] = bus
            self._buses.move_to_end(key)
            while len(self._buses) > _MOST_BUSES or (self._size > self._most_frames and len(self._buses) > 1):
                self._size -= self._buses.popitem(last=False)[1].size
        return joined, lost


def _joined(before: CanFrames | None, frames: CanFrames) -> CanFrames:
    return frames if before is None else CanFrames.join([before, frames])
