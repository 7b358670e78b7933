"""Columns of floats out of many CBOR payloads at once: senders repeat themselves, so one look serves all.

A vehicle model writes the same map of arrays message after message; when every number is a float of one width
(RFC 8949 §3.3, major type 7), each value has a fixed place. The places are worked out once from one payload,
then every byte that is not a value is compared, in all payloads together. One that differs is read otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, FloatArray

#: First byte of a float -> bytes of its value, its type.
_FLOATS = {0xF9: (2, ">f2"), 0xFA: (4, ">f4"), 0xFB: (8, ">f8")}
_MAP, _TEXT, _ARRAY = 5, 3, 4


@dataclass(frozen=True, slots=True)
class _Column:
    """Where the values of one alias are."""

    alias: str
    head: int  #: first byte of every value
    start: int  #: offset of the first value's head
    shape: tuple[int, ...]  #: (samples,) or (samples, elements)
    strides: tuple[int, ...]  #: bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of all values of a map of arrays, and every byte between them."""

    length: int
    samples: int
    columns: tuple[_Column, ...]
    places: npt.NDArray[np.int64]  #: offsets of the bytes that are neither a value nor its head
    between: npt.NDArray[np.uint8]  #: those bytes

    def read(self, pieces: Sequence[bytes]) -> tuple[dict[str, FloatArray], BoolArray]:
        """Return the columns of some payloads, one after the other, and which of them have this layout.

        Args:
            pieces: Each of ``length`` bytes.

        Returns:
            Alias -> (n x samples,) or (n x samples, elements), meaningless where the layout is another;
            (n,) whether it is this one.
        """
        joined = b"".join(pieces)
        n = len(pieces)
        table = np.frombuffer(joined, np.uint8).reshape(n, self.length)
        is_same = np.all(table[:, self.places] == self.between, axis=1)
        found = {}
        for column in self.columns:
            kind = _FLOATS[column.head][1]
            shape, strides = (n, *column.shape), (self.length, *column.strides)
            heads = np.ndarray(shape, np.uint8, joined, column.start, strides)
            is_same &= np.all(heads == column.head, axis=tuple(range(1, len(shape))))
            values = np.ndarray(shape, kind, joined, column.start + 1, strides)
            with np.errstate(invalid="ignore"):  # a signalling NaN is one as good as another
                found[column.alias] = values.astype(np.float64).reshape(-1, *column.shape[1:])
        return found, is_same


def build_layout(piece: bytes) -> Layout | None:
    """Return the layout of a CBOR map of text to arrays of floats, or of arrays of these; None: another kind.

    Looks at the first value of each array only; ``Layout.read`` holds all the others against it.
    """
    try:
        return _build(piece)
    except (IndexError, UnicodeDecodeError, KeyError):
        return None


def _build(piece: bytes) -> Layout | None:
    kind, count, at = _head(piece, 0)
    if kind != _MAP:
        return None
    columns: list[_Column] = []
    is_between = np.ones(len(piece), bool)
    for _ in range(count):
        kind, length, at = _head(piece, at)
        if kind != _TEXT:
            return None
        alias, at = piece[at : at + length].decode(), at + length
        kind, samples, at = _head(piece, at)
        if kind != _ARRAY or not samples:
            return None
        shape: tuple[int, ...] = (samples,)
        start = at
        if piece[at] >> 5 == _ARRAY:
            _, elements, start = _head(piece, at)
            if not elements:
                return None
            shape = (samples, elements)
        width = _FLOATS[piece[start]][0] + 1
        row = start - at + width * int(np.prod(shape[1:]))
        strides = (row, width)[: len(shape)]
        end = at + samples * row
        if end > len(piece):
            return None
        row_heads = np.ndarray((samples, start - at), np.uint8, piece, at, (row, 1))
        if not (row_heads == row_heads[0]).all():
            return None  # the bytes between are those of this payload: nothing else would notice
        columns.append(_Column(alias, piece[start], start, shape, strides))
        np.ndarray((*shape, width), np.bool_, is_between.data, start, (*strides, 1))[...] = False
        at = end
    if at != len(piece) or not columns or len({c.shape[0] for c in columns}) != 1:
        return None
    if len({c.alias for c in columns}) != len(columns):
        return None
    places = np.flatnonzero(is_between)
    between = np.frombuffer(piece, np.uint8)[places]
    return Layout(len(piece), columns[0].shape[0], tuple(columns), places, between)


def _head(piece: bytes, at: int) -> tuple[int, int, int]:
    """Return major type, argument and where the content begins (RFC 8949 §3)."""
    kind, short = piece[at] >> 5, piece[at] & 0x1F
    if short < 24:
        return kind, short, at + 1
    width = {24: 1, 25: 2, 26: 4}[short]
    if at + 1 + width > len(piece):
        raise IndexError(at)
    return kind, int.from_bytes(piece[at + 1 : at + 1 + width], "big"), at + 1 + width
