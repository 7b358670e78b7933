"""How much a predictor's interval of the time left has to be stretched to hold what it promises."""

from __future__ import annotations

from typing import Final

import numpy as np

from data.records import FloatArray, IntArray

#: What the interval from p10 to p90 promises.
PROMISE: Final = 0.8
#: An interval that would have to be stretched further tells nothing; the time is then left as it is.
MOST_STRETCH: Final = 10.0
LEAST_FAULTS: Final = 20
_LEAST_SPREAD = 1e-3
_SHORTEST_H = 1.0


def needed_stretch(ttt_h: FloatArray, left_h: FloatArray) -> FloatArray:
    """Return how often the distance from the median the bounds must lie to hold the true time, in logarithm.

    Args:
        ttt_h: Shape (3, n), p10, p50, p90, hours.
        left_h: Shape (n,), true hours until the limit, above 0.

    Returns:
        Shape (n,); 1 where the truth lies on a bound.
    """
    p10, p50, p90 = np.log(np.maximum(ttt_h, _SHORTEST_H))
    left = np.log(np.maximum(left_h, _SHORTEST_H))
    below = (p50 - left) / np.maximum(p50 - p10, _LEAST_SPREAD)
    above = (left - p50) / np.maximum(p90 - p50, _LEAST_SPREAD)
    return np.asarray(np.maximum(below, above))


def fit_stretch(needed: FloatArray, fault: IntArray) -> float | None:
    """Return the stretch with which 80 % of further faults lie within; each fault counts the same.

    The quantile is that of split conformal prediction, (n + 1) · 0.8 of n faults (Vovk et al. 2005).

    Args:
        needed: Shape (n,), of some days of each fault.
        fault: Shape (n,), which fault.

    Returns:
        None of fewer than ``LEAST_FAULTS`` faults, or where no sensible stretch does.
    """
    known = np.isfinite(needed)
    faults, row, days = np.unique(fault[known], return_inverse=True, return_counts=True)
    if len(faults) < LEAST_FAULTS:
        return None
    order = np.argsort(needed[known], kind="stable")
    share = np.cumsum((1.0 / days[row])[order]) / len(faults)
    level = min(1.0, np.ceil((len(faults) + 1) * PROMISE) / len(faults))
    at = min(int(np.searchsorted(share, level - 1e-9)), len(order) - 1)
    found = float(needed[known][order][at])
    return max(found, 0.0) if found <= MOST_STRETCH else None


def stretched(ttt_h: FloatArray, stretch: float) -> FloatArray:
    """Return quantiles with p10 and p90 moved from p50 by a factor in logarithm; shape (3, ...) as given."""
    low, middle, high = np.log(np.maximum(ttt_h, _SHORTEST_H))
    out = np.exp(np.stack([middle - stretch * (middle - low), middle, middle + stretch * (high - middle)]))
    # what has been crossed is crossed, however wide the interval
    out = np.where(ttt_h[1] <= 0, np.stack([ttt_h[0], ttt_h[1], out[2] * (ttt_h[2] > 0)]), out)
    out[1] = ttt_h[1]
    out[0] = np.minimum(out[0], ttt_h[1])
    return np.asarray(np.minimum(np.maximum.accumulate(out, axis=0), np.fmax(87_600.0, ttt_h[2])))


def covered(needed: FloatArray, fault: IntArray, stretch: float = 1.0) -> float | None:
    """Return the share of faults' days within the stretched interval, each fault counting the same."""
    known = np.isfinite(needed)
    faults, row, days = np.unique(fault[known], return_inverse=True, return_counts=True)
    if not len(faults):
        return None
    inside = needed[known] <= stretch * (1 + 1e-9)
    return float((inside / days[row]).sum() / len(faults))
