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


def build_copy(columns: Sequence[CopyColumn]) -> bytes:
    """Return the whole COPY stream of some columns of equal length."""
    n = len(columns[0].values)
    if n == 0:
        return _SIGNATURE + _TRAILER
    layout: list[tuple[str, Any]] = [("count", ">i2")]
    for i, column in enumerate(columns):
        layout.append((f"size{i}", ">i4"))
        layout.append((f"value{i}", _value_type(column)))
    table = np.zeros(n, np.dtype(layout))
    table["count"] = len(columns)
    keep = np.ones((n, table.dtype.itemsize), bool)
    fields = table.dtype.fields
    assert fields is not None  # noqa: S101 -- the type was made with fields just above
    starts = [int(fields[f"value{i}"][1]) for i in range(len(columns))]
    is_ragged = False
    for i, column in enumerate(columns):
        kept = keep[:, starts[i] : starts[i] + table.dtype[f"value{i}"].itemsize]
        if column.sql_type == "text":
            size, has_gap = _fill_text(column, table[f"value{i}"], kept)
        elif column.values.ndim == 2:
            size, has_gap = _fill_array(column, table[f"value{i}"], kept)
        else:
            size, has_gap = _fill_scalar(column, table[f"value{i}"], kept)
        table[f"size{i}"] = size
        is_ragged = is_ragged or has_gap
    raw = table.view(np.uint8).reshape(n, -1)
    body = raw[keep].tobytes() if is_ragged else raw.tobytes()
    return _SIGNATURE + body + _TRAILER


def _value_type(column: CopyColumn) -> Any:
    if column.sql_type == "text":
        return (np.uint8, (max(1, np.char.encode(column.values, "utf-8").dtype.itemsize),))
    kind = _TYPES[column.sql_type][0]
    if column.values.ndim == 1:
        return kind
    element = np.dtype([("size", ">i4"), ("value", kind)])
    return np.dtype([("header", ">i4", (5,)), ("element", element, (column.values.shape[1],))])


def _stored(column: CopyColumn) -> tuple[npt.NDArray[Any], BoolArray]:
    """Return values as stored, with zeros for NULLs, and what is NULL."""
    values = column.values
    if column.sql_type == "timestamptz":
        return values - _EPOCH_US, np.zeros(values.shape, bool)
    if not np.issubdtype(values.dtype, np.floating):
        return values, np.zeros(values.shape, bool)
    is_null = np.isnan(values)
    scaled = np.where(is_null, 0.0, values * column.scale)
    return (scaled if column.sql_type in ("real", "double precision") else np.rint(scaled)), is_null


def _fill_scalar(column: CopyColumn, target: npt.NDArray[Any], keep: BoolArray) -> tuple[IntArray, bool]:
    stored, is_null = _stored(column)
    target[...] = stored
    keep[is_null] = False
    size = np.where(is_null, -1, target.dtype.itemsize)
    return size.astype(np.int64), bool(is_null.any())


def _fill_array(column: CopyColumn, target: npt.NDArray[Any], keep: BoolArray) -> tuple[IntArray, bool]:
    stored, is_null = _stored(column)
    n, k = stored.shape
    widths = np.full(n, k, np.int64) if column.widths is None else column.widths
    is_inside = np.arange(k) < widths[:, None]
    is_here = is_inside & ~is_null
    item = np.dtype(_TYPES[column.sql_type][0]).itemsize
    header = target["header"]
    header[:, 0] = 1
    header[:, 1] = (is_inside & is_null).any(axis=1)
    header[:, 2] = _TYPES[column.sql_type][1]
    header[:, 3] = widths
    header[:, 4] = 1
    target["element"]["size"] = np.where(is_here, item, -1)
    target["element"]["value"] = stored
    size = 20 + 4 * widths + item * np.count_nonzero(is_here, axis=1)
    is_empty = ~is_here.any(axis=1)
    has_gap = not is_here.all()
    if has_gap:
        cells = keep[:, 20:].reshape(n, k, 4 + item)
        cells[:, :, :4] = is_inside[:, :, None]
        cells[:, :, 4:] = is_here[:, :, None]
        keep[:, 20:] = cells.reshape(n, -1)
        keep[is_empty] = False
    return np.where(is_empty, -1, size).astype(np.int64), has_gap


def _fill_text(column: CopyColumn, target: npt.NDArray[Any], keep: BoolArray) -> tuple[IntArray, bool]:
    encoded = np.char.encode(column.values, "utf-8")
    size = np.char.str_len(encoded).astype(np.int64)
    width = target.shape[1]
    if encoded.dtype.itemsize:
        target[...] = np.frombuffer(encoded.tobytes(), np.uint8).reshape(len(size), -1)
    keep[...] = np.arange(width) < size[:, None]
    return size, bool((size < width).any())
