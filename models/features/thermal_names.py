"""Features of ``thermal_days``: the energy balance of motor and inverter over a day's driving."""

from __future__ import annotations

from typing import Final

from models.features.sets import Feature

_WINDOW = "driving of the local day, time-weighted"
_EVIDENCE = "15 min of driving with the signal"
_NONE = "no such driving, or a sensor that is absent or stands still"
_SOAK = "readings of the local day after 6 h of standing"


def _mean(name: str, unit: str, missing_when: str = _NONE) -> Feature:
    return Feature(name=name, unit=unit, window=_WINDOW, least_evidence=_EVIDENCE, missing_when=missing_when)


def machine_features(part: str) -> tuple[Feature, ...]:
    """Return the features of ``motor`` or ``inverter`` above its coolant."""
    return (
        _mean(f"{part}_rise_k", "K", f"{_NONE}; neither coolant nor outside temperature"),
        _mean(f"{part}_warming_k_per_h", "K/h"),
        Feature(
            name=f"{part}_soak_k",
            unit="K",
            window=_SOAK,
            least_evidence="1 reading",
            missing_when="the vehicle did not stand so long, or sent nothing then",
        ),
    )


#: Over the driving of a day the balance C dT/dt = k1 M² + k2 w² + k3 |w| - UA (T - Tc) is linear in the
#: means below: rise = (k1 torque² + k2 speed² + k3 speed - C warming) / UA. UA follows the flow, and that the
#: temperature by which the pump is run.
LOAD_FEATURES: Final = (
    _mean("torque_square_n2m2", "N²m²"),
    _mean("torque_nm", "N·m"),
    _mean("speed_square_krpm2", "krpm²"),
    _mean("speed_krpm", "krpm"),
    _mean("coolant_degc", "°C"),
    Feature(
        name="drive_h",
        unit="h",
        window="local day",
        least_evidence="1 min of driving",
        missing_when="the vehicle did not drive",
    ),
)

THERMAL_FEATURES: Final = (
    *machine_features("motor"),
    *machine_features("inverter"),
    *LOAD_FEATURES,
    _mean(
        "coolant_rise_k",
        "K",
        "no such driving, no outside temperature, or a coolant that is not told or stands still",
    ),
    *(
        Feature(
            name=name,
            unit=unit,
            window="readings of the local day under way with the coolant pump running",
            least_evidence="10 readings",
            missing_when="no pump signals, or the pump did not run",
        )
        for name, unit in (("pump_speed_rpm", "rpm"), ("pump_current_a", "A"))
    ),  #: geometric means
)
