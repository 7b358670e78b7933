"""PostgreSQL array literals of many values: the driver's own way costs more than a microsecond for each.

The statements cast them; https://www.postgresql.org/docs/15/arrays.html, "Array Value Input".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

_MISSING = np.iinfo(np.int64).min


def number_array(values: Iterable[int | None]) -> str:
    """Return an array of integers; None is NULL."""
    return "{" + ",".join(["NULL" if v is None else str(int(v)) for v in values]) + "}"


def flag_array(values: Iterable[bool | None]) -> str:
    """Return an array of booleans; None is NULL."""
    return "{" + ",".join(["NULL" if v is None else "t" if v else "f" for v in values]) + "}"


def word_array(values: Sequence[str | None]) -> str:
    """Return an array of texts; None is NULL.

    Raises:
        ValueError: A text has a quotation mark or a backslash: these are for words and ranges only.
    """
    text = ",".join(["NULL" if v is None else f'"{v}"' for v in values])
    if "\\" in text or text.count('"') != 2 * sum(v is not None for v in values):
        raise ValueError("word_array: texts must be without quotation marks and backslashes")
    return "{" + text + "}"


def time_array(values_us: Sequence[int | None]) -> str:
    """Return an array of timestamptz out of microseconds since 1970 UTC; None is NULL."""
    times = np.array([_MISSING if v is None else v for v in values_us], np.int64).astype("datetime64[us]")
    texts = np.datetime_as_string(times).tolist()
    return "{" + ",".join(["NULL" if t == "NaT" else t + "Z" for t in texts]) + "}"
