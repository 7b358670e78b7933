"""Internal short: one cell discharges itself and rests lower every day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.trend import Trend, day_noise, theil_sen, weighted_median
from models.predictors.base import (
    DayPanel,
    Explanation,
    Risk,
    evidence_time,
    logistic,
    reference_of_others,
    rounded,
    time_to_threshold,
)


@dataclass(frozen=True, slots=True)
class CellInternalShortPredictor:
    """Find the cell that loses charge against its own pack and its own past.

    An internal short of resistance R drains V/R, which shows as a growing deficit of charge against the
    pack's median cell at rest (8 mV per % for NCM: 100 ohm in 150 Ah is 0.6 % or 5 mV a day). The deficit,
    in % of capacity, does not follow the state of charge as a voltage difference does. Three things must
    hold at once:

    - growth: its trend over 7, 14 or 28 days (Theil-Sen), less that of the pack's other drifting cells, is
      above a floor and above a multiple of its error, or its level is far out and has grown since an earlier
      month;
    - own past: the level of the last days is above that of the weeks before, by more than the others';
    - isolation: the level is below all but a few of the other cells. Gradients along a string and modules
      that diverge together (temperature, balancing) keep neighbours close and do not count.

    Threshold for the time: a deficit of ``limit_percent``, where the pack loses that share of its range.

    Panel: value = deficit (%); extra ``deviation`` = rested deviation from the median cell (mV).
    """

    windows: tuple[int, ...] = (7, 14, 28)
    least_days: tuple[int, ...] = (4, 5, 7)
    floors_percent_per_day: tuple[float, ...] = (0.20, 0.10, 0.06)
    error_multiple: float = 2.5
    least_concordance: float = 0.5
    least_growth_percent: float = 1.6
    least_isolation_percent: float = 1.3
    far_isolation_percent: float = 4.5
    far_growth_percent: float = 1.6
    step_percent: float = 3.0
    looks: tuple[tuple[int, int], ...] = ((21, 5), (35, 8), (60, 29))
    far_looks: tuple[tuple[int, int], ...] = ((35, 15), (60, 29))
    settled_days: int = 14
    peer_share: float = 0.05
    noise_percent: float = 0.1
    prior_noise_percent: float = 0.15
    recent_days: int = 4
    screen_score: float = 0.3
    limit_percent: float = 15.0
    fast_ohm: float = 100.0
    failure_mode: FailureMode = FailureMode.CELL_INTERNAL_SHORT
    model_version: str = "cell-internal-short-1"
    feature_set: str = "cell_days"
    main: str = "deficit_percent"
    horizon_h: float = 720.0

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of every cell as of each day."""
        level = self._level(panel, as_of, self.recent_days - 1, 0)
        growth = self._growth(panel, as_of, level, self.looks)
        isolation = level - reference_of_others(level, self.peer_share)
        growth_alone = growth - np.maximum(reference_of_others(growth, self.peer_share), 0.0)
        own = np.minimum(growth_alone / self.least_growth_percent, isolation / self.least_isolation_percent)
        rate_score, rate, rate_error, window = self._rates(panel, as_of, own)
        drifting = np.minimum(rate_score, own)
        slow = self._level(panel, as_of, self.settled_days - 1, 0, least=2)
        slow_growth = self._growth(panel, as_of, slow, self.far_looks)
        slow_alone = slow_growth - np.maximum(reference_of_others(slow_growth, self.peer_share), 0.0)
        slow_isolation = slow - reference_of_others(slow, self.peer_share)
        far_out = np.minimum(
            slow_isolation / self.far_isolation_percent, slow_alone / self.far_growth_percent
        )
        stepped = np.minimum(growth_alone, isolation) / self.step_percent
        score = np.maximum.reduce([np.nan_to_num(part, nan=-1.0) for part in (drifting, stepped, far_out)])
        ttt = time_to_threshold(self.limit_percent - level, np.full_like(level, 0.4), rate, rate_error)
        return Risk(
            as_of=as_of,
            probability=np.where(np.isfinite(level), logistic(score), np.nan),
            severity=self._severity(panel.spec, rate - 2 * rate_error, ttt),
            ttt_h=ttt,
            detail={
                "deficit": level,
                "growth": growth,
                "rate": rate,
                "isolation": isolation,
                "window": window,
            },
        )

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the rested deviation, its growth, the equivalent leak and the time to the threshold."""
        at = (vehicle, position, component)
        last = int(risk.as_of[position])
        deviation = panel.extra["deviation"][vehicle, : last + 1]
        recent = deviation[np.isfinite(deviation[:, component])]
        now_mv = float(recent[-1, component]) if len(recent) else float("nan")
        low_mv, high_mv = _peer_range(recent[-1], component) if len(recent) else (float("nan"), float("nan"))
        deficit, growth = float(risk.detail["deficit"][at]), float(risk.detail["growth"][at])
        rate = float(risk.detail["rate"][at])
        name = component + 1
        reasons = [
            Reason(
                feature="rested_deviation_mv",
                value=round(now_mv, 1),
                unit="mV",
                healthy_low=round(low_mv, 1),
                healthy_high=round(high_mv, 1),
                peers=0.0,
                text_en=f"cell {name} rests {-now_mv:.0f} mV below the pack's median cell; "
                f"90 % of the others lie between {low_mv:+.0f} and {high_mv:+.0f} mV",
                text_zh=f"静置时 {name} 号电芯比全包中位电芯低 {-now_mv:.0f} mV；"
                f"其余 90% 的电芯在 {low_mv:+.0f} 至 {high_mv:+.0f} mV 之间",
            ),
            Reason(
                feature="charge_deficit_growth_percent",
                value=round(growth, 2),
                unit="%",
                healthy_low=-0.5,
                healthy_high=0.5,
                text_en=f"it holds {deficit:.1f} % less charge than the median cell, "
                f"{growth:.1f} % more than in the weeks before",
                text_zh=f"电量比中位电芯少 {deficit:.1f}%，比前几周多差了 {growth:.1f}%",
            ),
        ]
        if np.isfinite(rate) and rate > 0.02:
            reasons.append(
                _leak_reason(
                    panel.spec, rate, risk.ttt_h[:, vehicle, position, component], self.limit_percent
                )
            )
        rows = slice(max(0, last - 59), last + 1)
        part = panel.extra["deviation"][vehicle, rows]
        others = np.delete(part, component, axis=1)
        evidence = {
            "time": evidence_time(panel, vehicle, rows),
            "series": {
                f"cell {name}": rounded(part[:, component], 1),
                "peers p5": rounded(_quantile(others, 0.05), 1),
                "peers p50": rounded(_quantile(others, 0.5), 1),
                "peers p95": rounded(_quantile(others, 0.95), 1),
            },
            "unit": "mV",
            "title_en": "Rested deviation from the pack's median cell",
            "title_zh": "静置时与全包中位电芯的电压差",
            "suspect": f"cell {name}",
        }
        return Explanation(
            reasons=tuple(reasons), evidence=evidence, window_days=int(risk.detail["window"][at])
        )

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``cell`` and its number from 1."""
        return f"cell {component + 1}"

    def _level(
        self, panel: DayPanel, as_of: IntArray, oldest: int, newest: int, least: int = 1
    ) -> FloatArray:
        """Return the weighted median deficit of ``oldest`` to ``newest`` days before each as-of day."""
        shape = (len(panel.vehicle_id), len(as_of), panel.value.shape[2])
        out = np.full(shape, np.nan)
        for position, day in enumerate(as_of.tolist()):
            rows = slice(max(0, day - oldest), max(0, day - newest + 1))
            values = np.moveaxis(panel.value[:, rows], 1, -1)
            weights = np.where(np.isfinite(values), np.moveaxis(panel.weight[:, rows], 1, -1), 0.0)
            enough = (weights > 0).sum(-1) >= least
            if values.shape[-1]:
                out[:, position] = np.where(enough, weighted_median(values, weights), np.nan)
        return out

    def _growth(
        self, panel: DayPanel, as_of: IntArray, level: FloatArray, looks: tuple[tuple[int, int], ...]
    ) -> FloatArray:
        """Return how far the level lies above that of the weeks before, the largest of several looks back."""
        found = [self._level(panel, as_of, oldest, newest, least=3) for oldest, newest in looks]
        past = np.minimum.reduce([np.where(np.isfinite(look), look, np.inf) for look in found])
        return np.asarray(np.where(np.isfinite(past), level - past, np.nan))

    def _rates(
        self, panel: DayPanel, as_of: IntArray, own: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return rate score, rate, its error and the deciding window.

        Trends are worked out for vehicles in which some cell comes near the other two conditions; elsewhere
        the weakest condition is known already, the score is infinite and the rate missing.
        """
        shape = own.shape
        score, window = np.full(shape, np.inf), np.full(shape, float(self.windows[-1]))
        rate, rate_error = np.full(shape, np.nan), np.full(shape, np.nan)
        worst = np.where(np.isfinite(own), own, -np.inf).max(2)
        for position in range(len(as_of)):
            rows = np.flatnonzero(worst[:, position] >= self.screen_score)
            if not len(rows):
                continue
            values, weights, day = panel.value[rows], panel.weight[rows], as_of[position : position + 1]
            noise = day_noise(
                values, day, window=28, floor=self.noise_percent, prior=self.prior_noise_percent
            )
            still = np.zeros(values.shape[:2], dtype=np.int64)
            trends = [
                theil_sen(values, weights, still, window=days, least=least, as_of=day, noise=noise)
                for days, least in zip(self.windows, self.least_days, strict=True)
            ]
            scores = np.stack(
                [
                    self._rate_score(trend, floor)
                    for trend, floor in zip(trends, self.floors_percent_per_day, strict=True)
                ]
            )
            known = np.where(np.isfinite(scores), scores, -np.inf)
            best = known.argmax(0)[None]
            score[rows, position] = np.take_along_axis(known, best, 0)[0, :, 0]
            window[rows, position] = np.asarray(self.windows, dtype=np.float64)[best[0, :, 0]]
            slopes = np.stack([trend.slope for trend in trends])
            errors = np.stack([trend.slope_error for trend in trends])
            rate[rows, position] = np.take_along_axis(slopes, best, 0)[0, :, 0]
            rate_error[rows, position] = np.take_along_axis(errors, best, 0)[0, :, 0]
        return score, rate, rate_error, window

    def _rate_score(self, trend: Trend, floor: float) -> FloatArray:
        alone = trend.slope - np.maximum(reference_of_others(trend.slope, self.peer_share), 0.0)
        threshold = np.maximum(floor, self.error_multiple * trend.slope_error)
        return np.minimum(alone / threshold, trend.concordance / self.least_concordance)

    def _severity(self, spec: VehicleSpec, sure_rate: FloatArray, ttt_h: FloatArray) -> IntArray:
        """Return S3, or S2 for a leak below ``fast_ohm`` that gets there within the week."""
        out = np.full(sure_rate.shape, 3, dtype=np.int64)
        with np.errstate(invalid="ignore"):
            leak_a = sure_rate / 100 * spec.capacity_ah / 24
            out[(leak_a > 3.7 / self.fast_ohm) & (ttt_h[1] < 7 * 24)] = 2
            out[ttt_h[1] < 48] = 2
        return out


def _leak_reason(spec: VehicleSpec, rate: float, ttt_h: FloatArray, limit: float) -> Reason:
    leak_ma = rate / 100 * spec.capacity_ah / 24 * 1000
    leak_ohm = 3700 / leak_ma
    days = ttt_h / 24
    until_en = until_zh = ""
    if np.isfinite(days).all():
        until_en = f"; reaches {limit:.0f} % in {days[1]:.0f} days ({days[0]:.0f}–{days[2]:.0f})"
        until_zh = f"；{days[1]:.0f} 天后（{days[0]:.0f}–{days[2]:.0f}）达到 {limit:.0f}%"
    return Reason(
        feature="leak_current_ma",
        value=round(leak_ma, 1),
        unit="mA",
        healthy_low=0.0,
        healthy_high=2.0,
        text_en=f"it loses {rate:.2f} % a day more than the median cell, as a leak of {leak_ma:.0f} mA "
        f"({leak_ohm:.0f} Ω) would{until_en}",
        text_zh=f"每天比中位电芯多损失 {rate:.2f}%，"
        f"相当于 {leak_ma:.0f} mA（{leak_ohm:.0f} Ω）的漏电{until_zh}",
    )


def _peer_range(row: FloatArray, component: int) -> tuple[float, float]:
    others = np.delete(row, component)
    others = others[np.isfinite(others)]
    if not len(others):
        return float("nan"), float("nan")
    low, high = np.quantile(others, [0.05, 0.95])
    return float(low), float(high)


def _quantile(values: FloatArray, share: float) -> FloatArray:
    """Return the quantile of each row of what is there."""
    ranked = np.sort(values, axis=1)
    count = np.isfinite(ranked).sum(1)
    index = np.clip(np.round(share * (count - 1)), 0, None).astype(np.int64)
    return np.asarray(np.where(count > 0, np.take_along_axis(ranked, index[:, None], 1)[:, 0], np.nan))
