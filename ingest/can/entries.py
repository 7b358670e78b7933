"""Which signals each frame has: frames sorted into the nodes of the layout, multiplexed ones included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.records import IntArray
from ingest.can.kernel import FrameWords, Segments, read_raw
from ingest.can.layout import Layout


@dataclass(frozen=True, slots=True)
class Entries:
    """Frames by node, in order of vehicle and time within each; a frame may be in several nodes."""

    frame: IntArray  #: (e,)
    node: IntArray  #: (h,), the nodes that have entries
    start: IntArray  #: (h,), first entry
    count: IntArray  #: (h,), at least one

    def rows(
        self, table_start: IntArray, wanted: npt.NDArray[np.bool_] | None = None
    ) -> tuple[IntArray, IntArray]:
        """Return the rows that a table has for the nodes here, and the position here of each one's node.

        Args:
            table_start: Shape (nodes + 1,): rows of node i are ``table_start[i]:table_start[i + 1]``.
            wanted: Rows to take, shape (rows,); None: all.
        """
        low = table_start[self.node]
        sizes = table_start[self.node + 1] - low
        row = np.repeat(low - (np.cumsum(sizes) - sizes), sizes) + np.arange(int(sizes.sum()))
        at = np.repeat(np.arange(sizes.size), sizes)
        if wanted is None:
            return row, at
        chosen = wanted[row]
        return row[chosen], at[chosen]


def sort_frames(message: IntArray, order: IntArray, layout: Layout) -> Entries:
    """Return the frames by message; those with message -1 are left out.

    Args:
        message: Of each frame, shape (n,).
        order: Frames in order of vehicle and time, shape (n,).
        layout: Of the messages.
    """
    return _group(order, message[order], layout.node_count)


def follow_multiplexers(
    entries: Entries, layout: Layout, data: npt.NDArray[np.uint8], length: IntArray
) -> Entries:
    """Return the entries and, level by level, those of the nodes that multiplexers in them select."""
    found, level = [entries], entries
    while (layout.selector_start[level.node + 1] > layout.selector_start[level.node]).any():
        level = _select(level, layout, data, length)
        found.append(level)
    if len(found) == 1:
        return entries
    before = np.cumsum([0] + [part.frame.size for part in found[:-1]])
    return Entries(
        np.concatenate([part.frame for part in found]),
        np.concatenate([part.node for part in found]),
        np.concatenate([part.start + at for part, at in zip(found, before, strict=True)]),
        np.concatenate([part.count for part in found]),
    )


def _select(level: Entries, layout: Layout, data: npt.NDArray[np.uint8], length: IntArray) -> Entries:
    selector, at = level.rows(layout.selector_start)
    words = FrameWords(data, level.frame)
    signal = layout.selector_signal[selector]
    reachable = layout.needed[signal] <= 8 * words.words_per_frame
    signal, at = signal[reachable], at[reachable]
    segments = Segments.of(layout, signal, level.start[at], level.count[at])
    entry = segments.entries()
    frame = level.frame.take(entry)
    raw = read_raw(words, layout, segments, entry)
    place = np.minimum(np.searchsorted(layout.levels, raw), layout.levels.size - 1)
    number = np.repeat(np.searchsorted(layout.selector_signal, segments.signal), segments.count)
    key = number * layout.levels.size + place
    choice = np.minimum(np.searchsorted(layout.choice_key, key), layout.choice_key.size - 1)
    is_there = (layout.levels.take(place) == raw) & (layout.choice_key.take(choice) == key)
    is_there &= length.take(frame) >= np.repeat(layout.needed[segments.signal], segments.count)
    low = np.where(is_there, layout.choice_start.take(choice), 0)
    sizes = np.where(is_there, layout.choice_start.take(choice + 1) - low, 0)
    at = np.repeat(low - (np.cumsum(sizes) - sizes), sizes) + np.arange(int(sizes.sum()))
    return _group(np.repeat(frame, sizes), layout.choice_node.take(at), layout.node_count)


def _group(frame: IntArray, node: IntArray, node_count: int) -> Entries:
    """Sort by node and keep the order within a node; 16-bit keys are sorted by radix, in linear time."""
    key = node.astype(np.int16 if node_count < 2**15 else np.int64)
    counts = np.bincount(node + 1, minlength=node_count + 1)
    in_order = frame.take(np.argsort(key, kind="stable"))[counts[0] :]
    counts = counts[1:]
    present = np.flatnonzero(counts)
    count = counts[present].astype(np.int64)
    return Entries(in_order, present, np.cumsum(count) - count, count)
