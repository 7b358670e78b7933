"""Bring readings of different families onto one clock."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, FloatArray, IntArray


def as_of(time_us: IntArray, source_us: IntArray, values: FloatArray, *, within_us: int) -> FloatArray:
    """Return, for each time, the newest non-missing value not later than it.

    Args:
        time_us: Shape (n,), ascending or not.
        source_us: Shape (m,), ascending.
        values: Shape (m,); NaN is missing.
        within_us: Oldest value that is still taken.

    Returns:
        Shape (n,); NaN where nothing is young enough.
    """
    known = np.isfinite(values)
    times, kept = source_us[known], values[known]
    if not len(times):
        return np.full(len(time_us), np.nan)
    index = np.searchsorted(times, time_us, side="right") - 1
    safe = np.maximum(index, 0)
    is_young = (index >= 0) & (time_us - times[safe] <= within_us)
    return np.where(is_young, kept[safe], np.nan)


def column(columns: Mapping[str, npt.NDArray[np.floating]], alias: str, count: int) -> FloatArray:
    """Return a scalar column in double precision; all NaN where the recording has none."""
    if alias not in columns:
        return np.full(count, np.nan)
    return np.asarray(columns[alias], dtype=np.float64)


def first_in_grid(time_us: IntArray, grid_us: int) -> BoolArray:
    """Mark the first row of each grid cell; times ascending."""
    cell = time_us // grid_us
    marked = np.ones(len(cell), dtype=np.bool_)
    marked[1:] = cell[1:] != cell[:-1]
    return marked
