"""What a coolant pump draws beyond what its speed explains."""

from __future__ import annotations

from typing import Final

import numpy as np

from data.records import BoolArray, FloatArray, IntArray
from models.predictors.base import DayPanel
from models.predictors.part import daily

#: Current over speed, in logarithms about the usual speed: a slope, and a bend upwards, for what a pump takes
#: to turn at all (bearings, electronics) weighs less the faster it turns. A constant and a square, as
#: the affinity laws have it for a torque, is a slope of twice the square's share s and a bend of 2 s (1 - s);
#: for a cube three times and 4.5 s (1 - s).
_LAW: Final = (1.5, 0.5)
_LAW_ERROR: Final = (0.5, 0.25)
_STEEPEST: Final = 3.5
_AS_USUAL: Final = np.array(_LAW)[:, None]
#: Scatter of a day about that law.
_NOISE: Final = 0.02
_LATE_DAYS: Final = 14
_NEWEST: Final = 5
#: Standard errors by which the law may be wrong.
_DOUBT: Final = 2.0


def pump_excess(panel: DayPanel, as_of: IntArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Return the logarithm of the pump's current at its mean speed, and how wrong it may be.

    The law that ties current to speed is that of the days up to two weeks ago, drawn towards what is
    likely: a pump that wears slows down and draws more, which a fit of all days would take for its law. Where
    the newest speeds lie outside of that experience (a heat wave) the law is in doubt by its
    posterior variance.

    Args:
        panel: Of ``cooling_days``.
        as_of: Shape (n_as_of,), indices into the day axis.
        window: Days looked back.

    Returns:
        Logarithm, shape (n_as_of, n_vehicles, n_days); doubt in the newest days, shape (n_vehicles, n_as_of).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        taken, turned = (np.log(daily(panel, f"pump_{name}")) for name in ("current_a", "speed_rpm"))
    known = np.isfinite(taken) & np.isfinite(turned)
    out = np.full((len(as_of), *taken.shape), np.nan)
    doubt = np.zeros((len(taken), len(as_of)))
    prior = np.diag((_NOISE / np.array(_LAW_ERROR)) ** 2)
    for position, day in enumerate(as_of.tolist()):
        days = slice(max(0, day - window + 1), max(day - _LATE_DAYS + 1, 1))
        used = known[:, days]
        middle = _mean(turned[:, days], used)
        shape = np.stack([turned - middle, (turned - middle) ** 2], axis=-1)
        apart = np.where(used[..., None], shape[:, days] - _mean(shape[:, days], used[..., None]), 0.0)
        square = apart.swapaxes(1, 2) @ apart + prior
        above = np.where(used, taken[:, days] - _mean(taken[:, days], used), 0.0)
        law = np.linalg.solve(square, (apart * above[..., None]).sum(1)[..., None] + prior @ _AS_USUAL)
        law = np.clip(law, 0.0, _STEEPEST)
        out[position] = np.where(known, taken - (shape @ law)[..., 0], np.nan)
        late = slice(max(0, day - _NEWEST + 1), day + 1)
        far = _mean(shape[:, late], known[:, late, None]) - _mean(shape[:, days], used[..., None])
        spread = (far @ np.linalg.inv(square) @ far.swapaxes(1, 2))[:, 0, 0]
        doubt[:, position] = _DOUBT * _NOISE * np.sqrt(spread)
    return out, doubt


def _mean(values: FloatArray, used: BoolArray) -> FloatArray:
    count = used.sum(1, keepdims=True)
    total = np.where(used, values, 0.0).sum(1, keepdims=True)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
