"""Tire samples of one vehicle: which are trusted, which are cold, and what a day of them says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, FamilyRows, FloatArray, IntArray
from models.features.align import as_of, column
from models.features.tires import altitude_m, axle_contrast, gas_amount, outside_degc

MOVING_KM_PER_H = 5.0
_MINUTE_US = 60_000_000
_COLD_AFTER_US = 180 * _MINUTE_US
_COLD_FOR_US = 15 * _MINUTE_US
#: Sensors that do not tell the age of a value still hold that of the last stop for so long.
_SETTLE_US = 150_000_000
_FULL_COUNT = 8.0
_LEAST_COUNT = 2
_LEAST_SPAN_COUNT = 8
_LEAST_THIRD = 3
_DEAD_KPA = 20.0
_FLAT_KPA = 60.0


@dataclass(frozen=True, slots=True)
class TireSamples:
    """All samples of one vehicle, shapes (n, n_wheels) and (n,)."""

    gauge: FloatArray  #: as told
    gas: FloatArray  #: NaN where not trusted
    contrast: FloatArray
    temperature: FloatArray  #: of the tires where trusted, else of the outside air
    is_trusted: BoolArray
    is_plausible: BoolArray
    is_cold: BoolArray
    altitude: FloatArray


def tire_samples(tire: FamilyRows, drive: FamilyRows | None) -> TireSamples:
    """Return the samples of one vehicle with what surrounds them; both families ascending in time."""
    pressure, is_trusted = gas_amount(tire, drive)
    gauge = np.asarray(tire.columns["tire.pressure"], dtype=np.float64)
    gas = np.where(is_trusted, pressure, np.nan)
    own = np.full_like(gauge, np.nan)
    if "tire.temperature" in tire.columns:
        own[:] = np.where(is_trusted, tire.columns["tire.temperature"], np.nan)
    outside = outside_degc(tire.time_us, drive)[:, None]
    return TireSamples(
        gauge=gauge,
        gas=gas,
        contrast=axle_contrast(gas),
        temperature=np.where(np.isfinite(own).any(1, keepdims=True), own, outside),
        is_trusted=is_trusted,
        is_plausible=np.isfinite(gauge) & (gauge >= _DEAD_KPA),
        is_cold=_is_cold(tire, drive),
        altitude=altitude_m(tire.time_us, drive),
    )


def _is_cold(tire: FamilyRows, drive: FamilyRows | None) -> BoolArray:
    """Mark samples after 3 h without movement, up to 15 min into the drive.

    Where no speed is told, silence is standing.
    """
    time_us = tire.time_us
    moved, speed = time_us[:0], np.full(len(time_us), np.nan)
    if drive is not None:
        told = column(drive.columns, "speed", len(drive))
        moved = drive.time_us[told > MOVING_KM_PER_H]
        speed = as_of(time_us, drive.time_us, told, within_us=_COLD_FOR_US)
    moved = np.sort(np.concatenate((moved, time_us[~np.isfinite(speed)])))
    earlier = np.searchsorted(moved, time_us - _COLD_FOR_US, side="right")
    is_quiet = earlier == np.searchsorted(moved, time_us - _COLD_FOR_US - _COLD_AFTER_US, side="right")
    heard = np.searchsorted(time_us, time_us - _SETTLE_US, side="right")
    is_settled = heard > np.searchsorted(time_us, time_us - _COLD_FOR_US, side="right")
    if "tire.age" in tire.columns:
        is_settled |= np.isfinite(tire.columns["tire.age"]).any(1)
    return np.asarray(is_quiet & is_settled)


def day_values(samples: TireSamples, rows: slice) -> dict[str, FloatArray | float]:
    """Return the features of one day, by name; ``rows`` are the samples of that day."""
    gas, contrast = samples.gas[rows], samples.contrast[rows]
    gauge, is_trusted = samples.gauge[rows], samples.is_trusted[rows]
    count = is_trusted.sum(0)
    enough = count >= _LEAST_COUNT
    middle = column_median(contrast)
    spread = 1.4826 * column_median(np.abs(contrast - middle))
    heard = np.flatnonzero(is_trusted.any(1))
    third = len(heard) // 3
    first, last = heard[:third], heard[len(heard) - third :]
    trusted_gauge = np.where(is_trusted, gauge, np.nan)
    held = np.maximum(trusted_gauge[1:], trusted_gauge[:-1])
    plausible = np.where(samples.is_plausible[rows], gauge, np.nan)
    is_whole = np.isfinite(gauge).all(1)
    return {
        "contrast_kpa": np.where(enough, middle, np.nan),
        "gas_kpa": np.where(enough, column_median(gas), np.nan),
        "spread_kpa": np.where(enough, spread, np.nan),
        "weight": np.where(enough, np.minimum(count / _FULL_COUNT, 1.0), 0.0),
        "begin_contrast_kpa": _median_of(contrast, first),
        "end_contrast_kpa": _median_of(contrast, last),
        "step_kpa": _median_of(gas, last) - _median_of(gas, first),
        "cold_gauge_kpa": column_median(np.where(samples.is_cold[rows, None], trusted_gauge, np.nan)),
        "low_gauge_kpa": _lowest(held),
        "gauge_span_kpa": _span(plausible),
        # a flat tire is heard: only what is trusted as gas must be above
        "heard_share": (is_trusted | (samples.is_plausible[rows] & (gauge < _FLAT_KPA))).mean(0),
        "zero_share": (gauge < _DEAD_KPA).mean(0),
        "low_temperature_degc": float(_lowest(samples.temperature[rows].reshape(-1, 1))[0]),
        "equal_share": float((np.ptp(gauge[is_whole], axis=1) == 0).mean()) if is_whole.any() else np.nan,
        "altitude_span_m": _height_span(samples.altitude[rows]),
    }


def column_median(values: FloatArray) -> FloatArray:
    """Return the column medians of what is there, NaN for empty columns, without warnings."""
    if not len(values):
        return np.full(values.shape[1], np.nan)
    ranked = np.sort(values, axis=0)
    count = np.isfinite(ranked).sum(0)
    low = np.take_along_axis(ranked, np.maximum((count - 1) // 2, 0)[None], 0)[0]
    high = np.take_along_axis(ranked, np.minimum(count // 2, len(ranked) - 1)[None], 0)[0]
    return np.asarray(np.where(count > 0, (low + high) / 2, np.nan))


def _median_of(values: FloatArray, rows: IntArray) -> FloatArray:
    part = values[rows]
    return np.where(np.isfinite(part).sum(0) >= _LEAST_THIRD, column_median(part), np.nan)


def _lowest(values: FloatArray) -> FloatArray:
    low = np.where(np.isfinite(values), values, np.inf).min(0, initial=np.inf)
    return np.asarray(np.where(np.isfinite(low), low, np.nan))


def _span(values: FloatArray) -> FloatArray:
    ranked = np.sort(values, axis=0)
    count = np.isfinite(ranked).sum(0)
    last = np.maximum(count - 1, 0)
    low = np.take_along_axis(ranked, (last * 5 // 100)[None], 0)[0]
    high = np.take_along_axis(ranked, (last - last * 5 // 100)[None], 0)[0]
    return np.where(count >= _LEAST_SPAN_COUNT, high - low, np.nan)


def _height_span(altitude: FloatArray) -> float:
    known = altitude[np.isfinite(altitude)]
    return float(known.max() - known.min()) if len(known) else float("nan")
