"""The last three days of every vehicle's tires, in blocks of minutes."""

from __future__ import annotations

import numpy as np

from data.records import BoolArray, FloatArray, IntArray
from models.features.trend import weighted_median
from models.watch.rule import State

#: Of all readings the first of each minute is looked at: sensors do not send more often.
GRID_US = 60_000_000
BLOCK_US = 15 * 60_000_000
DEPTH = 48
WINDOW_US = 72 * 3600 * 1_000_000
#: What a wheel held before a rest is remembered for so long.
REST_WINDOW_US = 7 * 24 * 3600 * 1_000_000
#: Standard deviation of one reading's contrast, and of what stays however many are averaged (rounding, rims).
READING_KPA, BLOCK_KPA = 1.4, 0.35


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
    is_near = (mid_us > 0) & (mid_us >= now_us[:, None] - REST_WINDOW_US)
    values = state["contrast_kpa"][at] - READING_KPA / np.sqrt(np.maximum(state["count"][at], 1.0))
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
    error = READING_KPA / np.sqrt(np.maximum(state["count"][at, -1], 1.0))
    return np.asarray(state["highest_kpa"][at] - state["contrast_kpa"][at, -1] - error)


def gas_since(state: State, at: IntArray, is_near: BoolArray) -> FloatArray:
    """Return how much more gas each wheel had in each block than it has in the newest.

    Args:
        state: The memory of the stream.
        at: Shape (n,), rows of the state.
        is_near: Shape (n, DEPTH), the blocks asked for.

    Returns:
        Shape (n, DEPTH, n_wheels), kPa; NaN where the wheel is not heard in both.
    """
    gas = np.where(is_near[..., None], state["gas_kpa"][at], np.nan).astype(np.float64)
    return np.asarray(gas - gas[:, -1:])


def against(change: FloatArray, wheel: IntArray) -> FloatArray:
    """Return the change of one wheel of each vehicle less the median change of its other wheels.

    Of changes, not of levels: wheels hold what they hold, so that one that falls silent or a suspect that
    sinks past the others moves no reference.

    Args:
        change: Shape (n, ..., n_wheels); NaN: not known.
        wheel: Shape (n,).

    Returns:
        Shape (n, ...); NaN where fewer than two other wheels, or all there are, are known.
    """
    others = of_others(change, wheel)
    count = np.isfinite(others).sum(-1)
    own = np.take_along_axis(change, _last_axis(wheel, change), -1)[..., 0]
    least = min(2, others.shape[-1])
    return np.asarray(np.where(count >= least, own - weighted_median(others, np.ones(1)), np.nan))


def of_others(values: FloatArray, wheel: IntArray) -> FloatArray:
    """Return the values of all wheels but one of each vehicle, in order; one fewer on the last axis."""
    place = np.arange(values.shape[-1] - 1)
    chosen = place + (place >= _last_axis(wheel, values))
    return np.take_along_axis(values, np.broadcast_to(chosen, (*values.shape[:-1], len(place))), -1)


def slope_per_h(w: FloatArray, hours: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the weighted least-squares slope of blocks, and its standard error.

    Args:
        w: Shape (n, DEPTH, k), weights, one over the square of a block's error; 0: not known.
        hours: Shape (n, DEPTH).
        values: As ``w``; NaN where not known.

    Returns:
        Slope, 0 where fewer than two blocks are known, and its error, inf there; shape (n, k) each.
    """
    mass, t = np.where(np.isfinite(values), w, 0.0), hours[..., None]
    total = np.maximum(mass.sum(1), 1e-12)
    apart = t - ((mass * t).sum(1) / total)[:, None]
    spread = (mass * apart**2).sum(1)
    is_line = (mass > 0).sum(1) >= 2
    safe = np.where(is_line, np.maximum(spread, 1e-12), 1.0)
    slope = (mass * apart * np.nan_to_num(values)).sum(1) / safe
    return np.where(is_line, slope, 0.0), np.where(is_line, 1.0 / np.sqrt(safe), np.inf)


def _last_axis(wheel: IntArray, values: FloatArray) -> IntArray:
    return wheel.reshape(-1, *(1,) * (values.ndim - 1))
