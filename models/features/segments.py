"""How fast something falls between two steps: straight lines over stretches of days, many at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Stretch:
    """The line through a stretch of days of each vehicle, as-of day and channel; NaN below three days."""

    fall_per_day: FloatArray  #: positive when falling
    error: FloatArray  #: standard error for noise 1 a day
    days: FloatArray  #: from the first to the last known day
    straight: FloatArray  #: 0-1, share of the squares about the mean that the line explains

    @property
    def loss(self) -> FloatArray:
        """Return what was lost over the stretch."""
        return self.fall_per_day * self.days


def stretch(values: FloatArray, begin: IntArray, end: IntArray) -> Stretch:
    """Return the least-squares line through the known days of a stretch.

    Args:
        values: Shape (n_vehicles, n_days, n_channels), one value a day; NaN is missing.
        begin: Shape (n_vehicles, n_as_of, n_channels), first day of each stretch.
        end: Same shape, its last day; before ``begin``: no stretch.
    """
    known = np.isfinite(values)
    day = np.broadcast_to(np.arange(values.shape[1], dtype=np.float64)[None, :, None], values.shape)
    # about the channel's own level: sums of large numbers would lose the digits that matter
    level = np.where(known, values, 0.0).sum(1, keepdims=True) / np.maximum(known.sum(1, keepdims=True), 1)
    y, t = np.where(known, values - level, 0.0), np.where(known, day, 0.0)
    n, st, sy, stt, sty, syy = (
        _between(part, begin, end) for part in (known.astype(np.float64), t, y, t * t, t * y, y * y)
    )
    count = np.maximum(n, 1.0)
    spread = np.maximum(stt - st**2 / count, 1e-9)
    is_line = (n >= 3) & (spread > 1.0)
    fall = np.where(is_line, -(sty - st * sy / count) / spread, np.nan)
    about = np.maximum(syy - sy**2 / count, 1e-9)
    # of evenly spread days: variance (days² - 1) / 12
    days = np.sqrt(np.maximum(12.0 * spread / count, 0.0))
    error = np.where(is_line, 1.0 / np.sqrt(spread), np.nan)
    return Stretch(fall, error, days, np.minimum(fall**2 * spread / about, 1.0))


def _between(part: FloatArray, begin: IntArray, end: IntArray) -> FloatArray:
    total = np.concatenate((np.zeros_like(part[:, :1]), np.cumsum(part, axis=1)), axis=1)
    last = np.take_along_axis(total, np.maximum(end + 1, 0), axis=1)
    first = np.take_along_axis(total, np.clip(begin, 0, part.shape[1]), axis=1)
    return np.where(end >= begin, last - first, 0.0)
