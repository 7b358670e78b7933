"""What the sensors of a fleet could see at the instants of a day."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from simulators.chance import Floats

#: Kept in double precision: instants, places, and counters whose differences matter.
_DOUBLE = ("time_s", "position", "odometer_km", "charge_ah")
_WIDE = {"position": 2, "tire_kpa": 4, "tire_degc": 4, "tire_age_s": 4, "tire_amount_kpa": 4}
_KINDS: dict[str, type] = {
    **dict.fromkeys(("is_valid", "is_awake", "is_dense"), np.bool_),
    **dict.fromkeys(("activity", "step"), np.int64),
}


@dataclass(slots=True, kw_only=True)
class Trace:
    """F vehicles at K instants; (F, K) unless said otherwise; single precision where that is enough."""

    time_s: Floats
    is_valid: npt.NDArray[np.bool_]
    activity: npt.NDArray[np.int64]
    step: npt.NDArray[np.int64]
    is_awake: npt.NDArray[np.bool_]
    is_dense: npt.NDArray[np.bool_]  #: sampled by the second around a hazard
    position: Floats  #: (F, K, 2) latitude, longitude
    heading_deg: Floats
    altitude_m: Floats
    speed_mps: Floats
    odometer_km: Floats
    soc: Floats  #: 0-1, of the mean cell
    shown_soc: Floats  #: 0-1, what the battery management believes
    charge_ah: Floats  #: into the battery since the beginning of the fleet
    current_a: Floats  #: into the battery
    fast_a: Floats
    slow_a: Floats
    pack_v: Floats  #: sum of the cells
    contact_v: Floats  #: lost in the contactors, positive while charging
    pack_degc: Floats
    pack_k: Floats  #: rise of the coolant along the pack
    plate_k: Floats  #: rise of the part whose cooling is blocked
    coolant_degc: Floats
    pump_rpm: Floats
    pump_a: Floats
    motor_degc: Floats
    inverter_degc: Floats
    torque_nm: Floats
    wheel_w: Floats
    dcdc_degc: Floats
    lv_v: Floats
    lv_a: Floats
    insulation_kohm: Floats
    ambient_degc: Floats
    rain: Floats
    air_kpa: Floats
    is_full: Floats  #: 1 once a charge is complete
    tire_kpa: Floats  #: (F, K, 4) as held by the receiver
    tire_degc: Floats
    tire_age_s: Floats
    tire_amount_kpa: Floats  #: (F, K, 4) truth: absolute at 20 °C, never emitted

    @classmethod
    def empty(cls, n: int, k: int) -> Trace:
        """Return an unfilled trace of ``k`` instants."""
        arrays: dict[str, Any] = {
            f.name: np.zeros(
                (n, k, _WIDE[f.name]) if f.name in _WIDE else (n, k),
                _KINDS.get(f.name, np.float64 if f.name in _DOUBLE else np.float32),
            )
            for f in fields(cls)
        }
        return cls(**arrays)

    def take(self, name: str, at: tuple[npt.NDArray[np.int64], ...]) -> Floats:
        """Return the values of one field at chosen instants, in double precision."""
        return np.asarray(getattr(self, name)[at], np.float64)
