"""Which missing messages to ask for now, and which to give up. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from data.records import Vin

#: Half-open ranges of sequence numbers, ascending, without overlaps.
Ranges = tuple[tuple[int, int], ...]
#: (vehicle, boot)
StreamKey = tuple[int, str]
#: Comes before every stream.
START: StreamKey = (0, "")
_RANGE = re.compile(r"\[(\d+),(\d+)\)")
#: A stream that does not answer is asked ever more rarely, up to this many times the interval.
LONGEST_BACKOFF = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One stream with missing messages."""

    vehicle_id: int
    boot: str
    tenant: str
    vin: Vin
    missing: Ranges
    high: int  #: highest number known to have been sent
    requested_at: datetime | None  #: last asked
    request_count: int  #: times asked since anything came of it

    @property
    def key(self) -> StreamKey:
        """Return what names the stream."""
        return (self.vehicle_id, self.boot)


@dataclass(frozen=True, slots=True)
class Request:
    """Some missing messages of one boot: to be asked for, or to be given up."""

    gap: Gap
    ranges: Ranges

    @property
    def message_count(self) -> int:
        """Return how many messages it names."""
        return sum(high - low for low, high in self.ranges)


@dataclass(slots=True)
class Plan:
    """What to do now."""

    requests: list[Request] = field(default_factory=list)
    given_up: list[Request] = field(default_factory=list)
    looked_at: int = 0  #: how many of the gaps; the others wait for their turn


def plan_requests(
    gaps: Sequence[Gap],
    earlier: Mapping[StreamKey, int],
    *,
    now: datetime,
    interval_s: float,
    limit: int,
    budget: int,
    horizon_s: float,
    rng: np.random.Generator,
) -> Plan:
    """Return whom to ask for what.

    A hole is asked for only when it was there at the last look too: messages that overtake one another close
    their holes by themselves. What was received is never missing again, so the holes of then are those of now
    up to the highest number of then. A vehicle that does not answer is asked after 1, 2, 4, … intervals, up
    to 256, each drawn up to a quarter longer so that a fleet does not answer as one. After a request in vain
    the next messages are asked for: the first may be gone from the vehicle's store, and those behind not.

    Args:
        gaps: Streams with holes now.
        earlier: Highest number of each stream at the last look.
        now: Timezone-aware.
        interval_s: Shortest pause between two requests for one stream.
        limit: Messages in one request.
        budget: Messages in all requests; the last one may exceed it.
        horizon_s: Asked in vain for so long, a hole is given up.
        rng: Draws the jitter.
    """
    plan, asked = Plan(), 0
    for gap in gaps:
        if asked >= budget:
            break
        plan.looked_at += 1
        standing = intersect(gap.missing, ((0, earlier.get(gap.key, -1) + 1),))
        if not standing:
            continue
        if asked_for_s(gap.request_count, interval_s) >= horizon_s:
            plan.given_up.append(Request(gap, standing))
            continue
        wait_s = backoff_s(gap.request_count, interval_s) * (1 + 0.25 * rng.random())
        if gap.requested_at is None or (now - gap.requested_at).total_seconds() >= wait_s:
            request = Request(gap, next_numbers(standing, limit, turn=gap.request_count))
            plan.requests.append(request)
            asked += request.message_count
    return plan


def backoff_s(request_count: int, interval_s: float) -> float:
    """Return the pause after the ``request_count``-th request in vain, seconds."""
    return interval_s * min(1 << max(request_count - 1, 0), LONGEST_BACKOFF)


def asked_for_s(request_count: int, interval_s: float) -> float:
    """Return how long a stream has been asked in vain after so many requests, seconds, without jitter."""
    doubling = min(request_count, 8)
    return interval_s * (((1 << doubling) - 1) + LONGEST_BACKOFF * max(request_count - 8, 0))


def parse_multirange(text: str) -> Ranges:
    """Return the ranges of a PostgreSQL int4multirange in its canonical text."""
    return tuple((int(a), int(b)) for a, b in _RANGE.findall(text))


def format_multirange(ranges: Ranges) -> str:
    """Return ranges as the text of a PostgreSQL int4multirange."""
    return "{" + ",".join(f"[{low},{high})" for low, high in ranges) + "}"


def intersect(left: Ranges, right: Ranges) -> Ranges:
    """Return what two sets of ranges share."""
    shared, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        low, high = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if low < high:
            shared.append((low, high))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(shared)


def next_numbers(ranges: Ranges, limit: int, *, turn: int) -> Ranges:
    """Return up to ``limit`` numbers of some ranges, as ranges: at turn 0 the first, then the next, again."""
    total = sum(high - low for low, high in ranges)
    if not total:
        return ()
    begin = (turn % -(-total // limit)) * limit
    kept, passed = [], 0
    for low, high in ranges:
        first, last = max(low, low + begin - passed), min(high, low + begin + limit - passed)
        if first < last:
            kept.append((first, last))
        passed += high - low
    return tuple(kept)
