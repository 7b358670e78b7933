"""Cooling loop: what pack and coolant keep of their heat, and what the pump does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data.records import Family, FamilyRows, FloatArray, IntArray, VehicleSpec
from models.features.align import as_of
from models.features.cooling_names import COOLING_FEATURES
from models.features.day_grid import row_median
from models.features.sets import DayFeatures, Feature
from models.features.thermal import (
    RUNNING_RPM,
    above_zero,
    as_days,
    drive_loads,
    hours,
    is_frozen,
    machine_heat,
    middle,
    soaked_rows,
)
from models.features.track import CONTEXT_US, GAP_US, build_track, empty_track

_LEAST_H = 0.25
_LEAST_ROWS = 10
_WARM_DEGC = 35.0
_COLUMNS = (
    "coolant",
    "ambient",
    "pack.current",
    "pack.voltage",
    "speed",
    "motor.temperature",
    "motor.torque",
    "coolant.pump.speed",
    "coolant.pump.current",
)


@dataclass(frozen=True, slots=True)
class CoolingDays:
    """The set ``cooling_days``.

    Balances in daily means: the pack's, C dT/dt = R I² - hA (T - Tc), and the coolant's, C dTc/dt = losses -
    UA (Tc - Ta), over driving and charging, and the motor's over driving (see ``ThermalDays``). They are
    linear in their means, so that a lost flow (hA, UA) shows as a rise that current, power and weather no
    longer explain. A centrifugal pump's current follows a power of its speed; geometric means keep that
    relation exact.
    """

    name: str = "cooling_days"
    version: int = 2

    @property
    def columns(self) -> Mapping[Family, tuple[str, ...]]:
        """Return what it reads."""
        return {Family.DRIVE: ("charging", "motor.speed", *_COLUMNS), Family.CELL: ("cell.temperature",)}

    @property
    def context_us(self) -> int:
        """Return how far a day looks back."""
        return CONTEXT_US

    @property
    def features(self) -> tuple[Feature, ...]:
        """Return what it yields."""
        return COOLING_FEATURES

    def compute(self, rows: Mapping[Family, FamilyRows], spec: VehicleSpec) -> DayFeatures:
        """Return the features of one vehicle; see ``FeatureSet``. Days are those with drive rows."""
        drive = rows.get(Family.DRIVE)
        track = empty_track(spec.time_zone) if drive is None else build_track(drive, _COLUMNS, spec.time_zone)
        loaded, soaked = track.is_moving | track.is_charging, soaked_rows(track)
        pack = _probe_degc(rows.get(Family.CELL), track.time_us)
        coolant, outside = track.held("coolant"), track.held("ambient")
        current, power = track.held("pack.current"), np.abs(track.held("pack.current"))
        power = power * track.held("pack.voltage") / 1000.0
        has_coolant = ~is_frozen(track, coolant, loaded)
        rpm, pump_a = track.held("coolant.pump.speed"), track.held("coolant.pump.current")
        runs = loaded & (rpm >= RUNNING_RPM) & (pump_a > 0)
        is_warm = loaded & (np.fmax(coolant, pack) > _WARM_DEGC)
        value: dict[str, FloatArray] = {
            "pack_rise_k": np.where(
                has_coolant, track.mean(middle(pack - coolant), loaded, _LEAST_H), np.nan
            ),
            "pack_warming_k_per_h": track.warming(pack, loaded, _LEAST_H),
            "current_square_a2": track.mean(current**2, loaded, _LEAST_H),
            "coolant_rise_k": np.where(
                has_coolant, track.mean(middle(coolant - outside), loaded, _LEAST_H), np.nan
            ),
            "coolant_warming_k_per_h": track.warming(coolant, loaded, _LEAST_H),
            "power_kw": track.mean(power, loaded, _LEAST_H),
            "speed_km_per_h": track.mean(track.held("speed"), loaded, _LEAST_H),
            "outside_degc": track.mean(outside, loaded, _LEAST_H),
            "pump_speed_rpm": np.exp(track.plain_mean(np.log(above_zero(rpm)), runs, _LEAST_ROWS)),
            "pump_current_a": np.exp(track.plain_mean(np.log(above_zero(pump_a)), runs, _LEAST_ROWS)),
            "pump_idle_share": track.plain_mean(
                np.where(np.isfinite(rpm), (rpm < RUNNING_RPM) * 1.0, np.nan), is_warm, _LEAST_ROWS
            ),
            "pack_soak_k": track.quantile(pack - coolant, soaked, 0.5, 1),
            "coolant_soak_k": track.quantile(coolant - outside, soaked, 0.5, 1),
            "load_h": hours(track, loaded),
            **machine_heat(track, "motor"),
            **drive_loads(track),
        }
        return as_days(track, value)


def _probe_degc(cell: FamilyRows | None, time_us: IntArray) -> FloatArray:
    """Return the median probe of the pack at each time, no older than ``GAP_US``."""
    if cell is None or not len(cell) or "cell.temperature" not in cell.columns:
        return np.full(len(time_us), np.nan)
    values = np.asarray(cell.columns["cell.temperature"], dtype=np.float64)
    typical = row_median(values.reshape(len(cell), -1))
    return as_of(time_us, cell.time_us, typical, within_us=GAP_US)
