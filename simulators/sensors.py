"""Sensors that lie: stuck, off, drifting, noisy, rescaled by an update, replayed by a gateway."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data.records import FailureMode
from simulators.chance import Floats, VehicleChance
from simulators.faults.injection import Injection, Plan

Ints = npt.NDArray[np.int64]
#: After ignition a gateway may tell for so long what it last heard, as if it were new.
REPLAYS_S = 1200.0
_NEW_AGE_S = 10.0


class SensorFaults:
    """Distorts columns of rows; what stands still is remembered from day to day."""

    def __init__(self, plan: Plan) -> None:
        """Read the faults of sensors out of a plan."""
        self._faults = list(plan.of(FailureMode.SENSOR_FAULT))
        self._scales = list(plan.of("software_scale"))
        self._replays = list(plan.of("gateway_replay"))
        self._stuck: dict[int, float] = {}
        self._told: dict[int, dict[str, Floats]] = {}
        self._moving_s: dict[int, tuple[float, float]] = {}

    def distort(
        self,
        columns: dict[str, Floats],
        chance: VehicleChance,
        *,
        vehicle: Ints,
        time_s: Floats,
        speed_mps: Floats,
    ) -> None:
        """Change the columns (R, ...) of rows in place; arguments (R,), ascending in time."""
        for one in self._scales:
            if one.variant in columns:
                mine = (vehicle == one.vehicle) & (time_s >= one.at_s)
                columns[one.variant][mine] *= one.magnitude
        for place, one in enumerate(self._faults):
            alias = one.variant.partition("/")[0]
            if alias in columns:
                mine = np.flatnonzero((vehicle == one.vehicle) & (time_s >= one.at_s))
                if mine.size:
                    self._lie(columns[alias], mine, time_s[mine], place, chance.of(one.vehicle))
        if "tire.pressure" in columns:
            for one in self._replays:
                mine = np.flatnonzero(vehicle == one.vehicle)
                if mine.size:
                    self._replay(columns, mine, time_s[mine], speed_mps[mine], one)

    def _lie(self, values: Floats, mine: Ints, time_s: Floats, place: int, rng: np.random.Generator) -> None:
        one = self._faults[place]
        shape = one.variant.partition("/")[2]
        at = mine if values.ndim == 1 else (mine, np.full(mine.size, one.element))
        size = one.p["size"]
        if shape == "stuck":
            values[at] = self._stuck.setdefault(place, float(values[at][0]))
        elif shape == "noise":
            values[at] += abs(size) * rng.standard_normal(mine.size)
        else:
            values[at] += size * np.clip((time_s - one.at_s) / one.p["takes_s"], 0.0, 1.0)
        values[at] = np.round(values[at], 3)

    def _replay(
        self, columns: dict[str, Floats], mine: Ints, time_s: Floats, speed_mps: Floats, one: Injection
    ) -> None:
        """Tell, for a while after setting off, what was heard at the end of the last trip."""
        moves = speed_mps > 0
        started, last_s = self._moving_s.get(one.vehicle, (-np.inf, -np.inf))
        for row, at_s, is_moving in zip(mine.tolist(), time_s.tolist(), moves.tolist(), strict=True):
            if is_moving:
                started = at_s if at_s - last_s > REPLAYS_S else started
                last_s = at_s
            told = self._told.get(one.vehicle)
            is_on = one.at_s <= at_s < one.p["until_s"] and is_moving and at_s - started < REPLAYS_S
            if is_on and told is not None:
                for alias in ("tire.pressure", "tire.temperature"):
                    columns[alias][row] = told[alias]
                columns["tire.age"][row] = _NEW_AGE_S
            elif is_moving:
                self._told[one.vehicle] = {
                    alias: columns[alias][row].copy() for alias in ("tire.pressure", "tire.temperature")
                }
        self._moving_s[one.vehicle] = (started, last_s)
