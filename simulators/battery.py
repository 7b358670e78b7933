"""Cell chemistry: open-circuit voltage, resistance, the constants of every cell of the fleet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.chance import Floats, VehicleChance
from simulators.fleet import Fleet

#: Open-circuit voltage over state of charge, typical of the chemistries.
SOC_KNOTS = np.array([0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100]) / 100.0
OCV_KNOTS = {
    "NCM": np.array([3.00, 3.38, 3.46, 3.55, 3.60, 3.64, 3.69, 3.78, 3.88, 3.98, 4.08, 4.13, 4.20]),
    "LFP": np.array([2.50, 3.05, 3.20, 3.24, 3.27, 3.285, 3.29, 3.30, 3.325, 3.33, 3.335, 3.34, 3.45]),
}
FAST_S, SLOW_S = 40.0, 600.0


def open_circuit_v(soc: npt.ArrayLike, is_lfp: npt.NDArray[np.bool_]) -> Floats:
    """Return the open-circuit voltage of a cell in V; state of charge 0-1; arguments broadcast."""
    soc = np.asarray(soc)
    out = np.interp(soc, SOC_KNOTS, OCV_KNOTS["NCM"])
    is_lfp = np.broadcast_to(is_lfp, out.shape)
    if is_lfp.any():
        out = np.where(is_lfp, np.interp(soc, SOC_KNOTS, OCV_KNOTS["LFP"]), out)
    return np.asarray(out)


def resistance_factor(soc: Floats, temperature_degc: Floats) -> Floats:
    """Return the resistance over that at 25 °C and full charge: Arrhenius with 22 kJ/mol, rise when empty."""
    arrhenius = np.exp(22_000.0 / 8.314 * (1.0 / (temperature_degc + 273.15) - 1.0 / 298.15))
    return np.asarray(arrhenius * (1.0 + 0.6 * np.exp(-np.clip(soc, 0.0, 1.0) / 0.08)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Constants of the cells; (F, N) with N the largest cell count, NaN beyond a vehicle's own."""

    is_real: npt.NDArray[np.bool_]  #: (F, N)
    is_lfp: npt.NDArray[np.bool_]  #: (F,)
    count: Floats  #: (F,)
    capacity_ah: Floats  #: (F,)
    resistance_ohm: Floats  #: (F,) of one cell at 25 °C
    soc_offset: Floats  #: (F, N) at the beginning
    capacity_factor: Floats  #: (F, N)
    resistance_part: Floats  #: (F, N) around 1
    self_discharge_per_s: Floats  #: (F, N)
    channel_error_v: Floats  #: (F, N) constant error of the measuring channel
    probe_offset_degc: Floats  #: (F, M)
    is_probe: npt.NDArray[np.bool_]  #: (F, M)


def build_cells(fleet: Fleet, chance: VehicleChance) -> Cells:
    """Return cells spread like those of a good pack: capacity 0.7 %, resistance 4 %, charge 0.4 %."""
    models = [fleet.models[i] for i in fleet.model_index]
    count = np.array([m.cell_count for m in models], np.float64)
    probes = np.array([m.probe_count for m in models])
    capacity = np.array([m.capacity_ah for m in models])
    width, probe_width = max(m.cell_count for m in fleet.models), max(m.probe_count for m in fleet.models)
    drawn = np.clip(chance.normal(5, width), -3.0, 3.0).astype(np.float64)
    return Cells(
        is_real=np.arange(width) < count[:, None],
        is_lfp=np.array([m.chemistry == "LFP" for m in models]),
        count=count,
        capacity_ah=capacity,
        resistance_ohm=0.8e-3 * 150.0 / capacity,
        soc_offset=0.004 * drawn[:, 0],
        capacity_factor=1.0 + 0.007 * drawn[:, 1],
        resistance_part=1.0 + 0.04 * drawn[:, 2],
        self_discharge_per_s=0.02 / 30.0 / 86_400.0 * (1.0 + 0.2 * drawn[:, 3]),
        channel_error_v=0.001 * np.clip(drawn[:, 4], -2.0, 2.0),
        probe_offset_degc=0.6 * chance.normal(probe_width).astype(np.float64),
        is_probe=np.arange(probe_width) < probes[:, None],
    )
