"""Insulation of the high-voltage system: dry value, rain, moisture that gets in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode
from simulators.chance import Floats, VehicleChance
from simulators.faults.injection import NEVER, Plan, gather

DRIES_S = 3.0 * 3600.0
#: Where a fault's course begins.
WHOLE_KOHM = 5000.0
FAULT_WET = 0.2


@dataclass(slots=True, kw_only=True)
class Insulation:
    """Insulation of a fleet; (F,)."""

    dry_kohm: Floats
    wet_factor: Floats  #: left of the dry value when soaked
    outdoors: Floats  #: 1: parked in the rain
    at_s: Floats
    decades_per_s: Floats
    wetness: Floats  #: 0 dry, 1 soaked

    @classmethod
    def draw(cls, plan: Plan, chance: VehicleChance) -> Insulation:
        """Draw 2.5-8 MΩ, a tenth to two fifths less in rain, and read the faults."""
        own, shape = chance.uniform(3), (plan.count,)
        ill = list(plan.of(FailureMode.INSULATION_LOSS))
        at_s = gather(ill, "at_s", shape, NEVER)
        is_ill = np.isfinite(at_s)
        wet = gather(list(plan.of("rain_insulation")), "magnitude", shape, NEVER)
        wet = np.where(np.isfinite(wet), wet, 0.6 + 0.3 * own[:, 1])
        return cls(
            dry_kohm=np.where(is_ill, WHOLE_KOHM, 2500.0 + 5500.0 * own[:, 0]),
            wet_factor=np.where(is_ill, FAULT_WET, wet),
            outdoors=(own[:, 2] < 0.6).astype(np.float64),
            at_s=at_s,
            decades_per_s=gather(ill, "decades_per_s", shape, 0.0),
            wetness=np.zeros(plan.count),
        )

    def advance(self, *, time_s: Floats, dt_s: Floats, rain: Floats, is_driving: Floats) -> Floats:
        """Return (F,) kΩ at ``time_s``: 5 MΩ to 50 kΩ exponentially, times the factor of the rain."""
        soaked = np.clip(rain / 30.0, 0.0, 1.0) * np.maximum(self.outdoors, is_driving)
        pace = np.where(soaked > self.wetness, 900.0, DRIES_S)
        self.wetness = self.wetness + (soaked - self.wetness) * -np.expm1(-dt_s / pace)
        since = np.maximum(time_s - np.where(np.isfinite(self.at_s), self.at_s, time_s), 0.0)
        # A leak in the dry is a leak in the wet; the factor of the rain grows with it.
        spread = np.where(self.decades_per_s > 0, np.clip(self.decades_per_s * since / 0.5, 0.0, 1.0), 1.0)
        dry = self.dry_kohm * 10.0 ** (-np.minimum(self.decades_per_s * since, 3.0))
        factor = 1.0 - self.wetness * (1.0 - self.wet_factor) * (0.3 + 0.7 * spread)
        return np.asarray(np.maximum(dry * factor, 1.0))
