"""Courses that change over days: what a vehicle carries, how hot its week is, how its contacts burn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode
from simulators.chance import Floats
from simulators.faults.injection import NEVER, Plan, gather


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """Values of one day; (F,)."""

    heat_wave_k: Floats
    tows_kg: Floats
    drift_a: Floats  #: the current sensor counts so much too much
    sun_k: Floats  #: what a strong sun may warm one side by; 0: as any day
    contact_ohm: Floats
    overload: Floats  #: of a vehicle whose tire will burst


class SlowCourses:
    """Decoys that last for days and contacts that burn over months, read out of a plan."""

    def __init__(self, plan: Plan) -> None:
        """Read the plan."""
        self._plan = plan
        shape = (plan.count,)
        self._size, self._at, self._until = {}, {}, {}
        for kind in ("heat_wave", "towing", "soc_drift", "sun_side"):
            found = list(plan.of(kind))
            self._size[kind] = gather(found, "magnitude", shape, 0.0)
            self._at[kind] = gather(found, "at_s", shape, NEVER)
            self._until[kind] = gather(found, "until_s", shape, 0.0)
        contacts = list(plan.of("contactor"))
        self._contact_at_s = gather(contacts, "at_s", shape, NEVER)
        self._contact_takes_s = gather(contacts, "takes_s", shape, 1.0)
        self._contact_ohm = gather(contacts, "ohm", shape, 0.0)
        self._overload = gather(list(plan.of(FailureMode.TIRE_BLOWOUT_RISK)), "overload", shape, 1.0)

    def at(self, time_s: Floats) -> Today:
        """Return the values at ``time_s`` (F,)."""

        def decoy(kind: str) -> Floats:
            during = (time_s >= self._at[kind]) & (time_s < self._until[kind])
            return np.where(during, self._size[kind], 0.0)

        burnt = np.clip((time_s - self._contact_at_s) / self._contact_takes_s, 0.0, 1.0)
        return Today(
            heat_wave_k=decoy("heat_wave"),
            tows_kg=decoy("towing"),
            drift_a=decoy("soc_drift"),
            sun_k=decoy("sun_side"),
            contact_ohm=self._contact_ohm * burnt,
            overload=self._overload,
        )
