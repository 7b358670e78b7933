"""Transfers that span two messages: what is still open goes along with the vehicle's next message."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from data.records import IntArray
from ingest.messages import CanFrames, CutTransfers, JoinedFrames
from ingest.transport.j1939 import LIMIT_US
from ingest.transport.receiver import TransportReceiver

_MOST_BUSES = 50_000
_MOST_FRAMES = 2_000_000  #: over all buses: some 50 MB of classic frames
_MOST_OF_BUS = 1024  #: a longer transfer is not carried over
_REMEMBERED = 8  #: messages of a bus that may be read again, or go by before an open transfer goes on


@dataclass(slots=True)
class _Bus:
    """What is kept of one bus of one vehicle."""

    kept: list[tuple[int, CanFrames]] = field(default_factory=list)  #: message that left them, and frames
    count: int = 0  #: messages
    read: deque[tuple[tuple[int, int, int], CanFrames | None]] = field(
        default_factory=lambda: deque(maxlen=_REMEMBERED)
    )  #: first time, last time and frames of the last messages, and what went before each

    @property
    def size(self) -> int:
        """Return the frames that are kept."""
        kept = [frames for _, frames in self.kept] + [before for _, before in self.read]
        return sum(frames.time_us.size for frames in kept if frames is not None)

    def take(self, begin_us: int) -> CanFrames | None:
        """Take out the frames that a message beginning at this time goes on from, the latest that can be."""
        fits = [
            (int(frames.time_us.max()), at)
            for at, (_, frames) in enumerate(self.kept)
            if 0 <= begin_us - int(frames.time_us.max()) <= LIMIT_US
        ]
        return self.kept.pop(max(fits)[1])[1] if fits else None

    def forget(self) -> int:
        """Give up what too many messages have gone by; return how often."""
        kept = [(number, frames) for number, frames in self.kept if self.count - number < _REMEMBERED]
        given_up = len(self.kept) - len(kept)
        self.kept = kept
        return given_up


class OpenTransfers:
    """Frames of open transfers by vehicle and bus; classic and CAN FD frames come in messages of their own.

    The frames are put before those of the next message when that message is read; what is stored later, and
    as often as the database wants, is then complete in itself. A message that is read again gets the same
    frames again. What was left open is found by its time: messages that a vehicle sends late, or again on
    request, go on from each other though live ones come between.

    Kept in memory, for speed: what goes on in another process, or after this one's end, is not put before
    anything here. Both halves are told with their messages (``CutTransfers``), to be kept where they are.

    Args:
        most_frames: Frames kept over all buses; beyond, the bus longest without a message is forgotten.
    """

    def __init__(self, *, most_frames: int = _MOST_FRAMES) -> None:
        self._buses: OrderedDict[tuple[int, str, int], _Bus] = OrderedDict()
        self._most_frames = most_frames
        self._size = 0

    def join(
        self, receiver: TransportReceiver, vehicle_id: int, bus_name: str, frames: CanFrames
    ) -> JoinedFrames:
        """Return the frames of a message with the open ones before them, and what of them is not whole.

        Args:
            receiver: Of the vehicle's model.
            vehicle_id: Whose message it is.
            bus_name: Of the topic.
            frames: Of the message.
        """
        if not frames.time_us.size:
            return JoinedFrames(frames)
        key = (vehicle_id, bus_name, frames.data.shape[1])
        bus = self._buses.get(key) or _Bus()
        mark = (int(frames.time_us.min()), int(frames.time_us.max()), frames.time_us.size)
        for known, before in bus.read:
            if known == mark:
                joined = _joined(before, frames)
                return JoinedFrames(joined, _cut(bus_name, before, joined, *receiver.find_cut(joined)))
        lost: dict[str, int] = {}
        self._size -= bus.size
        bus.count += 1
        before = bus.take(mark[0])
        joined = _joined(before, frames)
        rows, stray = receiver.find_cut(joined)
        if max(rows.size, stray.size) > _MOST_OF_BUS:
            lost["can:transfer too long"] = 1
            rows = stray = rows[:0]
        if given_up := bus.forget():
            lost["can:transfer given up"] = given_up
        if rows.size or key in self._buses:
            if rows.size:
                bus.kept.append((bus.count, joined.take(rows)))
            bus.read.append((mark, before))
            self._size += bus.size
            self._buses[key] = bus
            self._buses.move_to_end(key)
            while len(self._buses) > _MOST_BUSES or (self._size > self._most_frames and len(self._buses) > 1):
                self._size -= self._buses.popitem(last=False)[1].size
        return JoinedFrames(joined, _cut(bus_name, before, joined, rows, stray), lost)


def _cut(
    bus_name: str, before: CanFrames | None, joined: CanFrames, rows: IntArray, stray: IntArray
) -> CutTransfers | None:
    if before is None and not rows.size and not stray.size:
        return None
    return CutTransfers(
        bus=bus_name,
        begun=joined.take(rows) if rows.size else None,
        rest=joined.take(stray) if stray.size else None,
        taken_us=None if before is None else int(before.time_us.max()),
    )


def _joined(before: CanFrames | None, frames: CanFrames) -> CanFrames:
    return frames if before is None else CanFrames.join([before, frames])
