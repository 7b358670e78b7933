"""Capacity by counting: the charge that a change of the state of charge takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import FloatArray, IntArray

_LEAST_SWING: Final = 40.0
_LEAST_FINE_SWING: Final = 30.0
_FINE_PERCENT: Final = 0.11
#: How far the reported state of charge may leave the counted charge within a swing, %.
_STRAY_PERCENT: Final = 2.0
#: Errors of one swing: what the vehicle's own state of charge drifts between two rests (%), and the gain of
#: the current sensor (part).
_SOC_ERROR: Final = 0.5
_GAIN_ERROR: Final = 0.005


@dataclass(frozen=True, slots=True)
class Swing:
    """A counted change of the state of charge."""

    capacity_ah: float
    error_ah: float
    swing_percent: float


def best_swing(
    time_us: IntArray,
    current_a: FloatArray,
    soc_percent: FloatArray,
    *,
    offset_a: float,
    offset_error_a: float,
) -> Swing | None:
    """Return the capacity that a stretch of readings without gaps tells, None where it tells too little.

    Args:
        time_us: Shape (n,), ascending.
        current_a: Shape (n,), positive into the battery, no value missing.
        soc_percent: Shape (n,), no value missing.
        offset_a: What the current sensor shows at zero.
        offset_error_a: Its standard error.
    """
    step = np.diff(soc_percent)
    edge = np.flatnonzero(step != 0) + 1
    if len(edge) < 2:
        return None
    fine = float(np.median(np.abs(step[edge - 1])))
    first, last = int(edge[0]), int(edge[-1])
    swing = float(soc_percent[last] - soc_percent[first])
    if abs(swing) < (_LEAST_FINE_SWING if fine <= _FINE_PERCENT else _LEAST_SWING):
        return None
    part = slice(first, last + 1)
    hours = np.diff(time_us[part]) / 3.6e9
    flow = current_a[part] - offset_a
    charge = np.concatenate(([0.0], np.cumsum((flow[1:] + flow[:-1]) / 2 * hours)))
    capacity = charge[-1] / swing * 100.0
    if not capacity > 0:
        return None
    at = edge - first
    stray = soc_percent[edge] - soc_percent[first] - charge[at] / capacity * 100.0
    if np.abs(stray).max() > _STRAY_PERCENT + fine:
        return None
    total = abs(float(charge[-1]))
    rate = total / capacity * 100.0 / max(float(hours.sum()), 1e-6)
    edge_percent = rate * float(np.median(hours)) / np.sqrt(6.0)
    between = float(np.sqrt(((np.diff(flow) * hours) ** 2).sum() / 12.0))
    error = np.sqrt(
        (np.hypot(_SOC_ERROR, edge_percent) / abs(swing)) ** 2
        + (offset_error_a * float(hours.sum()) / total) ** 2
        + (between / total) ** 2
        + _GAIN_ERROR**2
    )
    return Swing(float(capacity), float(capacity * error), abs(swing))


#: Voltage of a full cell before a discharge and at its end, under load: what data sheets count between.
_FULL_V: Final = {"NCM": 4.0, "LFP": 3.3}
_CUTOFF_V: Final = {"NCM": 2.7, "LFP": 2.5}


def full_discharge(
    time_us: IntArray, current_a: FloatArray, cell_v: FloatArray, chemistry: str, *, gap_us: int
) -> Swing | None:
    """Return the capacity of one discharge from full to the cut-off voltage, None where there is none.

    For cells on a bench, which tell no state of charge: the counted charge from the first full reading to the
    first one at the cut-off or below it, as the ageing data sets of the NASA PCoE count (2.7 V).

    Args:
        time_us: Shape (n,), ascending.
        current_a: Shape (n,), positive into the cell, no value missing.
        cell_v: Shape (n,), no value missing.
        chemistry: ``NCM`` or ``LFP``.
        gap_us: A longer silence within the discharge makes it useless.
    """
    below = np.flatnonzero(cell_v <= _CUTOFF_V[chemistry])
    if not len(below) or below[0] == 0:
        return None
    end = int(below[0])
    full = np.flatnonzero(cell_v[:end] >= _FULL_V[chemistry])
    if not len(full):
        return None
    begin = int(full[0])
    part = slice(begin, end + 1)
    hours = np.diff(time_us[part]) / 3.6e9
    if (np.diff(time_us[part]) > gap_us).any() or (
        current_a[begin : end + 1] > 0.02 * np.abs(current_a[begin : end + 1]).max()
    ).any():
        return None
    flow = -current_a[part]
    steps = (flow[1:] + flow[:-1]) / 2 * hours
    total = float(steps.sum())
    if total <= 0:
        return None
    error = np.hypot(_GAIN_ERROR * total, float(steps.max()) / np.sqrt(12.0))
    return Swing(total, float(error), 100.0)
