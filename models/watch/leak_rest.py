"""What one wheel lost over the last rest of the vehicle, against what it held before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FloatArray, IntArray
from models.predictors.wheels import median_of_others
from models.watch.leak_window import WINDOW_US
from models.watch.rule import State

_HOUR_US = 3_600_000_000
#: A gap between readings that is a rest; what is compared lies so near to it.
REST_US = _HOUR_US
_NEAR_US = 12 * _HOUR_US


@dataclass(frozen=True, slots=True)
class RestLoss:
    """One wheel of each vehicle over its last rest; shape (n,), NaN where there was none."""

    loss_kpa: FloatArray  #: against the other wheels, less what a warmer rim could feign
    gas_kpa: FloatArray  #: that the wheel's own gas lost
    touched_kpa: FloatArray  #: by which the gas of the other wheels changed, the median of them
    others_kpa: FloatArray  #: largest change of another wheel's contrast over the same rest
    hours: FloatArray  #: length of the rest
    readings: FloatArray  #: since the rest
    fell_kpa: FloatArray  #: from the first block after the rest to the newest
    awake_h: FloatArray  #: between the two
    start_us: IntArray  #: last block before it


def rest_loss(state: State, at: IntArray, wheel: IntArray, *, heat_kpa_per_k: float) -> RestLoss:
    """Return the loss of one wheel of each vehicle over its last rest.

    Args:
        state: The memory of the stream.
        at: Shape (n,), rows of the state.
        wheel: Shape (n,), the wheel of each.
        heat_kpa_per_k: Feigned loss for each kelvin that the wheel has become warmer than the others.
    """
    rows = np.arange(len(at))
    mid_us, count = state["mid_us"][at], state["count"][at].astype(np.float64)
    is_there = (mid_us > 0) & (mid_us >= mid_us[:, -1:] - WINDOW_US)
    gap_us = np.diff(mid_us, axis=1)
    is_rest = is_there[:, :-1] & is_there[:, 1:] & (gap_us >= REST_US)
    depth = mid_us.shape[1]
    first = np.where(is_rest.any(1), depth - 1 - np.argmax(is_rest[:, ::-1], axis=1), 0)
    has_rest = first > 0
    number = np.arange(depth)[None, :]
    last = np.maximum(first - 1, 0)
    ended_us, begun_us = mid_us[rows, last], mid_us[rows, first]
    before = is_there & (number < first[:, None]) & (mid_us >= ended_us[:, None] - _NEAR_US)
    after = is_there & (number >= first[:, None])

    def change(name: str) -> FloatArray:
        values = state[name][at].astype(np.float64)
        return _mean(values, count, before) - _mean(values, count, after)

    contrast, gas, warmer = change("contrast_kpa"), change("gas_kpa"), change("warmer_k")
    own = contrast[rows, wheel]
    with np.errstate(invalid="ignore"):
        loss = own - heat_kpa_per_k * np.maximum(-warmer[rows, wheel], 0.0)
        off = np.abs(contrast)
    off[rows, wheel] = 0.0
    values = state["contrast_kpa"][at][rows, :, wheel].astype(np.float64)
    return RestLoss(
        loss_kpa=np.where(has_rest, loss, np.nan),
        gas_kpa=gas[rows, wheel],
        touched_kpa=np.abs(median_of_others(gas)[rows, wheel]),
        others_kpa=np.nan_to_num(off).max(1),
        hours=np.where(has_rest, (begun_us - ended_us) / _HOUR_US, np.nan),
        readings=np.where(after, count[rows, :, wheel], 0.0).sum(1),
        fell_kpa=values[rows, first] - values[:, -1],
        awake_h=(mid_us[:, -1] - begun_us) / _HOUR_US,
        start_us=ended_us,
    )


def _mean(
    values: FloatArray, count: FloatArray, chosen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> FloatArray:
    """Return the means of the chosen blocks, weighted by their readings; (n, n_wheels), NaN: none."""
    weight = np.where(chosen[..., None] & np.isfinite(values), count, 0.0)
    total = weight.sum(1)
    mean = (weight * np.nan_to_num(values)).sum(1) / np.maximum(total, 1e-9)
    return np.where(total > 0, mean, np.nan)
