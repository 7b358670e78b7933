"""Topped-up leaker: one tire that is pumped up again and again, and so never trips a threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.recent import latest_known
from models.features.segments import Stretch, stretch
from models.features.tires import SEA_LEVEL_KPA
from models.features.trend import day_noise
from models.predictors.base import (
    DayPanel,
    Explanation,
    Risk,
    evidence_time,
    logistic,
    rounded,
)
from models.predictors.leak_time import time_until_low
from models.predictors.wheels import carried, wheel_zh


@dataclass(frozen=True, slots=True)
class TireToppedUpLeakPredictor:
    """Find the tire that is topped up and goes on losing what it was given.

    A top-up lifts the wheel's own gas and its contrast by ``top_up_kpa``. Two of them within 45 days,
    each for three days and more, tell a leak if the wheel lost what it was given: between them the
    contrast must fall by ``least_loss_kpa`` beyond what permeation may differ by, which rotation, other
    wheels and a sensor that jumps do not make. One of them tells it as soon as the wheel fell before it
    and falls again after it: lines through the days of both stretches, straight and each steeper than
    ``floor_kpa_per_day`` and ``errors`` times its error, in the wheel's own gas as well.
    """

    top_up_kpa: float = 8.0
    own_gain_kpa: float = 6.0
    least_loss_kpa: float = 4.0
    normal_kpa_per_day: float = 0.25
    within_days: int = 45
    floor_kpa_per_day: float = 0.6
    errors: float = 4.0
    fallen_kpa: float = 4.5
    falls_again_kpa: float = 2.5
    before_days: tuple[int, ...] = (5, 14)
    fallen_straight: float = 0.6
    falls_again_straight: float = 0.8
    noise_kpa: float = 0.6
    alarm_share: float = 0.75
    history_days: int = 100
    failure_mode: FailureMode = FailureMode.TIRE_TOPPED_UP_LEAK
    model_version: str = "tire-topped-up-leak-3"
    feature_set: str = "tire_days"
    main: str = "contrast_kpa"
    horizon_h: float = 1080.0
    blind_spots: tuple[str, ...] = (
        "top-ups of less than 8 kPa, and the first three days after one",
        "a tire that is topped up more often than every fourth day with readings",
        "leaks that take more than 45 days from one top-up to the next",
    )

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of every wheel as of each day."""
        level, day = latest_known(panel.value, 5)
        gas = latest_known(np.where(np.isfinite(panel.value), panel.extra["gas_kpa"], np.nan), 5)[0]
        # a wheel that was hot for two days is no tire that was filled
        after, before = level[:3].min(0), level[3:].max(0)
        own_gain = gas[:3].min(0) - gas[3:].max(0)
        days = np.arange(panel.value.shape[1])[None, :, None]
        is_top_up = (day[0] == days) & (after - before > self.top_up_kpa) & (own_gain > self.own_gain_kpa)
        marks = np.where(is_top_up, 1.0, np.nan)
        (_, _), (last, first) = latest_known(marks, 2)
        last, first = last[:, as_of], first[:, as_of]
        loss = _at(after, first) - _at(before, last)
        apart = last - first
        score = np.minimum((loss - self.normal_kpa_per_day * apart) / self.least_loss_kpa, 2.0)
        is_near = (first >= 0) & (apart <= self.within_days)
        is_near &= as_of[None, :, None] - last <= self.within_days
        # heard again since: a wheel that has fallen silent is not known to be healthy
        heard = np.isfinite(carried(panel.value)[:, as_of])
        score = np.where(is_near & np.isfinite(loss), score, 0.0)
        again, since = self._falls_again(panel, as_of)
        is_again = np.minimum(again, 2.0) > score
        score = np.where(is_again, np.minimum(again, 2.0), score)
        # from the last day after the first top-up to the last but one before the second
        rate = np.where(is_near, loss / np.maximum(apart - 4, 1), 0.0)
        rate = np.where(is_again, since.fall_per_day, rate)
        gauge = carried(panel.extra["gas_kpa"])[:, as_of] - SEA_LEVEL_KPA
        placard = np.asarray(panel.spec.placard_kpa, dtype=np.float64)
        ttt = time_until_low(gauge, self.alarm_share * placard, rate, 0.3 * rate)
        return Risk(
            as_of=as_of,
            probability=np.where(heard, logistic(score), np.nan),
            severity=self._severity(gauge, placard, rate, ttt[1]),
            ttt_h=ttt,
            detail={
                "rate": rate,
                "loss": np.where(is_again, since.loss, loss),
                "apart": np.where(is_again, since.days, apart.astype(np.float64)),
                "top_ups": np.where(is_again, 1.0, 2.0),
            },
        )

    def _falls_again(self, panel: DayPanel, as_of: IntArray) -> tuple[FloatArray, Stretch]:
        """Return the score of a fall that goes on after the newest top-up, -1 without one, and its line."""
        contrast, gas = panel.value, panel.extra["gas_kpa"]
        noise = day_noise(contrast, as_of, window=28, floor=self.noise_kpa, prior=self.noise_kpa)
        # a wheel that reads high for one day was not filled
        (new, lifted, low), (new_day, lifted_day, low_day) = latest_known(contrast, 3)
        own_new, own_lifted, own_low = latest_known(np.where(np.isfinite(contrast), gas, np.nan), 3)[0]
        is_lifted = (lifted - low > self.top_up_kpa) & (new - low > 0.5 * (lifted - low))
        is_lifted &= (own_lifted - own_low > self.own_gain_kpa) & (
            own_new - own_low > 0.5 * self.own_gain_kpa
        )
        days = np.arange(contrast.shape[1])[None, :, None]
        newest = np.maximum.accumulate(np.where(is_lifted & (new_day == days), days, -1), axis=1)
        at = newest[:, as_of]
        begin, end = (np.take_along_axis(d, np.maximum(at, 0), axis=1) for d in (lifted_day, low_day))
        earlier = np.take_along_axis(newest, np.maximum(end, 0), axis=1)
        now = np.broadcast_to(as_of[None, :, None], at.shape)
        after, own = (stretch(v, begin, now) for v in (contrast, gas))
        befores = [
            stretch(contrast, np.maximum(np.maximum(earlier, end - count), 0), end)
            for count in self.before_days
        ]
        before = np.fmax.reduce(
            [self._fall_score(b, noise, self.fallen_kpa, self.fallen_straight) for b in befores]
        )
        falls = self._fall_score(after, noise, self.falls_again_kpa, self.falls_again_straight)
        goes = own.fall_per_day / np.maximum(0.4 * after.fall_per_day, 0.1)
        score = np.minimum.reduce([before, falls, goes])
        is_near = (at >= 0) & (now - at <= self.within_days)
        return np.where(is_near & np.isfinite(score), score, -1.0), after

    def _fall_score(self, line: Stretch, noise: FloatArray, least_kpa: float, straight: float) -> FloatArray:
        steep = np.maximum(self.floor_kpa_per_day, self.errors * line.error * noise)
        parts = (line.fall_per_day / steep, line.loss / least_kpa, line.straight / straight)
        return np.asarray(np.minimum.reduce(parts))

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the top-ups, what was lost between them, and what would clear it."""
        at = (vehicle, position, component)
        wheel = panel.spec.wheels[component]
        loss, apart, rate, top_ups = (
            float(np.nan_to_num(risk.detail[n][at])) for n in ("loss", "apart", "rate", "top_ups")
        )
        if top_ups > 1:
            text_en = f"{wheel} was topped up twice in {apart:.0f} days and lost {loss:.0f} kPa in between"
            text_zh = f"{wheel_zh(wheel)}轮 {apart:.0f} 天内补气两次，其间漏掉 {loss:.0f} kPa"
        else:
            text_en = f"{wheel} fell, was topped up and has lost {loss:.0f} kPa again in {apart:.0f} days"
            text_zh = f"{wheel_zh(wheel)}轮漏气、补气后 {apart:.0f} 天内又漏掉 {loss:.0f} kPa"
        last = int(risk.as_of[position])
        rows = slice(max(0, last - 2 * self.within_days), last + 1)
        gas = panel.extra["gas_kpa"][vehicle, rows] - SEA_LEVEL_KPA
        reasons = (
            Reason(
                feature="lost_between_top_ups_kpa",
                value=round(loss, 1),
                unit="kPa",
                healthy_low=0.0,
                healthy_high=self.least_loss_kpa,
                text_en=f"{text_en} ({rate:.1f} kPa/day)",
                text_zh=f"{text_zh}（每天 {rate:.1f} kPa）",
            ),
            Reason(
                feature="clears_after_days",
                value=float(self.within_days),
                unit="d",
                text_en=f"clears {self.within_days} days after the last top-up, or when the tire is repaired",
                text_zh=f"最近一次补气后 {self.within_days} 天无异常或轮胎修复后解除",
            ),
        )
        evidence = {
            "time": evidence_time(panel, vehicle, rows),
            "series": {name: rounded(gas[:, i], 1) for i, name in enumerate(panel.spec.wheels)},
            "unit": "kPa",
            "title_en": "Pressure at 20 °C, daily median",
            "title_zh": "折算到 20 °C 的胎压，日中位数",
            "limit": round(self.alarm_share * panel.spec.placard_kpa[component], 1),
            "suspect": wheel,
        }
        return Explanation(reasons=reasons, evidence=evidence, window_days=2 * self.within_days)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``tire`` and the wheel."""
        return f"tire {spec.wheels[component]}"

    def _severity(
        self, gauge: FloatArray, placard: FloatArray, rate: FloatArray, ttt_h: FloatArray
    ) -> IntArray:
        out = np.full(gauge.shape, 4, dtype=np.int64)
        with np.errstate(invalid="ignore"):
            out[rate > 0] = 3
            out[ttt_h < 48] = 2
            out[gauge < 0.6 * placard] = 1
        return out


def _at(values: FloatArray, day: IntArray) -> FloatArray:
    found = np.take_along_axis(values, np.maximum(day, 0), axis=1)
    return np.where(day >= 0, found, np.nan)
