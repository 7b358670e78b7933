"""When a hazard finds its occasion within a day, and how densely the vehicle samples around it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data.records import FailureMode
from simulators.chance import Floats
from simulators.climate import DAY_S
from simulators.faults.injection import NEVER
from simulators.habits import Habits
from simulators.trips import Trips


def place_hazard(
    habits: Habits,
    is_due: npt.NDArray[np.bool_],
    trips: Trips,
    drives: tuple[Floats, Floats],
    charge_end: Floats,
) -> Floats:
    """Return (F,) when the hazard of this day begins: on the way, on the fast road, after the charge."""
    begin, end = drives
    out = np.full(len(is_due), NEVER)
    for row in np.flatnonzero(is_due).tolist():
        at_s = NEVER
        trip = 2 if habits.is_belt[row] else 0
        if habits.is_charged[row]:
            at_s = charge_end[row] + 120.0
        elif trips.makes[row, trip] and end[row, trip] - begin[row, trip] > 240.0:
            share = 0.35 if habits.is_belt[row] else 0.3 + 0.3 * trips.draw[row, 11]
            at_s = begin[row, trip] + share * (end[row, trip] - begin[row, trip])
        one = habits.hazard[row]
        if one is not None and np.isfinite(at_s) and at_s >= one.at_s:
            out[row] = np.round(at_s)
    return out


#: Around a hazard a vehicle samples by the second: from, to (s after it begins) and step, by its kind.
_DENSE = {
    FailureMode.BATTERY_THERMAL_EVENT: (-60.0, 1500.0, 1.0),
    FailureMode.TIRE_PUNCTURE: (-120.0, 900.0, 4.0),
    FailureMode.TIRE_BLOWOUT_RISK: (-600.0, 1500.0, 5.0),
}


def dense_instants(habits: Habits, hazard_s: Floats, begin_s: float) -> Floats:
    """Return (F, D) further instants around the hazards, infinite where there are none."""
    rows = np.flatnonzero(np.isfinite(hazard_s)).tolist()
    grids = {row: np.arange(*_DENSE[FailureMode(one.kind)]) for row in rows if (one := habits.hazard[row])}
    out = np.full((len(hazard_s), max((g.size for g in grids.values()), default=0)), np.inf)
    for row, grid in grids.items():
        at = hazard_s[row] + grid
        out[row, : grid.size] = np.where((at >= begin_s) & (at < begin_s + DAY_S), at, np.inf)
    return out


def find_dense(hazard_s: Floats, time_s: Floats) -> npt.NDArray[np.bool_]:
    """Return (F, K) which instants lie around the hazard of their vehicle; ``hazard_s`` (F,)."""
    since = time_s - np.where(np.isfinite(hazard_s), hazard_s, -np.inf)[:, None]
    return np.asarray((since >= -600.0) & (since <= 1500.0))
