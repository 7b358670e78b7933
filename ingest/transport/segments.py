"""Put segmented transfers together: frames of many interleaved channels in, whole payloads out.

ISO-TP and the J1939 transport protocol share one shape: a frame that opens a transfer and tells its length,
then numbered frames that carry the rest. Everything here works on all frames of a batch at once; there is no
loop over frames, transfers or bytes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, IntArray

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Payloads:
    """Whole payloads of any length, end to end in one array."""

    first: IntArray  #: shape (n,), input row of the frame that opened the transfer
    last: IntArray  #: shape (n,), input row of the frame that completed it
    start: IntArray  #: shape (n,), where the payload begins in ``flat``
    length: IntArray  #: shape (n,), bytes
    flat: Bytes  #: shape (sum of lengths,) at least

    def __len__(self) -> int:
        return int(self.first.shape[0])

    @classmethod
    def none(cls) -> Self:
        """Return no payloads."""
        empty = np.empty(0, np.int64)
        return cls(empty, empty, empty, empty, np.empty(0, np.uint8))

    def take(self, rows: IntArray | BoolArray) -> Payloads:
        """Return some of the payloads; their bytes are shared."""
        return Payloads(self.first[rows], self.last[rows], self.start[rows], self.length[rows], self.flat)

    def part(self, rows: IntArray, begin: IntArray, end: IntArray) -> Payloads:
        """Return pieces of payloads: bytes ``begin`` to ``end`` of the payload in each of ``rows``."""
        return Payloads(self.first[rows], self.last[rows], self.start[rows] + begin, end - begin, self.flat)

    def byte(self, position: int | IntArray) -> IntArray:
        """Return the byte at a position of each payload, shape (n,); -1 behind its end."""
        at = np.broadcast_to(np.asarray(position, np.int64), self.first.shape)
        is_there = (at >= 0) & (at < self.length)
        found = np.full(self.first.shape, -1, np.int64)
        found[is_there] = self.flat[(self.start + at)[is_there]]
        return found

    def matrix(self, width: int, *, head: Bytes | None = None) -> Bytes:
        """Return the payloads as rows of ``width`` bytes, cut or filled with zeros.

        Args:
            width: Bytes of a row.
            head: Shape (n, k), put before each payload; None: nothing.
        """
        out = np.zeros((len(self), width), np.uint8)
        shift = 0 if head is None else head.shape[1]
        if head is not None:
            out[:, :shift] = head
        room = max(0, min(width - shift, int(self.length.max(initial=0))))
        if room and len(self):
            column = np.arange(room)
            is_there = column < self.length[:, np.newaxis]
            at = np.where(is_there, self.start[:, np.newaxis] + column, 0)
            out[:, shift : shift + room] = np.where(is_there, self.flat[at], 0)
        return out


@dataclass(frozen=True, slots=True)
class Joined:
    """What a batch of segmented transfers comes to."""

    payloads: Payloads  #: complete transfers, in order of channel and time
    open_rows: IntArray  #: input rows of transfers that may still go on, ascending
    stray_rows: (
        IntArray  #: input rows before the first frame of their channel that opens or breaks, ascending
    )
    lost: Counter[str]  #: transfers (or stray runs of frames) left out, by reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """Frames sorted by channel and, within it, by time; every array has shape (n,)."""

    row: IntArray  #: input row
    channel: IntArray
    time_us: IntArray
    opens: BoolArray  #: opens a transfer
    breaks: BoolArray  #: ends whatever is under way and opens nothing
    number: IntArray  #: sequence number of a frame that goes on
    expected_modulus: int  #: the k-th frame that goes on has number ``k % expected_modulus``
    total: IntArray  #: of a frame that opens: payload bytes
    head: IntArray  #: of a frame that opens: bytes in it
    head_at: IntArray  #: where they begin
    body: IntArray  #: of a frame that opens: bytes in each frame that goes on, but the last
    body_at: IntArray  #: of a frame that goes on: where its bytes begin
    have: IntArray  #: of a frame that goes on: bytes in it


def join_segments(s: Segments, data: Bytes, *, limit_us: int) -> Joined:
    """Return the complete transfers; a transfer with a flaw is dropped and counted, the next is unharmed.

    Reasons: ``sequence`` (a lost, repeated or swapped frame), ``timeout``, ``short frame``, ``interrupted``
    (another transfer began), ``no first frame`` (frames that go on without a beginning; right behind
    a damaged transfer they count with it).

    Args:
        s: The frames.
        data: Shape (rows, width), the input's bytes.
        limit_us: Longest pause between two frames of a transfer.
    """
    n = s.row.size
    lost: Counter[str] = Counter()
    if not n:
        return Joined(Payloads.none(), np.empty(0, np.int64), np.empty(0, np.int64), lost)
    is_new = np.append(True, s.channel[1:] != s.channel[:-1])
    begins = is_new | s.opens | s.breaks
    at = np.flatnonzero(begins)
    run = np.cumsum(begins) - 1
    size = np.diff(np.append(at, n))
    place = np.arange(n) - at[run]  # 0: the frame that begins the run
    opened = s.opens[at]
    body = np.maximum(s.body[at], 1)
    need = np.where(opened, -(-np.maximum(s.total[at] - s.head[at], 0) // body), 0)
    left = s.total[at][run] - s.head[at][run] - (place - 1) * body[run]
    is_used = opened[run] & (place >= 1) & (place <= need[run])
    pause = np.diff(s.time_us, prepend=s.time_us[:1])
    is_late = is_used & (pause > limit_us)
    is_wrong = is_used & (s.number != place % s.expected_modulus)
    is_short = is_used & (s.have < np.minimum(body[run], left))
    flaws = np.flatnonzero(is_late | is_wrong | is_short)
    flawed_runs, first_flaw = np.unique(run[flaws], return_index=True)
    at_flaw = flaws[first_flaw]
    lost["timeout"] += int(is_late[at_flaw].sum())
    lost["sequence"] += int((is_wrong & ~is_late)[at_flaw].sum())
    lost["short frame"] += int((is_short & ~is_wrong & ~is_late)[at_flaw].sum())
    is_whole = opened.copy()
    is_whole[flawed_runs] = False
    is_full = size - 1 >= need
    is_last = np.append(is_new[at][1:], True)
    is_open = is_whole & ~is_full & is_last
    lost["interrupted"] += int((is_whole & ~is_full & ~is_last).sum())
    is_stray = ~opened & (~s.breaks[at] | (size > 1))
    lost["no first frame"] += int((is_stray | (is_whole & (size - 1 > need))).sum())
    is_whole &= is_full
    payloads = _gather(s, data, np.flatnonzero(is_whole), runs=_Runs(run, at, place, need, body))
    is_rest = is_new[at] & ~opened & ~s.breaks[at]
    return Joined(
        payloads,
        np.sort(s.row[is_open[run]]),
        np.sort(s.row[is_rest[run]]),
        Counter({k: v for k, v in lost.items() if v}),
    )


@dataclass(frozen=True, slots=True)
class _Runs:
    """Frames that belong together: n frames in r runs."""

    run: IntArray  #: (n,)
    at: IntArray  #: (r,), the frame that begins it
    place: IntArray  #: (n,), 0 for that frame
    need: IntArray  #: (r,), frames that must go on
    body: IntArray  #: (r,)


def _gather(s: Segments, data: Bytes, whole: IntArray, *, runs: _Runs) -> Payloads:
    """Copy the bytes of complete transfers to where they belong, all with one assignment."""
    if not whole.size:
        return Payloads.none()
    run, at, place, need, body = runs.run, runs.at, runs.place, runs.need, runs.body
    length = s.total[at[whole]]
    start = np.cumsum(length) - length
    number = np.full(at.size, -1, np.int64)
    number[whole] = np.arange(whole.size)
    frames = np.flatnonzero((number[run] >= 0) & (place <= need[run]))
    owner, k = run[frames], place[frames]
    head, total = s.head[at[owner]], s.total[at[owner]]
    before = np.where(k == 0, 0, head + (k - 1) * body[owner])
    count = np.where(k == 0, np.minimum(head, total), np.minimum(body[owner], total - before))
    source = np.where(k == 0, s.head_at[frames], s.body_at[frames])
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    flat = np.empty(int(length.sum()), np.uint8)
    flat[np.repeat(start[number[owner]] + before, count) + within] = data[
        np.repeat(s.row[frames], count), np.repeat(source, count) + within
    ]
    return Payloads(s.row[at[whole]], s.row[at[whole] + need[whole]], start, length, flat)
