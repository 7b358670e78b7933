"""Cell chemistry: open-circuit voltage and resistance over charge and temperature."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulators.chance import Floats

#: Open-circuit voltage over state of charge, typical of the chemistries; beyond full and empty it runs away.
SOC_KNOTS = np.array([0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100]) / 100.0
OCV_KNOTS = {
    "NCM": np.array([3.00, 3.38, 3.46, 3.55, 3.60, 3.64, 3.69, 3.78, 3.88, 3.98, 4.08, 4.13, 4.20]),
    "LFP": np.array([2.50, 3.05, 3.20, 3.24, 3.27, 3.285, 3.29, 3.30, 3.325, 3.33, 3.335, 3.34, 3.45]),
}
_WIDE_SOC = np.concatenate([[-0.3, -0.05], SOC_KNOTS, [1.02, 1.1]])
_WIDE_OCV = {
    "NCM": np.concatenate([[0.5, 2.5], OCV_KNOTS["NCM"], [4.26, 4.6]]),
    "LFP": np.concatenate([[0.5, 2.0], OCV_KNOTS["LFP"], [3.65, 4.3]]),
}
FAST_S, SLOW_S = 40.0, 600.0


def open_circuit_v(soc: npt.ArrayLike, is_lfp: npt.NDArray[np.bool_]) -> Floats:
    """Return the open-circuit voltage of a cell in V; state of charge 0-1; arguments broadcast."""
    soc = np.asarray(soc)
    out = np.interp(soc, _WIDE_SOC, _WIDE_OCV["NCM"])
    is_lfp = np.broadcast_to(is_lfp, out.shape)
    if is_lfp.any():
        out = np.where(is_lfp, np.interp(soc, _WIDE_SOC, _WIDE_OCV["LFP"]), out)
    return np.asarray(out)


def resistance_factor(soc: Floats, temperature_degc: Floats) -> Floats:
    """Return the resistance over that at 25 °C and full charge: Arrhenius with 22 kJ/mol, rise when empty."""
    arrhenius = np.exp(22_000.0 / 8.314 * (1.0 / (temperature_degc + 273.15) - 1.0 / 298.15))
    return np.asarray(arrhenius * (1.0 + 0.6 * np.exp(-np.clip(soc, 0.0, 1.0) / 0.08)))
