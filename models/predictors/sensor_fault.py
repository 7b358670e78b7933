"""Drive sensors that no longer measure: a finding of its own, so that no good part is repaired for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.change import Course, find_change
from models.features.sensed import SENSORS
from models.predictors.base import DayPanel, Explanation, Risk
from models.predictors.part import clears, evidence, heard, newest, past_median, probability
from models.predictors.sensor_words import SENSOR_ZH, TEXT_EN, TEXT_ZH, UNITS


class Kind(IntEnum):
    """What a sensor does wrong, in the order of ``Risk.detail["kind"]``."""

    STUCK = 0
    OFFSET = 1
    SCALE = 2
    SPIKES = 3
    NOISE = 4


_TEMPERATURES: Final = (0, 1, 2, 3, 4)
_LV, _CURRENT, _SPEED, _TURNS = 5, 6, 7, 8
#: What a sensor must have shown in half an hour of driving before, to be stuck when it shows nothing.
_LIVELY: Final = np.array([1.5, 4.0, 6.0, 4.0, 4.0, 0.05, 20.0, 10.0, 500.0])
#: Offsets that count, and the noise of a day's: K, V, A.
_LEAST_OFFSET: Final = np.array([6.0, 6.0, 6.0, 6.0, 6.0, 0.25, 2.5, np.inf, np.inf])
_OFFSET_NOISE: Final = np.array([0.7, 0.7, 0.7, 0.7, 0.7, 0.03, 0.2, 1.0, 1.0])
_FEATURES: Final = ("sensor_range", "sensor_offset", "sensor_ratio", "sensor_spikes_per_h", "sensor_noise")


@dataclass(frozen=True, slots=True)
class DriveSensorFaultPredictor:
    """Find the drive sensor that is stuck, off, of another scale, spiky or noisy.

    Stuck: one value throughout the driving of ``days`` days, of a sensor that used to move. Off: a step or
    drift against its siblings after nights of standing, larger than that of any sibling. Of another scale
    (speeds against the odometer) or spiky or noisy: against its own past. The 12 V sensor is off when its
    voltage at rest and under charge have moved alike: battery and converter do not fail together by the same
    tenths of a volt.

    Panel: ``sensor_rows`` of ``sensor_days``, one component a sensor.
    """

    days: int = 3
    least_strength: float = 5.0
    least_scale: float = 0.03
    spikes_per_h: float = 4.0
    noise_ratio: float = 4.0
    blind_spots: tuple[str, ...] = (
        "an offset that was there before the first ten days of standing",
        "a temperature sensor on a vehicle with fewer than two others, or that is silent while standing",
        "a wrong scale of temperatures, voltages and currents that agrees at rest",
        "sensors that no rule has a sibling for: torque, insulation, odometer",
    )
    history_days: int = 60
    failure_mode: FailureMode = FailureMode.SENSOR_FAULT
    model_version: str = "drive-sensor-fault-1"
    feature_set: str = "sensor_days"
    main: str = "sensor_rows"
    horizon_h: float = 720.0

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of every sensor as of each day."""
        kinds = (
            self._stuck(panel, as_of),
            self._offset(panel, as_of),
            self._scale(panel, as_of),
            self._worse(panel, as_of, "sensor_spikes_per_h", self.spikes_per_h, 1.0),
            self._worse(panel, as_of, "sensor_noise", 0.0, self.noise_ratio),
        )
        scores = np.stack([np.where(np.isfinite(s), s, -np.inf) for s, _, _ in kinds])
        best = scores.argmax(0)[None]
        score = np.take_along_axis(scores, best, 0)[0]
        value, usual = (np.take_along_axis(np.stack([k[i] for k in kinds]), best, 0)[0] for i in (1, 2))
        return Risk(
            as_of=as_of,
            probability=probability(np.where(np.isfinite(score), score, np.nan), heard(panel.value, as_of)),
            severity=np.full(score.shape, 4, dtype=np.int64),
            ttt_h=np.full((3, *score.shape), np.nan),
            detail={"kind": best[0].astype(np.float64), "value": value, "usual": usual},
        )

    def _stuck(self, panel: DayPanel, as_of: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        def one(place: int) -> tuple[FloatArray, FloatArray, FloatArray]:
            span = panel.extra["sensor_range"][..., place]
            lately = newest(span, as_of, count=self.days).max(0)
            usual = past_median(span, as_of, skip=self.days + 1, window=self.history_days, least=5)
            # a speed or a current cannot stand still while the vehicle drives, past or none
            is_lively = (usual >= _LIVELY[place]) | ((place >= _CURRENT) & np.isnan(usual))
            score = np.where(np.isnan(lately), np.nan, np.where((lately == 0.0) & is_lively, 1.3, 0.0))
            return score, lately, usual

        return _by_sensor(one)

    def _offset(self, panel: DayPanel, as_of: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        course = Course(window=self.history_days, ramps=(14, 21, 30, 45), steps=(3, 5, 8, 13, 21, 34))

        def one(place: int) -> tuple[FloatArray, FloatArray, FloatArray]:
            values = panel.extra["sensor_offset"][..., place]
            noise = float(_OFFSET_NOISE[place])
            found = find_change(values, [], as_of, course, noise=noise, sign=0)
            level = _supported(found.level, found.support)
            if place == _LV:
                on = panel.extra["sensor_ratio"][..., place]
                beside = find_change(on, [], as_of, course, noise=noise, sign=0)
                other = _supported(beside.level, beside.support)
                with np.errstate(invalid="ignore", divide="ignore"):
                    alike = (other / level > 0.6) & (other / level < 1.6)
                level = np.where(alike & (np.abs(beside.strength) >= self.least_strength), level, 0.0)
            size = np.abs(level)
            score = np.minimum(np.abs(found.strength) / self.least_strength, size / _LEAST_OFFSET[place])
            return score, level, found.usual

        score, level, usual = _by_sensor(one)
        # siblings see a broken one move the other way: the largest is the broken one
        among = np.abs(level[..., list(_TEMPERATURES)])
        largest = np.where(np.isfinite(among), among, 0.0).max(-1, keepdims=True)
        is_other = np.zeros(score.shape, dtype=np.bool_)
        is_other[..., list(_TEMPERATURES)] = among < 0.8 * largest
        return np.where(is_other, np.minimum(score, 0.5), score), level, usual

    def _scale(self, panel: DayPanel, as_of: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        course = Course(window=self.history_days, ramps=(30, 45), steps=(3, 5, 8, 13, 21, 34))
        shares = {}
        for place in (_SPEED, _TURNS):
            with np.errstate(invalid="ignore", divide="ignore"):
                values = np.log(panel.extra["sensor_ratio"][..., place])
            found = find_change(values, [], as_of, course, noise=0.004, sign=0)
            shares[place] = (_supported(found.level, found.support), found.strength, np.exp(found.usual))

        def one(place: int) -> tuple[FloatArray, FloatArray, FloatArray]:
            if place not in shares:
                nothing = np.full((len(panel.vehicle_id), len(as_of)), np.nan)
                return nothing, nothing, nothing
            level, strength, usual = shares[place]
            other = np.nan_to_num(shares[_SPEED + _TURNS - place][0])
            # both alike: the odometer has changed its step, not two sensors
            own = np.where(np.abs(level - other) < 0.5 * np.abs(level), 0.0, level)
            score = np.minimum(np.abs(strength) / self.least_strength, np.abs(own) / self.least_scale)
            return score, 100.0 * own, usual

        return _by_sensor(one)

    def _worse(
        self, panel: DayPanel, as_of: IntArray, name: str, least: float, ratio: float
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        def one(place: int) -> tuple[FloatArray, FloatArray, FloatArray]:
            values = panel.extra[name][..., place]
            lately = newest(values, as_of, count=self.days).min(0)
            usual = past_median(values, as_of, skip=self.days + 1, window=self.history_days, least=5)
            floor = least if least > 0 else 0.15 * _LEAST_OFFSET[place]
            score = lately / np.maximum(floor, ratio * np.nan_to_num(usual) + (0.0 if least > 0 else 0.1))
            return np.where(np.isfinite(usual) | (least > 0), score, np.nan), lately, usual

        return _by_sensor(one)

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return what the sensor does that no vehicle can do, and what would clear it."""
        at = (vehicle, position, component)
        kind = Kind(int(risk.detail["kind"][at]))
        value, usual = (float(np.nan_to_num(risk.detail[n][at])) for n in ("value", "usual"))
        sensor = SENSORS[component]
        unit = UNITS[kind.name] or SENSOR_ZH[sensor][1]
        words = {"value": value, "usual": usual, "unit": unit, "days": self.days}
        reasons = (
            Reason(
                feature=f"sensor_{kind.name.lower()}",
                value=round(value, 3),
                unit=unit,
                peers=round(usual, 3),
                text_en=TEXT_EN[kind.name].format(sensor=sensor, **words),
                text_zh=TEXT_ZH[kind.name].format(sensor=SENSOR_ZH[sensor][0], **words),
            ),
            clears(
                "clears_after_days",
                float(self.days),
                "days",
                (
                    f"the part behind it is not in doubt; clears after {self.days} days of sound readings",
                    f"其测量的部件本身无异常；读数正常 {self.days} 天后解除",
                ),
            ),
        )
        last = int(risk.as_of[position])
        series = {_FEATURES[kind]: panel.extra[_FEATURES[kind]][..., component]}
        titles = (unit, f"{sensor}: {kind.name.lower()}", SENSOR_ZH[sensor][0])
        shown = evidence(panel, vehicle, last, days=60, series=series, titles=titles)
        return Explanation(reasons=reasons, evidence=shown, window_days=self.history_days)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``sensor`` and the alias of its signal."""
        del spec
        return f"sensor {SENSORS[component]}"


def _by_sensor(
    one: Callable[[int], tuple[FloatArray, FloatArray, FloatArray]],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return three arrays of shape (n_vehicles, n_as_of, n_sensors)."""
    found = [one(place) for place in range(len(SENSORS))]
    score, value, usual = (np.stack([f[i] for f in found], axis=-1) for i in range(3))
    return score, value, usual


def _supported(level: FloatArray, support: FloatArray) -> FloatArray:
    """Return a change as far as the newest days show it."""
    return np.asarray(np.sign(level) * np.clip(2.0 * np.sign(level) * support, 0.0, np.abs(level)))
