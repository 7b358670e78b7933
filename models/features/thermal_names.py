"""Features of ``thermal_days``: the energy balance of motor and inverter over a day's driving."""

from __future__ import annotations

from typing import Final

from models.features.sets import Feature

_WINDOW = "driving of the local day, time-weighted"
_EVIDENCE = "15 min of driving with the signal"
_NONE = "no such driving, or a sensor that is absent or stands still"
_SOAK = "readings of the local day after 6 h of standing"

#: Over the driving of a day the balance C dT/dt = k1 M² + k2 w² + k3 |w| - UA (T - Tc) is linear in the
#: means below: rise = (k1 torque² + k2 speed² + k3 speed - C warming) / UA.
THERMAL_FEATURES: Final = (
    Feature(
        name="motor_rise_k",
        unit="K",
        window=_WINDOW,
        least_evidence=_EVIDENCE,
        missing_when=f"{_NONE}; neither coolant nor outside temperature",
    ),
    Feature(
        name="motor_warming_k_per_h",
        unit="K/h",
        window=_WINDOW,
        least_evidence=_EVIDENCE,
        missing_when=_NONE,
    ),
    Feature(
        name="inverter_rise_k",
        unit="K",
        window=_WINDOW,
        least_evidence=_EVIDENCE,
        missing_when=f"{_NONE}; neither coolant nor outside temperature",
    ),
    Feature(
        name="inverter_warming_k_per_h",
        unit="K/h",
        window=_WINDOW,
        least_evidence=_EVIDENCE,
        missing_when=_NONE,
    ),
    Feature(
        name="torque_square_n2m2", unit="N²m²", window=_WINDOW, least_evidence=_EVIDENCE, missing_when=_NONE
    ),
    Feature(name="torque_nm", unit="N·m", window=_WINDOW, least_evidence=_EVIDENCE, missing_when=_NONE),
    Feature(
        name="speed_square_krpm2", unit="krpm²", window=_WINDOW, least_evidence=_EVIDENCE, missing_when=_NONE
    ),
    Feature(name="speed_krpm", unit="krpm", window=_WINDOW, least_evidence=_EVIDENCE, missing_when=_NONE),
    Feature(
        name="motor_soak_k",
        unit="K",
        window=_SOAK,
        least_evidence="1 reading",
        missing_when="the vehicle did not stand so long, or sent nothing then",
    ),
    Feature(
        name="inverter_soak_k",
        unit="K",
        window=_SOAK,
        least_evidence="1 reading",
        missing_when="the vehicle did not stand so long, or sent nothing then",
    ),
    Feature(
        name="coolant_rise_k",
        unit="K",
        window=_WINDOW,
        least_evidence=_EVIDENCE,
        missing_when="no such driving, no outside temperature, or a coolant that is not told or stands still",
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
    Feature(
        name="drive_h",
        unit="h",
        window="local day",
        least_evidence="1 min of driving",
        missing_when="the vehicle did not drive",
    ),
)
