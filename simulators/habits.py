"""What a plan makes vehicles do: climb, park for weeks, hurry, wait for the occasion of a hazard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.records import FailureMode
from simulators.chance import Floats
from simulators.faults.injection import Injection
from simulators.fleet import Fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the plan makes vehicles do; (F,)."""

    climbs_at_s: Floats
    hot_at_s: Floats
    parks_from_s: Floats
    parks_until_s: Floats
    hurries_from_s: Floats  #: heat and hard driving
    hurries_until_s: Floats
    hazard: tuple[Injection | None, ...]
    is_belt: npt.NDArray[np.bool_]
    is_charged: npt.NDArray[np.bool_]  #: its runaway follows a charge

    @classmethod
    def of(cls, fleet: Fleet) -> Habits:
        """Read the habits out of a fleet's plan."""
        plan, n = fleet.plan, len(fleet)
        hazard: list[Injection | None] = [None] * n
        for one in plan.injections:
            if one.is_hazard:
                hazard[one.vehicle] = one
        until = {kind: np.zeros(n) for kind in ("long_parking", "heat_wave")}
        for kind, out in until.items():
            for one in plan.of(kind):
                out[one.vehicle] = one.p["until_s"]
        charged = np.zeros(n, np.bool_)
        charged[[i.vehicle for i in plan.of(FailureMode.BATTERY_THERMAL_EVENT, "charged")]] = True
        return cls(
            climbs_at_s=plan.onset("altitude_trip"),
            hot_at_s=plan.onset("hot_stop"),
            parks_from_s=plan.onset("long_parking"),
            parks_until_s=until["long_parking"],
            hurries_from_s=plan.onset("heat_wave"),
            hurries_until_s=until["heat_wave"],
            hazard=tuple(hazard),
            is_belt=plan.mask(FailureMode.TIRE_BLOWOUT_RISK),
            is_charged=charged,
        )
