"""When a growing fault reaches a limit that an estimate shows with an error of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import FloatArray

#: What it is called in reasons.
ITS_LIMIT: Final = ("its limit", "极限")
_QUANTILES = np.array([0.1, 0.5, 0.9])
_TEN_YEARS_H = 87_600.0


@dataclass(frozen=True, slots=True)
class Shown:
    """What a predictor's estimate shows by the time that a part really reaches its limit.

    The estimate is of a symptom; how much of it the true limit brings along differs from vehicle to vehicle.
    Taken from simulated faults of development seeds.
    """

    share: float  #: median of the estimate at the true limit, as a share of the limit it is held against
    spread: float  #: scale of its logarithm, a logistic distribution


def time_to_limit(
    level: FloatArray,
    rate: FloatArray,
    rate_error: FloatArray,
    limit: FloatArray | float,
    shown: Shown,
) -> FloatArray:
    """Return the 10, 50 and 90 % quantiles of the time until a part reaches its limit.

    The level at which that happens has a log-logistic distribution about ``shown.share`` of ``limit``. A part
    that shows more is still one that has not reached it: the distribution is that of levels above the one
    shown. Its quantiles, less the level, over the rate; the sampling error of the rate widens them.

    Args:
        level: Any shape, of the estimate; NaN: unknown.
        rate: Same shape, growth a day; 0 or less: no time is foreseeable.
        rate_error: Same shape, standard error a day.
        limit: What the level is held against, broadcast to it.
        shown: Of the predictor.

    Returns:
        Shape (3, ...), hours; NaN where no time is foreseeable, at most ten years.
    """
    middle = shown.share * np.asarray(limit)
    known = np.isfinite(level) & (rate > 1e-6 * middle)
    safe_rate = np.where(known, rate, 1.0)
    odds = (np.maximum(level, 0.0) / middle) ** (1.0 / shown.spread)
    q = _QUANTILES.reshape(3, *(1,) * np.ndim(level))
    reached = middle * ((odds + q) / (1.0 - q)) ** shown.spread
    hours = 24.0 * np.maximum(reached - np.maximum(level, 0.0), 1e-6 * middle) / safe_rate
    doubt = 1.2816 * np.minimum(np.abs(rate_error) / safe_rate, 1.0)
    sooner, later = (np.hypot(np.log(hours[i + 1] / hours[i]), doubt) for i in (0, 1))
    out = np.stack([hours[1] * np.exp(-sooner), hours[1], hours[1] * np.exp(later)])
    return np.asarray(np.where(known, np.minimum(out, _TEN_YEARS_H), np.nan))
