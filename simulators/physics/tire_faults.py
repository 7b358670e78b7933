"""What a plan does to tires: leaks, hazards, brakes that heat them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.records import FailureMode
from simulators.chance import Floats
from simulators.faults.injection import NEVER, Plan, gather

Mask = npt.NDArray[np.bool_]
TIRE_FAULTS = (
    FailureMode.TIRE_SLOW_LEAK,
    FailureMode.TIRE_TOPPED_UP_LEAK,
    FailureMode.TIRE_PUNCTURE,
    FailureMode.TIRE_BLOWOUT_RISK,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TireFaults:
    """Leaks, hazards and heat sources; (F, 4) unless said otherwise."""

    capillary_k: Floats
    orifice_c: Floats
    leak_at_s: Floats
    only_fast: Mask
    only_cold: Mask
    fills_below_kpa: Floats  #: gauge at which the owner fills this wheel up; 0: never
    fills_to_kpa: Floats
    puncture_c: Floats
    belt_grows_s: Floats  #: infinite: none
    bursts_degc: Floats
    drag_nm: Floats
    drag_at_s: Floats
    drag_takes_s: Floats
    hot_k: Floats  #: a brake that was hot for a day
    hot_at_s: Floats
    hot_until_s: Floats

    @classmethod
    def of(cls, plan: Plan) -> TireFaults:
        """Return the arrays of a plan."""
        shape = (plan.count, 4)
        leaks = [i for kind in TIRE_FAULTS for i in plan.of(kind) if "k" in i.p]
        holes = list(plan.of(FailureMode.TIRE_SLOW_LEAK, "orifice"))
        leak_at = gather([*leaks, *holes], "at_s", shape, NEVER)
        for one in leaks:
            leak_at[one.vehicle, one.element] -= one.p.get("before_s", 0.0)
        fast = list(plan.of(FailureMode.TIRE_SLOW_LEAK, "valve_fast"))
        cold = list(plan.of(FailureMode.TIRE_SLOW_LEAK, "valve_cold"))
        topped = list(plan.of(FailureMode.TIRE_TOPPED_UP_LEAK))
        belts = list(plan.of(FailureMode.TIRE_BLOWOUT_RISK))
        drags, hot = list(plan.of(FailureMode.BRAKE_DRAG)), list(plan.of("hot_brake"))
        return cls(
            capillary_k=gather(leaks, "k", shape, 0.0),
            orifice_c=gather(holes, "c", shape, 0.0),
            leak_at_s=leak_at,
            only_fast=np.isfinite(gather(fast, "at_s", shape, NEVER)),
            only_cold=np.isfinite(gather(cold, "at_s", shape, NEVER)),
            fills_below_kpa=gather(topped, "fills_below_kpa", shape, 0.0),
            fills_to_kpa=gather(topped, "fills_to_kpa", shape, 0.0),
            puncture_c=gather(list(plan.of(FailureMode.TIRE_PUNCTURE)), "c", shape, 0.0),
            belt_grows_s=gather(belts, "grows_s", shape, NEVER),
            bursts_degc=gather(belts, "bursts_degc", shape, NEVER),
            drag_nm=gather(drags, "magnitude", shape, 0.0),
            drag_at_s=gather(drags, "at_s", shape, NEVER),
            drag_takes_s=gather(drags, "takes_s", shape, 1.0),
            hot_k=gather(hot, "magnitude", shape, 0.0),
            hot_at_s=gather(hot, "at_s", shape, NEVER),
            hot_until_s=gather(hot, "until_s", shape, 0.0),
        )

    def drag_torque(self, time_s: Floats) -> Floats:
        """Return (F, 4) N·m of brakes that do not let go."""
        return np.asarray(
            self.drag_nm * np.clip((time_s[:, None] - self.drag_at_s) / self.drag_takes_s, 0.0, 1.0)
        )
