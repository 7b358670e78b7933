"""The last quarter of an hour of every vehicle's tires, and what each wheel lost in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, FloatArray, IntArray
from models.features.tires import SEA_LEVEL_KPA, axle_contrast
from models.watch.rule import State

#: One reading is kept for each ``SLOT_US``, ``DEPTH`` of them a vehicle.
SLOT_US = 20_000_000
DEPTH = 48
WINDOW_US = 20 * 60 * 1_000_000
#: After a silence the values of the last stop are still held; they settle within a minute of driving off.
SILENCE_US = 10 * 60 * 1_000_000
SETTLE_US = 150_000_000
#: Slots whose mean is a level that was held: three minutes, as a sensor may transmit once in one of them.
_HELD = 9
_LEAST_HELD = 3
_LARGEST_KPA = 10.0
_FALL_KPA = 0.5
_SAME_KPA = 0.3
_PRIOR_KPA, _PRIOR_COUNT = 1.4, 12.0
_NOISE_FLOOR_KPA = 0.5


@dataclass(frozen=True, slots=True)
class Loss:
    """Loss of each wheel within the window that ends with the newest reading, shapes (n, n_wheels)."""

    drop_kpa: FloatArray  #: of gas, against the other wheels; 0: none
    quick_drop_kpa: FloatArray  #: as ``drop_kpa``, of the newest reading alone
    earlier_kpa: FloatArray  #: the same of the reading that the wheel sent before the newest
    largest_fall_kpa: FloatArray  #: of own gas from one reading to the next since the start of the drop
    grid_kpa: FloatArray  #: shape (n, 1), smallest change of any gauge reading: what the sensors round to
    gauge_drop_kpa: FloatArray  #: of the reading itself, over the same time
    noise_kpa: FloatArray  #: standard deviation of the contrasts of the other wheels
    rate_kpa_per_min: FloatArray
    falls: IntArray  #: readings since the start of the drop that were lower than the one before
    gauge_kpa: FloatArray  #: newest, at 20 °C
    start_us: IntArray  #: last reading at the level that was lost


def empty_window(n_vehicles: int, n_wheels: int) -> State:
    """Return a window that knows no reading."""
    return {
        "seen_us": np.zeros(n_vehicles, dtype=np.int64),
        "begun_us": np.zeros(n_vehicles, dtype=np.int64),
        "time_us": np.zeros((n_vehicles, DEPTH), dtype=np.int64),
        "gas_kpa": np.full((n_vehicles, DEPTH, n_wheels), np.nan, dtype=np.float32),
        "gauge_kpa": np.full((n_vehicles, DEPTH, n_wheels), np.nan, dtype=np.float32),
    }


def push_window(
    state: State, at: IntArray, time_us: IntArray, gas_kpa: FloatArray, gauge_kpa: FloatArray
) -> BoolArray:
    """Take one reading of each of some vehicles; return which of them changed what the window holds.

    A reading within ``SLOT_US`` of the one before the newest replaces the newest. A silence of ``SILENCE_US``
    forgets everything, and until ``SETTLE_US`` after it only the newest reading is kept.

    Args:
        state: Changed in place: it is the memory of the stream.
        at: Shape (n,), rows of the state, each at most once.
        time_us: Shape (n,), later than all before.
        gas_kpa: Shape (n, n_wheels), NaN where not heard: the wheel keeps its last value.
        gauge_kpa: Same shape.
    """
    is_heard: BoolArray = np.asarray(np.isfinite(gas_kpa).any(axis=1))
    at, time_us, gas_kpa, gauge_kpa = at[is_heard], time_us[is_heard], gas_kpa[is_heard], gauge_kpa[is_heard]
    is_restart = time_us - state["seen_us"][at] > SILENCE_US
    state["begun_us"][at] = np.where(is_restart, time_us, state["begun_us"][at])
    forget = at[time_us - state["begun_us"][at] < SETTLE_US]
    before = state["time_us"][at, -2]
    is_next = (before == 0) | (state["time_us"][at, -1] - before >= SLOT_US)
    shift = at[is_next]
    for name, values in (("gas_kpa", gas_kpa), ("gauge_kpa", gauge_kpa)):
        last = np.where(is_restart[:, None], np.nan, state[name][at, -1])
        state[name][forget] = np.nan
        state[name][shift, :-1] = state[name][shift, 1:]
        state[name][at, -1] = np.where(np.isfinite(values), values, last)
    state["time_us"][forget] = 0
    state["time_us"][shift, :-1] = state["time_us"][shift, 1:]
    state["time_us"][at, -1] = time_us
    state["seen_us"][at] = time_us
    is_known = np.zeros(len(is_heard), dtype=np.bool_)
    is_known[is_heard] = state["time_us"][at, -_LEAST_HELD - 2] > 0
    return is_known


def loss(state: State, at: IntArray) -> Loss:
    """Return the loss of each wheel of some vehicles.

    The contrast takes out what all wheels share: height, heat, weather. A drop is counted from the highest
    level that was held for three minutes on average to the level that the last two readings are both
    below, so that no single reading makes one.

    Args:
        state: The memory of the stream.
        at: Shape (n,), rows of the state.
    """
    gas = state["gas_kpa"][at].astype(np.float64)
    gauge = state["gauge_kpa"][at].astype(np.float64)
    time_us = state["time_us"][at]
    is_recent = ((time_us > 0) & (time_us >= time_us[:, -1:] - WINDOW_US))[:, :, None]
    against = np.where(is_recent, axle_contrast(gas), np.nan)
    held = _held(against)
    known = np.where(np.isfinite(held), held, -np.inf)
    noise = _noise(against)
    # the latest of levels that differ by noise alone: the drop began when they ended
    is_level = known >= known.max(1, keepdims=True) - noise[:, None]
    start = known.shape[1] - 1 - np.argmax(is_level[:, ::-1], axis=1)
    level = np.take_along_axis(known, start[:, None], 1)[:, 0]
    with np.errstate(invalid="ignore"):
        # others that are being inflated make a contrast, not a loss: the wheel's own gas must go too
        drop = np.minimum(level - _newest(against), 1.3 * _gone(gas, start))
        drop = np.where(np.isfinite(drop), np.maximum(drop, 0.0), 0.0)
        level_now = np.where(np.isfinite(level), level, np.nan)
        quick = np.minimum(level_now - against[:, -1], 1.3 * (_level(gas, start) - gas[:, -1]))
        earlier = _level(gas, start) - _sent_before(gas)
        fall = -np.diff(gas, axis=1)
        is_fall = fall > _FALL_KPA
    is_after = np.arange(gas.shape[1] - 1)[None, :, None] >= start[:, None]
    start_us = np.take_along_axis(time_us, start, 1)
    minutes = np.maximum(time_us[:, -1:] - start_us, SLOT_US // 2) / 60e6
    return Loss(
        drop_kpa=drop,
        quick_drop_kpa=np.nan_to_num(quick),
        earlier_kpa=np.nan_to_num(earlier),
        largest_fall_kpa=np.where(is_after & np.isfinite(fall), fall, 0.0).max(1),
        grid_kpa=_grid(gauge),
        gauge_drop_kpa=np.nan_to_num(_gone(gauge, start)),
        noise_kpa=noise,
        rate_kpa_per_min=drop / minutes,
        falls=(is_fall & is_after).sum(1),
        gauge_kpa=gas[:, -1] - SEA_LEVEL_KPA,
        start_us=start_us,
    )


def _held(values: FloatArray) -> FloatArray:
    """Return the mean of the slots up to each but the newest two, NaN where too few of them are known."""
    earlier = values[:, :-2]
    known = np.isfinite(earlier)
    total, count = (np.cumsum(v, axis=1) for v in (np.where(known, earlier, 0.0), known.astype(np.float64)))
    total[:, _HELD:] -= total[:, :-_HELD].copy()
    count[:, _HELD:] -= count[:, :-_HELD].copy()
    return np.where(known & (count >= _LEAST_HELD), total / np.maximum(count, 1.0), np.nan)


def _newest(values: FloatArray) -> FloatArray:
    return np.maximum(values[:, -1], values[:, -2])


def _gone(values: FloatArray, start: IntArray) -> FloatArray:
    return np.asarray(_level(values, start) - _newest(values))


def _level(values: FloatArray, start: IntArray) -> FloatArray:
    return np.asarray(np.take_along_axis(_held(values), start[:, None], 1)[:, 0])


def _sent_before(gas: FloatArray) -> FloatArray:
    """Return the value that each wheel held before the one it holds now."""
    with np.errstate(invalid="ignore"):
        differs = np.abs(gas - gas[:, -1:]) > _SAME_KPA
    last = gas.shape[1] - 1 - np.argmax(differs[:, ::-1], axis=1)
    found = np.take_along_axis(gas, last[:, None], 1)[:, 0]
    return np.where(differs.any(1), found, gas[:, -1])


def _grid(gauge: FloatArray) -> FloatArray:
    change = np.abs(np.diff(gauge, axis=1)).reshape(len(gauge), -1)
    smallest = np.where(change > _SAME_KPA, change, np.inf).min(1, initial=np.inf)
    return np.where(np.isfinite(smallest), smallest, 0.0)[:, None]


def _noise(against: FloatArray) -> FloatArray:
    """Return, for each wheel, the scatter of the others: its own loss is no noise."""
    known = np.isfinite(against)
    count = known.sum(1)
    ranked = np.sort(against, axis=1)
    middle = np.take_along_axis(ranked, (np.maximum(count - 1, 0) // 2)[:, None], 1)
    off = np.where(known, np.minimum(np.abs(against - middle), _LARGEST_KPA) ** 2, 0.0).sum(1)
    # mean square and not median: a coarse sensor shows the same value most of the time
    blended = np.sqrt((off + _PRIOR_COUNT * _PRIOR_KPA**2) / (count + _PRIOR_COUNT))
    n_wheels = against.shape[2]
    others = np.stack([np.delete(blended, i, axis=1).mean(1) for i in range(n_wheels)], axis=1)
    return np.asarray(np.maximum(others, _NOISE_FLOOR_KPA))
