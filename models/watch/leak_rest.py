"""What one wheel lost over the last rest of the vehicle, against what it held before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FloatArray, IntArray
from models.watch.leak_window import (
    BLOCK_KPA,
    READING_KPA,
    REST_WINDOW_US,
    against,
    gas_since,
    of_others,
    slope_per_h,
)
from models.watch.rule import State

_HOUR_US = 3_600_000_000
#: A gap between readings that is a rest.
REST_US = _HOUR_US


@dataclass(frozen=True, slots=True)
class RestLoss:
    """One wheel of each vehicle over its last rest; shape (n,), NaN where there was none."""

    loss_kpa: FloatArray  #: against the other wheels, less what a warmer rim could feign
    gas_kpa: FloatArray  #: that the wheel's own gas lost
    touched_kpa: FloatArray  #: largest change of another wheel's gas over the same rest
    hours: FloatArray  #: length of the rest
    readings: FloatArray  #: since the rest
    goes_on_kpa_per_h: FloatArray  #: falls since the rest
    goes_on_error: FloatArray  #: inf: one block only
    awake_h: FloatArray  #: from the first block after the rest to the newest
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
    is_there = (mid_us > 0) & (mid_us >= mid_us[:, -1:] - REST_WINDOW_US)
    gap_us = np.diff(mid_us, axis=1)
    is_rest = is_there[:, :-1] & is_there[:, 1:] & (gap_us >= REST_US)
    depth = mid_us.shape[1]
    first = np.where(is_rest.any(1), depth - 1 - np.argmax(is_rest[:, ::-1], axis=1), 0)
    has_rest = first > 0
    number = np.arange(depth)[None, :]
    last = np.maximum(first - 1, 0)
    ended_us, begun_us = mid_us[rows, last], mid_us[rows, first]
    after = is_there & (number >= first[:, None])

    held, warm = (state[name][at].astype(np.float64) for name in ("gas_kpa", "warmer_k"))
    # one block may be high for a single odd reading: the lower of the last two is what was held
    earlier = np.where(
        is_there[rows, np.maximum(last - 1, 0)][:, None], held[rows, np.maximum(last - 1, 0)], np.nan
    )
    gas = np.fmin(held[rows, last], earlier) - held[rows, first]
    warmer = warm[rows, last] - warm[rows, first]
    with np.errstate(invalid="ignore"):
        loss = against(gas, wheel) - heat_kpa_per_k * np.maximum(-warmer[rows, wheel], 0.0)
    weight = np.where(
        after, 1.0 / (BLOCK_KPA**2 + READING_KPA**2 / np.maximum(count[rows, :, wheel], 1.0)), 0.0
    )
    hours = (mid_us - mid_us[:, -1:]) / _HOUR_US
    since = against(gas_since(state, at, after), wheel)
    goes_on, error = slope_per_h(weight[..., None], hours, since[..., None])
    return RestLoss(
        loss_kpa=np.where(has_rest, loss, np.nan),
        gas_kpa=gas[rows, wheel],
        touched_kpa=np.nan_to_num(np.abs(of_others(gas, wheel))).max(1),
        hours=np.where(has_rest, (begun_us - ended_us) / _HOUR_US, np.nan),
        readings=np.where(after, count[rows, :, wheel], 0.0).sum(1),
        goes_on_kpa_per_h=-goes_on[:, 0],
        goes_on_error=error[:, 0],
        awake_h=(mid_us[:, -1] - begun_us) / _HOUR_US,
        start_us=ended_us,
    )
