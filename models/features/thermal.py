"""Motor and inverter: the energy balance of a day's driving, from which a thermal model is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import BoolArray, Family, FamilyRows, FloatArray, VehicleSpec
from models.features.sets import DayFeatures, Feature
from models.features.thermal_names import THERMAL_FEATURES
from models.features.track import CONTEXT_US, Track, build_track, empty_track

#: Standing so long, motor and inverter (minutes) and the loop around them have the garage's temperature.
SOAK_US: Final = 6 * 3600 * 1_000_000
#: The last half minute before driving off and all of standing count as soaked; the first row under way too.
_LEAST_H = 0.25
#: A sensor that shows one value throughout so much driving has not measured.
_FROZEN_H = 0.5
_COLUMNS = (
    "motor.temperature",
    "inverter.temperature",
    "coolant",
    "ambient",
    "motor.speed",
    "motor.torque",
    "coolant.pump.speed",
    "coolant.pump.current",
)
#: A pump that turns slower stands still.
RUNNING_RPM: Final = 200.0
_LEAST_ROWS = 10


@dataclass(frozen=True, slots=True)
class ThermalDays:
    """The set ``thermal_days``.

    A lumped model of one node, C dT/dt = k1 M² + k2 w² + k3 |w| - UA (T - Tc) (as in Kirchgässner et al.,
    "Thermal neural networks", 2023, for the structure), integrated over the driving of a day is linear in
    daily means. The means are the features; the parameters are fitted to a vehicle's own past by whoever
    looks for a change. UA follows the flow, and the pump that drives it the coolant's temperature. Torque
    and speed of a row stand for the time before it, temperatures for the middle.
    """

    name: str = "thermal_days"
    version: int = 4

    @property
    def columns(self) -> Mapping[Family, tuple[str, ...]]:
        """Return what it reads."""
        return {Family.DRIVE: ("speed", "charging", "pack.current", *_COLUMNS)}

    @property
    def context_us(self) -> int:
        """Return how far a day looks back."""
        return CONTEXT_US

    @property
    def features(self) -> tuple[Feature, ...]:
        """Return what it yields."""
        return THERMAL_FEATURES

    def compute(self, rows: Mapping[Family, FamilyRows], spec: VehicleSpec) -> DayFeatures:
        """Return the features of one vehicle; see ``FeatureSet``."""
        drive = rows.get(Family.DRIVE)
        track = empty_track(spec.time_zone) if drive is None else build_track(drive, _COLUMNS, spec.time_zone)
        driving = track.is_moving
        value = machine_heat(track, "motor") | machine_heat(track, "inverter") | drive_loads(track)
        coolant = track.held("coolant")
        rise = track.mean(middle(coolant - track.held("ambient")), driving, _LEAST_H)
        value["coolant_rise_k"] = np.where(is_frozen(track, coolant, driving), np.nan, rise)
        rpm, pump_a = track.held("coolant.pump.speed"), track.held("coolant.pump.current")
        runs = driving & (rpm >= RUNNING_RPM) & (pump_a > 0)
        for name, read in (("pump_speed_rpm", rpm), ("pump_current_a", pump_a)):
            value[name] = np.exp(track.plain_mean(np.log(above_zero(read)), runs, _LEAST_ROWS))
        return as_days(track, value)


def machine_heat(track: Track, part: str) -> dict[str, FloatArray]:
    """Return what ``motor`` or ``inverter`` keeps of its heat while driving, and after a rest, by day."""
    sink, own = sink_degc(track), track.held(f"{part}.temperature")
    is_alive = ~is_frozen(track, own, track.is_moving)
    rise = track.mean(middle(own - sink), track.is_moving, _LEAST_H)
    warming = track.warming(own, track.is_moving, _LEAST_H)
    return {
        f"{part}_rise_k": np.where(is_alive, rise, np.nan),
        f"{part}_warming_k_per_h": np.where(is_alive, warming, np.nan),
        f"{part}_soak_k": track.quantile(own - sink, soaked_rows(track), 0.5, 1),
    }


def drive_loads(track: Track) -> dict[str, FloatArray]:
    """Return what heats the machines over the driving of each day, and what asks the pump to cool them."""
    driving, coolant = track.is_moving, track.held("coolant")
    torque, krpm = track.held("motor.torque"), track.held("motor.speed") / 1000.0
    warmth = track.mean(middle(coolant), driving, _LEAST_H)
    return {
        "torque_square_n2m2": track.mean(torque**2, driving, _LEAST_H),
        "torque_nm": track.mean(np.abs(torque), driving, _LEAST_H),
        "speed_square_krpm2": track.mean(krpm**2, driving, _LEAST_H),
        "speed_krpm": track.mean(np.abs(krpm), driving, _LEAST_H),
        "coolant_degc": np.where(is_frozen(track, coolant, driving), np.nan, warmth),
        "drive_h": hours(track, driving),
    }


def sink_degc(track: Track) -> FloatArray:
    """Return the temperature that heat flows to: the coolant's, the outside air's where there is none."""
    coolant, outside = track.held("coolant"), track.held("ambient")
    return coolant if np.isfinite(coolant).any() else outside


def soaked_rows(track: Track) -> BoolArray:
    """Mark the rows of a vehicle that has stood for hours."""
    return track.is_standing & (track.since_us(~track.is_standing) >= SOAK_US)


def is_frozen(track: Track, values: FloatArray, used: BoolArray) -> BoolArray:
    """Mark the days on which a sensor showed one value throughout half an hour of use and more."""
    known = used & np.isfinite(values)
    return np.asarray(
        (track.total(track.before_h, known) >= _FROZEN_H) & (track.span(values, known, 2) == 0.0)
    )


def middle(values: FloatArray) -> FloatArray:
    """Return the mean of each row and the row before, NaN for the first."""
    out = np.full(len(values), np.nan)
    out[1:] = (values[1:] + values[:-1]) / 2
    return out


def above_zero(values: FloatArray) -> FloatArray:
    """Return the values above zero, NaN for the others."""
    return np.where(values > 0, values, np.nan)


def hours(track: Track, used: BoolArray) -> FloatArray:
    """Return the time in use of each day, h; NaN below a minute."""
    found = track.total(track.before_h, used)
    return np.where(found >= 1 / 60, found, np.nan)


def as_days(track: Track, value: Mapping[str, FloatArray]) -> DayFeatures:
    """Return features with the days and the first and last row of each."""
    first = np.searchsorted(track.at, np.arange(len(track.day)), side="left")
    last = np.searchsorted(track.at, np.arange(len(track.day)), side="right") - 1
    return DayFeatures(day=track.day, first_us=track.time_us[first], last_us=track.time_us[last], value=value)
