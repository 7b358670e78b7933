"""Whether drive sensors still measure: range, offset at rest, agreement with siblings, spikes, noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, Family, FamilyRows, FloatArray, VehicleSpec
from models.features.align import column
from models.features.sensed import SENSORS
from models.features.sensor_names import SENSOR_FEATURES
from models.features.sets import DayFeatures, Feature
from models.features.thermal import as_days, soaked_rows
from models.features.track import CONTEXT_US, Track, build_track, empty_track

_LEAST_ROWS = 30
_LEAST_H = 10 / 60
_LEAST_KM = 5.0
_CLOSE_US = 35_000_000
_SIDE_BY_SIDE_US = 120_000_000
_SETTLED_US = 120_000_000
#: What no temperature behind a housing does within two minutes and undoes again, K.
_SPIKE_K = 10.0
_SPIKE_V = 2.0
_TEMPERATURES = tuple(
    name for name in SENSORS if name.endswith("temperature") or name in {"ambient", "coolant"}
)
_OTHERS = ("vehicle.state", "dcdc.state", "odometer")


@dataclass(frozen=True, slots=True)
class SensorDays:
    """The set ``sensor_days``: one component for each of ``SENSORS``.

    A sensor is held against its siblings where physics ties them: temperatures after a night in one garage,
    speed and motor speed against the odometer, the current of a pack that nothing loads against zero, the
    12 V at rest and under charge against each other (``sensor_offset`` is its voltage at rest, and
    ``sensor_ratio`` the one with the DC/DC on: a fault of battery or converter moves one of them, a fault of
    the sensor both).
    """

    name: str = "sensor_days"
    version: int = 1

    @property
    def columns(self) -> Mapping[Family, tuple[str, ...]]:
        """Return what it reads."""
        return {Family.DRIVE: ("charging", *SENSORS, *_OTHERS)}

    @property
    def context_us(self) -> int:
        """Return how far a day looks back."""
        return CONTEXT_US

    @property
    def features(self) -> tuple[Feature, ...]:
        """Return what it yields."""
        return SENSOR_FEATURES

    def compute(self, rows: Mapping[Family, FamilyRows], spec: VehicleSpec) -> DayFeatures:
        """Return the features of one vehicle; see ``FeatureSet``."""
        drive = rows.get(Family.DRIVE)
        track = (
            empty_track(spec.time_zone)
            if drive is None
            else build_track(drive, (*SENSORS, *_OTHERS), spec.time_zone)
        )
        shape = (len(track.day), len(SENSORS))
        value = {f.name: np.full(shape, np.nan) for f in SENSOR_FEATURES}
        driving_h = track.total(track.before_h, track.is_moving)
        for place, alias in enumerate(SENSORS):
            # as sent, spikes and all
            raw = np.full(len(track), np.nan) if drive is None else column(drive.columns, alias, len(track))
            seen = track.is_moving & np.isfinite(raw)
            count = track.count(seen)
            enough = (count >= _LEAST_ROWS) & (driving_h >= _LEAST_H)
            value["sensor_rows"][:, place] = np.where(count > 0, count, np.nan)
            value["sensor_range"][:, place] = np.where(enough, track.span(raw, seen, _LEAST_ROWS), np.nan)
            if alias in _TEMPERATURES or alias == "lv.voltage":
                limit = _SPIKE_V if alias == "lv.voltage" else _SPIKE_K
                spikes, noise = _unsteady(track, raw, limit)
                with np.errstate(invalid="ignore", divide="ignore"):
                    value["sensor_spikes_per_h"][:, place] = np.where(enough, spikes / driving_h, np.nan)
                value["sensor_noise"][:, place] = np.where(enough, noise, np.nan)
        _offsets(track, value["sensor_offset"])
        _ratios(track, value["sensor_ratio"])
        return as_days(track, value)


def _unsteady(track: Track, raw: FloatArray, limit: float) -> tuple[FloatArray, FloatArray]:
    """Return spikes while driving and the robust standard deviation of a reading, of each day."""
    known = np.flatnonzero(np.isfinite(raw))
    n_days = len(track.day)
    if len(known) < 3:
        return np.zeros(n_days), np.full(n_days, np.nan)
    series, time, day = raw[known], track.time_us[known], track.at[known]
    up, down = series[1:-1] - series[:-2], series[1:-1] - series[2:]
    gap = np.maximum(time[1:-1] - time[:-2], time[2:] - time[1:-1])
    is_one = (day[1:-1] == day[2:]) & track.is_moving[known[1:-1]]
    is_spike = (np.minimum(np.abs(up), np.abs(down)) > limit) & (up * down > 0)
    is_spike &= is_one & (gap <= _SIDE_BY_SIDE_US)
    spikes = np.bincount(day[1:-1][is_spike], minlength=n_days).astype(np.float64)
    bend = np.full(len(track), np.nan)
    bend[known[1:-1]] = np.abs(up + down) / np.sqrt(6.0)
    close = np.zeros(len(track), dtype=np.bool_)
    close[known[1:-1]] = is_one & (gap <= _CLOSE_US)
    return spikes, 1.4826 * track.quantile(bend, close, 0.5, _LEAST_ROWS)


def _offsets(track: Track, out: FloatArray) -> None:
    """Fill in how far each sensor is from what physics says of a vehicle at rest."""
    soaked = soaked_rows(track)
    degc = np.column_stack([track.held(alias) for alias in _TEMPERATURES])
    for place, alias in enumerate(SENSORS):
        if alias in _TEMPERATURES:
            against = _from_others(degc, _TEMPERATURES.index(alias))
            out[:, place] = track.quantile(against, soaked, 0.5, 1)
    standing = track.is_standing & (track.held("vehicle.state") != 1) & (track.held("dcdc.state") != 1)
    current, volt = track.held("pack.current"), track.held("lv.voltage")
    out[:, SENSORS.index("pack.current")] = track.quantile(current, standing, 0.5, 1)
    is_off = track.held("dcdc.state") == 2
    rested = is_off & (track.since_us(~is_off) >= 60 * _SETTLED_US)
    out[:, SENSORS.index("lv.voltage")] = track.quantile(volt, rested, 0.5, 1)


def _from_others(degc: FloatArray, place: int) -> FloatArray:
    """Return one temperature less the median of the others; NaN unless two of them are known."""
    others = np.sort(np.delete(degc, place, axis=1), axis=1)
    count = np.isfinite(others).sum(1)
    row = np.arange(len(others))
    low = others[row, np.maximum((count - 1) // 2, 0)]
    high = others[row, np.minimum(count // 2, others.shape[1] - 1)]
    return np.where(count >= 2, degc[:, place] - (low + high) / 2, np.nan)


def _ratios(track: Track, out: FloatArray) -> None:
    """Fill in speed and motor speed against the odometer, and the 12 V with the DC/DC on."""
    way = np.zeros(len(track))
    way[1:] = np.diff(track.held("odometer"))
    for alias, sent in (("speed", track.held("speed")), ("motor.speed", np.abs(track.held("motor.speed")))):
        used = _on_the_way(track, way, sent)
        km = track.total(way, used)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = track.total(sent * track.before_h, used) / km
        out[:, SENSORS.index(alias)] = np.where(km >= _LEAST_KM, ratio, np.nan)
    is_on = track.held("dcdc.state") == 1
    settled = is_on & (track.run_us(is_on) >= _SETTLED_US)
    out[:, SENSORS.index("lv.voltage")] = track.quantile(track.held("lv.voltage"), settled, 0.5, 10)


def _on_the_way(track: Track, way: FloatArray, sent: FloatArray) -> BoolArray:
    """Mark the rows whose way and time are both known; an odometer that jumps is not."""
    is_believed = (way >= 0) & (way <= 350.0 * track.before_h + 0.2)
    return np.asarray(np.isfinite(sent) & np.isfinite(way) & is_believed & (track.before_h > 0))
