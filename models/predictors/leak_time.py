"""When a leaking tire will be low: the law of capillary leaks, and how far off such a time has been."""

from __future__ import annotations

import numpy as np

from data.records import FloatArray
from models.features.tires import SEA_LEVEL_KPA

#: Error of a level of a sensor that is constantly off, and of the rate beside its sampling error.
_LEVEL_KPA, _RATE_SHARE, _RATE_KPA_PER_DAY = 3.3, 0.25, 0.2
#: Leaks open up and rates lag behind them: it is rather sooner than later. Normal quantiles, from development
#: seeds.
_SOONER, _LATER = 1.8, 1.1
_LARGEST_LEVEL_SPREAD = 1.5
#: Normal quantile of 90 %.
_HIGH = 1.2816
_TEN_YEARS_H = 87_600.0


def time_until_low(
    gauge_kpa: FloatArray, limit_kpa: FloatArray, rate: FloatArray, rate_error: FloatArray
) -> FloatArray:
    """Return the 10, 50 and 90 % quantiles of the time until a leaking tire is down to a limit.

    A leak of some kPa a day is a capillary: dP/dt = -k (P² - P_air²), P absolute, with the solution that
    (P - P_air)/(P + P_air) falls as exp(-2 k P_air t). It slows down as the tire empties, by a third from
    placard to 25 % below it; a straight line would foretell the limit too soon.

    Args:
        gauge_kpa: Any shape, left at 20 °C.
        limit_kpa: Broadcastable, above 0.
        rate: Same shape as the gauge, kPa a day at that gauge; 0 or less: no crossing foreseeable.
        rate_error: Same shape, standard error; NaN: not known, as large as the rate.

    Returns:
        Shape (3, ...), hours; 0 where the limit is passed but for the error of the level, NaN where no
        crossing is foreseeable, at most ten years.
    """
    is_leak = rate > 1e-6
    safe = np.where(is_leak, rate, np.nan)
    margin = gauge_kpa - limit_kpa
    above = np.maximum(gauge_kpa, limit_kpa + 1e-6)
    k = safe / ((above + SEA_LEVEL_KPA) ** 2 - SEA_LEVEL_KPA**2)
    days = (_level(above) - _level(limit_kpa)) / (2 * k * SEA_LEVEL_KPA)
    spread = np.sqrt(
        np.minimum(_LEVEL_KPA / np.maximum(margin, 1.0), _LARGEST_LEVEL_SPREAD) ** 2
        + _RATE_SHARE**2
        + np.fmin((rate_error / safe) ** 2, 1.0)
        + np.minimum((_RATE_KPA_PER_DAY / safe) ** 2, 0.5)
    )
    hours = np.where(margin > 0, 24.0 * days, 0.0 * safe)
    quantiles = np.stack([hours * np.exp(z * spread) for z in (-_SOONER, 0.0, _LATER)])
    # a level that is told too low may still be above the limit
    quantiles[2] = np.maximum(quantiles[2], 24.0 * (margin + _HIGH * _LEVEL_KPA) / safe)
    return np.asarray(np.minimum(quantiles, _TEN_YEARS_H))


def _level(gauge_kpa: FloatArray) -> FloatArray:
    return np.asarray(np.log(gauge_kpa / (gauge_kpa + 2 * SEA_LEVEL_KPA)))
