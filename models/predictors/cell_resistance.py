"""Cell resistance: one cell, or its connection, resists more than the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.cell_contrast import day_count, known_steps, surest_trend, windowed_level
from models.features.trend import day_noise
from models.predictors.base import DayPanel, Explanation, Risk, reference_of_others
from models.predictors.cells import cell_name, component_evidence, component_risk, unknown_risk
from models.predictors.foresight import ITS_LIMIT, Shown, time_to_limit
from models.predictors.part import clears, until

#: Of simulated faults of development seeds, the growth shown when the cell's own was a quarter.
_SHOWN = Shown(share=0.96, spread=0.05)


@dataclass(frozen=True, slots=True)
class CellResistancePredictor:
    """Find the cell whose voltage moves more than the others' when the current steps.

    The slope of each cell's steps on the median cell's is its resistance over the median one's: temperature,
    state of charge and age are common to the pack and drop out. No cell of a sound pack grows against the
    others: the median of the last 3, 7 or 14 days, over that of the ten weeks before, must have grown by
    ``least_growth_percent`` and by a multiple of its error more than the other cells have. The error is that
    of the days' own scatter, of the pack and of the cell, so that a pack that is scanned cell by cell is
    asked for more days. A cell that has been far off for as long as it is known must exceed the median by
    ``least_percent``: ends of a string and cells beside a cooler differ for good. Threshold:
    ``limit_percent`` over what is usual for the cell.
    """

    least_percent: float = 25.0
    limit_percent: float = 25.0
    severe_percent: float = 50.0
    windows: tuple[int, ...] = (3, 7, 14)
    least_days: tuple[int, ...] = (2, 3, 5)
    past: int = 75
    settled: int = 7
    least_past: int = 5
    least_growth_percent: float = 6.0
    error_multiple: float = 6.0
    noise_window: int = 28
    least_noise: float = 0.01
    prior_noise: float = 0.05
    peer_share: float = 0.05
    stand_out_percent: float = 15.0
    trend_windows: tuple[int, ...] = (7, 14, 28)
    foretold_from: float = 0.5
    shown: Shown = _SHOWN
    least_cells: int = 4
    history_days: int = 75
    failure_mode: FailureMode = FailureMode.CELL_RESISTANCE
    model_version: str = "cell-resistance-2"
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
            return unknown_risk(panel, as_of, ("excess", "error", "grown", "rate"))
        ratio = panel.value
        noise = self._noise(ratio, as_of)
        grown, growing, age = self._growth(ratio, as_of, noise)
        window, least = self.windows[-1], self.least_days[-1]
        excess = 100.0 * (self._level(ratio, as_of, window - 1, 0, least) - 1.0)
        count = day_count(ratio, as_of, window=window)
        error = 125.0 * noise / np.sqrt(np.maximum(count, 1))
        far = np.minimum.reduce(
            [
                excess / self.least_percent,
                self._alone(excess) / self.stand_out_percent,
                excess / np.maximum(self.error_multiple * error, 1e-6),
            ]
        )
        score = np.fmax(far, growing)
        rate, rate_error = self._rates(ratio, as_of, noise, score)
        # a cell that was far off when it was first seen has no past to have grown from
        shown = np.where(np.isfinite(grown), grown, excess) + np.maximum(np.nan_to_num(rate), 0.0) * age
        return component_risk(
            as_of,
            score=score,
            is_heard=count > 0,
            severity=np.where(excess >= self.severe_percent, 3, 4).astype(np.int64),
            ttt_h=time_to_limit(shown, rate, rate_error, self.limit_percent, self.shown),
            detail={"excess": excess, "error": error, "grown": grown, "rate": rate},
        )

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the resistance against the pack's, its growth, and what would clear it."""
        at = (vehicle, position, component)
        excess, error, grown, rate = (float(risk.detail[k][at]) for k in ("excess", "error", "grown", "rate"))
        end_en, end_zh = until(risk.ttt_h[:, vehicle, position, component], *ITS_LIMIT)
        name = cell_name(component)
        reasons = []
        if np.isfinite(grown):
            monthly = f", {30.4 * rate:.1f} points a month of late" if np.isfinite(rate) else ""
            monthly_zh = f"，近期每月 {30.4 * rate:.1f} 个百分点" if np.isfinite(rate) else ""
            reasons.append(
                Reason(
                    feature="cell_resistance_growth_percent",
                    value=round(grown, 1),
                    unit="%",
                    healthy_low=-3.0,
                    healthy_high=3.0,
                    peers=0.0,
                    text_en=f"the resistance of {name} has grown by {grown:.0f} % against its own past and "
                    f"the other cells{monthly}{end_en}",
                    text_zh=f"{component + 1} 号电芯的内阻相对自身历史和其余电芯增加了 {grown:.0f}%"
                    f"{monthly_zh}{end_zh}",
                )
            )
        reasons.append(
            Reason(
                feature="cell_resistance_excess_percent",
                value=round(excess, 1),
                unit="%",
                healthy_low=-12.0,
                healthy_high=12.0,
                peers=0.0,
                text_en=f"{name} resists {excess:+.0f} % (±{1.96 * error:.0f}) against the pack's median "
                "cell; healthy cells lie within ±12 %",
                text_zh=f"{component + 1} 号电芯的内阻与全包中位电芯相差 {excess:+.0f}%"
                f"（±{1.96 * error:.0f}）；正常电芯在 ±12% 以内",
            )
        )
        reasons.append(
            clears(
                "clears_below_percent",
                self.least_growth_percent,
                "%",
                (
                    f"clears below {self.least_growth_percent:.0f} % of growth, by a new cell or joint",
                    f"增幅低于 {self.least_growth_percent:.0f}%，或紧固连接、更换电芯后解除",
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
        return Explanation(reasons=tuple(reasons), evidence=evidence, window_days=self.past)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``cell`` and its number from 1."""
        return cell_name(component)

    def _alone(self, values: FloatArray) -> FloatArray:
        """Return by how much each cell exceeds all but a few of the others, where those exceed 0."""
        return values - np.maximum(reference_of_others(values, self.peer_share), 0.0)

    def _level(self, ratio: FloatArray, as_of: IntArray, oldest: int, newest: int, least: int) -> FloatArray:
        weight = np.where(np.isfinite(ratio), 1.0, 0.0)
        return windowed_level(ratio, weight, as_of, oldest=oldest, newest=newest, least=least)

    def _noise(self, ratio: FloatArray, as_of: IntArray) -> FloatArray:
        """Return the standard deviation of a day's ratio: the pack's, or the cell's own where larger."""
        pack = day_noise(
            ratio, as_of, window=self.noise_window, floor=self.least_noise, prior=self.prior_noise
        )
        square, count = known_steps(ratio, as_of, window=self.noise_window)
        # the pack's counts as four of the cell's own differences
        own = np.sqrt((square / 2.0 + 4.0 * pack**2) / (count + 4.0))
        return np.maximum(own, pack)

    def _growth(
        self, ratio: FloatArray, as_of: IntArray, noise: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return growth over the cell's own past in %, its score, and the age of what shows it in days.

        Of the window that tells most; its median is as old as its middle.
        """
        usual = self._level(ratio, as_of, self.past - 1, self.settled, self.least_past)
        earlier = day_count(ratio, as_of, window=self.past) - day_count(ratio, as_of, window=self.settled)
        grown, score, age = (np.full(usual.shape, np.nan) for _ in range(3))
        for window, least in zip(self.windows, self.least_days, strict=True):
            here = 100.0 * (self._level(ratio, as_of, window - 1, 0, least) / usual - 1.0)
            alone, count = self._alone(here), day_count(ratio, as_of, window=window)
            error = 125.0 * noise * np.sqrt(1.0 / np.maximum(count, 1) + 1.0 / np.maximum(earlier, 1))
            found = alone / np.maximum(self.least_growth_percent, self.error_multiple * error)
            is_more = np.isfinite(found) & ~(score >= found)
            grown, score = np.where(is_more, here, grown), np.where(is_more, found, score)
            age = np.where(is_more, (window - 1) / 2.0, age)
        return grown, score, np.nan_to_num(age)

    def _rates(
        self, ratio: FloatArray, as_of: IntArray, noise: FloatArray, score: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the growth in % a day and its error of the cells that are suspected, NaN of the others."""
        rate, rate_error = np.full(score.shape, np.nan), np.full(score.shape, np.nan)
        vehicle, cell = np.nonzero((np.nan_to_num(score) >= self.foretold_from).any(1))
        found = surest_trend(
            ratio[vehicle, :, cell][..., None],
            as_of,
            windows=self.trend_windows,
            least=4,
            noise=noise[vehicle, :, cell][..., None],
        )
        for target, values in zip((rate, rate_error), found, strict=True):
            target[vehicle, :, cell] = 100.0 * values[..., 0]
        return rate, rate_error
