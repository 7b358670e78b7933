"""Tire sensors that fail: dead, stuck, at zero, noisy, jumped, or replayed by whoever passes them on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.cell_contrast import windowed_level
from models.features.recent import latest_known
from models.predictors.base import DayPanel, Explanation, Risk, evidence_time, logistic, rounded
from models.predictors.tire_sensor_words import TEXT_EN, TEXT_ZH, UNIT, Kind
from models.predictors.wheels import carried, median_of_others, wheel_zh

#: Days with readings on either side of a jump.
_BEFORE, _AFTER = 3, 4


@dataclass(frozen=True, slots=True)
class TireSensorFaultPredictor:
    """Find tire sensors whose readings no tire could make, so that the tire is not repaired for them.

    Each kind must hold on the last ``days`` days on which the vehicle drove, within three weeks: silent while
    the others are heard; zero while the car goes on driving; unmoved through warming and cooling that moves
    the others by 8 kPa; much noisier than the others; falling and coming back by far more than the others
    within a day, which air does not; all wheels alike. A jump is one step down of one wheel, three times the
    scatter of its days and more, level on both sides, the other wheels unmoved: gas that leaks goes on
    leaking, and who sets one tire with a gauge sets others too. From day to day a tire only loses: one that
    goes up and down by ``restless_kpa`` and far more than the others, or rises throughout ``rising_days`` in
    itself and against the others, is not what moves.
    """

    days: int = 3
    within_days: int = 21
    least_moving_h: float = 0.25
    silent_share: float = 0.05
    heard_share: float = 0.4
    zero_share: float = 0.5
    stuck_kpa: float = 1.0
    moved_kpa: float = 8.0
    noisy_kpa: float = 4.0
    noisy_ratio: float = 4.0
    erratic_kpa: float = 18.0
    erratic_ratio: float = 2.5
    erratic_step_share: float = 0.6
    jump_kpa: float = 7.0
    jump_others_kpa: float = 3.0
    jump_others_share: float = 0.3
    jump_noise: float = 3.0
    pumped_kpa: float = 2.5
    restless_days: int = 7
    restless_kpa: float = 3.0
    restless_ratio: float = 4.0
    rising_days: int = 28
    rising_kpa: float = 5.0
    rising_part: float = 0.12
    hold_days: int = 30
    equal_share: float = 0.9
    failure_mode: FailureMode = FailureMode.SENSOR_FAULT
    model_version: str = "tire-sensor-fault-2"
    feature_set: str = "tire_days"
    main: str = "contrast_kpa"
    horizon_h: float = 720.0
    blind_spots: tuple[str, ...] = (
        "a constant bias that was there from the first day",
        "a sensor that drifts downward, which looks like a leak; upward, less than a tire loses by itself",
        "a jump upward, which looks like a top-up",
        "a vehicle that tells no speed, as long as its wheels do not move by 8 kPa a day",
    )

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of every wheel's sensor as of each day."""
        kinds = [
            *self._lasting(panel, as_of),
            self._jump(panel, as_of),
            self._equal(panel, as_of),
            self._erratic(panel, as_of),
            self._restless(panel, as_of),
            self._rising(panel, as_of),
        ]
        scores = np.stack([score for score, _, _ in kinds])
        known = np.where(np.isfinite(scores), scores, 0.0)
        best = known.argmax(0)[None]
        score, value, peers = (
            np.take_along_axis(stack, best, 0)[0]
            for stack in (known, np.stack([v for _, v, _ in kinds]), np.stack([p for _, _, p in kinds]))
        )
        is_silent_car = ~(panel.last_us[:, as_of] > 0)[..., None]
        return Risk(
            as_of=as_of,
            probability=np.where(is_silent_car, np.nan, logistic(score)),
            severity=np.full(score.shape, 4, dtype=np.int64),
            ttt_h=np.full((3, *score.shape), np.nan),
            detail={"kind": best[0].astype(np.float64), "value": value, "peers": peers},
        )

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return what the sensor does that a tire cannot do, and what would clear it."""
        at = (vehicle, position, component)
        wheel = panel.spec.wheels[component]
        kind = Kind(int(risk.detail["kind"][at]))
        value, peers = (float(np.nan_to_num(risk.detail[n][at])) for n in ("value", "peers"))
        last = int(risk.as_of[position])
        rows = slice(max(0, last - 29), last + 1)
        contrast = panel.value[vehicle, rows]
        reasons = (
            Reason(
                feature=f"sensor_{kind.name.lower()}",
                value=round(value, 2),
                unit=UNIT[kind],
                peers=round(peers, 2),
                text_en=TEXT_EN[kind].format(wheel=wheel, value=value, peers=peers),
                text_zh=TEXT_ZH[kind].format(wheel=wheel_zh(wheel), value=value, peers=peers),
            ),
            Reason(
                feature="clears_after_days",
                value=float(self.days),
                unit="d",
                text_en="the tire itself is not in doubt; clears after "
                f"{self.days} days of driving with plausible readings",
                text_zh=f"轮胎本身未见异常；连续 {self.days} 个行驶日读数正常后解除",
            ),
        )
        evidence = {
            "time": evidence_time(panel, vehicle, rows),
            "series": {name: rounded(contrast[:, i], 1) for i, name in enumerate(panel.spec.wheels)},
            "unit": "kPa",
            "title_en": "Pressure at 20 °C against the other wheels",
            "title_zh": "与其余车轮之差（折算到 20 °C）",
            "suspect": wheel,
        }
        return Explanation(reasons=reasons, evidence=evidence, window_days=self.within_days)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``sensor tire`` and the wheel."""
        return f"sensor tire {spec.wheels[component]}"

    def _lasting(self, panel: DayPanel, as_of: IntArray) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        """Return score, value and the others' value of what must hold on every one of the last days."""
        heard, zero = _feature(panel, "heard_share"), _feature(panel, "zero_share")
        span, spread = _feature(panel, "gauge_span_kpa"), _feature(panel, "spread_kpa")
        others = {n: median_of_others(v) for n, v in (("heard", heard), ("span", span), ("spread", spread))}
        moving = _feature(panel, "moving_h")
        drives = np.broadcast_to(
            (moving >= self.least_moving_h) | (others["span"] >= self.moved_kpa), heard.shape
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            conditions = (
                (
                    np.minimum(others["heard"] / self.heard_share, 2 - heard / self.silent_share),
                    heard * 100,
                    others["heard"] * 100,
                ),
                (zero / self.zero_share, zero * 100, zero * 0.0),
                (
                    np.minimum(others["span"] / self.moved_kpa, 2 - span / self.stuck_kpa),
                    span,
                    others["span"],
                ),
                (
                    np.minimum(spread / self.noisy_kpa, spread / others["spread"] / self.noisy_ratio),
                    spread,
                    others["spread"],
                ),
            )
        return [
            (
                self._on_last_days(np.where(drives, np.clip(score, -1, 2), np.nan), as_of),
                value[:, as_of],
                peers[:, as_of],
            )
            for score, value, peers in conditions
        ]

    def _on_last_days(self, score: FloatArray, as_of: IntArray) -> FloatArray:
        values, days = latest_known(score, self.days)
        is_near = days[-1] > np.arange(score.shape[1])[None, :, None] - self.within_days
        return np.where(is_near & (days[-1] >= 0), values.min(0), np.nan)[:, as_of]

    def _equal(self, panel: DayPanel, as_of: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        share = np.broadcast_to(_feature(panel, "equal_share"), panel.value.shape)
        drives = _feature(panel, "moving_h") >= self.least_moving_h
        score = np.where(drives, share / self.equal_share * 1.1, np.nan)
        return self._on_last_days(score, as_of), share[:, as_of] * 100, np.zeros(share[:, as_of].shape)

    def _erratic(self, panel: DayPanel, as_of: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Score days that swing and end where they began: no tire fills itself again."""
        span, step = _feature(panel, "gauge_span_kpa"), np.abs(_feature(panel, "step_kpa"))
        others = median_of_others(span)
        with np.errstate(invalid="ignore", divide="ignore"):
            score = np.minimum.reduce(
                [
                    1.2 * span / self.erratic_kpa,
                    1.2 * span / others / self.erratic_ratio,
                    2.2 - step / span / self.erratic_step_share,
                ]
            )
        score = np.where(np.isfinite(score), np.clip(score, -1, 2), np.nan)
        return self._on_last_days(score, as_of), span[:, as_of], others[:, as_of]

    def _restless(self, panel: DayPanel, as_of: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Score days that go up as well as down, much farther than those of the other wheels."""
        level, days = latest_known(panel.value, self.restless_days)
        moves = level[:-1] - level[1:]
        size = np.median(np.abs(moves), axis=0)
        others = median_of_others(size)
        least = 0.5 * self.restless_kpa
        ways = np.minimum((moves >= least).sum(0), (moves <= -least).sum(0))
        score = np.minimum.reduce(
            [size / self.restless_kpa, size / (self.restless_ratio * np.maximum(others, 0.1)), ways / 1.6]
        )
        today = np.arange(panel.value.shape[1])[None, :, None]
        is_near = (days[-1] >= 0) & (days[-1] > today - self.within_days)
        score = np.where(is_near, np.minimum(score, 2.0), np.nan)
        return score[:, as_of], size[:, as_of], others[:, as_of]

    def _rising(self, panel: DayPanel, as_of: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Score a rise through all four of some weeks, against the others and in itself.

        One step, whenever it came, leaves two of them level.
        """
        week = self.rising_days // 4
        rises = []
        for values in (panel.value, panel.extra["gas_kpa"]):
            weight = np.isfinite(values).astype(np.float64)
            levels = [
                windowed_level(values, weight, as_of, oldest=week * (k + 1) - 1, newest=week * k, least=2)
                for k in range(4)
            ]
            rises.append(-np.diff(np.stack(levels), axis=0))
        total = rises[0].sum(0)
        least = np.minimum(rises[0].min(0), rises[1].min(0))
        score = np.minimum(total / self.rising_kpa, least / (self.rising_part * np.maximum(total, 1e-6)))
        return np.clip(score, -1.0, 2.0), total, np.zeros(total.shape)

    def _jump(self, panel: DayPanel, as_of: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Score one step down that stays: three days before it, four after it, level on both sides."""
        gas = np.where(np.isfinite(panel.value), panel.extra["gas_kpa"], np.nan)
        level, days = latest_known(panel.value, _BEFORE + _AFTER)
        own = np.stack([np.take_along_axis(gas, np.maximum(d, 0), axis=1) for d in days])
        drop, scatter = _drop(level)
        own_drop, own_scatter = _drop(own)
        shift = np.abs(np.median(level[:_AFTER], axis=0) - np.median(level[_AFTER:], axis=0))
        moved = np.stack([np.delete(shift, i, axis=-1).max(-1) for i in range(shift.shape[-1])], axis=-1)
        score = np.minimum.reduce(
            [
                drop / self.jump_kpa,
                own_drop / (0.6 * self.jump_kpa),
                drop / (self.jump_noise * np.maximum(scatter, 0.5)),
                2 - moved / np.maximum(self.jump_others_kpa, self.jump_others_share * drop),
                2 - _second_of_others(np.abs(own_drop) / np.maximum(self.pumped_kpa, 1.5 * own_scatter)),
            ]
        )
        today = np.arange(panel.value.shape[1])[None, :, None]
        is_near = (days[-1] >= 0) & (days[-1] > today - self.within_days)
        is_jump = is_near & (days[0] == today) & (score >= 1)
        (found,), (at,) = latest_known(np.where(is_jump, np.clip(score, -1, 2), np.nan), 1)
        found, at = found[:, as_of], at[:, as_of]
        held, size = (
            np.take_along_axis(v, np.maximum(at, 0), axis=1)
            for v in (np.median(level[:_AFTER], axis=0), drop)
        )
        # told of for as long as the level stays where it jumped to: later gas that leaks is a leak
        is_held = np.abs(carried(panel.value)[:, as_of] - held) < np.maximum(0.4 * size, 3.0)
        is_told = (at >= 0) & is_held & (as_of[None, :, None] - at <= self.hold_days)
        return np.where(is_told, found, np.nan), size, np.zeros(size.shape)


def _second_of_others(values: FloatArray) -> FloatArray:
    """Return, for each wheel, the second largest of the others; what is not known counts as 0."""
    known = np.nan_to_num(values)
    if known.shape[-1] < 3:
        return np.zeros(known.shape)
    ranked = [np.sort(np.delete(known, i, axis=-1), axis=-1)[..., -2] for i in range(known.shape[-1])]
    return np.stack(ranked, axis=-1)


def _feature(panel: DayPanel, name: str) -> FloatArray:
    """Return a feature; NaN throughout where the panel does not have it."""
    found = panel.extra.get(name)
    if found is None:
        return np.full(panel.value.shape, np.nan)
    return found


def _drop(newest_first: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how far the later days lie below the earlier ones, and the scatter on either side."""
    late, early = newest_first[:_AFTER], newest_first[_AFTER:]
    middle_late, middle_early = np.median(late, axis=0), np.median(early, axis=0)
    scatter = np.maximum(np.abs(late - middle_late).max(0), np.abs(early - middle_early).max(0))
    return middle_early - middle_late, scatter
