"""Bits of many frames and many signals at once: pairs of entry and signal in, numbers out.

A *segment* is one signal in all entries of its node, which lie side by side; its values come out side by side
too. What differs between signals (where their bits begin, how many there are, scale and offset) is repeated
along the segments, so that every step is one numpy call over all pairs of a kind, however many signals and
however few frames there are.

Bit numbering is the DBC's: bit ``8 * byte + bit`` with bit 7 the most significant. A little-endian signal
starts at its least significant bit and grows upwards; a big-endian one starts at its most significant bit and
runs down each byte and on into the next. Either way a signal is first shifted to the left end of a word, then
to the right end, which extends the sign.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.records import FloatArray, IntArray
from ingest.can.layout import Kind, Layout, Words

_WORD = np.uint64(64)
_FLOATS = {
    Kind.FLOAT_16: (np.uint16, np.float16),
    Kind.FLOAT_32: (np.uint32, np.float32),
    Kind.FLOAT_64: (np.uint64, np.float64),
}


@dataclass(frozen=True, slots=True)
class Segments:
    """Signals with the entries that have them, in order of ``Layout.run``."""

    signal: IntArray  #: (g,)
    first_entry: IntArray  #: (g,)
    count: IntArray  #: (g,), entries, at least one
    begin: IntArray  #: (g,), first pair
    pair_count: int

    @classmethod
    def of(cls, layout: Layout, signal: IntArray, first_entry: IntArray, count: IntArray) -> Segments:
        """Return segments brought into order."""
        order = np.argsort(layout.run[signal], kind="stable")
        count = count[order]
        end = np.cumsum(count)
        return cls(signal[order], first_entry[order], count, end - count, int(end[-1]) if end.size else 0)

    def entries(self) -> IntArray:
        """Return the entry of each pair."""
        return np.repeat(self.first_entry - self.begin, self.count) + np.arange(self.pair_count)

    def spread(self, by_signal: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Return what a table over signals has for each pair."""
        return np.repeat(by_signal[self.signal], self.count)

    def runs(self, layout: Layout) -> Iterator[tuple[int, Segments, slice]]:
        """Yield each value of ``Layout.run``, its segments and its pairs."""
        run = layout.run[self.signal]
        cuts = np.flatnonzero(np.concatenate(([True], run[1:] != run[:-1], [True]))) if run.size else run[:0]
        for low, high in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            begin = int(self.begin[low])
            end = int(self.begin[high]) if high < run.size else self.pair_count
            part = Segments(
                self.signal[low:high],
                self.first_entry[low:high],
                self.count[low:high],
                self.begin[low:high] - begin,
                end - begin,
            )
            yield int(run[low]), part, slice(begin, end)


class FrameWords:
    """Frames as 64-bit words in both byte orders.

    Args:
        data: Shape (n, width), bytes.
        frame: Frame of each entry, shape (e,).
    """

    def __init__(self, data: npt.NDArray[np.uint8], frame: IntArray) -> None:
        n, width = data.shape
        self.words_per_frame = max(1, -(-width // 8))
        if width != 8 * self.words_per_frame:
            padded = np.zeros((n, 8 * self.words_per_frame), dtype=np.uint8)
            padded[:, :width] = data
            data = padded
        little = np.ascontiguousarray(data).view("<u8").astype(np.uint64, copy=False).ravel()
        if self.words_per_frame == 1:
            little = little.take(frame)
        else:  # a signal may run on into the word after its own: there must be one after the last, too
            little = np.concatenate((little, np.zeros(1, np.uint64)))
        self._frame = frame
        self._little = little
        self._big: Words | None = None

    def left_aligned(
        self, layout: Layout, segments: Segments, entry: IntArray, *, is_big_endian: bool
    ) -> Words:
        """Return the bits of each pair at the left end of a word; what follows them is not cleared."""
        words = self._big_endian() if is_big_endian else self._little
        first, length = layout.first[segments.signal], layout.length[segments.signal]
        if self.words_per_frame == 1:
            taken: Words = words.take(entry)
            taken <<= np.repeat(first if is_big_endian else _WORD - first - length, segments.count)
            return taken
        index = self._frame.take(entry) * self.words_per_frame
        index += np.repeat((first >> np.uint64(6)).astype(np.int64), segments.count)
        taken = words.take(index)
        index += 1
        following = words.take(index)
        offset = np.repeat(first & np.uint64(63), segments.count)
        rest = np.uint64(63) - offset  # a shift by 64 is not defined: one bit first, the rest then
        if is_big_endian:
            taken <<= offset
            following >>= np.uint64(1)
            following >>= rest
            taken |= following
            return taken
        taken >>= offset
        following <<= np.uint64(1)
        following <<= rest
        taken |= following
        taken <<= np.repeat(_WORD - length, segments.count)
        return taken

    def _big_endian(self) -> Words:
        if self._big is None:
            self._big = self._little.byteswap()
        return self._big


def read_raw(words: FrameWords, layout: Layout, segments: Segments, entry: IntArray) -> Words:
    """Return integers before scale and offset, sign-extended to 64 bits, of each pair; shape (p,)."""
    raw = np.empty(segments.pair_count, dtype=np.uint64)
    for run, part, pairs in segments.runs(layout):
        raw[pairs] = _raw(words, layout, part, entry[pairs], run)
    return raw


def read_values(words: FrameWords, layout: Layout, segments: Segments, entry: IntArray) -> FloatArray:
    """Return the values of each pair after scale and offset, shape (p,)."""
    values = np.empty(segments.pair_count)
    with np.errstate(over="ignore", invalid="ignore"):  # IEEE floats off the bus may be anything
        for run, part, pairs in segments.runs(layout):
            kind = Kind(run >> 3)
            raw = _raw(words, layout, part, entry[pairs], run)
            if kind in (Kind.EXACT_UNSIGNED, Kind.EXACT_SIGNED):
                _scale_exactly(layout, part, raw, values[pairs])
                continue
            number: npt.NDArray[np.generic] = raw
            if kind in _FLOATS:
                unsigned, floating = _FLOATS[kind]
                number = raw.astype(unsigned).view(floating).astype(np.float64)
            elif kind is not Kind.UNSIGNED_64:
                number = raw.view(np.int64)  # converts faster
            if run & 2:
                np.multiply(number, np.repeat(layout.scale[part.signal], part.count), out=values[pairs])
                values[pairs] += np.repeat(layout.offset[part.signal], part.count)
            else:
                values[pairs] = number
    return values


def _raw(words: FrameWords, layout: Layout, segments: Segments, entry: IntArray, run: int) -> Words:
    aligned = words.left_aligned(layout, segments, entry, is_big_endian=bool(run & 4))
    shift = np.repeat(_WORD - layout.length[segments.signal], segments.count)
    if run >> 3 in (Kind.SIGNED, Kind.EXACT_SIGNED):
        signed = aligned.view(np.int64)
        signed >>= shift.view(np.int64)
    else:
        aligned >>= shift
    return aligned


def _scale_exactly(layout: Layout, segments: Segments, raw: Words, values: FloatArray) -> None:
    """Scale in Python's integers, rounding once: for the rare wide counters whose scale is not 1."""
    for signal, begin, count in zip(
        segments.signal.tolist(), segments.begin.tolist(), segments.count.tolist(), strict=True
    ):
        compiled = layout.signals[signal]
        part = raw[begin : begin + count]
        integers = (part.view(np.int64) if compiled.is_signed else part).astype(np.object_)
        scale, offset = compiled.exact or (1, 0)
        values[begin : begin + count] = (integers * scale + offset).astype(np.float64)
