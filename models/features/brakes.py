"""Brakes that drag: heat of one wheel that its tire, the sun and the others do not explain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import BoolArray, Family, FamilyRows, FloatArray, IntArray, VehicleSpec
from models.features.align import as_of
from models.features.brake_names import BRAKE_FEATURES
from models.features.days import local_day
from models.features.sets import DayFeatures, Feature
from models.features.tires import contrast, gas_amount
from models.features.track import CONTEXT_US, Track, build_track, empty_track

_MINUTE_US: Final = 60_000_000
_FRESH_S = 300.0
_STANDING_FRESH_S = 900.0
_WARM_KM_PER_H = 20.0
_WARM_US: Final = 20 * _MINUTE_US
_WARM_H = 10 / 60
_STOOD_US: Final = 180 * _MINUTE_US
_LEAST = 5
_LEAST_KM = 5.0
_COLUMNS = ("speed", "odometer", "pack.current", "pack.voltage", "ambient", "barometer", "altitude")


@dataclass(frozen=True, slots=True)
class BrakeDays:
    """The set ``brake_days``.

    A dragging brake of F newtons heats its wheel with F v, some hundred watts, of which the cavity of the
    tire sees part. Held against the warmest of the other wheels, sun on one side and a hot axle do not count:
    they warm two. An under-inflated tire flexes itself warm, hence its pressure beside.
    """

    name: str = "brake_days"
    version: int = 1

    @property
    def columns(self) -> Mapping[Family, tuple[str, ...]]:
        """Return what it reads."""
        return {
            Family.DRIVE: ("charging", "motor.speed", *_COLUMNS),
            Family.TIRE: ("tire.pressure", "tire.temperature", "tire.age"),
        }

    @property
    def context_us(self) -> int:
        """Return how far a day looks back."""
        return CONTEXT_US

    @property
    def features(self) -> tuple[Feature, ...]:
        """Return what it yields."""
        return BRAKE_FEATURES

    def compute(self, rows: Mapping[Family, FamilyRows], spec: VehicleSpec) -> DayFeatures:
        """Return the features of one vehicle; see ``FeatureSet``. Days are those with tire rows."""
        tire, drive = rows.get(Family.TIRE), rows.get(Family.DRIVE)
        track = empty_track(spec.time_zone) if drive is None else build_track(drive, _COLUMNS, spec.time_zone)
        n_wheels = len(spec.wheels)
        if tire is None or not len(tire) or "tire.temperature" not in tire.columns:
            tire = _no_rows(n_wheels)
        days = local_day(tire.time_us, spec.time_zone)
        day, first, at = np.unique(days, return_index=True, return_inverse=True)
        last = np.append(first[1:], len(days))[: len(first)] - 1
        degc = np.asarray(tire.columns["tire.temperature"], dtype=np.float64)
        degc = np.where((degc > -40.0) & (degc < 150.0), degc, np.nan)
        age = np.zeros(degc.shape)
        if "tire.age" in tire.columns:
            age[:] = tire.columns["tire.age"]
        is_warm, is_stood = _warm(track, tire), _stood(track, tire)
        fresh = np.where(is_warm[:, None] & ~(age > _FRESH_S), degc, np.nan)
        still = np.where(is_stood[:, None] & ~(age > _STANDING_FRESH_S), degc, np.nan)
        gas, is_trusted = gas_amount(tire, drive)
        gas = np.where(is_trusted & is_warm[:, None], gas, np.nan)
        share = 100.0 * contrast(gas) / np.where(gas > 0, gas, np.nan)
        value: dict[str, FloatArray] = {
            "wheel_excess_k": _medians(_above_warmest(fresh), at, len(day), _LEAST),
            "wheel_rise_k": _medians(contrast(fresh), at, len(day), _LEAST),
            "wheel_soak_k": _medians(contrast(still), at, len(day), 1),
            "wheel_pressure_percent": _medians(share, at, len(day), _LEAST),
            "energy_wh_per_km": _on_days(track, _energy_wh_per_km(track), day),
            "warm_h": _on_days(track, _warm_hours(track), day),
        }
        return DayFeatures(day=day, first_us=tire.time_us[first], last_us=tire.time_us[last], value=value)


def _no_rows(n_wheels: int) -> FamilyRows:
    nothing, none = np.zeros(0, dtype=np.int64), np.zeros((0, n_wheels))
    return FamilyRows(
        family=Family.TIRE,
        vehicle_id=np.zeros(0, dtype=np.int32),
        time_us=nothing,
        sent_us=nothing,
        received_us=nothing,
        is_hist=np.zeros(0, dtype=np.bool_),
        columns={"tire.pressure": none, "tire.temperature": none},
    )


def _rolling_h(track: Track) -> FloatArray:
    """Return the time before each row if it was driven at speed, h."""
    return np.where(track.held("speed") > _WARM_KM_PER_H, track.before_h, 0.0)


def _warm_h(track: Track) -> FloatArray:
    """Return, for each drive row, how long it rolled in the last twenty minutes, h."""
    # whole microseconds: sums of them do not depend on how many rows came before
    rolled = np.cumsum(np.round(_rolling_h(track) * 3.6e9).astype(np.int64))
    start = np.searchsorted(track.time_us, track.time_us - _WARM_US, side="left")
    earlier = np.where(start > 0, np.append(rolled, 0)[start - 1], 0)
    return np.asarray((rolled - earlier) / 3.6e9)


def _warm(track: Track, tire: FamilyRows) -> BoolArray:
    """Mark the tire rows of a vehicle that has been rolling long enough to show a wheel's heat."""
    is_warm = np.where(track.is_moving & (_warm_h(track) >= _WARM_H), 1.0, 0.0)
    return np.asarray(as_of(tire.time_us, track.time_us, is_warm, within_us=2 * _MINUTE_US) == 1.0)


def _stood(track: Track, tire: FamilyRows) -> BoolArray:
    """Mark the tire rows of a vehicle that has stood for three hours."""
    since = track.since_us(track.is_moving)
    has_stood = np.where(~track.is_moving & (since >= _STOOD_US), 1.0, 0.0)
    return np.asarray(as_of(tire.time_us, track.time_us, has_stood, within_us=90 * _MINUTE_US) == 1.0)


def _above_warmest(degc: FloatArray) -> FloatArray:
    """Return each wheel's temperature less the warmest of the others; NaN unless all are known."""
    if degc.shape[1] < 2:
        return np.full(degc.shape, np.nan)
    ranked = np.sort(degc, axis=1)
    known = np.asarray(np.isfinite(degc).all(axis=1, keepdims=True))
    top, second = ranked[:, -1:], ranked[:, -2:-1]
    others = np.where(degc == top, np.where(second == top, top, second), top)
    return np.where(known, degc - others, np.nan)


def _medians(values: FloatArray, at: IntArray, n_days: int, least: int) -> FloatArray:
    """Return the median of each day and wheel; NaN below ``least`` values."""
    out = np.full((n_days, values.shape[1]), np.nan)
    for wheel in range(values.shape[1]):
        known = np.isfinite(values[:, wheel])
        found, where = values[known, wheel], at[known]
        order = np.lexsort((found, where))
        day, first, count = np.unique(where[order], return_index=True, return_counts=True)
        ranked = found[order]
        middle = (ranked[first + (count - 1) // 2] + ranked[first + count // 2]) / 2
        out[day, wheel] = np.where(count >= least, middle, np.nan)
    return out


def _energy_wh_per_km(track: Track) -> FloatArray:
    power = -track.held("pack.current") * track.held("pack.voltage")
    way = np.zeros(len(track))
    way[1:] = np.diff(track.held("odometer"))
    used = track.is_moving & np.isfinite(power) & np.isfinite(way) & (way >= 0) & (track.before_h > 0)
    km = track.total(way, used)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(km >= _LEAST_KM, track.total(power * track.before_h, used) / km, np.nan)


def _warm_hours(track: Track) -> FloatArray:
    found = track.total(track.before_h, track.is_moving & (_warm_h(track) >= _WARM_H))
    return np.where(found >= 1 / 60, found, np.nan)


def _on_days(track: Track, values: FloatArray, day: IntArray) -> FloatArray:
    """Return values of the track's days on other days; NaN where the track has none."""
    if not len(track.day):
        return np.full(len(day), np.nan)
    place = np.minimum(np.searchsorted(track.day, day), len(track.day) - 1)
    return np.where(track.day[place] == day, values[place], np.nan)
