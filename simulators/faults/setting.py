"""Where and when a fault is drawn: its vehicle, the simulated span, the luck of that vehicle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from simulators.climate import DAY_S
from simulators.vehicle_models import VehicleModel

#: ``ahead``: thresholds lie beyond the end of the span, as in a demo whose present is still open;
#: ``within``: they are spread over the span as far as their course allows, as an evaluation needs it.
Timing = Literal["ahead", "within"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the course of a fault depends on."""

    vehicle: int
    model: VehicleModel
    start_s: float
    days: int
    timing: Timing
    rng: np.random.Generator
    front_at_s: float | None = None  #: of the city's first cold front

    @property
    def span_s(self) -> float:
        """Return the length of the simulated span."""
        return self.days * DAY_S

    @property
    def end_s(self) -> float:
        """Return the end of the simulated span."""
        return self.start_s + self.span_s

    def between(self, low: float, high: float) -> float:
        """Return a number spread evenly."""
        return float(self.rng.uniform(low, high))

    def log_between(self, low: float, high: float) -> float:
        """Return a number whose logarithm is spread evenly."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def onset(self, takes_s: float, *, may_precede: bool = False) -> float:
        """Return when a course begins that needs ``takes_s`` to its threshold.

        Args:
            takes_s: From onset to threshold, left alone.
            may_precede: The course may be under way when the span begins; else it begins within it.
        """
        if self.timing == "ahead":
            wanted = self.end_s - self.between(0.5, 0.65) * takes_s
            earliest = self.start_s + min(DAY_S, 0.1 * self.span_s)
            return wanted if may_precede else max(wanted, earliest)
        first, last = 0.1 * self.span_s, self.span_s - 1.1 * takes_s
        if last > first:
            return self.start_s + self.between(first, last)
        if may_precede:
            return self.start_s + self.between(0.7, 1.0) * self.span_s - takes_s
        return self.start_s + self.between(0.05, 0.15) * self.span_s

    def moment(self) -> float:
        """Return when something happens that needs no course: a decoy, a step."""
        return self.start_s + self.between(0.3, 0.85) * self.span_s

    def hazard_s(self) -> float:
        """Return the earliest instant of a hazard: soon after the span, or on a day within it."""
        if self.timing == "ahead":
            return self.end_s + self.between(60.0, 180.0)
        return self.start_s + self.between(0.15, 0.97) * self.span_s
