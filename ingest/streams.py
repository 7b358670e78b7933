"""Which messages of each boot are here: sequence numbers of a batch as one small state per stream.

The state is the same that the database keeps: everything up to ``high`` was sent, and all of it but
``missing`` is here. Two states of one stream merge into one; the database does that merge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from data.records import Origin
from ingest.gaps import format_multirange
from ingest.messages import Message, Status

#: A number further above all known ones is not believed: more than a vehicle sends, and keeps, in a week.
LARGEST_LEAP = 2**20
#: Holes kept per stream, the newest; those beyond are counted and no longer asked for.
MISSING_RANGES = 1000


@dataclass(slots=True, kw_only=True)
class StreamPart:
    """What one batch tells of one boot of one vehicle."""

    vehicle_id: int
    boot: str
    received_us: int  #: newest
    origin: Origin | None = None  #: None: only a status came
    seqs: list[int] = field(default_factory=list)  #: as received, with repeats
    known_high: int = -1  #: highest number known to have been sent, by status
    is_online: bool | None = None  #: None: no status came
    first_us: int | None = None  #: span of sample times
    last_us: int | None = None

    @property
    def high(self) -> int:
        """Return the highest sequence number known to have been sent; -1 for none."""
        return max(max(self.seqs, default=-1), self.known_high)

    @property
    def got(self) -> str:
        """Return the received numbers as a PostgreSQL int4multirange."""
        return multirange(self.seqs)


def collect_streams(
    messages: Sequence[Message], time_span: Mapping[int, tuple[int, int]]
) -> list[StreamPart]:
    """Return what a batch tells of each stream, sorted by vehicle and boot.

    Args:
        messages: In arrival order.
        time_span: Message index -> first and last sample time, microseconds.
    """
    streams: dict[tuple[int, str], StreamPart] = {}
    for i, message in enumerate(messages):
        vehicle_id, received_us = message.vehicle.vehicle_id, message.received_us
        if message.status is not None:
            _add_status(_stream(streams, vehicle_id, message.status.boot, received_us), message.status)
        head = message.envelope
        if head is None or head.boot is None or head.seq is None:
            continue
        stream = _stream(streams, vehicle_id, head.boot, received_us)
        stream.seqs.append(head.seq)
        stream.origin = stream.origin or head.origin
        if message.birth is not None and message.birth.previous is not None:
            boot, last_seq = message.birth.previous
            earlier = _stream(streams, vehicle_id, boot, received_us)
            earlier.known_high = max(earlier.known_high, last_seq)
            earlier.origin = earlier.origin or head.origin
        if i in time_span:
            low, high = time_span[i]
            stream.first_us = low if stream.first_us is None else min(low, stream.first_us)
            stream.last_us = high if stream.last_us is None else max(high, stream.last_us)
    return [streams[key] for key in sorted(streams)]


def multirange(numbers: Sequence[int]) -> str:
    """Return integers as the text of a PostgreSQL int4multirange, half-open and without overlaps."""
    if not numbers:
        return "{}"
    low, high = min(numbers), max(numbers)
    if high - low + 1 == len(set(numbers)):
        return f"{{[{low},{high + 1})}}"
    unique = np.unique(np.asarray(numbers, np.int64))
    breaks = np.flatnonzero(np.diff(unique) > 1)
    starts = unique[np.append(0, breaks + 1)].tolist()
    ends = (unique[np.append(breaks, len(unique) - 1)] + 1).tolist()
    return format_multirange(tuple(zip(starts, ends, strict=True)))


def _stream(
    streams: dict[tuple[int, str], StreamPart], vehicle_id: int, boot: str, received_us: int
) -> StreamPart:
    stream = streams.get((vehicle_id, boot))
    if stream is None:
        stream = StreamPart(vehicle_id=vehicle_id, boot=boot, received_us=received_us)
        streams[(vehicle_id, boot)] = stream
    stream.received_us = max(stream.received_us, received_us)
    return stream


def _add_status(stream: StreamPart, status: Status) -> None:
    if status.is_online is not None:
        stream.is_online = status.is_online
    if status.seq is not None:
        stream.known_high = max(stream.known_high, status.seq)
