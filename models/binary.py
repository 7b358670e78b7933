"""Read PostgreSQL's binary COPY format into numpy, whole columns at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import ModelError

_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEADER = len(_SIGNATURE) + 8
_TRAILER = 2
_BEGINNING_US = 946_684_800_000_000
#: Item types of the columns that queries of this folder yield, as PostgreSQL sends them.
_SCALARS = {"timestamptz": ">i8", "int8": ">i8", "int4": ">i4", "int2": ">i2", "real": ">f4", "float8": ">f8"}


def row_type(columns: Sequence[tuple[str, str, int]]) -> np.dtype[Any]:
    """Return the layout of one row.

    Each field is a length (int32) and its bytes; an array is five int32 (dimensions, flags, element type,
    length, lower bound) and then length and bytes of each element (PostgreSQL documentation, COPY, binary
    format).

    Args:
        columns: Name, element type, and number of elements of an array, 0 for a scalar.
    """
    fields: list[tuple[str, Any] | tuple[str, Any, int]] = [("_fields", ">i2")]
    for name, kind, width in columns:
        fields.append((f"_{name}_length", ">i4"))
        if width:
            fields.append((f"_{name}_header", ">i4", 5))
            fields.append((name, np.dtype([("length", ">i4"), ("value", _SCALARS[kind])]), width))
        else:
            fields.append((name, _SCALARS[kind]))
    return np.dtype(fields)


def parse_rows(data: bytes, layout: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return the rows of a COPY whose rows all have one layout.

    Raises:
        ModelError: The bytes are not whole rows of the layout.
    """
    body = len(data) - _HEADER - _TRAILER
    if data[: len(_SIGNATURE)] != _SIGNATURE or body % layout.itemsize:
        raise ModelError(f"COPY data of {len(data)} bytes: not rows of {layout.itemsize} bytes")
    return np.frombuffer(data, dtype=layout, count=body // layout.itemsize, offset=_HEADER)


def scalars(rows: npt.NDArray[Any], name: str) -> npt.NDArray[np.float64]:
    """Return a scalar column in double precision."""
    return np.asarray(rows[name], dtype=np.float64)


def whole(rows: npt.NDArray[Any], name: str) -> npt.NDArray[np.int64]:
    """Return a scalar column of whole numbers."""
    return np.asarray(rows[name], dtype=np.int64)


def times(rows: npt.NDArray[Any], name: str) -> npt.NDArray[np.int64]:
    """Return a timestamptz column in microseconds since 1970; PostgreSQL sends them since 2000."""
    return whole(rows, name) + _BEGINNING_US


def arrays(rows: npt.NDArray[Any], name: str) -> npt.NDArray[np.float64]:
    """Return an array column in double precision, shape (n, width)."""
    return np.asarray(rows[name]["value"], dtype=np.float64)
