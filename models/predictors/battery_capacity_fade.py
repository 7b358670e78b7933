"""Capacity fade: state of health of the pack with its interval, and when it will be spent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.predictors.base import DayPanel, Explanation, Risk, time_to_threshold
from models.predictors.part import clears, daily, evidence, part_risk, until

#: Capacities that stand for the rated one where it is not known.
_FIRST = 5


@dataclass(frozen=True, slots=True)
class BatteryCapacityFadePredictor:
    """Tell the state of health of the pack, with a 95 % interval, and find the pack that is spent.

    Each charge of 40 % and more gives a capacity with its error (``battery_days``); over the rated capacity
    that is a state of health. A line over ``history_days`` gives today's value and the fade: weights from the
    errors, widened by ``forget_percent_per_year`` with age so that a knee is followed, and one robust pass. A
    prior holds the fade to ``prior_fade`` ± ``fade_spread`` points a year until the charges know better.
    Errors that all charges of a vehicle share, as the gain of its current sensor, do not average out:
    ``shared_error``. What the vehicle itself tells of its health is one more witness, with ``told_error``.
    Raised when the state of health, less its error, is under ``limit_percent`` or will be within the horizon;
    a knee shows as a fade of late that is faster than that of the whole.
    """

    limit_percent: float = 80.0
    prior_fade: float = 3.0
    fade_spread: float = 30.0
    forget_percent_per_year: float = 25.0
    shared_error: float = 0.25
    told_error: float = 0.75
    least_error: float = 0.5
    outlier: float = 3.0
    knee_percent: float = 2.0
    settle: float = 1.5
    history_days: int = 180
    failure_mode: FailureMode = FailureMode.BATTERY_CAPACITY_FADE
    model_version: str = "battery-capacity-fade-1"
    feature_set: str = "battery_days"
    main: str = "capacity_ah"
    horizon_h: float = 2160.0
    blind_spots: tuple[str, ...] = (
        "a vehicle that never charges 40 % at a time and tells no health of its own",
        "an error of the vehicle's own state of charge that every charge shares",
        "capacity that a limit of the battery management hides at the top or the bottom",
        "a rated capacity of the vehicle model that is not that of this vehicle",
    )

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of the pack as of each day."""
        capacity, error = daily(panel, "capacity_ah"), daily(panel, "capacity_error_ah")
        told = daily(panel, "soh_percent")
        rated = _rated(panel)
        health = 100.0 * capacity / rated
        spread = np.maximum(100.0 * error / rated, self.least_error)
        shape = (len(panel.vehicle_id), len(as_of))
        now, now_error, late, late_error, fade, fade_error, count = (np.full(shape, np.nan) for _ in range(7))
        for position, day in enumerate(as_of.tolist()):
            rows = slice(max(0, day - self.history_days + 1), day + 1)
            found = self._line(health[:, rows], spread[:, rows])
            for target, values in zip(
                (now, now_error, late, late_error, fade, fade_error, count), found, strict=True
            ):
                target[:, position] = values
            self._hear(told[:, rows], now, now_error, position)
        ahead = now - late * self.horizon_h / 8766.0
        score = 1.0 + (self.limit_percent - np.fmin(now, ahead) - now_error) / self.settle
        rate, rate_error = late / 365.25, late_error / 365.25
        return part_risk(
            panel,
            as_of,
            score=np.where(np.isfinite(now), score, np.nan),
            severity=np.full(shape, 4, dtype=np.int64),
            ttt_h=time_to_threshold(now - self.limit_percent, now_error, rate, rate_error),
            detail={
                "soh_percent": now,
                "soh_low_percent": now - 1.96 * now_error,
                "soh_high_percent": now + 1.96 * now_error,
                "fade_percent_per_year": fade,
                "fade_error": fade_error,
                "knee_percent_per_year": late - fade,
                "knee_error": np.hypot(late_error, fade_error),
                "count": count,
            },
            known_by=("capacity_ah", "soh_percent"),
        )

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the state of health with its interval, the fade, and what would clear it."""
        at = (vehicle, position, component)
        soh, low, high = (float(risk.detail[f"soh{k}_percent"][at]) for k in ("", "_low", "_high"))
        fade, error = float(risk.detail["fade_percent_per_year"][at]), float(risk.detail["fade_error"][at])
        count = int(np.nan_to_num(risk.detail["count"][at]))
        goal = f"{self.limit_percent:.0f} %"
        en, zh = until(risk.ttt_h[:, vehicle, position, component], goal, goal)
        reasons = [
            Reason(
                feature="soh_percent",
                value=round(soh, 1),
                unit="%",
                healthy_low=self.limit_percent,
                healthy_high=100.0,
                text_en=f"state of health {soh:.1f} % (95 %: {low:.1f}–{high:.1f}) from {count} charges{en}",
                text_zh=f"电池健康度 {soh:.1f}%（95% 区间 {low:.1f}–{high:.1f}），依据 {count} 次充电{zh}",
            )
        ]
        if np.isfinite(fade):
            reasons.append(
                Reason(
                    feature="fade_percent_per_year",
                    value=round(fade, 2),
                    unit="%/year",
                    healthy_low=0.0,
                    healthy_high=4.0,
                    text_en=f"it fades by {fade:.1f} points a year (±{1.96 * error:.1f})",
                    text_zh=f"每年衰减 {fade:.1f} 个百分点（±{1.96 * error:.1f}）",
                )
            )
        bend, unsure = (float(risk.detail[k][at]) for k in ("knee_percent_per_year", "knee_error"))
        if np.isfinite(bend) and bend > max(self.knee_percent, 2.0 * unsure):
            reasons.append(
                Reason(
                    feature="knee_percent_per_year",
                    value=round(bend, 2),
                    unit="%/year",
                    healthy_low=0.0,
                    healthy_high=self.knee_percent,
                    text_en=f"of late it fades {bend:.1f} points a year faster than before: past its knee",
                    text_zh=f"近期每年多衰减 {bend:.1f} 个百分点：已过拐点",
                )
            )
        reasons.append(
            clears(
                "clears_above_percent",
                self.limit_percent,
                "%",
                (
                    f"clears after charges that show more than {self.limit_percent:.0f} %",
                    f"充电显示健康度高于 {self.limit_percent:.0f}%，或更换电池后解除",
                ),
            )
        )
        last = int(risk.as_of[position])
        shown = evidence(
            panel,
            vehicle,
            last,
            days=self.history_days,
            series={
                "from charges": 100.0 * daily(panel, "capacity_ah") / _rated(panel),
                "told by the vehicle": daily(panel, "soh_percent"),
            },
            titles=("%", "State of health", "电池健康度"),
            limit=self.limit_percent,
        )
        return Explanation(reasons=tuple(reasons), evidence=shown, window_days=self.history_days)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``battery``."""
        return "battery"

    def _line(self, health: FloatArray, spread: FloatArray) -> tuple[FloatArray, ...]:
        """Return the value at the last day of a window, both fades, their errors, and the charges used."""
        years = (np.arange(health.shape[1]) - health.shape[1] + 1) / 365.25
        plausible = np.isfinite(health) & (health > 30.0) & (health < 130.0) & np.isfinite(spread)
        values = np.where(plausible, health, 0.0)
        # a straight line does not reach back for ever: what is long past says less of today
        wide = np.hypot(spread, self.forget_percent_per_year * years)
        weight = np.where(plausible, 1.0 / np.where(plausible, wide, 1.0) ** 2, 0.0)
        line = _fit(values, weight, years, self.prior_fade, self.fade_spread)
        is_near = np.abs(values - line[0][:, None] - line[1][:, None] * years) <= self.outlier * wide
        weight = np.where(is_near, weight, 0.0)
        level, late, level_error, late_error = _fit(values, weight, years, self.prior_fade, self.fade_spread)
        count = (weight > 0).sum(1)
        left = values - level[:, None] - late[:, None] * years
        widen = _widening(left, weight, count)
        even = np.where(weight > 0, 1.0 / np.where(plausible, spread, 1.0) ** 2, 0.0)
        start, whole, _, whole_error = _fit(values, even, years, self.prior_fade, self.fade_spread)
        left = values - start[:, None] - whole[:, None] * years
        known = count > 0
        return tuple(
            np.where(known, found, np.nan)
            for found in (
                level,
                np.hypot(level_error * widen, self.shared_error),
                -late,
                late_error * widen,
                -whole,
                whole_error * _widening(left, even, count),
                count.astype(np.float64),
            )
        )

    def _hear(self, told: FloatArray, now: FloatArray, now_error: FloatArray, position: int) -> None:
        """Join what the vehicle tells of itself, the newest it told, by the inverse of the variances."""
        known = np.isfinite(told) & (told > 30.0) & (told < 120.0)
        index = np.where(known, np.arange(told.shape[1]), -1).max(1)
        heard = index >= 0
        own = np.where(heard, told[np.arange(len(told)), np.maximum(index, 0)], np.nan)
        value, error = now[:, position], now_error[:, position]
        mine, theirs = 1.0 / np.where(np.isfinite(value), error, np.inf) ** 2, 1.0 / self.told_error**2
        joined = (np.nan_to_num(value) * mine + np.nan_to_num(own) * theirs) / (mine + theirs)
        now[:, position] = np.where(heard, joined, value)
        now_error[:, position] = np.where(heard, 1.0 / np.sqrt(mine + theirs), error)


def _rated(panel: DayPanel) -> FloatArray:
    """Return the capacity that is 100 %, shape (n_vehicles, n_days).

    That of the vehicle model; where it tells none, the largest of the first five known of the vehicle, up to
    each day.
    """
    capacity = daily(panel, "capacity_ah")
    if panel.spec.capacity_ah > 0:
        return np.full_like(capacity, panel.spec.capacity_ah)
    is_early = np.isfinite(capacity) & (np.cumsum(np.isfinite(capacity), axis=1) <= _FIRST)
    largest = np.fmax.accumulate(np.where(is_early, capacity, np.nan), axis=1)
    return np.asarray(np.where(largest > 0, largest, np.nan))


def _widening(left: FloatArray, weight: FloatArray, count: IntArray) -> FloatArray:
    """Return by how much the residuals are larger than the errors say, 0.8-5; 1 for few charges."""
    excess = np.sqrt((left**2 * weight).sum(1) / np.maximum(count - 2, 1))
    return np.where(count >= 8, np.clip(excess, 0.8, 5.0), 1.0)


def _fit(
    values: FloatArray, weight: FloatArray, years: FloatArray, fade: float, spread: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return level at year 0, slope a year, and their errors: weighted least squares with a prior slope."""
    prior = 1.0 / spread**2
    total = weight.sum(1)
    first = (weight * years).sum(1)
    second = (weight * years**2).sum(1) + prior
    height = (weight * values).sum(1)
    cross = (weight * years * values).sum(1) - prior * fade
    pivot = np.maximum(total * second - first**2, 1e-12)
    level = (second * height - first * cross) / pivot
    slope = (total * cross - first * height) / pivot
    return level, slope, np.sqrt(second / pivot), np.sqrt(total / pivot)
