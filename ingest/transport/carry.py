"""Transfers that span two messages: what is still open goes along with the vehicle's next message."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

import numpy as np

from ingest.messages import CanFrames
from ingest.transport.j1939 import LIMIT_US
from ingest.transport.receiver import TransportReceiver

_MOST_BUSES = 50_000
_MOST_FRAMES = 1024  #: per bus; a longer transfer is not carried over
_REMEMBERED = 8  #: messages of a bus that may be read again


@dataclass(slots=True)
class _Bus:
    """What is kept of one bus of one vehicle."""

    kept: CanFrames | None = None
    read: deque[tuple[tuple[int, int, int], CanFrames | None]] = field(
        default_factory=lambda: deque(maxlen=_REMEMBERED)
    )  #: first time, last time and frames of the last messages, and what went before each


class OpenTransfers:
    """Frames of open transfers by vehicle and bus.

    The frames are put before those of the next message when that message is read; what is stored later, and
    as often as the database wants, is then complete in itself. A message that is read again gets the same
    frames again, and one that comes late neither takes nor changes what is kept for a newer one.
    """

    def __init__(self) -> None:
        self._buses: OrderedDict[tuple[int, str], _Bus] = OrderedDict()

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
        key = (vehicle_id, bus_name)
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
            if gap_us > LIMIT_US or before.data.shape[1] != frames.data.shape[1]:
                lost["can:transfer given up"] = 1
                before = None
        joined = _joined(before, frames)
        rows = receiver.find_open(joined)
        if rows.size > _MOST_FRAMES:
            lost["can:transfer too long"] = 1
            rows = rows[:0]
        if rows.size or key in self._buses:
            bus.kept = joined.take(rows) if rows.size else None
            bus.read.append((mark, before))
            self._buses[key] = bus
            self._buses.move_to_end(key)
            if len(self._buses) > _MOST_BUSES:
                self._buses.popitem(last=False)
        return joined, lost


def _joined(before: CanFrames | None, frames: CanFrames) -> CanFrames:
    if before is None:
        return frames
    return CanFrames(
        np.concatenate((before.time_us, frames.time_us)),
        np.concatenate((before.can_id, frames.can_id)),
        np.concatenate((before.length, frames.length)),
        np.concatenate((before.data, frames.data)),
    )
