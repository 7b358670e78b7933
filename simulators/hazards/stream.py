"""Readings of many vehicles in one array each, with the truth about every vehicle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import erfcinv

from data.records import VehicleSpec

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
#: The streams begin at one instant; only differences matter.
START_US = 1_767_225_600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What some vehicles of one model send within an hour or so, and what happens to them."""

    kind: str  #: failure mode, or ``healthy``
    seed: int
    spec: VehicleSpec
    row: Ints  #: shape (n_readings,), the vehicle, ascending; readings of a vehicle ascend in time
    time_us: Ints  #: shape (n_readings,)
    columns: Mapping[str, npt.NDArray[Any]]  #: by alias: (n_readings,) or (n_readings, k); NaN is missing
    component: tuple[str, ...]  #: shape (n_vehicles,), what the hazard is on; empty: nothing happens
    decoy: tuple[str, ...]  #: shape (n_vehicles,), the harmless thing that happens; empty: none
    magnitude: Floats  #: shape (n_vehicles,); NaN without a hazard
    shown_us: Ints  #: shape (n_vehicles,), first reading that shows the hazard; -1: none does
    limit_us: Ints  #: shape (n_vehicles,), when it breaks; -1: not within the stream
    hours: float  #: vehicle-hours in all
    unread_hours: float = 0.0  #: of vehicles of which no reading is written: nothing happens to them

    @property
    def n_vehicles(self) -> int:
        """Vehicles of the stream."""
        return len(self.component)


def largest_errors(deviation: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Return the largest absolute value of each of many series of normal errors, drawn at once.

    Of ``count`` independent errors |z| stays below x with probability (2 F(x) - 1)^count.

    Args:
        deviation: Shape (n,), standard deviation of each series.
        count: Errors of a series.
        rng: Chance.
    """
    # 1 - u^(1/count) without the rounding of a number so near to 1
    above = -np.expm1(np.log(rng.random(len(deviation))) / count)
    return np.asarray(deviation * np.sqrt(2.0) * erfcinv(above))
