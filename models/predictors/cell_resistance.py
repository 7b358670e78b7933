"""Cell resistance: one cell, or its connection, resists more than the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.cell_contrast import day_count, windowed_level
from models.predictors.base import (
    DayPanel,
    Explanation,
    Risk,
    logistic,
    reference_of_others,
    time_to_threshold,
)
from models.predictors.cells import cell_name, component_evidence, unknown_risk
from models.predictors.part import clears


@dataclass(frozen=True, slots=True)
class CellResistancePredictor:
    """Find the cell whose voltage moves more than the others' when the current steps.

    The slope of each cell's steps on the median cell's is its resistance over the median one's: temperature,
    state of charge and age are common to the pack and drop out. The median of two weeks must exceed 1 by
    ``least_percent`` and by a multiple of its error, which the days' own scatter gives, and stand out from
    the other cells; or by ``growing_percent`` where it has grown by ``least_growth_percent`` since the weeks
    before: ends of a string and cells beside a cooler differ for good. Threshold: ``limit_percent`` above the
    median.
    """

    least_percent: float = 25.0
    limit_percent: float = 50.0
    error_multiple: float = 5.0
    prior_error: float = 0.05
    least_days: int = 5
    window: int = 14
    past: int = 42
    peer_share: float = 0.05
    stand_out_percent: float = 15.0
    least_growth_percent: float = 7.0
    growing_percent: float = 12.0
    least_cells: int = 4
    history_days: int = 75
    failure_mode: FailureMode = FailureMode.CELL_RESISTANCE
    model_version: str = "cell-resistance-1"
    feature_set: str = "cell_days"
    main: str = "resistance_ratio"
    horizon_h: float = 2160.0
    blind_spots: tuple[str, ...] = (
        "vehicles that do not sample cells together with the current, or more than 65 s apart",
        "resistance that grows evenly over the pack",
        "a bad joint outside of the measured taps: it shows in the pack voltage only",
    )

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of every cell as of each day; unknown in a pack too small to have peers."""
        if panel.spec.cell_count < self.least_cells:
            return unknown_risk(panel, as_of, ("excess", "error", "rate"))
        ratio = panel.value
        weight = np.where(np.isfinite(ratio), 1.0, 0.0)
        level = windowed_level(ratio, weight, as_of, oldest=self.window - 1, newest=0, least=self.least_days)
        earlier = windowed_level(
            ratio,
            weight,
            as_of,
            oldest=self.past + self.window - 1,
            newest=self.window,
            least=self.least_days,
        )
        error = self._error(ratio, as_of)
        excess = 100.0 * (level - 1.0)
        alone = excess - np.maximum(reference_of_others(excess, self.peer_share), 0.0)
        sure = 1.0 / np.maximum(self.error_multiple * 100.0 * error, 1e-6)
        far = np.minimum(excess / self.least_percent, alone / self.stand_out_percent)
        # no cell of a sound pack grows against the others
        grown = 100.0 * (level - earlier)
        growing = np.minimum.reduce(
            [
                grown / self.least_growth_percent,
                grown * sure / 1.4142,
                alone / self.least_growth_percent,
                excess / self.growing_percent,
            ]
        )
        score = np.minimum(np.fmax(far, growing), excess * sure)
        rate = 100.0 * (level - earlier) / ((self.past + self.window) / 2.0)
        rate_error = 100.0 * error * 1.4142 / ((self.past + self.window) / 2.0)
        heard = day_count(ratio, as_of, window=self.window) > 0
        known = np.isfinite(score)
        return Risk(
            as_of=as_of,
            probability=np.where(known, logistic(np.where(known, score, 0.0)), np.where(heard, 0.0, np.nan)),
            severity=np.where(excess >= self.limit_percent, 3, 4).astype(np.int64),
            ttt_h=time_to_threshold(self.limit_percent - excess, 100.0 * error, rate, rate_error),
            detail={"excess": excess, "error": 100.0 * error, "rate": rate},
        )

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the resistance against the pack's, its growth, and what would clear it."""
        at = (vehicle, position, component)
        excess, error, rate = (float(risk.detail[k][at]) for k in ("excess", "error", "rate"))
        name = cell_name(component)
        reasons = [
            Reason(
                feature="cell_resistance_excess_percent",
                value=round(excess, 1),
                unit="%",
                healthy_low=-12.0,
                healthy_high=12.0,
                peers=0.0,
                text_en=f"{name} resists {excess:.0f} % (±{1.96 * error:.0f}) more than the pack's median "
                "cell; healthy cells lie within ±12 %",
                text_zh=f"{component + 1} 号电芯的内阻比全包中位电芯高 {excess:.0f}%（±{1.96 * error:.0f}）；"
                "正常电芯在 ±12% 以内",
            )
        ]
        if np.isfinite(rate):
            reasons.append(
                Reason(
                    feature="cell_resistance_growth_percent",
                    value=round(30.4 * rate, 1),
                    unit="%",
                    healthy_low=-3.0,
                    healthy_high=3.0,
                    text_en=f"it grew by {30.4 * rate:.1f} points a month against the others",
                    text_zh=f"相对其余电芯每月增加 {30.4 * rate:.1f} 个百分点",
                )
            )
        reasons.append(
            clears(
                "clears_below_percent",
                self.least_percent,
                "%",
                (
                    f"clears below {self.least_percent:.0f} %, or after joint or cell are put right",
                    f"低于 {self.least_percent:.0f}%，或紧固连接、更换电芯后解除",
                ),
            )
        )
        evidence = component_evidence(
            panel,
            "resistance_ratio",
            vehicle=vehicle,
            last=int(risk.as_of[position]),
            component=component,
            name=name,
            unit="×",
            titles=("Resistance over that of the median cell", "内阻与中位电芯之比"),
            digits=3,
        )
        return Explanation(reasons=tuple(reasons), evidence=evidence, window_days=self.window)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``cell`` and its number from 1."""
        return cell_name(component)

    def _error(self, ratio: FloatArray, as_of: IntArray) -> FloatArray:
        """Return the standard error of the level, from differences of days next to each other."""
        out = np.full((ratio.shape[0], len(as_of), ratio.shape[2]), np.nan)
        for position, day in enumerate(as_of.tolist()):
            part = ratio[:, max(0, day - self.window + 1) : day + 1]
            count = np.isfinite(part).sum(1)
            # values of days with data moved together, so that parked days leave no hole
            order = np.argsort(~np.isfinite(part), axis=1, kind="stable")
            step = np.diff(np.take_along_axis(part, order, 1), axis=1)
            square = np.where(np.isfinite(step), np.minimum(step**2, 1.0), 0.0).sum(1) / 2.0
            variance = (square + 4 * self.prior_error**2) / (np.maximum(count - 1, 0) + 4)
            out[:, position] = np.where(count > 0, 1.25 * np.sqrt(variance / np.maximum(count, 1)), np.nan)
        return out
