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

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.records import FloatArray, IntArray
from ingest.can.layout import IS_BEYOND, IS_BIG_ENDIAN, IS_LINEAR, Kind, Layout, Words, run_kind

_WORD = np.uint64(64)
_PIECE = 16_384  #: pairs, about: what one step leaves is still in the processor's cache for the next
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
        return (self.first_entry - self.begin).repeat(self.count) + np.arange(self.pair_count)

    def sums(self, hit: npt.NDArray[np.bool_]) -> IntArray:
        """Return how many pairs of each segment are hit, shape (g,)."""
        if not hit.size:
            return np.zeros(self.signal.size, dtype=np.int64)
        return np.add.reduceat(hit, self.begin, dtype=np.int64)

    def pieces(self) -> Iterator[tuple[slice, Segments, slice]]:
        """Yield some segments after others with their pairs: few enough to stay in the processor's cache."""
        if self.pair_count <= _PIECE:
            if self.pair_count:
                yield slice(0, self.signal.size), self, slice(0, self.pair_count)
            return
        yield from self._cut(self.begin // _PIECE)

    def runs(self, layout: Layout) -> Iterator[tuple[int, Segments, slice]]:
        """Yield each value of ``Layout.run``, its segments and their pairs."""
        run = layout.run[self.signal]
        for rows, part, pairs in self._cut(run):
            yield int(run[rows.start]), part, pairs

    def _cut(self, key: npt.NDArray[np.integer]) -> Iterator[tuple[slice, Segments, slice]]:
        if not key.size:
            return
        cuts = [0, *((key[1:] != key[:-1]).nonzero()[0] + 1).tolist(), key.size]
        for low, high in itertools.pairwise(cuts):
            begin = int(self.begin[low])
            end = int(self.begin[high]) if high < key.size else self.pair_count
            part = Segments(
                self.signal[low:high],
                self.first_entry[low:high],
                self.count[low:high],
                self.begin[low:high] - begin,
                end - begin,
            )
            yield slice(low, high), part, slice(begin, end)


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
        words = np.ascontiguousarray(data).view("<u8").astype(np.uint64, copy=False)
        little = words[:, 0].take(frame)
        self._first_words = (little, little.byteswap())
        self._words = words.ravel()
        self._first_of_entry = frame * self.words_per_frame

    def left_aligned(self, layout: Layout, segments: Segments, entry: IntArray, run: int) -> Words:
        """Return the bits of each pair at the left end of a word; what follows them is not cleared."""
        is_big_endian = bool(run & IS_BIG_ENDIAN)
        first, length = layout.first[segments.signal], layout.length[segments.signal]
        if run & IS_BEYOND:
            return self._across_words(first, length, segments, entry, is_big_endian=is_big_endian)
        taken: Words = self._first_words[is_big_endian].take(entry)
        taken <<= (first if is_big_endian else _WORD - first - length).repeat(segments.count)
        return taken

    def _across_words(
        self, first: Words, length: Words, segments: Segments, entry: IntArray, *, is_big_endian: bool
    ) -> Words:
        index = self._first_of_entry.take(entry)
        index += (first >> np.uint64(6)).astype(np.int64).repeat(segments.count)
        taken: Words = self._words.take(index)
        index += 1  # a signal may run on into the next word; after the last one nothing of it is used
        following = self._words.take(index, mode="clip")
        offset = (first & np.uint64(63)).repeat(segments.count)
        rest = np.uint64(63) - offset  # a shift by 64 is not defined: one bit first, the rest then
        if is_big_endian:
            taken, following = taken.byteswap(), following.byteswap()
            taken <<= offset
            following >>= np.uint64(1)
            following >>= rest
            taken |= following
            return taken
        taken >>= offset
        following <<= np.uint64(1)
        following <<= rest
        taken |= following
        taken <<= (_WORD - length).repeat(segments.count)
        return taken


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
            kind = run_kind(run)
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
            if run & IS_LINEAR:
                np.multiply(number, layout.scale[part.signal].repeat(part.count), out=values[pairs])
                values[pairs] += layout.offset[part.signal].repeat(part.count)
            else:
                values[pairs] = number
    return values


def _raw(words: FrameWords, layout: Layout, segments: Segments, entry: IntArray, run: int) -> Words:
    aligned = words.left_aligned(layout, segments, entry, run)
    shift = (_WORD - layout.length[segments.signal]).repeat(segments.count)
    if run_kind(run) in (Kind.SIGNED, Kind.EXACT_SIGNED):
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
