"""Binary COPY built from numpy arrays: no Python object per row.

Format: https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format", and the array header of
``array_recv``: dimensions, has-null flag, element type, then length and lower bound of each dimension.
All rows are laid out at their full width in one structured array; a mask then drops the bytes of NULLs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, IntArray

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + (0).to_bytes(4, "big") * 2
_TRAILER = (-1).to_bytes(2, "big", signed=True)
#: timestamptz counts microseconds from 2000-01-01 UTC.
_EPOCH_US = 946_684_800_000_000

#: SQL type -> (big-endian numpy type, element OID in an array, from pg_type.dat)
_TYPES: dict[str, tuple[str, int]] = {
    "boolean": ("u1", 16),
    "bigint": (">i8", 20),
    "smallint": (">i2", 21),
    "int": (">i4", 23),
    "real": (">f4", 700),
    "double precision": (">f8", 701),
    "timestamptz": (">i8", 1184),
}


@dataclass(frozen=True, slots=True)
class CopyColumn:
    """One column of a COPY.

    ``values`` has shape (n,), or (n, k) for an array column. In floating input NaN is NULL (an element of an
    array, or the array itself when all its elements are); other input has no NULL. ``timestamptz`` takes
    microseconds since 1970 UTC; ``text`` takes a numpy string array.
    """

    sql_type: str
    values: npt.NDArray[Any]
    scale: float = 1.0  #: stored = value x scale, rounded for integer types
    widths: IntArray | None = None  #: shape (n,), elements of each row of an array column; None: all k


@dataclass(frozen=True, slots=True)
class CopyRows:
    """Rows as a binary COPY takes them, end to end."""

    body: bytes
    at: IntArray  #: shape (n + 1,), where each row begins in ``body``, and the end

    def stream(self, rows: IntArray | None = None) -> bytes:
        """Return the COPY stream of all rows, or of those at ``rows``, ascending, shape (m,)."""
        if rows is None or len(rows) == len(self.at) - 1:
            return b"".join((_SIGNATURE, self.body, _TRAILER))
        breaks = np.flatnonzero(np.diff(rows) != 1)
        firsts = rows[np.append(0, breaks + 1)] if len(rows) else rows
        lasts = rows[np.append(breaks, len(rows) - 1)] if len(rows) else rows
        pieces = zip(self.at[firsts].tolist(), self.at[lasts + 1].tolist(), strict=True)
        view = memoryview(self.body)
        return b"".join((_SIGNATURE, *(view[begin:end] for begin, end in pieces), _TRAILER))


def build_copy(columns: Sequence[CopyColumn]) -> CopyRows:
    """Return the rows of some columns of equal length."""
    n = len(columns[0].values)
    if n == 0:
        return CopyRows(b"", np.zeros(1, np.int64))
    layout: list[tuple[str, Any]] = [("count", ">i2")]
    for i, column in enumerate(columns):
        layout.append((f"size{i}", ">i4"))
        layout.append((f"value{i}", _value_type(column)))
    table = np.zeros(n, np.dtype(layout))
    table["count"] = len(columns)
    gaps = _Gaps(n, table.dtype.itemsize)
    fields = table.dtype.fields
    assert fields is not None  # noqa: S101 -- the type was made with fields just above
    starts = [int(fields[f"value{i}"][1]) for i in range(len(columns))]
    for i, column in enumerate(columns):
        gaps.begin, gaps.end = starts[i], starts[i] + table.dtype[f"value{i}"].itemsize
        size: IntArray | int
        if column.sql_type == "text":
            size = _fill_text(column, table[f"value{i}"], gaps)
        elif column.values.ndim == 2:
            size = _fill_array(column, table[f"value{i}"], gaps)
        else:
            size = _fill_scalar(column, table[f"value{i}"], gaps)
        table[f"size{i}"] = size
    if gaps.kept is None:
        return CopyRows(table.tobytes(), np.arange(n + 1) * table.dtype.itemsize)
    body = table.view(np.uint8).reshape(n, -1)[gaps.kept].tobytes()
    return CopyRows(body, np.append(0, np.cumsum(np.count_nonzero(gaps.kept, axis=1))))


class _Gaps:
    """Which bytes of the full-width rows are sent; made only when the first is left out."""

    def __init__(self, rows: int, width: int) -> None:
        self._shape = (rows, width)
        self.kept: BoolArray | None = None
        self.begin = self.end = 0  #: bytes of the column that is being filled

    def open(self) -> BoolArray:
        """Return the part of the present column, shape (rows, bytes), to be written to."""
        if self.kept is None:
            self.kept = np.ones(self._shape, bool)
        return self.kept[:, self.begin : self.end]


def _value_type(column: CopyColumn) -> Any:
    if column.sql_type == "text":
        return (np.uint8, (max(1, np.char.encode(column.values, "utf-8").dtype.itemsize),))
    kind = _TYPES[column.sql_type][0]
    if column.values.ndim == 1:
        return kind
    element = np.dtype([("size", ">i4"), ("value", kind)])
    return np.dtype([("header", ">i4", (5,)), ("element", element, (column.values.shape[1],))])


def _stored(column: CopyColumn) -> tuple[npt.NDArray[Any], BoolArray | None]:
    """Return values as stored, with zeros for NULLs, and what is NULL; None: nothing."""
    values = column.values
    if column.sql_type == "timestamptz":
        return values - _EPOCH_US, None
    if not np.issubdtype(values.dtype, np.floating):
        return values, None
    is_null: BoolArray | None = np.isnan(values)
    scaled = values if column.scale == 1 else values * column.scale
    if is_null is not None and is_null.any():
        scaled = np.where(is_null, 0.0, scaled)
    else:
        is_null = None
    return (scaled if column.sql_type in ("real", "double precision") else np.rint(scaled)), is_null


def _fill_scalar(column: CopyColumn, target: npt.NDArray[Any], gaps: _Gaps) -> IntArray | int:
    stored, is_null = _stored(column)
    target[...] = stored
    if is_null is None:
        return target.dtype.itemsize
    gaps.open()[is_null] = False
    return np.where(is_null, -1, target.dtype.itemsize)


def _fill_array(column: CopyColumn, target: npt.NDArray[Any], gaps: _Gaps) -> IntArray | int:
    stored, is_null = _stored(column)
    n, k = stored.shape
    widths = np.full(n, k, np.int64) if column.widths is None else column.widths
    item = np.dtype(_TYPES[column.sql_type][0]).itemsize
    header = target["header"]
    header[:, 0] = 1
    header[:, 2] = _TYPES[column.sql_type][1]
    header[:, 3] = widths
    header[:, 4] = 1
    target["element"]["value"] = stored
    if is_null is None and k and (widths == k).all():
        target["element"]["size"] = item
        return target.dtype.itemsize
    is_inside = np.arange(k) < widths[:, None]
    is_here = is_inside if is_null is None else is_inside & ~is_null
    header[:, 1] = (is_inside & ~is_here).any(axis=1)
    target["element"]["size"] = np.where(is_here, item, -1)
    size = 20 + 4 * widths + item * np.count_nonzero(is_here, axis=1)
    is_empty = ~is_here.any(axis=1)
    keep = gaps.open()
    cells = keep[:, 20:].reshape(n, k, 4 + item)
    cells[:, :, :4] = is_inside[:, :, None]
    cells[:, :, 4:] = is_here[:, :, None]
    keep[:, 20:] = cells.reshape(n, -1)
    keep[is_empty] = False
    return np.where(is_empty, -1, size).astype(np.int64)


def _fill_text(column: CopyColumn, target: npt.NDArray[Any], gaps: _Gaps) -> IntArray:
    encoded = np.char.encode(column.values, "utf-8")
    size = np.char.str_len(encoded).astype(np.int64)
    width = target.shape[1]
    if encoded.dtype.itemsize:
        target[...] = np.frombuffer(encoded.tobytes(), np.uint8).reshape(len(size), -1)
    if (size < width).any():
        gaps.open()[...] = np.arange(width) < size[:, None]
    return size
