"""Internal short: one cell discharges itself and rests lower every day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, VehicleSpec
from models.features.cell_contrast import lowest_known, rise_days, windowed_level
from models.features.trend import Trend, day_noise, theil_sen
from models.predictors.base import (
    DayPanel,
    Explanation,
    Risk,
    logistic,
    reference_of_others,
    time_to_threshold,
)
from models.predictors.cell_short_reasons import (
    clear_reason,
    growth_reason,
    lag_reason,
    leak_reason,
    rest_reason,
)
from models.predictors.cells import (
    REFERENCE_SOC,
    at_reference,
    capacity_slope,
    cell_name,
    component_evidence,
    measured_charge,
    mirrored,
    newest_row,
    unknown_risk,
    vehicles_of,
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

    A level that jumped from one day to the next and stays is no leak: it must have been on its way for
    ``least_rise_days`` of trust. What a weak cell falls behind as the pack empties is taken out; a change
    that a neighbour mirrors is a loose wire. LFP, flat at rest, is read at the top of its charges.
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
    capacity_margin: float = 1.5
    least_rise_days: int = 2
    least_rise_lfp: int = 1
    least_trust: float = 0.3
    mirror_share: float = 0.5
    mirror_cap: float = 0.4
    peer_share: float = 0.05
    noise_percent: float = 0.1
    prior_noise_percent: float = 0.15
    recent_days: int = 4
    recent_days_lfp: int = 10
    least_days_lfp: tuple[int, ...] = (3, 3, 4)
    stand_out: float = 0.75
    screen_score: float = 0.3
    least_cells: int = 4
    history_days: int = 75
    limit_percent: float = 15.0
    fast_ohm: float = 100.0
    failure_mode: FailureMode = FailureMode.CELL_INTERNAL_SHORT
    model_version: str = "cell-internal-short-5"
    feature_set: str = "cell_days"
    main: str = "deficit_percent"
    horizon_h: float = 720.0
    blind_spots: tuple[str, ...] = (
        "a short that comes within hours, by an impact or by plating: the thermal-event rule has seconds",
        "transient micro-shorts; an LFP pack that is never charged to the top; a pack that never rests",
        "a leak that passive balancing (20-100 mA) makes up for while the vehicle is parked",
        "leaks above about 1 kΩ in 150 Ah: less than they and self-discharge differ between healthy cells",
    )

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of every cell as of each day; unknown in a pack too small to have peers."""
        if panel.spec.cell_count < self.least_cells:
            return unknown_risk(panel, as_of, ("deficit", "growth", "rate", "isolation", "window"))
        slope, _ = capacity_slope(panel, as_of)
        is_lfp = panel.spec.chemistry == "LFP"
        recent = self.recent_days_lfp if is_lfp else self.recent_days
        level, slow = self._levels(panel, as_of, slope, [(recent - 1, 0, 1), (self.settled_days - 1, 0, 2)])
        isolation = level - reference_of_others(level, self.peer_share)
        slow_isolation = slow - reference_of_others(slow, self.peer_share)
        far = slow_isolation / self.far_isolation_percent
        nearest = np.fmax(isolation / self.least_isolation_percent, far)
        growth, slow_growth, rises, slow_rises = self._growths(panel, as_of, slope, (level, slow), nearest)
        # what a small cell lacks at the reference when the pack is balanced at 100 %
        small = self.capacity_margin * np.maximum(-slope, 0.0) * (100.0 - REFERENCE_SOC)
        growth_alone = growth - np.maximum(reference_of_others(growth, self.peer_share), 0.0) - small
        own = np.minimum(growth_alone / self.least_growth_percent, isolation / self.least_isolation_percent)
        rate_score, rate, rate_error, window = self._rates(panel, as_of, own, slope)
        drifting = np.minimum(rate_score, own)
        slow_alone = slow_growth - np.maximum(reference_of_others(slow_growth, self.peer_share), 0.0) - small
        far_out = np.minimum(far, slow_alone / self.far_growth_percent)
        stepped = np.minimum(growth_alone, isolation) / self.step_percent
        least_rise = self.least_rise_lfp if is_lfp else self.least_rise_days
        fast = np.maximum(np.nan_to_num(drifting, nan=-1.0), np.nan_to_num(stepped, nan=-1.0))
        fast = np.where(rises >= least_rise, fast, np.minimum(fast, self.mirror_cap))
        far_out = np.nan_to_num(far_out, nan=-1.0)
        far_out = np.where(slow_rises >= least_rise, far_out, np.minimum(far_out, self.mirror_cap))
        score = np.maximum(fast, far_out)
        swings = np.maximum(mirrored(growth), mirrored(slow_growth))
        score = np.asarray(
            np.where(swings > self.mirror_share, np.minimum(score, self.mirror_cap), score),
            dtype=np.float64,
        )
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
        is_lfp = panel.spec.chemistry == "LFP"
        shown = "lag_percent" if is_lfp else "deviation_mv"
        recent = newest_row(panel.extra[shown][vehicle], last, component)
        deficit, growth = float(risk.detail["deficit"][at]), float(risk.detail["growth"][at])
        rate = float(risk.detail["rate"][at])
        reasons = [lag_reason(recent, component) if is_lfp else rest_reason(recent, component)]
        if np.isfinite(growth):
            reasons.append(growth_reason(deficit, growth))
        if np.isfinite(rate) and rate > 0.02:
            reasons.append(
                leak_reason(panel.spec, rate, risk.ttt_h[:, vehicle, position, component], self.limit_percent)
            )
        reasons.append(clear_reason(self.least_growth_percent))
        evidence = component_evidence(
            panel,
            shown,
            vehicle=vehicle,
            last=last,
            component=component,
            name=cell_name(component),
            unit="%" if is_lfp else "mV",
            titles=("Charge behind the median cell at the top of a charge", "充电末端落后于中位电芯的电量")
            if is_lfp
            else ("Rested deviation from the pack's median cell", "静置时与全包中位电芯的电压差"),
        )
        return Explanation(
            reasons=tuple(reasons), evidence=evidence, window_days=int(risk.detail["window"][at])
        )

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``cell`` and its number from 1."""
        return cell_name(component)

    def _growths(
        self,
        panel: DayPanel,
        as_of: IntArray,
        slope: FloatArray,
        levels: tuple[FloatArray, FloatArray],
        nearest: FloatArray,
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return how far both levels have grown, and on how many days; NaN where no cell stands out."""
        growth, slow_growth, rises, slow_rises = (np.full(levels[0].shape, np.nan) for _ in range(4))
        worst = np.where(np.isfinite(nearest), nearest, -np.inf).max(2)
        least = 2 if panel.spec.chemistry == "LFP" else 3
        spans = [(*look, least) for look in (*self.looks, *self.far_looks)]
        for position in range(len(as_of)):
            rows = np.flatnonzero(worst[:, position] >= self.stand_out)
            if not len(rows):
                continue
            at = slice(position, position + 1)
            some, day = vehicles_of(panel, rows), int(as_of[position])
            first = max(0, day - self.history_days + 1)
            past = self._levels(some, as_of[at], slope[rows, at], spans)
            trusted = measured_charge(some)[1] >= self.least_trust
            days = np.where(trusted, at_reference(some, slope[rows, position]), np.nan)[:, first : day + 1]
            for target, ways, level, looks in (
                (growth, rises, levels[0], past[: len(self.looks)]),
                (slow_growth, slow_rises, levels[1], past[len(self.looks) :]),
            ):
                lowest = lowest_known(looks)
                grown = level[rows, at] - lowest
                target[rows, at] = grown
                ways[rows, position] = rise_days(days, lowest[:, 0], grown[:, 0])
        return growth, slow_growth, rises, slow_rises

    def _levels(
        self, panel: DayPanel, as_of: IntArray, slope: FloatArray, spans: Sequence[tuple[int, int, int]]
    ) -> list[FloatArray]:
        """Return the level over each span of oldest and newest day back and fewest days."""
        _, weight = measured_charge(panel)
        shape = (len(panel.vehicle_id), len(as_of), panel.value.shape[2])
        out = [np.full(shape, np.nan) for _ in spans]
        for position in range(len(as_of)):
            value = at_reference(panel, slope[:, position])
            for target, (oldest, newest, least) in zip(out, spans, strict=True):
                target[:, position] = windowed_level(
                    value, weight, as_of[position : position + 1], oldest=oldest, newest=newest, least=least
                )[:, 0]
        return out

    def _rates(
        self, panel: DayPanel, as_of: IntArray, own: FloatArray, slope: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return rate score, rate, its error and the deciding window.

        Trends are worked out for vehicles in which some cell comes near the other two conditions; elsewhere
        the weakest condition is known already, the score is infinite and the rate missing.
        """
        shape = own.shape
        score, window = np.full(shape, np.inf), np.full(shape, float(self.windows[-1]))
        rate, rate_error = np.full(shape, np.nan), np.full(shape, np.nan)
        fewest = self.least_days_lfp if panel.spec.chemistry == "LFP" else self.least_days
        worst = np.where(np.isfinite(own), own, -np.inf).max(2)
        for position in range(len(as_of)):
            rows = np.flatnonzero(worst[:, position] >= self.screen_score)
            if not len(rows):
                continue
            part = vehicles_of(panel, rows)
            values, (_, weights) = at_reference(part, slope[rows, position]), measured_charge(part)
            day = as_of[position : position + 1]
            noise = day_noise(
                values, day, window=28, floor=self.noise_percent, prior=self.prior_noise_percent
            )
            still = np.zeros(values.shape[:2], dtype=np.int64)
            trends = [
                theil_sen(values, weights, still, window=days, least=least, as_of=day, noise=noise)
                for days, least in zip(self.windows, fewest, strict=True)
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
