"""Mask what cannot be a measurement; every masked value is counted by signal and reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from data.catalogue import load_catalogue
from data.records import BoolArray, FloatArray


def mask_where(values: FloatArray, is_bad: BoolArray, reason: str, skipped: Counter[str]) -> FloatArray:
    """Return ``values`` with NaN where ``is_bad``; counts what was masked under ``reason``."""
    hit = is_bad & ~np.isnan(values)
    count = int(hit.sum())
    if not count:
        return values
    skipped[reason] += count
    return np.where(hit, np.nan, values)


def mask_to_catalogue(alias: str, values: FloatArray, skipped: Counter[str]) -> FloatArray:
    """Return ``values`` with NaN outside the catalogue's range and at its sentinels.

    Args:
        alias: Catalogue alias.
        values: Shape (n,) or (n, k), catalogue unit.
        skipped: Counted under ``alias: out of range`` and ``alias: sentinel``.
    """
    signal = load_catalogue().signals[alias]
    with np.errstate(invalid="ignore"):
        outside = (values < signal.low) | (values > signal.high)
    values = mask_where(values, outside, f"{alias}: out of range", skipped)
    for sentinel in signal.sentinels:
        is_sentinel = values == sentinel
        if signal.sentinel_rule == "all" and values.ndim == 2:
            is_sentinel &= is_sentinel.all(axis=1, keepdims=True)
        values = mask_where(values, is_sentinel, f"{alias}: sentinel", skipped)
    return values


def mask_columns(columns: Mapping[str, FloatArray], skipped: Counter[str]) -> dict[str, FloatArray]:
    """Return columns by alias, each masked as ``mask_to_catalogue`` does."""
    return {alias: mask_to_catalogue(alias, values, skipped) for alias, values in columns.items()}


def time_since_change(
    values: FloatArray, time_us: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> FloatArray:
    """Return for how long each sample-and-hold value has been standing, in seconds.

    A value repeated after a pause has been standing for the pause too. Before the first change the age is
    unknown (NaN), and missing values have none.

    Args:
        values: Shape (n, k), NaN missing.
        time_us: Shape (n,), ascending.

    Returns:
        Shape (n, k), seconds.
    """
    ages = np.full(values.shape, np.nan)
    for k in range(values.shape[1]):
        present = np.flatnonzero(~np.isnan(values[:, k]))
        if present.size < 2:
            continue
        series, times = values[present, k], time_us[present]
        change = np.concatenate(([-1], np.where(series[1:] != series[:-1], np.arange(1, present.size), -1)))
        since = np.maximum.accumulate(change)
        ages[present, k] = np.where(since >= 0, (times - times[since]) / 1e6, np.nan)
    return ages
