"""The straightest fall of one wheel within the last days, told from steps and from what all wheels do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FloatArray, IntArray
from models.features.tires import contrast
from models.watch.leak_window import (
    BLOCK_KPA,
    READING_KPA,
    WINDOW_US,
    against,
    gas_since,
    of_others,
    slope_per_h,
)
from models.watch.rule import State

_HOUR_US = 3.6e9
_PRIOR_COUNT, _LARGEST = 6.0, 6.0
#: Three blocks on a line are one step within the middle one.
_LEAST_BLOCKS = 4
#: Blocks before the fall that tell where the wheel was.
_LEAST_BEFORE = 3


@dataclass(frozen=True, slots=True)
class Fall:
    """The best straight fall of one wheel of each vehicle that ends with its newest block; shape (n,)."""

    rate_kpa_per_h: FloatArray
    rate_error: FloatArray
    drop_kpa: FloatArray
    gas_share: FloatArray  #: of the fall against the others that the wheel's own gas shows
    others_share: FloatArray  #: of it, by which another wheel moved over the same time, the most
    below_share: FloatArray  #: of it, by which the wheel ends below where it was before; inf: not known
    line_over_step: FloatArray  #: squares that one step leaves beyond those that the line leaves, noise = 1
    misfit: FloatArray  #: squares that the line leaves, a block, noise = 1
    start_us: IntArray


def straightest_fall(state: State, at: IntArray, wheel: IntArray, *, heat_kpa_per_k: float) -> Fall:
    """Return, for one wheel of each vehicle, the fall since the block from which it is told best by a line.

    Weighted least squares of what the wheel's gas lost against the other wheels since each earlier block; a
    block's error is that of its readings and what averaging leaves, times the scatter of the other wheels'
    blocks on this vehicle. The step that it is held against may lie within a block. What a change of the
    wheel's temperature against the others could feign is taken off the drop.

    Args:
        state: The memory of the stream.
        at: Shape (n,), rows of the state.
        wheel: Shape (n,), the wheel of each.
        heat_kpa_per_k: Feigned loss per kelvin.
    """
    time_us = state["mid_us"][at]
    is_near = (time_us > 0) & (time_us >= time_us[:, -1:] - WINDOW_US)
    hours = (time_us - time_us[:, -1:]) / _HOUR_US
    rows = np.arange(len(at))
    since = gas_since(state, at, is_near)
    y = against(since, wheel)
    count = state["count"][at][rows, :, wheel].astype(np.float64)
    known = is_near & np.isfinite(y) & (count > 0)
    error2 = BLOCK_KPA**2 + READING_KPA**2 / np.maximum(count, 1.0)
    w = np.where(known, 1.0 / (error2 * _scatter(state, at, wheel, since)[:, None] ** 2), 0.0)
    y, t = np.where(known, y, 0.0), np.where(known, hours, 0.0)
    n_known, s0, st, sy, stt, sty, syy = (
        np.cumsum(v[:, ::-1], axis=1)[:, ::-1]
        for v in (known, w, w * t, w * y, w * t * t, w * t * y, w * y * y)
    )
    least = np.maximum(s0, 1e-12)
    spread = np.maximum(stt - st**2 / least, 1e-9)
    slope = (sty - st * sy / least) / spread
    line = np.maximum(syy - sy**2 / least - slope**2 * spread, 0.0)
    is_line = known & (n_known >= _LEAST_BLOCKS) & (slope < 0)
    per_block = line / np.maximum(n_known - 2, 1)
    beyond = np.where(is_line, (_step(w, y) - line) / np.maximum(per_block, 1.0), -np.inf)
    best = beyond.argmax(1)
    pick = (rows, best)
    rate = np.where(is_line[pick], -slope[pick], 0.0)
    drop = rate * -hours[pick]
    newest = (sy[pick] - slope[pick] * st[pick]) / least[pick]
    warmer = state["warmer_k"][at][rows, :, wheel].astype(np.float64)
    with np.errstate(invalid="ignore"):
        feigned = heat_kpa_per_k * np.nan_to_num(np.abs(warmer[pick] - warmer[:, -1]))
    # whoever puts air into other wheels, or lets some out, has been at this one as well
    since_start = np.where(np.arange(y.shape[1]) >= best[:, None], w, 0.0)[..., None]
    by_wheel, _ = slope_per_h(since_start, hours, since)
    some = np.maximum(rate, 1e-9)
    return Fall(
        rate_kpa_per_h=rate,
        rate_error=1.0 / np.sqrt(spread[pick]),
        drop_kpa=np.where(rate > 0, drop - feigned, 0.0),
        gas_share=np.where(rate > 0, -by_wheel[rows, wheel] / some, 0.0),
        others_share=np.where(rate > 0, np.abs(of_others(by_wheel, wheel)).max(1) / some, 1.0),
        below_share=np.where(rate > 0, (_before(w, y, best) - newest) / np.maximum(drop, 1e-9), 0.0),
        line_over_step=np.where(np.isfinite(beyond[pick]), beyond[pick], -1.0),
        misfit=per_block[pick],
        start_us=time_us[pick],
    )


def _step(w: FloatArray, y: FloatArray) -> FloatArray:
    """Return, from every start on, the squares that the best single step leaves.

    One block may hold the step: it is neither before nor after it.

    Args:
        w: Shape (n, DEPTH), weight of each block; 0: not known.
        y: Same shape, 0 where not known.
    """
    n, depth = w.shape
    s0, sy, syy = (
        np.concatenate((np.cumsum(v[:, ::-1], axis=1)[:, ::-1], np.zeros((n, 1))), axis=1)
        for v in (w, w * y, w * y * y)
    )

    def left(sums: FloatArray, ssums: FloatArray) -> FloatArray:
        return np.asarray(ssums**2 / np.maximum(sums, 1e-12))

    w_after, y_after = s0[:, None, 1:], sy[:, None, 1:]
    w_before, y_before = (v[:, :depth, None] - v[:, None, :depth] for v in (s0, sy))
    explained = left(w_before, y_before) + left(w_after, y_after) + (w * y * y)[:, None, :]
    is_split = (w_before > 1e-9) & (w_after > 1e-9) & (np.arange(depth) > np.arange(depth)[:, None])
    return np.asarray(np.maximum(syy[:, :depth] - np.where(is_split, explained, 0.0).max(2), 0.0))


def _before(w: FloatArray, y: FloatArray, start: IntArray) -> FloatArray:
    """Return the mean level of the blocks before a start; inf where fewer than three are known."""
    mass = np.where(np.arange(w.shape[1]) < start[:, None], w, 0.0)
    total = mass.sum(1)
    return np.where((mass > 0).sum(1) >= _LEAST_BEFORE, (mass * y).sum(1) / np.maximum(total, 1e-12), np.inf)


def _scatter(state: State, at: IntArray, wheel: IntArray, since: FloatArray) -> FloatArray:
    """Return how much more the other wheels scatter from block to block than blocks should, at least 1."""
    values = contrast(of_others(since, wheel))
    count = np.maximum(of_others(state["count"][at], wheel), 1.0)
    error2 = BLOCK_KPA**2 + READING_KPA**2 / count
    change = np.diff(values, axis=1) ** 2 / (error2[:, 1:] + error2[:, :-1])
    known = np.isfinite(change)
    squares = np.where(known, np.minimum(change, _LARGEST**2), 0.0).sum((1, 2))
    number = known.sum((1, 2))
    return np.asarray(np.maximum(np.sqrt((squares + _PRIOR_COUNT) / (number + _PRIOR_COUNT)), 1.0))
