"""The newest known values of a grid of days."""

from __future__ import annotations

import numpy as np

from data.records import FloatArray, IntArray


def latest_known(values: FloatArray, count: int) -> tuple[FloatArray, IntArray]:
    """Return the newest known values up to each day, and their days.

    Args:
        values: Shape (n_vehicles, n_days, n_channels); NaN is missing.
        count: How many.

    Returns:
        Values of shape (count, n_vehicles, n_days, n_channels), newest first, NaN where there are not so
        many; and the indices of their days, -1 there.
    """
    n_days = values.shape[1]
    newest = np.where(np.isfinite(values), np.arange(n_days)[None, :, None], -1)
    newest = np.maximum.accumulate(newest, axis=1)
    found, days = [], []
    at = newest
    for _ in range(count):
        days.append(at)
        known = np.take_along_axis(values, np.maximum(at, 0), axis=1)
        found.append(np.where(at >= 0, known, np.nan))
        at = np.where(at >= 1, np.take_along_axis(newest, np.maximum(at - 1, 0), axis=1), -1)
    return np.stack(found), np.stack(days)
