"""The last three days of every vehicle's tires, in blocks of minutes, and the straightest fall in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, FloatArray, IntArray
from models.predictors.wheels import median_of_others
from models.watch.rule import State

#: Of all readings the first of each minute is looked at: sensors do not send more often.
GRID_US = 60_000_000
BLOCK_US = 15 * 60_000_000
DEPTH = 48
WINDOW_US = 72 * 3600 * 1_000_000
_HOUR_US = 3.6e9
#: Standard deviation of one reading's contrast, and of what stays however many are averaged (rounding, rims).
_READING_KPA, _BLOCK_KPA = 1.4, 0.35
_PRIOR_COUNT, _LARGEST = 6.0, 6.0


@dataclass(frozen=True, slots=True)
class Fall:
    """The best straight fall of one wheel of each vehicle that ends with its newest block; shape (n,)."""

    rate_kpa_per_h: FloatArray
    rate_error: FloatArray
    drop_kpa: FloatArray
    gas_share: FloatArray  #: of the fall against the others that the wheel's own gas shows
    line_over_step: FloatArray  #: squares that one step leaves beyond those that the line leaves, noise = 1
    misfit: FloatArray  #: squares that the line leaves, a block, noise = 1
    blocks: IntArray
    start_us: IntArray


def empty_blocks(n_vehicles: int, n_wheels: int) -> State:
    """Return blocks that know no reading."""
    shape = (n_vehicles, DEPTH)
    return {
        "minute": np.zeros(n_vehicles, dtype=np.int64),
        "looked_us": np.zeros(n_vehicles, dtype=np.int64),
        "highest_kpa": np.full((n_vehicles, n_wheels), np.nan),
        "begun_us": np.zeros(shape, dtype=np.int64),
        "mid_us": np.zeros(shape, dtype=np.int64),
        "count": np.zeros((*shape, n_wheels), dtype=np.float32),
        "contrast_kpa": np.full((*shape, n_wheels), np.nan, dtype=np.float32),
        "gas_kpa": np.full((*shape, n_wheels), np.nan, dtype=np.float32),
        "warmer_k": np.full((*shape, n_wheels), np.nan, dtype=np.float32),
    }


def first_of_minutes(state: State, at: IntArray, time_us: IntArray) -> BoolArray:
    """Mark the first reading of each vehicle and minute, and remember the newest minute.

    Args:
        state: Changed in place.
        at: Shape (n,), rows of the state, ascending; the readings of a vehicle ascending in time.
        time_us: Shape (n,).
    """
    minute = time_us // GRID_US
    is_new = np.ones(len(at), dtype=np.bool_)
    is_new[1:] = (at[1:] != at[:-1]) | (minute[1:] != minute[:-1])
    is_new &= minute > state["minute"][at]
    state["minute"][at] = minute
    return is_new


def push_block(
    state: State, at: IntArray, time_us: IntArray, values: tuple[FloatArray, FloatArray, FloatArray]
) -> None:
    """Take one reading of each of some vehicles into its newest block, or into a new one.

    Args:
        state: Changed in place.
        at: Shape (n,), rows of the state, each at most once.
        time_us: Shape (n,), later than all before.
        values: Contrast, gas, and how much warmer the wheel is than the others; each (n, n_wheels), NaN where
            not heard.
    """
    begun = state["begun_us"][at, -1]
    starts = time_us - begun >= BLOCK_US
    shift = at[starts]
    names = ("contrast_kpa", "gas_kpa", "warmer_k")
    for name in ("begun_us", "mid_us", "count", *names):
        state[name][shift, :-1] = state[name][shift, 1:]
    if len(shift):
        state["highest_kpa"][shift] = _highest(state, shift, time_us[starts])
    state["begun_us"][shift, -1] = state["mid_us"][shift, -1] = time_us[starts]
    state["count"][shift, -1] = 0
    for name in names:
        state[name][shift, -1] = np.nan
    is_heard = np.isfinite(values[0])
    count = state["count"][at, -1] + is_heard
    state["count"][at, -1] = count
    most = np.maximum(count.max(1), 1.0)
    mid = state["mid_us"][at, -1]
    state["mid_us"][at, -1] = mid + ((time_us - mid) / most).astype(np.int64)
    least = np.maximum(count, 1.0)
    for name, new in zip(names, values, strict=True):
        mean = np.nan_to_num(state[name][at, -1])
        moved = mean + (np.where(is_heard, new, mean) - mean) / least
        state[name][at, -1] = np.where(count > 0, moved, np.nan)


def _highest(state: State, at: IntArray, now_us: IntArray) -> FloatArray:
    """Return the highest of each wheel's blocks so far within the window; NaN: none."""
    mid_us = state["mid_us"][at]
    is_near = (mid_us > 0) & (mid_us >= now_us[:, None] - WINDOW_US)
    values = state["contrast_kpa"][at] - _READING_KPA / np.sqrt(np.maximum(state["count"][at], 1.0))
    highest = np.where(is_near[..., None] & np.isfinite(values), values, -np.inf).max(1)
    return np.where(np.isfinite(highest), highest, np.nan)


def newest_drop(state: State, at: IntArray) -> FloatArray:
    """Return how far each wheel's newest block is below the highest before it, beyond what their errors make.

    Args:
        state: The memory of the stream.
        at: Shape (n,), rows of the state.

    Returns:
        Shape (n, n_wheels), kPa; NaN where not known.
    """
    error = _READING_KPA / np.sqrt(np.maximum(state["count"][at, -1], 1.0))
    return np.asarray(state["highest_kpa"][at] - state["contrast_kpa"][at, -1] - error)


def straightest_fall(
    state: State,
    at: IntArray,
    wheel: IntArray,
    *,
    least_blocks: int,
    heat_kpa_per_k: float,
    others_kpa: float,
) -> Fall:
    """Return, for one wheel of each vehicle, the fall since the block from which it is told best by a line.

    Weighted least squares of the contrasts against time from every earlier block on; a block's error is that
    of its readings and what averaging leaves, times the scatter of the other wheels' blocks on this vehicle.
    What a change of the wheel's temperature against the others could feign is taken off the drop.

    Args:
        state: The memory of the stream.
        at: Shape (n,), rows of the state.
        wheel: Shape (n,), the wheel of each.
        least_blocks: That a line must have.
        heat_kpa_per_k: Feigned loss per kelvin.
        others_kpa: The gas of the other wheels may have changed by so much since the start of the line.
    """
    time_us = state["mid_us"][at]
    is_near = (time_us > 0) & (time_us >= time_us[:, -1:] - WINDOW_US)
    hours = (time_us - time_us[:, -1:]) / _HOUR_US
    rows = np.arange(len(at))
    y, gas, warmer = (
        state[name][at][rows, :, wheel].astype(np.float64) for name in ("contrast_kpa", "gas_kpa", "warmer_k")
    )
    count = state["count"][at][rows, :, wheel].astype(np.float64)
    known = is_near & np.isfinite(y) & (count > 0)
    noise = _scatter(state, at, wheel, is_near)
    error2 = (_BLOCK_KPA**2 + _READING_KPA**2 / np.maximum(count, 1.0)) * noise[:, None] ** 2
    w = np.where(known, 1.0 / error2, 0.0)
    y, gas = (np.where(known, v - np.where(known, v, 0.0)[:, -1:], 0.0) for v in (y, gas))
    t = np.where(known, hours, 0.0)
    n_known, s0, st, sy, stt, sty, syy, sg, stg = (
        np.cumsum(v[:, ::-1], axis=1)[:, ::-1]
        for v in (known, w, w * t, w * y, w * t * t, w * t * y, w * y * y, w * gas, w * t * gas)
    )
    least = np.maximum(s0, 1e-12)
    spread = np.maximum(stt - st**2 / least, 1e-9)
    slope = (sty - st * sy / least) / spread
    own = (stg - st * sg / least) / spread
    total = np.maximum(syy - sy**2 / least, 0.0)
    line = np.maximum(total - slope**2 * spread, 0.0)
    step = total - _best_step(s0, sy, n_known)
    span = -hours
    with np.errstate(invalid="ignore"):
        feigned = heat_kpa_per_k * np.nan_to_num(np.abs(warmer - warmer[:, -1:]))
    drop = -slope * span
    # whoever puts air into the other wheels, or lets some out, has been at this one as well
    others = median_of_others(state["gas_kpa"][at].astype(np.float64))[rows, :, wheel]
    with np.errstate(invalid="ignore"):
        is_untouched = ~(np.abs(others - others[:, -1:]) > others_kpa)
    is_line = known & (n_known >= least_blocks) & (slope < 0) & is_untouched
    beyond = np.where(is_line, (step - line) / np.maximum(line / np.maximum(n_known - 2, 1), 1.0), -np.inf)
    best = beyond.argmax(1)
    pick = (rows, best)
    rate = np.where(is_line[pick], -slope[pick], 0.0)
    return Fall(
        rate_kpa_per_h=rate,
        rate_error=1.0 / np.sqrt(spread[pick]),
        drop_kpa=np.where(is_line[pick], drop[pick] - feigned[pick], 0.0),
        gas_share=np.where(rate > 0, -own[pick] / np.maximum(rate, 1e-9), 0.0),
        line_over_step=np.where(np.isfinite(beyond[pick]), beyond[pick], -1.0),
        misfit=line[pick] / np.maximum(n_known[pick] - 2, 1),
        blocks=n_known[pick].astype(np.int64),
        start_us=time_us[pick],
    )


def _best_step(s0: FloatArray, sy: FloatArray, n_known: IntArray) -> FloatArray:
    """Return, from every start on, the squares that the best single step takes off those about the mean.

    Args:
        s0: Shape (n, DEPTH), weights from each block to the newest.
        sy: Same shape, weighted values likewise.
        n_known: Same shape, known blocks likewise.
    """
    w_after, y_after = s0[:, None, :], sy[:, None, :]
    w_before = s0[:, :, None] - w_after
    mean = (sy / np.maximum(s0, 1e-12))[:, :, None]
    off = y_after - mean * w_after
    gain = off**2 / np.maximum(w_after, 1e-12) + off**2 / np.maximum(w_before, 1e-12)
    is_split = (n_known[:, None, :] >= 1) & (n_known[:, :, None] - n_known[:, None, :] >= 1)
    return np.asarray(np.where(is_split, gain, 0.0).max(2))


def _scatter(state: State, at: IntArray, wheel: IntArray, is_near: BoolArray) -> FloatArray:
    """Return how much more the other wheels scatter from block to block than blocks should, at least 1."""
    values = np.where(is_near[..., None], state["contrast_kpa"][at], np.nan).astype(np.float64)
    count = np.maximum(state["count"][at], 1.0)
    error2 = _BLOCK_KPA**2 + _READING_KPA**2 / count
    change = np.diff(values, axis=1) ** 2 / (error2[:, 1:] + error2[:, :-1])
    others = np.arange(values.shape[2])[None, None, :] != wheel[:, None, None]
    known = np.isfinite(change) & others
    squares = np.where(known, np.minimum(change, _LARGEST**2), 0.0).sum((1, 2))
    number = known.sum((1, 2))
    return np.asarray(np.maximum(np.sqrt((squares + _PRIOR_COUNT) / (number + _PRIOR_COUNT)), 1.0))
