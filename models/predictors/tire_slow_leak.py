"""Slow leak: one tire loses gas that the others keep."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.days import DAY_US
from models.features.steps import coarse_noise, refill_days, step_over_line
from models.features.tires import REFERENCE_K, SEA_LEVEL_KPA
from models.features.trend import Trend, day_noise, theil_sen
from models.predictors.base import (
    DayPanel,
    Explanation,
    Risk,
    evidence_time,
    logistic,
    rounded,
)
from models.predictors.leak_time import time_until_low
from models.predictors.two_days import TwoDays
from models.predictors.wheels import carried, leak_severity, median_of_others, wheel_zh

_CLEAR_KPA_PER_DAY = 0.35


@dataclass(frozen=True, slots=True)
class TireSlowLeakPredictor:
    """Find the slow leak of one tire from daily cross-wheel contrasts of the compensated pressure.

    The contrast c_i = Pc_i - median of the other wheels takes out weather, altitude and shared refills. Its
    Theil-Sen slope over 3, 7 and 14 days in parallel is held against thresholds that are the larger of a
    floor and a multiple of the slope's own error (idealised thresholds at 0.05 false episodes per 1,000
    vehicle-days are 3.1, 0.88 and 0.42 kPa/day; field floors here are higher). The loss must also be
    monotone, add up to more than sensors and rounding make, show in the wheel's own gas, and be better told
    by a line than by one step: a sensor that jumps, a wheel that is changed for another, leak nothing. A fast
    leak shows within two days: morning, evening and night each take their part. A step of more than
    ``refill_kpa`` on most wheels, or of a wheel against the others, starts the history anew. Threshold: 25 %
    under placard (FMVSS 138 S4.2).
    """

    windows: tuple[int, ...] = (3, 7, 14)
    least_days: tuple[int, ...] = (3, 4, 6)
    floors_kpa_per_day: tuple[float, ...] = (2.6, 1.0, 0.6)
    error_multiple: float = 4.0
    least_drop_kpa: float = 4.5
    least_concordance: float = 0.6
    least_line: float = 0.85
    fast: TwoDays = field(default_factory=TwoDays)
    refill_kpa: float = 8.0
    top_up_kpa: float = 12.0
    noise_kpa: float = 0.6
    prior_noise_kpa: float = 1.4
    largest_bend_kpa: float = 10.0
    alarm_share: float = 0.75
    failure_mode: FailureMode = FailureMode.TIRE_SLOW_LEAK
    model_version: str = "tire-slow-leak-4"
    feature_set: str = "tire_days"
    main: str = "contrast_kpa"
    horizon_h: float = 720.0
    blind_spots: tuple[str, ...] = (
        "a loss that all wheels share: permeation, or a slow leak of every tire at once",
        "leaks below about 0.6 kPa/day, and the first three days of those below 8 kPa/day",
        "a leak that is topped up again within days (see tire_topped_up_leak)",
        "minutes and hours (see tire_puncture)",
        "vehicles that stand silent, and wheels whose sensor is not heard",
        "a sensor that drifts by more than 0.6 kPa/day looks like a leak",
    )

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of every wheel as of each day."""
        gas = panel.extra["gas_kpa"]
        segment = self._segments(panel.value, gas)
        noise = day_noise(panel.value, as_of, window=28, floor=self.noise_kpa, prior=self.prior_noise_kpa)
        noise = np.maximum(noise, coarse_noise(panel.value, as_of, window=28, largest=self.largest_bend_kpa))
        own_scores, trends, own_losses = [], [], []
        for window, least, floor in zip(self.windows, self.least_days, self.floors_kpa_per_day, strict=True):
            trend = theil_sen(
                panel.value,
                panel.weight,
                segment,
                window=window,
                least=least,
                as_of=as_of,
                noise=noise,
            )
            own = theil_sen(
                gas,
                panel.weight,
                segment,
                window=window,
                least=least,
                as_of=as_of,
                noise=noise,
            )
            score = self._score(trend, own, window, floor)
            if window > min(self.windows):
                line = step_over_line(panel.value, segment, window=window, as_of=as_of, noise=noise)
                score = np.minimum(score, line / self.least_line)
            own_scores.append(score)
            trends.append(trend)
            own_losses.append(-own.slope)
        scores = np.stack(own_scores)
        known = np.where(np.isfinite(scores), scores, -np.inf)
        best = known.argmax(0)[None]
        score = np.take_along_axis(known, best, 0)[0]
        fast, fast_loss = self.fast.score(panel, as_of, noise)
        score = np.fmax(np.where(np.isfinite(score), score, np.nan), fast)
        loss, loss_error = (
            np.take_along_axis(np.stack([getattr(t, name) for t in trends]), best, 0)[0]
            for name in ("slope", "slope_error")
        )
        own_loss = np.take_along_axis(np.stack(own_losses), best, 0)[0]
        peers = median_of_others(own_loss)
        rate = np.maximum(-loss, 0.0) + np.clip(np.where(np.isfinite(peers), peers, 0.0), 0.0, 0.5)
        rate = np.where(fast >= 1.0, np.fmax(rate, fast_loss), rate)
        gauge = carried(panel.extra["gas_kpa"])[:, as_of] - SEA_LEVEL_KPA
        by_now = gauge - rate * self._days_since(panel, as_of)
        placard = np.asarray(panel.spec.placard_kpa, dtype=np.float64)
        alarm = self.alarm_share * placard
        ttt = time_until_low(by_now, alarm, rate, loss_error)
        morning = self._morning(panel, as_of)
        cold_gauge = (by_now + SEA_LEVEL_KPA) * (morning + 273.15) / REFERENCE_K - SEA_LEVEL_KPA
        cold_ttt = time_until_low(cold_gauge, alarm, rate, loss_error)[1]
        # a young history shows no leak yet; one that has fallen silent is not known to be healthy
        is_young = np.isfinite(gauge) & (self._heard(panel)[:, as_of] < min(self.least_days))
        probability = np.where(np.isfinite(score), logistic(score), np.where(is_young, 0.0, np.nan))
        return Risk(
            as_of=as_of,
            probability=probability,
            severity=leak_severity(rate, gauge, placard, np.fmin(ttt[1], cold_ttt)),
            ttt_h=ttt,
            detail={
                "loss": rate,
                "peers": peers,
                "gauge": gauge,
                "alarm": np.broadcast_to(alarm, gauge.shape),
                "morning": morning,
                "cold_ttt": cold_ttt,
                "window": np.asarray(self.windows, dtype=np.float64)[best[0]],
            },
        )

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the loss against the other wheels, the pressure left and the time to the threshold."""
        at = (vehicle, position, component)
        wheel = panel.spec.wheels[component]
        name_zh = wheel_zh(wheel)
        loss, peers = float(risk.detail["loss"][at]), float(risk.detail["peers"][at])
        gauge, alarm = float(risk.detail["gauge"][at]), float(risk.detail["alarm"][at])
        p10, p50, p90 = (float(v) / 24 for v in risk.ttt_h[:, vehicle, position, component])
        others = len(panel.spec.wheels) - 1
        placard = alarm / self.alarm_share
        other_loss = max(peers, 0.0) if np.isfinite(peers) else 0.0
        has_time = np.isfinite(p50) and loss > 0
        until_en = f"; reaches −25 % in {p50:.1f} days ({p10:.1f}–{p90:.1f})" if has_time else ""
        until_zh = f"；{p50:.1f} 天后（{p10:.1f}–{p90:.1f}）低于标准 25%" if has_time else ""
        reasons = (
            Reason(
                feature="loss_kpa_per_day",
                value=round(loss, 2),
                unit="kPa/day",
                healthy_low=0.0,
                healthy_high=0.35,
                peers=round(peers, 2) if np.isfinite(peers) else None,
                text_en=f"{wheel} loses {loss:.1f} kPa/day against {other_loss:.1f} on the other {others}"
                f"{until_en}",
                text_zh=f"{name_zh}轮每天漏气 {loss:.1f} kPa，"
                f"其余 {others} 轮为 {other_loss:.1f} kPa{until_zh}",
            ),
            Reason(
                feature="pressure_20degc_kpa",
                value=round(gauge, 1),
                unit="kPa",
                healthy_low=round(placard * 0.9, 1),
                healthy_high=round(placard * 1.15, 1),
                text_en=f"{gauge:.0f} kPa at 20 °C; placard {placard:.0f} kPa, warning limit {alarm:.0f} kPa",
                text_zh=f"20 °C 时胎压 {gauge:.0f} kPa；标准 {placard:.0f} kPa，报警线 {alarm:.0f} kPa",
            ),
            *self._cold_reason(risk, at),
            Reason(
                feature="clears_below_kpa_per_day",
                value=_CLEAR_KPA_PER_DAY,
                unit="kPa/day",
                text_en=f"clears when the wheel loses less than {_CLEAR_KPA_PER_DAY} kPa/day more than the "
                "others: a repaired tire within three days, pumping up alone does not",
                text_zh=f"该轮与其余车轮相比每天漏气低于 {_CLEAR_KPA_PER_DAY} kPa 时解除："
                "修好后三天内解除，仅补气不会解除",
            ),
        )
        last = int(risk.as_of[position])
        rows = slice(max(0, last - 29), last + 1)
        gas = panel.extra["gas_kpa"][vehicle, rows] - SEA_LEVEL_KPA
        evidence = {
            "time": evidence_time(panel, vehicle, rows),
            "series": {name: rounded(gas[:, i], 1) for i, name in enumerate(panel.spec.wheels)},
            "unit": "kPa",
            "title_en": "Pressure at 20 °C, daily median",
            "title_zh": "折算到 20 °C 的胎压，日中位数",
            "limit": round(alarm, 1),
            "suspect": wheel,
        }
        return Explanation(reasons=reasons, evidence=evidence, window_days=int(risk.detail["window"][at]))

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``tire`` and the wheel."""
        return f"tire {spec.wheels[component]}"

    def _cold_reason(self, risk: Risk, at: tuple[int, int, int]) -> tuple[Reason, ...]:
        morning, days = float(risk.detail["morning"][at]), float(risk.detail["cold_ttt"][at]) / 24
        if not (np.isfinite(days) and np.isfinite(morning) and morning < 20.0):
            return ()
        return (
            Reason(
                feature="days_to_limit_in_the_morning",
                value=round(days, 1),
                unit="d",
                text_en=f"on a morning of {morning:.0f} °C the warning limit is reached in {days:.1f} days",
                text_zh=f"若清晨气温为 {morning:.0f} °C，{days:.1f} 天后即低于报警线",
            ),
        )

    def _morning(self, panel: DayPanel, as_of: IntArray) -> FloatArray:
        """Return the lowest temperature of the last three days, °C: what the next morning may bring."""
        shape = (len(panel.vehicle_id), len(as_of), panel.value.shape[2])
        told = panel.extra.get("low_temperature_degc")
        if told is None:
            return np.full(shape, np.nan)
        days = np.clip(as_of[:, None] - np.arange(3), 0, None)
        return np.broadcast_to(np.fmin.reduce(told[:, days], axis=2), shape)

    def _segments(self, contrast: FloatArray, gas: FloatArray) -> IntArray:
        """Number the days; the number goes up where a refill or a top-up makes a step."""
        level = carried(gas)
        is_new = refill_days(level, least_kpa=self.refill_kpa)
        step_all, step_one = np.diff(level, axis=1), np.diff(carried(contrast), axis=1)
        with np.errstate(invalid="ignore"):
            is_new[:, 1:] |= ((step_one > self.top_up_kpa) & (step_all > self.top_up_kpa)).any(2)
        return np.cumsum(is_new, axis=1, dtype=np.int64)

    def _score(self, trend: Trend, own: Trend, window: int, floor: float) -> FloatArray:
        """Return 1 where every condition is just met; the weakest condition decides."""
        rate = -trend.slope
        error = np.fmax(trend.slope_error, median_of_others(trend.slope_error))
        threshold = np.maximum(floor, self.error_multiple * error)
        drop = rate * np.minimum(window - 1, np.maximum(trend.count - 1, 0))
        parts = [
            rate / threshold,
            drop / self.least_drop_kpa,
            -trend.concordance / self.least_concordance * 1.25,
            -own.slope / np.maximum(0.4 * rate, 0.1),
        ]
        # three points cannot outvote an outlier: every step must be a fair part of the fall
        if window <= 3:
            parts.append(-trend.steepest_rise / np.maximum(0.4 * rate, 0.1))
        return np.asarray(np.minimum.reduce(parts))

    def _heard(self, panel: DayPanel) -> IntArray:
        """Return on how many days each wheel has been heard, up to each day."""
        return np.cumsum(np.isfinite(panel.value) & (panel.weight > 0), axis=1)

    def _days_since(self, panel: DayPanel, as_of: IntArray) -> FloatArray:
        """Return how long ago the newest daily pressure was measured, half a day's readings at the least."""
        day = np.arange(panel.value.shape[1])[None, :, None]
        gas = panel.extra["gas_kpa"]
        heard = np.maximum.accumulate(np.where(np.isfinite(gas), day, -1), axis=1)[:, as_of]
        half = np.where(panel.last_us > 0, (panel.last_us - panel.first_us) / (2 * DAY_US), 0.0)[..., None]
        half = np.take_along_axis(np.broadcast_to(half, gas.shape), np.maximum(heard, 0), axis=1)
        return np.where(heard >= 0, as_of[None, :, None] - heard + half, 0.0)
