"""Features of ``brake_days``: the wheel that is warmer than its driving explains."""

from __future__ import annotations

from typing import Final

from models.features.sets import Axis, Feature

_WARM = "fresh tire readings of the local day after 10 min above 20 km/h"
_NO_WARM = "not driven so long, tires without temperature, or not heard"

BRAKE_FEATURES: Final = (
    Feature(
        name="wheel_excess_k",
        unit="K",
        window=_WARM,
        least_evidence="5 readings with all wheels",
        missing_when=_NO_WARM,
        axis=Axis.WHEEL,
    ),  #: above the warmest of the other wheels, median
    Feature(
        name="wheel_rise_k",
        unit="K",
        window=_WARM,
        least_evidence="5 readings with all wheels",
        missing_when=_NO_WARM,
        axis=Axis.WHEEL,
    ),  #: above the median of the other wheels, median
    Feature(
        name="wheel_soak_k",
        unit="K",
        window="tire readings of the local day after 3 h of standing, no older than 15 min",
        least_evidence="1 reading with all wheels",
        missing_when="not heard at rest",
        axis=Axis.WHEEL,
    ),  #: above the median of the other wheels, median
    Feature(
        name="wheel_pressure_percent",
        unit="%",
        window=_WARM,
        least_evidence="5 readings",
        missing_when=_NO_WARM,
        axis=Axis.WHEEL,
    ),  #: temperature-compensated absolute pressure against the median of the other wheels, median
    Feature(
        name="energy_wh_per_km",
        unit="Wh/km",
        window="driving of the local day",
        least_evidence="5 km",
        missing_when="no current or voltage of the pack, or too short a way",
    ),
    Feature(
        name="warm_h",
        unit="h",
        window="local day",
        least_evidence="1 min",
        missing_when="not driven warm",
    ),
)
