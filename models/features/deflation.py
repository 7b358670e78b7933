"""Rapid deflation: gas leaving one tire within minutes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, FloatArray, IntArray
from models.features.tires import SEA_LEVEL_KPA, contrast

#: One reading is kept for each ``SLOT_US``, ``DEPTH`` of them a vehicle: the last ten minutes of a busy
#: stream.
SLOT_US = 20_000_000
DEPTH = 32
WINDOW_US = 20 * 60 * 1_000_000
#: After a silence the values of the last stop are still held; they settle within a minute of driving off.
SILENCE_US = 10 * 60 * 1_000_000
SETTLE_US = 150_000_000


@dataclass(slots=True)
class DeflationState:
    """The last readings of every vehicle, newest last; NaN and 0 where there are none yet."""

    vehicle_id: IntArray  #: shape (n_vehicles,), ascending
    seen_us: IntArray  #: shape (n_vehicles,), newest reading
    begun_us: IntArray  #: shape (n_vehicles,), first reading after the last silence
    time_us: IntArray  #: shape (n_vehicles, DEPTH)
    gas_kpa: FloatArray  #: shape (n_vehicles, DEPTH, n_wheels), absolute at 20 °C


@dataclass(frozen=True, slots=True)
class Deflation:
    """Loss of each wheel within the window that ends with the newest reading."""

    rate_kpa_per_min: FloatArray  #: shape (n, n_wheels), positive when losing; 0: none
    drop_kpa: FloatArray  #: same shape, against the other wheels
    falls: IntArray  #: same shape, readings since the start of the drop that were lower than the one before
    gauge_kpa: FloatArray  #: same shape, newest, at 20 °C
    start_us: IntArray  #: same shape, start of the drop
    last_us: IntArray  #: shape (n,)


def empty_state(vehicle_ids: IntArray, n_wheels: int) -> DeflationState:
    """Return a state that knows no reading."""
    n = len(vehicle_ids)
    return DeflationState(
        vehicle_id=np.sort(vehicle_ids),
        seen_us=np.zeros(n, dtype=np.int64),
        begun_us=np.zeros(n, dtype=np.int64),
        time_us=np.zeros((n, DEPTH), dtype=np.int64),
        gas_kpa=np.full((n, DEPTH, n_wheels), np.nan),
    )


def push(state: DeflationState, rows: IntArray, time_us: IntArray, gas_kpa: FloatArray) -> BoolArray:
    """Take one reading a vehicle into the state; return which were newer than all before.

    A reading within ``SLOT_US`` of the one before the newest replaces the newest. A silence of ``SILENCE_US``
    forgets everything, and until ``SETTLE_US`` after it only the newest reading is kept.

    Args:
        state: Changed in place: it is the memory of the stream.
        rows: Shape (n,), rows of the state, each at most once.
        time_us: Shape (n,).
        gas_kpa: Shape (n, n_wheels), NaN where not heard: the wheel keeps its last value.
    """
    is_new = (time_us > state.seen_us[rows]) & np.isfinite(gas_kpa).any(1)
    rows, time_us, gas_kpa = rows[is_new], time_us[is_new], gas_kpa[is_new]
    is_restart = time_us - state.seen_us[rows] > SILENCE_US
    state.begun_us[rows] = np.where(is_restart, time_us, state.begun_us[rows])
    is_settling = time_us - state.begun_us[rows] < SETTLE_US
    last = np.where(is_restart[:, None], np.nan, state.gas_kpa[rows, -1])
    heard = np.where(np.isfinite(gas_kpa), gas_kpa, last)
    forget = rows[is_settling]
    state.time_us[forget] = 0
    state.gas_kpa[forget] = np.nan
    before = state.time_us[rows, -2]
    shift = rows[(before == 0) | (state.time_us[rows, -1] - before >= SLOT_US)]
    state.time_us[shift, :-1] = state.time_us[shift, 1:]
    state.gas_kpa[shift, :-1] = state.gas_kpa[shift, 1:]
    state.time_us[rows, -1] = time_us
    state.gas_kpa[rows, -1] = heard
    state.seen_us[rows] = time_us
    return np.asarray(is_new)


def deflation(state: DeflationState, rows: IntArray) -> Deflation:
    """Return the loss of each wheel of some vehicles.

    The contrast takes out what all wheels share: height, heat, weather. A drop is counted from the highest
    level that two readings in a row held to the level that the last two readings are both below, so that no
    single reading makes one.

    Args:
        state: The memory of the stream.
        rows: Shape (n,), rows of the state.
    """
    gas, time_us = state.gas_kpa[rows], state.time_us[rows]
    against = contrast(gas)
    is_recent = (time_us > 0) & (time_us >= time_us[:, -1:] - WINDOW_US)
    against = np.where(is_recent[:, :, None], against, np.nan)
    now = np.maximum(against[:, -1], against[:, -2])
    held = np.minimum(against[:, :-2], against[:, 1:-1])
    known = np.where(np.isfinite(held), held, -np.inf)
    # the latest of equal levels: the drop began when they ended
    start = known.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    level = np.take_along_axis(known, start[:, None], 1)[:, 0]
    with np.errstate(invalid="ignore"):
        # others that are being inflated make a contrast, not a loss: the wheel's own gas must go too
        own_held = np.minimum(gas[:, :-2], gas[:, 1:-1])
        own = np.take_along_axis(own_held, start[:, None], 1)[:, 0] - np.maximum(gas[:, -1], gas[:, -2])
        drop = np.where(np.isfinite(level) & np.isfinite(now), np.minimum(level - now, 1.3 * own), 0.0)
        is_fall = np.diff(gas, axis=1) < -0.5
    is_after = np.arange(gas.shape[1] - 1)[None, :, None] >= start[:, None]
    # from the last reading that held the level to the newest
    start_us = np.take_along_axis(time_us, start + 1, 1)
    minutes = np.maximum(time_us[:, -1:] - start_us, SLOT_US // 2) / 60e6
    return Deflation(
        rate_kpa_per_min=np.where(drop > 0, drop / minutes, 0.0),
        drop_kpa=np.maximum(drop, 0.0),
        falls=(is_fall & is_after).sum(1),
        gauge_kpa=gas[:, -1] - SEA_LEVEL_KPA,
        start_us=start_us,
        last_us=time_us[:, -1],
    )
