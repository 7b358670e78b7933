"""What a recording tells of its vehicle when no vehicle model is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.records import WHEELS, FloatArray, IntArray, VehicleSpec
from ingest.recordings.errors import RecordingError

#: Cold placard pressure of a passenger car when neither model nor file tells, kPa gauge (36 psi).
_USUAL_PLACARD_KPA = 250.0
#: LFP cells rest below 3.40 V up to 99 % SOC; NCM cells rest above it from 10 % SOC on.
_LFP_BELOW_V = 3.42
_MAX_GAP_S = 120.0
_REST_A = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """What a recording tells of its battery; by default nothing."""

    cell_count: int = 0
    probe_count: int = 0
    chemistry: str = "NCM"  #: or LFP
    capacity_ah: float = 0.0  #: 0: not known


def infer_chemistry(cell_v: FloatArray, current_a: FloatArray) -> str:
    """Return ``NCM`` or ``LFP`` from the upper rested cell voltages.

    Args:
        cell_v: Shape (n, cells), V.
        current_a: Shape (n,), A; NaN counts as rest.
    """
    rested = ~(np.abs(current_a) > _REST_A)
    values = cell_v[rested] if rested.any() else cell_v
    values = values[np.isfinite(values)]
    return "LFP" if values.size and float(np.quantile(values, 0.95)) < _LFP_BELOW_V else "NCM"


def infer_capacity_ah(time_us: IntArray, current_a: FloatArray, soc_percent: FloatArray) -> float:
    """Return the capacity that charge counting over the recording's SOC swing gives; 0 when too little.

    Args:
        time_us: Shape (n,), ascending.
        current_a: Shape (n,), A, positive into the battery.
        soc_percent: Shape (n,).
    """
    known = np.isfinite(current_a) & np.isfinite(soc_percent)
    if known.sum() < 2:
        return 0.0
    time_s, current, soc = time_us[known] / 1e6, current_a[known], soc_percent[known]
    dt = np.diff(time_s)
    is_joined = (dt > 0) & (dt <= _MAX_GAP_S)
    charge_ah = np.where(is_joined, 0.5 * (current[1:] + current[:-1]) * dt / 3600, 0.0)
    stretch = np.concatenate(([0], np.cumsum(~is_joined)))
    total = np.concatenate(([0.0], np.cumsum(charge_ah)))
    starts = np.flatnonzero(np.concatenate(([True], np.diff(stretch) > 0)))
    ends = np.concatenate((starts[1:], [stretch.size])) - 1
    swing_ah, swing_soc = total[ends] - total[starts], soc[ends] - soc[starts]
    is_wide = np.abs(swing_soc) >= 5
    if np.abs(swing_soc[is_wide]).sum() < 20:
        return 0.0
    return round(float(np.abs(swing_ah[is_wide]).sum() / np.abs(swing_soc[is_wide]).sum() * 100), 1)


def resolve_spec(
    spec: VehicleSpec | None,
    *,
    name: str,
    format_name: str,
    pack: Pack,
    placard_kpa: float | Sequence[float] | None,
    time_zone: str,
) -> VehicleSpec:
    """Return the given vehicle model with the placard applied, or one built from the recording.

    Raises:
        RecordingError: The given model has another number of cells than the file, or the placard another
            number of wheels than the model, or is not positive; names both.
    """
    if spec is not None and pack.cell_count and spec.cell_count != pack.cell_count:
        raise RecordingError(
            f"{name}: has {pack.cell_count} cells, vehicle model {spec.model_id!r} has {spec.cell_count}"
        )
    wheels = spec.wheels if spec is not None else WHEELS
    placard = spec.placard_kpa if spec is not None else (_USUAL_PLACARD_KPA,) * len(wheels)
    if placard_kpa is not None:
        given = (
            (float(placard_kpa),) * len(wheels)
            if isinstance(placard_kpa, (int, float))
            else tuple(float(value) for value in placard_kpa)
        )
        if len(given) != len(wheels) or not all(50 <= value <= 1500 for value in given):
            raise RecordingError(
                f"placard {placard_kpa}: must be 50 to 1500 kPa, one value or one a wheel ({len(wheels)})"
            )
        placard = given
    return VehicleSpec(
        model_id=spec.model_id if spec else f"recording-{format_name}",
        chemistry=spec.chemistry if spec else pack.chemistry,
        cell_count=spec.cell_count if spec else pack.cell_count,
        probe_count=spec.probe_count if spec else pack.probe_count,
        capacity_ah=spec.capacity_ah if spec else pack.capacity_ah,
        wheels=wheels,
        placard_kpa=placard,
        time_zone=spec.time_zone if spec else time_zone,
    )
