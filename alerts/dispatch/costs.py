"""What an appointment costs: delay, way, lateness, price, queue. Lower is better; no unit. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.rules import CostRule
from data.records import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Merits:
    """What speaks for and against appointments; all of one shape, or plain numbers."""

    delay: FloatArray | float  #: start after opening over deadline after opening
    way_km: FloatArray | float  #: by road
    late: FloatArray | float  #: probability of a start after the deadline
    dearness: FloatArray | float = 0.0  #: price over the cheapest one, less 1
    queue: FloatArray | float = 0.0  #: taken share of the station's time, less the mean of all


def costs_of(rule: CostRule, merits: Merits) -> FloatArray:
    """Return J = w1 delay + w2 way / way_km + w3 P(late) + w4 dearness + w5 queue of many appointments."""
    costs: FloatArray = np.asarray(
        rule.delay * merits.delay
        + rule.way * merits.way_km / rule.way_km
        + rule.late * merits.late
        + rule.price * merits.dearness
        + rule.queue * merits.queue,
        dtype=np.float64,
    )
    return costs
