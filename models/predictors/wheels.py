"""Wheels in words, and the contrast's companions that tire predictors share."""

from __future__ import annotations

import numpy as np

from data.records import FloatArray, IntArray

_WHEEL_ZH = {"front-left": "左前", "front-right": "右前", "rear-left": "左后", "rear-right": "右后"}


def wheel_zh(wheel: str) -> str:
    """Return the Chinese name of a wheel; the name itself where there is none."""
    return _WHEEL_ZH.get(wheel, wheel)


def carried(values: FloatArray) -> FloatArray:
    """Return the newest known value up to each day; NaN before the first.

    Args:
        values: Shape (n_vehicles, n_days, n_components).
    """
    known = np.isfinite(values)
    rows = np.where(known, np.arange(values.shape[1])[None, :, None], 0)
    return np.take_along_axis(values, np.maximum.accumulate(rows, axis=1), axis=1)


def median_of_others(values: FloatArray) -> FloatArray:
    """Return, for each component, the median of the others; NaN where none is known.

    Args:
        values: Shape (..., n_components).
    """
    out = np.full(values.shape, np.nan)
    for i in range(values.shape[-1]):
        others = np.sort(np.delete(values, i, axis=-1), axis=-1)
        count = np.isfinite(others).sum(-1)
        low = np.take_along_axis(others, np.maximum((count - 1) // 2, 0)[..., None], -1)[..., 0]
        high = np.take_along_axis(others, np.minimum(count // 2, others.shape[-1] - 1)[..., None], -1)[..., 0]
        out[..., i] = np.where(count > 0, (low + high) / 2, np.nan)
    return out


def leak_severity(
    rate_kpa_per_day: FloatArray, gauge_kpa: FloatArray, placard_kpa: FloatArray, ttt_h: FloatArray
) -> IntArray:
    """Return the class of a leak: S1 below 60 % of placard or a fifth lost a day, S2 flat within two days.

    Args:
        rate_kpa_per_day: Any shape.
        gauge_kpa: Same shape, left at 20 °C.
        placard_kpa: Broadcastable.
        ttt_h: Same shape, until a quarter of placard is missing; NaN: not foreseeable.
    """
    out = np.full(gauge_kpa.shape, 4, dtype=np.int64)
    with np.errstate(invalid="ignore"):
        out[(rate_kpa_per_day >= 1.0) | (ttt_h < 21 * 24)] = 3
        out[ttt_h < 48] = 2
        out[(gauge_kpa < 0.6 * placard_kpa) | (rate_kpa_per_day > 0.2 * gauge_kpa)] = 1
    return out
