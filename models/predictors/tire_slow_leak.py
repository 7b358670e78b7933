"""Slow leak: one tire loses gas that the others keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.tires import SEA_LEVEL_KPA
from models.features.trend import Trend, day_noise, theil_sen
from models.predictors.base import (
    DayPanel,
    Explanation,
    Risk,
    evidence_time,
    logistic,
    rounded,
    time_to_threshold,
)

_WHEEL_ZH = {"front-left": "左前", "front-right": "右前", "rear-left": "左后", "rear-right": "右后"}


@dataclass(frozen=True, slots=True)
class TireSlowLeakPredictor:
    """Find the slow leak of one tire from daily cross-wheel contrasts of the compensated pressure.

    The contrast c_i = Pc_i - median of the other wheels takes out weather, altitude and shared refills. Its
    Theil-Sen slope over 3, 7 and 14 days in parallel is held against thresholds that are the larger of a
    floor and a multiple of the slope's own error (idealised thresholds at 0.05 false episodes per 1,000
    vehicle-days are 3.1, 0.88 and 0.42 kPa/day; field floors here are higher). The loss must also be
    monotone, add up to more than sensors and rounding make, and show in the wheel's own gas. A step of more
    than ``refill_kpa`` on most wheels, or of a wheel against the others, starts the history anew. Threshold:
    25 % under placard (FMVSS 138 S4.2).

    Panel: value = contrast (kPa); extra ``gas`` = absolute pressure at 20 °C (kPa).
    """

    windows: tuple[int, ...] = (3, 7, 14)
    least_days: tuple[int, ...] = (3, 4, 6)
    floors_kpa_per_day: tuple[float, ...] = (3.0, 1.2, 0.7)
    error_multiple: float = 4.5
    least_drop_kpa: float = 5.0
    least_concordance: float = 0.6
    refill_kpa: float = 8.0
    top_up_kpa: float = 12.0
    noise_kpa: float = 0.6
    prior_noise_kpa: float = 1.4
    alarm_share: float = 0.75
    failure_mode: FailureMode = FailureMode.TIRE_SLOW_LEAK
    model_version: str = "tire-slow-leak-1"
    feature_set: str = "tire_days"
    main: str = "contrast_kpa"
    horizon_h: float = 720.0

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of every wheel as of each day."""
        gas = panel.extra["gas"]
        segment = self._segments(panel.value, gas)
        noise = day_noise(panel.value, as_of, window=28, floor=self.noise_kpa, prior=self.prior_noise_kpa)
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
            own_scores.append(self._score(trend, own, window, floor))
            trends.append(trend)
            own_losses.append(-own.slope)
        scores = np.stack(own_scores)
        known = np.where(np.isfinite(scores), scores, -np.inf)
        best = known.argmax(0)[None]
        score = np.take_along_axis(known, best, 0)[0]
        score = np.where(np.isfinite(score), score, np.nan)
        loss, loss_error = (
            np.take_along_axis(np.stack([getattr(t, name) for t in trends]), best, 0)[0]
            for name in ("slope", "slope_error")
        )
        own_loss = np.take_along_axis(np.stack(own_losses), best, 0)[0]
        peers = _median_of_others(own_loss)
        rate = np.maximum(-loss, 0.0) + np.clip(np.where(np.isfinite(peers), peers, 0.0), 0.0, 0.5)
        gauge, gauge_error = self._level(panel, as_of)
        placard = np.asarray(panel.spec.placard_kpa, dtype=np.float64)
        alarm = self.alarm_share * placard
        ttt = time_to_threshold(gauge - alarm, gauge_error, rate, loss_error)
        # a young history shows no leak yet; one that has fallen silent is not known to be healthy
        is_young = np.isfinite(gauge) & (self._heard(panel)[:, as_of] < min(self.least_days))
        probability = np.where(np.isfinite(score), logistic(score), np.where(is_young, 0.0, np.nan))
        return Risk(
            as_of=as_of,
            probability=probability,
            severity=self._severity(rate, gauge, placard, ttt[1]),
            ttt_h=ttt,
            detail={
                "loss": rate,
                "peers": peers,
                "gauge": gauge,
                "alarm": np.broadcast_to(alarm, gauge.shape),
                "window": np.asarray(self.windows, dtype=np.float64)[best[0]],
            },
        )

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the loss against the other wheels, the pressure left and the time to the threshold."""
        at = (vehicle, position, component)
        wheel = panel.spec.wheels[component]
        wheel_zh = _WHEEL_ZH.get(wheel, wheel)
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
                text_zh=f"{wheel_zh}轮每天漏气 {loss:.1f} kPa，"
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
        )
        last = int(risk.as_of[position])
        rows = slice(max(0, last - 29), last + 1)
        gas = panel.extra["gas"][vehicle, rows] - SEA_LEVEL_KPA
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

    def _segments(self, contrast: FloatArray, gas: FloatArray) -> IntArray:
        """Number the days; the number goes up where a refill or a top-up makes a step."""
        step_all = np.diff(_carried(gas), axis=1)
        step_one = np.diff(_carried(contrast), axis=1)
        n_wheels = gas.shape[2]
        with np.errstate(invalid="ignore"):
            is_refill = (step_all > self.refill_kpa).sum(2) >= max(2, round(0.75 * n_wheels))
            is_top_up = ((step_one > self.top_up_kpa) & (step_all > self.top_up_kpa)).any(2)
        out = np.zeros(gas.shape[:2], dtype=np.int64)
        out[:, 1:] = np.cumsum(is_refill | is_top_up, axis=1)
        return out

    def _score(self, trend: Trend, own: Trend, window: int, floor: float) -> FloatArray:
        """Return 1 where every condition is just met; the weakest condition decides."""
        rate = -trend.slope
        error = np.fmax(trend.slope_error, _median_of_others(trend.slope_error))
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

    def _level(self, panel: DayPanel, as_of: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the newest daily gauge pressure at 20 °C and its standard error."""
        gauge = _carried(panel.extra["gas"])[:, as_of] - SEA_LEVEL_KPA
        return gauge, np.full_like(gauge, 1.5)

    def _severity(
        self, rate: FloatArray, gauge: FloatArray, placard: FloatArray, ttt_h: FloatArray
    ) -> IntArray:
        out = np.full(gauge.shape, 4, dtype=np.int64)
        with np.errstate(invalid="ignore"):
            out[(rate >= 1.0) | (ttt_h < 21 * 24)] = 3
            out[ttt_h < 48] = 2
            out[(gauge < 0.6 * placard) | (rate > 0.2 * gauge)] = 1
        return out


def _carried(values: FloatArray) -> FloatArray:
    """Return the newest known value up to each day; NaN before the first."""
    known = np.isfinite(values)
    rows = np.where(known, np.arange(values.shape[1])[None, :, None], 0)
    latest = np.maximum.accumulate(rows, axis=1)
    return np.take_along_axis(values, latest, axis=1)


def _median_of_others(values: FloatArray) -> FloatArray:
    out = np.full(values.shape, np.nan)
    for i in range(values.shape[-1]):
        others = np.sort(np.delete(values, i, axis=-1), axis=-1)
        count = np.isfinite(others).sum(-1)
        low = np.take_along_axis(others, np.maximum((count - 1) // 2, 0)[..., None], -1)[..., 0]
        high = np.take_along_axis(others, np.minimum(count // 2, others.shape[-1] - 1)[..., None], -1)[..., 0]
        out[..., i] = np.where(count > 0, (low + high) / 2, np.nan)
    return out
