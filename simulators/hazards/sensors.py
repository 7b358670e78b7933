"""Tire sensors that send now and then, and in a hurry when the pressure changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from simulators.hazards.stream import Flags, Floats, Ints

#: About a minute between two transmissions; every measurement for a minute after a change of 3 psi.
_PERIOD_S = 62.0
_ALERT_KPA = 21.0
_HURRY_S = 60.0


@dataclass(slots=True)
class WheelSensors:
    """What each wheel last sent, (V, 4), and when it will send again."""

    kpa: Floats
    degc: Floats
    heard_s: Floats
    due_s: Floats
    hurry_until_s: Floats
    period_s: Floats

    @classmethod
    def silent(cls, n: int, rng: np.random.Generator) -> Self:
        """Return sensors that nothing was heard of."""
        none = np.full((n, 4), np.nan)
        due = rng.uniform(20.0, 20.0 + _PERIOD_S, (n, 4))
        period = _PERIOD_S * rng.uniform(0.95, 1.05, (n, 4))
        return cls(none, none.copy(), np.full((n, 4), -np.inf), due, np.full((n, 4), -np.inf), period)

    def hear(self, now: float, kpa: Floats, degc: Floats, is_mute: Flags) -> Flags:
        """Take what the wheels measure; return which of them send it."""
        with np.errstate(invalid="ignore"):
            changed = np.abs(kpa - self.kpa) >= _ALERT_KPA
        self.hurry_until_s = np.where(changed, now + _HURRY_S, self.hurry_until_s)
        sends = ((now >= self.due_s) | (now < self.hurry_until_s)) & ~is_mute
        self.due_s = np.where(sends, now + self.period_s, self.due_s)
        self.kpa, self.degc = np.where(sends, kpa, self.kpa), np.where(sends, degc, self.degc)
        self.heard_s = np.where(sends, now, self.heard_s)
        return np.asarray(sends)

    def told(self, rows: Ints, now: float) -> tuple[Floats, Floats, Floats]:
        """Return pressure, temperature and age of the values of some vehicles."""
        heard = self.heard_s[rows]
        return self.kpa[rows], self.degc[rows], np.where(np.isfinite(heard), now - heard, np.nan)
