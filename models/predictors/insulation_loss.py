"""Insulation loss: the resistance between the high-voltage system and the body falls for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.change import Course, find_change
from models.features.trend import theil_sen
from models.predictors.base import DayPanel, Explanation, Risk, time_to_threshold
from models.predictors.part import clears, daily, evidence, part_risk, strongest, until, weakest

_NO_SEGMENT = 0
#: Days ago at which a fall may have begun.
_FALLS: Final = (3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 21, 26, 32, 40, 50, 60)
#: Of a fall's rate, what it changes on its way; of the logarithm left, what a day's reading is off.
_RATE_DOUBT: Final = 0.15
_MARGIN_ERROR: Final = 0.1
#: The same where no sensor tells of rain, which may last longer than days are looked back for a dry one.
_WET_ERROR: Final = 0.5
#: Days in a row whose best stands for them where no sensor tells of rain.
_BEST_OF: Final = 3


@dataclass(frozen=True, slots=True)
class InsulationLossPredictor:
    """Find insulation that falls by halves, before the limit of the regulation.

    What falls exponentially is straight in the logarithm: Theil-Sen over ``windows`` of days, with the floor
    and the multiple of its error as for every trend here, and a loss against the vehicle's own best weeks
    that water cannot explain. Wet days lose up to four fifths and come back: with a rain sensor only dry days
    are looked at; without one the best of three days in a row stands for them, and the loss must exceed what
    rain does. Two days of the last three under 500 Ω/V count whatever the trend (UN R100 5.1.3,
    ISO 6469-3). Threshold: 500 Ω/V.
    """

    windows: tuple[int, ...] = (7, 14, 28)
    least_days: tuple[int, ...] = (5, 6, 8)
    floors_per_day: tuple[float, ...] = (0.10, 0.045, 0.022)
    error_multiple: float = 4.0
    noise_log: float = 0.04
    least_loss_dry: float = 0.5
    least_loss_any: float = 1.75
    least_concordance: float = 0.6
    dry_share: float = 0.02
    history_days: int = 75
    limit_ohm_per_v: float = 500.0
    stop_ohm_per_v: float = 100.0
    failure_mode: FailureMode = FailureMode.INSULATION_LOSS
    model_version: str = "insulation-loss-2"
    feature_set: str = "insulation_days"
    main: str = "insulation_log_kohm"
    horizon_h: float = 720.0
    blind_spots: tuple[str, ...] = (
        "a monitor that clips its reading: nothing shows above the clip",
        "a fault that comes within hours: the live rule has minutes",
        "insulation that water alone brings under the limit, in a vehicle without a rain sensor: told late",
        "which side and which part leaks: the workshop has to trace it",
    )

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of the insulation as of each day."""
        value = daily(panel, "insulation_log_kohm")
        has_rain = np.isfinite(daily(panel, "rain_share"))
        told = np.where(has_rain, 1.0, 0.0).cumsum(1) > 0
        is_dry = has_rain & (daily(panel, "rain_share") <= self.dry_share)
        even = np.where(told, np.where(is_dry, value, np.nan), _best_of(value, _BEST_OF))
        last = np.where(told, _carried(even), np.where(np.isfinite(even), even, np.nan))
        rate_score, rate, rate_error, window = self._trend(even, as_of)
        best = self._best(even, as_of)
        loss = best - last[:, as_of]
        least = np.where(told, self.least_loss_dry, self.least_loss_any)[:, as_of]
        falling = weakest(rate_score, loss / least)
        # so far gone that no rain does it, even where it stands still
        gone = loss / (self.least_loss_any + 0.75)
        per_v = _carried(daily(panel, "insulation_ohm_per_v"))
        low = self._low(panel, as_of)
        score = strongest(falling, gone, low)
        ttt = self._foreseen(panel, even, last, as_of, (rate, rate_error))
        severity = np.full(score.shape, 3, dtype=np.int64)
        with np.errstate(invalid="ignore"):
            severity[(ttt[1] < 48) | (per_v[:, as_of] < self.limit_ohm_per_v)] = 2
            severity[(per_v[:, as_of] < self.stop_ohm_per_v) & (low >= 1.0)] = 1
        return part_risk(
            panel,
            as_of,
            score=score,
            severity=severity,
            ttt_h=ttt,
            detail={
                "loss": loss,
                "best": best,
                "rate": rate,
                "rate_error": rate_error,
                "window": window,
                "per_v": per_v[:, as_of],
            },
        )

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the insulation against its own past and the regulation, its rate, what clears it."""
        at = (vehicle, position, component)
        loss, best, rate, per_v = (float(risk.detail[k][at]) for k in ("loss", "best", "rate", "per_v"))
        now_kohm, best_kohm = float(np.exp(best - loss)), float(np.exp(best))
        goal = f"{self.limit_ohm_per_v:.0f} Ω/V"
        en, zh = until(risk.ttt_h[:, vehicle, position, component], goal, goal)
        reasons = [
            Reason(
                feature="insulation_kohm",
                value=round(now_kohm, 1) if np.isfinite(now_kohm) else 0.0,
                unit="kΩ",
                healthy_low=round(best_kohm * 0.7, 1) if np.isfinite(best_kohm) else None,
                text_en=f"insulation {now_kohm:.0f} kΩ ({per_v:.0f} Ω/V); "
                f"its best weeks had {best_kohm:.0f} kΩ",
                text_zh=f"绝缘电阻 {now_kohm:.0f} kΩ（{per_v:.0f} Ω/V）；此前最好时为 {best_kohm:.0f} kΩ",
            )
        ]
        if np.isfinite(rate) and rate > 0.005:
            reasons.append(
                Reason(
                    feature="insulation_half_life_days",
                    value=round(np.log(2) / rate, 1),
                    unit="days",
                    text_en=f"it halves every {np.log(2) / rate:.0f} days{en}",
                    text_zh=f"每 {np.log(2) / rate:.0f} 天减半{zh}",
                )
            )
        reasons.append(
            clears(
                "clears_above_percent",
                60.0,
                "%",
                (
                    "clears when it stays above 60 % of its best weeks on dry days, or after the repair",
                    "干燥天气下恢复到最好时的 60% 以上，或维修后解除",
                ),
            )
        )
        limit_kohm = now_kohm * self.limit_ohm_per_v / per_v if per_v > 0 else np.nan
        shown = evidence(
            panel,
            vehicle,
            int(risk.as_of[position]),
            days=60,
            series={
                "lowest tenth of the day": np.exp(daily(panel, "insulation_log_kohm")),
                "median of the day": np.exp(daily(panel, "insulation_median_log_kohm")),
            },
            titles=("kΩ", "Insulation resistance", "绝缘电阻"),
            limit=float(limit_kohm),
        )
        return Explanation(reasons=tuple(reasons), evidence=shown, window_days=int(risk.detail["window"][at]))

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``battery``."""
        return "battery"

    def _foreseen(
        self,
        panel: DayPanel,
        even: FloatArray,
        last: FloatArray,
        as_of: IntArray,
        slope: tuple[FloatArray, FloatArray],
    ) -> FloatArray:
        """Return the quantiles of the time to the limit, shape (3, n_vehicles, n_as_of), hours.

        A fall has a beginning: a slope through days before it is too flat. Where a fall that began some days
        ago explains the days, its rate is taken, else the slope. What is left is that of an even day, for a
        wet one comes back.
        """
        value = daily(panel, "insulation_log_kohm")
        course = Course(window=self.history_days, ramps=_FALLS, steps=(), least_before=5)
        fall = find_change(even, [], as_of, course, noise=self.noise_log, sign=-1)
        is_fall = (fall.rate < 0) & (fall.strength <= -self.error_multiple)
        rate = np.where(is_fall, -fall.rate, slope[0])
        error = np.hypot(np.where(is_fall, fall.rate_error, slope[1]), _RATE_DOUBT * rate)
        per_kohm = _carried(np.log(np.maximum(daily(panel, "insulation_ohm_per_v"), 1e-3)) - value)
        # it has gone on falling since the reading that the level is of: a dry one, or the best of three
        day = np.arange(value.shape[1], dtype=np.float64)
        since = day - _carried(np.where(np.isfinite(even), day, np.nan))
        has_rain = np.isfinite(daily(panel, "rain_share")).cumsum(1) > 0
        since = (since + np.where(has_rain, 0.0, _BEST_OF - 1.0))[:, as_of]
        doubt = np.where(has_rain, _MARGIN_ERROR, _WET_ERROR)[:, as_of]
        level = (last + per_kohm)[:, as_of] - np.log(self.limit_ohm_per_v)
        margin = np.where(level > 0, np.maximum(level - np.maximum(rate, 0.0) * since, _MARGIN_ERROR), level)
        return time_to_threshold(margin, doubt, rate, error)

    def _trend(self, even: FloatArray, as_of: IntArray) -> tuple[FloatArray, ...]:
        """Return rate score, rate of loss, its error (per day, in logarithm) and the deciding window."""
        values = even[..., None]
        weight = np.where(np.isfinite(values), 1.0, 0.0)
        still = np.full(even.shape, _NO_SEGMENT, dtype=np.int64)
        noise = np.full((len(even), len(as_of), 1), self.noise_log)
        found = []
        for days, least, floor in zip(self.windows, self.least_days, self.floors_per_day, strict=True):
            trend = theil_sen(values, weight, still, window=days, least=least, as_of=as_of, noise=noise)
            loss, error = -trend.slope[..., 0], trend.slope_error[..., 0]
            threshold = np.maximum(floor, self.error_multiple * error)
            score = np.minimum(loss / threshold, -trend.concordance[..., 0] / self.least_concordance)
            found.append((score, loss, error, np.full(loss.shape, float(days))))
        scores = np.stack([np.where(np.isfinite(f[0]), f[0], -np.inf) for f in found])
        best = scores.argmax(0)[None]
        picked = [np.take_along_axis(np.stack([f[k] for f in found]), best, 0)[0] for k in range(4)]
        return picked[0], picked[1], picked[2], picked[3]

    def _best(self, even: FloatArray, as_of: IntArray) -> FloatArray:
        """Return the level of the vehicle's best weeks: the 80 % quantile of what came before."""
        out = np.full((len(even), len(as_of)), np.nan)
        for position, day in enumerate(as_of.tolist()):
            part = np.sort(even[:, max(0, day - self.history_days + 1) : day + 1], axis=1)
            count = np.isfinite(part).sum(1)
            at = np.clip(np.round(0.8 * (count - 1)), 0, None).astype(np.int64)
            out[:, position] = np.where(count >= 5, part[np.arange(len(part)), at], np.nan)
        return out

    def _low(self, panel: DayPanel, as_of: IntArray) -> FloatArray:
        """Return a score of 1.3 where two of the last three days are under the limit."""
        per_v = daily(panel, "insulation_ohm_per_v")
        is_low = np.where(np.isfinite(per_v), per_v < self.limit_ohm_per_v, False)
        padded = np.concatenate((np.zeros((len(per_v), 2), dtype=np.bool_), is_low), axis=1)
        count = padded[:, :-2].astype(np.int64) + padded[:, 1:-1] + padded[:, 2:]
        known = np.isfinite(per_v)[:, as_of]
        return np.where(known, np.where(count[:, as_of] >= 2, 1.3, 0.0), np.nan)


def _best_of(values: FloatArray, days: int) -> FloatArray:
    """Return the largest of the last ``days`` days with a value on the day itself."""
    out = values.copy()
    for back in range(1, days):
        out[:, back:] = np.fmax(out[:, back:], values[:, :-back])
    return np.where(np.isfinite(values), out, np.nan)


def _carried(values: FloatArray) -> FloatArray:
    """Return the newest known value up to each day."""
    index = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(values.shape[1]), 0), axis=1)
    return np.take_along_axis(values, index, axis=1)
