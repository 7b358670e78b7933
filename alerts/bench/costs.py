"""What an appointment costs: delay against the deadline, way, lateness. Lower is better; no unit."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from data.records import BoolArray, FloatArray

#: A start at the deadline costs as much as a way of 50 km; a late start costs two such ways more.
DELAY_WEIGHT: Final = 1.0
WAY_WEIGHT: Final = 1.0
LATE_WEIGHT: Final = 2.0
_WAY_KM: Final = 50.0


def cost_of(start: datetime, *, opened: datetime, deadline: datetime, distance_km: float) -> float:
    """Return the cost of one appointment.

    Args:
        start: When the work begins.
        opened: When the order was opened.
        deadline: After ``opened``.
        distance_km: By road.
    """
    delay = (start - opened) / (deadline - opened)
    way = WAY_WEIGHT * distance_km / _WAY_KM
    return DELAY_WEIGHT * delay + way + LATE_WEIGHT * (start > deadline)


def costs_of(delay: FloatArray, is_late: BoolArray, distance_km: FloatArray) -> FloatArray:
    """Return the costs of many appointments; ``delay`` is start after opening over deadline after opening."""
    costs: FloatArray = DELAY_WEIGHT * delay + WAY_WEIGHT * distance_km / _WAY_KM + LATE_WEIGHT * is_late
    return costs
