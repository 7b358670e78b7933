"""12 V battery at rest and at waking up; DC/DC converter at work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import BoolArray, Family, FamilyRows, FloatArray, IntArray, VehicleSpec
from models.features.lv_names import LV_FEATURES
from models.features.sets import DayFeatures, Feature
from models.features.thermal import as_days, middle, sink_degc, soaked_rows
from models.features.track import CONTEXT_US, Track, build_track, empty_track

_MINUTE_US: Final = 60_000_000
#: Surface charge of a lead-acid battery has mostly gone after two hours (open-circuit voltage by practice of
#: IEEE 450 and battery makers: some hours of rest).
_RESTED_US: Final = 120 * _MINUTE_US
_SETTLED_US: Final = 2 * _MINUTE_US
_WAKE_US: Final = _MINUTE_US
#: A 12 V block under charge lies above this, at rest below it.
_CHARGED_V = 13.3
#: Medians above this are of a 24 V system.
_TWO_BLOCKS_V = 18.0
_DRAIN_A = 1.0
_STEP_A = 5.0
_DIP_V = 0.05
_COLUMNS = (
    "lv.voltage",
    "lv.current",
    "dcdc.state",
    "dcdc.temperature",
    "vehicle.state",
    "coolant",
    "ambient",
)


@dataclass(frozen=True, slots=True)
class LvDays:
    """The set ``lv_days``.

    Rest: two hours and more after the DC/DC went off, when the voltage of lead-acid tells its charge (12.65 V
    full to 12.0 V empty). Waking up: the minute after, when contactors and computers draw tens of amperes
    from the battery alone, tells its resistance, fall of voltage over step of current. At work: what the
    converter holds, and whether it feeds the loads or the battery does.
    """

    name: str = "lv_days"
    version: int = 2

    @property
    def columns(self) -> Mapping[Family, tuple[str, ...]]:
        """Return what it reads."""
        return {Family.DRIVE: ("speed", "charging", "motor.speed", "pack.current", *_COLUMNS)}

    @property
    def context_us(self) -> int:
        """Return how far a day looks back."""
        return CONTEXT_US

    @property
    def features(self) -> tuple[Feature, ...]:
        """Return what it yields."""
        return LV_FEATURES

    def compute(self, rows: Mapping[Family, FamilyRows], spec: VehicleSpec) -> DayFeatures:
        """Return the features of one vehicle; see ``FeatureSet``."""
        drive = rows.get(Family.DRIVE)
        track = empty_track(spec.time_zone) if drive is None else build_track(drive, _COLUMNS, spec.time_zone)
        volt, amp, outside = _block_v(track), track.held("lv.current"), track.held("ambient")
        is_on = _converter_on(track, volt)
        is_rest = ~is_on & track.is_standing & (track.since_us(is_on | ~track.is_standing) >= _RESTED_US)
        on_us = track.run_us(is_on)
        settled = is_on & (on_us >= _SETTLED_US)
        charged = is_on & (on_us >= 5 * _MINUTE_US) & (on_us <= 15 * _MINUTE_US)
        wake_min, wake_ohm = _waking(track, volt, amp, is_on)
        known = np.isfinite(volt)
        rise = track.held("dcdc.temperature") - sink_degc(track)
        rest_h = track.total(_resting_h(track, is_rest), is_rest & known)
        on_h = track.total(track.before_h, settled & known)
        value: dict[str, FloatArray] = {
            "rest_voltage_v": track.quantile(volt, is_rest, 0.5, 1),
            "rest_low_v": track.quantile(volt, is_rest, 0.0, 1),
            "rest_slope_v_per_day": _slope(track, volt, is_rest),
            "rest_current_a": track.quantile(amp, is_rest, 0.5, 1),
            "rest_temperature_degc": track.quantile(outside, is_rest, 0.5, 1),
            "rest_h": np.where(rest_h > 0, rest_h, np.nan),
            "wake_min_v": wake_min,
            "wake_resistance_mohm": wake_ohm * 1000.0,
            "charge_current_a": track.quantile(amp, charged, 0.5, 10),
            "on_voltage_v": track.quantile(volt, settled, 0.5, 10),
            "on_low_v": track.quantile(volt, settled, 0.05, 10),
            "on_high_v": track.quantile(volt, settled, 0.95, 10),
            "on_drain_share": _share(track, amp < -_DRAIN_A, settled & np.isfinite(amp)),
            "on_temperature_degc": track.quantile(outside, settled, 0.5, 10),
            "dcdc_rise_k": track.mean(middle(rise), settled, 0.25),
            "on_h": np.where(on_h > 0, on_h, np.nan),
            "dcdc_soak_k": track.quantile(rise, soaked_rows(track), 0.5, 1),
        }
        return as_days(track, value)


def _block_v(track: Track) -> FloatArray:
    """Return the voltage of one 12 V block."""
    volt = track.held("lv.voltage")
    return np.where(volt > _TWO_BLOCKS_V, volt / 2.0, volt)


def _converter_on(track: Track, volt: FloatArray) -> BoolArray:
    """Return when the DC/DC feeds: as it says, else as movement, charging and voltage show."""
    said = track.held("dcdc.state")
    shown = track.is_moving | track.is_charging | (volt > _CHARGED_V)
    return np.asarray(np.where(np.isfinite(said), said == 1, shown), dtype=np.bool_)


def _resting_h(track: Track, is_rest: BoolArray) -> FloatArray:
    """Return the time since the row before where both rest, h: rows at rest are an hour apart and more."""
    out = np.zeros(len(track))
    out[1:] = np.where(is_rest[1:] & is_rest[:-1], np.diff(track.time_us) / 3.6e9, 0.0)
    return np.minimum(out, CONTEXT_US / 3.6e9)


def _slope(track: Track, volt: FloatArray, is_rest: BoolArray) -> FloatArray:
    """Return the slope of the voltage within each day's stretches of rest, V/day, least squares."""
    known = np.flatnonzero(is_rest & np.isfinite(volt))
    n_days = len(track.day)
    if len(known) < 2:
        return np.full(n_days, np.nan)
    at = track.at[known]
    active = np.cumsum(~is_rest)[known]  # a row that is not at rest parts two stretches
    begins = np.concatenate(([True], (np.diff(at) != 0) | (np.diff(active) != 0)))
    key = np.cumsum(begins) - 1
    time = track.time_us[known]
    rested = (time - time[begins][key]) / 8.64e10  # days
    count = np.bincount(key)
    from_t = rested - (np.bincount(key, weights=rested) / count)[key]
    from_v = volt[known] - (np.bincount(key, weights=volt[known]) / count)[key]
    square = np.bincount(at, weights=from_t**2, minlength=n_days)
    enough = np.bincount(at, minlength=n_days) >= 4
    # four hourly readings: a variance of 1.25 h², times four
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.bincount(at, weights=from_t * from_v, minlength=n_days) / square
    return np.where(enough & (square >= 5.0 / 24.0**2), found, np.nan)


def _waking(
    track: Track, volt: FloatArray, amp: FloatArray, is_on: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return lowest voltage and median resistance (ohm) of each day's waking ups.

    A waking up is the minute that begins with the first row after one at rest; it counts where its lowest
    voltage lies below the one at rest, so that the battery alone carried the load.
    """
    n_days = len(track.day)
    nothing = np.full(n_days, np.nan)
    known = np.flatnonzero(np.isfinite(volt))
    if len(known) < 2:
        return nothing, nothing
    time, v, i, on = track.time_us[known], volt[known], amp[known], is_on[known]
    awake = on | ~track.is_standing[known] | (track.held("vehicle.state")[known] == 1) | (i < -_STEP_A)
    before = np.concatenate(([False], awake[:-1]))
    # a row at rest from before what the day looks back to is not there when the day is computed alone
    is_near = np.concatenate(([False], np.diff(time) <= CONTEXT_US))
    begins = np.flatnonzero(awake & ~before & is_near)
    if not len(begins):
        return nothing, nothing
    ends = np.searchsorted(time, time[begins] + _WAKE_US, side="right")
    ends = np.minimum(ends, np.append(begins[1:], len(known)))
    # the minute may not reach into the next day: that day would change this one
    day = track.at[known]
    ends = np.minimum(ends, np.searchsorted(day, day[begins], side="right"))
    bounds = np.column_stack((begins, ends)).ravel()
    padded = np.append(v, np.inf)
    lowest = np.minimum.reduceat(padded, bounds)[::2]
    rest_v, rest_a = v[begins - 1], i[begins - 1]
    is_dip = (rest_v - lowest > _DIP_V) & (rest_v < _CHARGED_V)
    deepest = _first_equal(v, lowest, begins, ends)
    step = rest_a - i[deepest]
    with np.errstate(invalid="ignore", divide="ignore"):
        ohm = np.where(is_dip & (step >= _STEP_A), (rest_v - lowest) / step, np.nan)
    where = day[begins]
    return (
        _per_day(where, np.where(is_dip, lowest, np.nan), n_days, 0.0),
        _per_day(where, ohm, n_days, 0.5),
    )


def _first_equal(values: FloatArray, wanted: FloatArray, begins: IntArray, ends: IntArray) -> IntArray:
    """Return the first index from ``begins`` to before ``ends`` that holds the wanted value."""
    length = ends - begins
    owner = np.repeat(np.arange(len(begins)), length)
    index = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length) + begins[owner]
    hit = np.flatnonzero(values[index] == wanted[owner])
    out = begins.copy()
    out[owner[hit][::-1]] = index[hit][::-1]
    return out


def _per_day(at: IntArray, values: FloatArray, n_days: int, share: float) -> FloatArray:
    """Return the lowest (share 0) or middle (0.5) value of each day; NaN without one."""
    out = np.full(n_days, np.nan)
    kept = np.isfinite(values)
    at, values = at[kept], values[kept]
    order = np.lexsort((values, at))
    at, values = at[order], values[order]
    day, first, count = np.unique(at, return_index=True, return_counts=True)
    low, high = np.floor(share * (count - 1)).astype(int), np.ceil(share * (count - 1)).astype(int)
    out[day] = (values[first + low] + values[first + high]) / 2
    return out


def _share(track: Track, is_it: BoolArray, used: BoolArray) -> FloatArray:
    count = track.count(used)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count >= 10, track.count(used & is_it) / count, np.nan)
