"""Features of ``cooling_days``: what the coolant carries away, and what its pump takes for it."""

from __future__ import annotations

from typing import Final

from models.features.sets import Feature
from models.features.thermal_names import LOAD_FEATURES, machine_features

_WINDOW = "driving and charging of the local day, time-weighted"
_EVIDENCE = "15 min of load with the signal"
_NONE = "no such load, or a sensor that is absent or stands still"
_SOAK = "readings of the local day after 6 h of standing"
_NO_SOAK = "the vehicle did not stand so long, or sent nothing then"
_PUMP = "readings of the local day under load with the pump running"


def _mean(name: str, unit: str) -> Feature:
    return Feature(name=name, unit=unit, window=_WINDOW, least_evidence=_EVIDENCE, missing_when=_NONE)


COOLING_FEATURES: Final = (
    _mean("pack_rise_k", "K"),  #: median probe less coolant
    _mean("pack_warming_k_per_h", "K/h"),
    _mean("current_square_a2", "A²"),  #: of the pack: its heat is I² R
    _mean("coolant_rise_k", "K"),  #: coolant less outside air
    _mean("coolant_warming_k_per_h", "K/h"),
    _mean("power_kw", "kW"),  #: of the pack, without sign: losses of the drive follow it
    _mean("speed_km_per_h", "km/h"),  #: air through the radiator
    _mean("outside_degc", "°C"),
    Feature(
        name="pump_speed_rpm",
        unit="rpm",
        window=_PUMP,
        least_evidence="10 readings",
        missing_when="no pump signals, or the pump did not run",
    ),  #: geometric mean
    Feature(
        name="pump_current_a",
        unit="A",
        window=_PUMP,
        least_evidence="10 readings",
        missing_when="no pump signals, or the pump did not run",
    ),  #: geometric mean, of the same readings
    Feature(
        name="pump_idle_share",
        unit="",
        window="readings of the local day under load with coolant or pack above 35 °C",
        least_evidence="10 readings",
        missing_when="no pump signals, or never so warm",
    ),
    Feature(
        name="pack_soak_k", unit="K", window=_SOAK, least_evidence="1 reading", missing_when=_NO_SOAK
    ),  #: median probe less coolant
    Feature(
        name="coolant_soak_k", unit="K", window=_SOAK, least_evidence="1 reading", missing_when=_NO_SOAK
    ),  #: coolant less outside air
    Feature(
        name="load_h",
        unit="h",
        window="local day",
        least_evidence="1 min of load",
        missing_when="the vehicle neither drove nor charged",
    ),
    *machine_features("motor"),  #: whose coolant it is too
    *LOAD_FEATURES,
)
