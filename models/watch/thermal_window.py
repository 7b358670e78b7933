"""How fast the probes of many vehicles rise, from the last readings of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import BoolArray, FloatArray, IntArray
from models.watch.rule import State

#: Readings kept of each vehicle, at least ``SPACING_US`` apart: ten seconds at 1 Hz.
KEPT: Final = 12
SPACING_US: Final = 800_000
#: What came before a longer silence says nothing of now: the pack may have slept for hours.
STALE_US: Final = 90_000_000
#: 1 K/s over the shortest window.
LEAST_K: Final = 2.9
#: A fall of one step of resolution is rounding, a larger one ends the rise, K.
_NOISE_K: Final = 1.0
#: So is one of this share of the rise: gas that vents cools the probe for an instant.
_FALL_SHARE: Final = 0.15


@dataclass(frozen=True, slots=True)
class Rise:
    """The rise that ends with the newest reading of each vehicle and probe."""

    rate: FloatArray  #: shape (n, n_probes), K/s over the window; NaN where no reading is old enough
    steps: FloatArray  #: same shape, steps of the window that went up
    share: FloatArray  #: same shape, share of the largest step in the rise; 1: all at once
    rest_rate: FloatArray  #: same shape, K/s without the largest step


def empty_window(n_vehicles: int, n_probes: int) -> State:
    """Return a window without a reading."""
    return {
        "seen_us": np.zeros((n_vehicles, KEPT), dtype=np.int64),
        "probe_degc": np.full((n_vehicles, KEPT, n_probes), np.nan),
    }


def push_window(state: State, at: IntArray, time_us: IntArray, probe_degc: FloatArray) -> None:
    """Take the readings of some vehicles, one each, into the window.

    Those too close to the last one, and those without a probe, are left out.
    """
    spaced = time_us - state["seen_us"][at, -1] >= SPACING_US
    spaced &= np.isfinite(probe_degc).any(1)
    rows = at[spaced]
    for name, newest in (("seen_us", time_us[spaced]), ("probe_degc", probe_degc[spaced])):
        state[name][rows, :-1] = state[name][rows, 1:]
        state[name][rows, -1] = newest


def has_risen(state: State, at: IntArray, probe_degc: FloatArray) -> BoolArray:
    """Mark vehicles of which a probe is so far above its lowest kept reading that it may rise at 1 K/s."""
    lowest = np.fmin.reduce(state["probe_degc"][at], axis=1)
    return np.asarray((probe_degc - lowest >= LEAST_K).any(1))


def may_have_risen(at: IntArray, time_us: IntArray, probe_degc: FloatArray) -> BoolArray:
    """Mark readings before which a probe may have risen as far as ``has_risen`` asks, over whole courses.

    Where readings come ``SPACING_US`` apart and farther, and all of them tell of a probe, the window holds
    the ``KEPT`` before; vehicles whose readings come otherwise are marked throughout.

    Args:
        at: Shape (n,), rows of the vehicles, ascending; the readings of one ascend in time.
        time_us: Shape (n,).
        probe_degc: Shape (n, n_probes).
    """
    same = np.r_[False, at[1:] == at[:-1]]
    is_odd = same & (np.diff(time_us, prepend=0) < SPACING_US) | ~np.isfinite(probe_degc).any(1)
    marked = np.isin(at, at[is_odd])
    for back in range(1, min(KEPT, len(at) - 1) + 1):
        is_mine = at[back:] == at[:-back]
        with np.errstate(invalid="ignore"):
            marked[back:] |= is_mine & (probe_degc[back:] - probe_degc[:-back] >= LEAST_K).any(1)
    return np.asarray(marked)


def rise(
    state: State, at: IntArray, time_us: IntArray, probe_degc: FloatArray, *, span_us: tuple[int, int]
) -> Rise:
    """Return the rise from the youngest kept reading that is old enough to the present one.

    Args:
        state: With a window that the present readings are not in yet.
        at: Shape (n,), rows of the vehicles.
        time_us: Shape (n,), present.
        probe_degc: Shape (n, n_probes), present; NaN is missing.
        span_us: Shortest and longest span of the rise.
    """
    seen, kept = state["seen_us"][at], state["probe_degc"][at]
    age = time_us[:, None] - seen
    fits = (age >= span_us[0]) & (age <= span_us[1])
    begin = np.where(fits.any(1), KEPT - 1 - fits[:, ::-1].argmax(1), KEPT)
    rows = np.arange(len(at))
    inside = np.arange(KEPT)[None, :] >= begin[:, None]
    course = np.concatenate((np.where(inside[..., None], kept, np.nan), probe_degc[:, None]), axis=1)
    step = np.diff(course, axis=1)
    safe = np.minimum(begin, KEPT - 1)
    total = np.where((begin < KEPT)[:, None], probe_degc - kept[rows, safe], np.nan)
    span_s = np.maximum(age[rows, safe], 1) / 1e6
    largest = np.nan_to_num(step, nan=-np.inf).max(1)
    lowest = np.nan_to_num(step, nan=0.0).min(1)
    falls = lowest < -np.maximum(_NOISE_K, _FALL_SHARE * np.nan_to_num(total))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(total > 0, largest / total, 1.0)
    return Rise(
        rate=np.where(falls, np.nan, total / span_s[:, None]),
        steps=(np.nan_to_num(step, nan=0.0) > 0).sum(1).astype(np.float64),
        share=share,
        rest_rate=(total - largest) / span_s[:, None],
    )


def is_known(time_us: IntArray, previous_us: IntArray) -> BoolArray:
    """Mark vehicles whose last reading is young enough to be compared with."""
    return np.asarray(time_us - previous_us <= STALE_US)
