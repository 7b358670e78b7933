"""Open-circuit voltage of cells and how steep it is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulators.day_level.chance import Floats

_SOC = np.array([0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100]) / 100.0
_OCV = {
    "NCM": np.array([3.00, 3.38, 3.46, 3.55, 3.60, 3.64, 3.69, 3.78, 3.88, 3.98, 4.08, 4.13, 4.20]),
    "LFP": np.array([2.50, 3.05, 3.20, 3.24, 3.27, 3.285, 3.29, 3.30, 3.325, 3.33, 3.335, 3.34, 3.45]),
}


def open_circuit_v(soc: npt.ArrayLike, chemistry: str) -> Floats:
    """Return the rested voltage of a cell, typical of its chemistry; state of charge 0-1, straight beyond."""
    z, volts = np.asarray(soc, np.float64), _OCV[chemistry]
    low = np.minimum(z, 0.0) * (volts[1] - volts[0]) / _SOC[1]
    high = np.maximum(z - 1.0, 0.0) * (volts[-1] - volts[-2]) / (1.0 - _SOC[-2])
    return np.asarray(np.interp(z, _SOC, volts) + low + high)


def slope_mv_per_percent(soc: npt.ArrayLike, chemistry: str, *, half_width: float = 0.02) -> Floats:
    """Return the slope of the rested voltage over the charge, smoothed over twice ``half_width``."""
    z = np.clip(np.asarray(soc, np.float64), half_width, 1.0 - half_width)
    rise = open_circuit_v(z + half_width, chemistry) - open_circuit_v(z - half_width, chemistry)
    return np.asarray(1000.0 * rise / (200.0 * half_width))


def trust_in_voltage(soc: npt.ArrayLike, chemistry: str) -> Floats:
    """Return how far a rested voltage tells the charge, 0-1.

    Little where the curve is flat (NCM around 40 %, LFP nearly everywhere), and where it bends sharply at the
    lower end.
    """
    z = np.asarray(soc, np.float64)
    slope = slope_mv_per_percent(z, chemistry)
    if chemistry == "LFP":
        return np.asarray(np.interp(slope, (2.0, 5.0, 12.0, 30.0), (0.0, 0.5, 1.0, 0.2)))
    return np.asarray(
        np.interp(slope, (5.5, 8.5, 9.5), (0.1, 0.9, 1.0)) * np.interp(z, (0.3, 0.4), (0.1, 1.0))
    )
