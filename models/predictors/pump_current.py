"""What a coolant pump draws beyond what its speed explains."""

from __future__ import annotations

from typing import Final

import numpy as np

from data.records import BoolArray, FloatArray, IntArray
from models.predictors.base import DayPanel
from models.predictors.part import daily

#: Current follows a power of the speed, by affinity 2 for a torque and less with losses, 3 for a power.
_POWER: Final = 1.8
_POWER_ERROR: Final = 0.5
#: Scatter of a day about that law.
_NOISE: Final = 0.02
_LATE_DAYS: Final = 14
_NEWEST: Final = 5
#: Standard errors of the power by which it may be wrong.
_DOUBT: Final = 2.0


def pump_excess(panel: DayPanel, as_of: IntArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Return the logarithm of the pump's current at its mean speed, and how wrong it may be.

    The power that ties current to speed is that of the days up to two weeks ago, drawn towards what is
    likely: a pump that wears slows down and draws more, which a fit of all days would take for its law. Where
    the newest speeds lie outside of that experience the law is in doubt.

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
    prior = (_NOISE / _POWER_ERROR) ** 2
    for position, day in enumerate(as_of.tolist()):
        days = slice(max(0, day - window + 1), max(day - _LATE_DAYS + 1, 1))
        x, y, used = turned[:, days], taken[:, days], known[:, days]
        middle_x, middle_y = _mean(x, used), _mean(y, used)
        apart_x, apart_y = np.where(used, x - middle_x, 0.0), np.where(used, y - middle_y, 0.0)
        square = (apart_x**2).sum(1) + prior
        power = np.clip(((apart_x * apart_y).sum(1) + prior * _POWER) / square, 0.5, 3.5)
        out[position] = np.where(known, taken - power[:, None] * (turned - middle_x), np.nan)
        late = slice(max(0, day - _NEWEST + 1), day + 1)
        far = np.abs(_mean(turned[:, late], known[:, late]) - middle_x)[:, 0]
        doubt[:, position] = _DOUBT * _NOISE / np.sqrt(square) * far
    return out, doubt


def _mean(values: FloatArray, used: BoolArray) -> FloatArray:
    count = used.sum(1, keepdims=True)
    total = np.where(used, values, 0.0).sum(1, keepdims=True)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
