"""Weak cell: one cell holds less charge than the others and falls behind as the pack empties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.cell_contrast import day_count, windowed_level
from models.predictors.base import (
    DayPanel,
    Explanation,
    Risk,
    reference_of_others,
)
from models.predictors.cells import (
    SLOPE_WINDOW,
    at_reference,
    capacity_slope,
    cell_name,
    component_evidence,
    component_risk,
    measured_charge,
    mirrored,
    unknown_risk,
    vehicles_of,
)
from models.predictors.foresight import Shown, time_to_limit
from models.predictors.part import clears

#: State of charge that a pack goes through between two rests, %.
_SWING = 30.0
#: Of simulated faults of development seeds, the share of the limit that was missing when the cell was spent.
_SHOWN = Shown(share=0.45, spread=0.22)


@dataclass(frozen=True, slots=True)
class CellWeakPredictor:
    """Find the cell with less capacity than its pack.

    Its rested deficit grows as the pack empties: by its missing part of capacity with every percent of
    charge (a cell of 10 % less capacity is 4 % behind after 40 %). The slope of the deficit over the state of
    charge, from days next to each other, is that part. It must exceed ``least_percent`` and a multiple of
    its error, and stand out from the rest of the pack. The error is that of the pack's own days, down to
    ``least_noise``: where they scatter little, a loss is told of before it is half done. A cell that merely
    lacks charge lacks it at every state of charge. Threshold: ``limit_percent`` of capacity.
    """

    least_percent: float = 3.2
    error_multiple: float = 4.5
    least_noise: float = 0.05
    curve_error: float = 0.15
    mirror_share: float = 0.5
    peer_share: float = 0.05
    limit_percent: float = 20.0
    severe_percent: float = 10.0
    apart: int = 21
    foretold_from: float = 0.5
    shown: Shown = _SHOWN
    least_cells: int = 4
    failure_mode: FailureMode = FailureMode.CELL_WEAK
    model_version: str = "cell-weak-3"
    feature_set: str = "cell_days"
    main: str = "deficit_percent"
    history_days: int = 70
    horizon_h: float = 2160.0
    blind_spots: tuple[str, ...] = (
        "LFP, whose rested voltage is flat: cells are compared at the top of a charge only",
        "a pack that always rests at the same state of charge",
        "a whole module of weak cells: the pack's capacity fades, no cell stands out",
    )

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of every cell as of each day; unknown in a pack too small to have peers."""
        if panel.spec.cell_count < self.least_cells:
            return unknown_risk(panel, as_of, ("missing", "error", "alone"))
        slope, error = capacity_slope(panel, as_of, least_noise=self.least_noise)
        value, weight = measured_charge(panel)
        level = np.stack(
            [
                windowed_level(
                    at_reference(panel, slope[:, k]), weight, as_of[k : k + 1], oldest=13, newest=0
                )[:, 0]
                for k in range(len(as_of))
            ],
            axis=1,
        )
        # what a cell lacks at every charge looks like capacity by as much as the typical curve is not its own
        curve = self.curve_error * np.nan_to_num(np.abs(level)) / _SWING
        missing, spread = -100.0 * slope, 100.0 * np.hypot(error, curve)
        alone = missing - np.maximum(reference_of_others(missing, self.peer_share), 0.0)
        score = np.minimum(missing / self.least_percent, alone / (self.error_multiple * spread))
        # a loose sense wire gives to the neighbour what it takes
        score = np.where(mirrored(missing) > self.mirror_share, np.minimum(score, 0.4), score)
        known = day_count(value, as_of, window=SLOPE_WINDOW) >= 5
        rate, rate_error = self._rates(panel, as_of, missing, spread, score)
        # what the days of a window say is as old as its middle
        shown = missing + np.maximum(np.nan_to_num(rate), 0.0) * SLOPE_WINDOW / 2.0
        return component_risk(
            as_of,
            score=np.where(known, score, np.nan),
            is_heard=known | (day_count(value, as_of, window=14) > 0),
            severity=np.where(missing >= self.severe_percent, 3, 4).astype(np.int64),
            ttt_h=time_to_limit(shown, rate, rate_error, self.limit_percent, self.shown),
            detail={"missing": missing, "error": spread, "alone": alone},
        )

    def _rates(
        self, panel: DayPanel, as_of: IntArray, missing: FloatArray, error: FloatArray, score: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return how much more is missing a day than some weeks ago, with its error, of suspected cells."""
        rate, rate_error = np.full(missing.shape, np.nan), np.full(missing.shape, np.nan)
        suspected = np.nan_to_num(score) >= self.foretold_from
        for position, day in enumerate(as_of.tolist()):
            rows = np.flatnonzero(suspected[:, position].any(1))
            if not len(rows) or day < self.apart:
                continue
            past = np.array([day - self.apart])
            before, doubt = capacity_slope(vehicles_of(panel, rows), past, least_noise=self.least_noise)
            grown = missing[rows, position] + 100.0 * before[:, 0]
            here = suspected[rows, position]
            rate[rows, position] = np.where(here, grown / self.apart, np.nan)
            both = np.hypot(error[rows, position], 100.0 * doubt[:, 0])
            rate_error[rows, position] = np.where(here, both / self.apart, np.nan)
        return rate, rate_error

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the missing capacity, how it shows, and what would clear it."""
        at = (vehicle, position, component)
        missing, error = float(risk.detail["missing"][at]), float(risk.detail["error"][at])
        behind = missing * 0.4
        name = cell_name(component)
        reasons = (
            Reason(
                feature="cell_capacity_missing_percent",
                value=round(missing, 1),
                unit="%",
                healthy_low=-2.0,
                healthy_high=2.0,
                peers=0.0,
                text_en=f"{name} holds {missing:.1f} % (±{1.96 * error:.1f}) less charge than the pack's "
                "median cell; healthy cells lie within ±2 %",
                text_zh=f"{component + 1} 号电芯的容量比全包中位电芯少 {missing:.1f}%"
                f"（±{1.96 * error:.1f}）；"
                "正常电芯在 ±2% 以内",
            ),
            Reason(
                feature="cell_deficit_growth_percent",
                value=round(behind, 1),
                unit="%",
                text_en=f"it falls {behind:.1f} % of charge behind while the pack goes from "
                "90 to 50 %; the pack is empty when it is",
                text_zh=f"电池从 90% 放电到 50% 时，该电芯多落后 {behind:.1f}% 的电量：它先放空，整包即放空",
            ),
            clears(
                "clears_below_percent",
                self.least_percent,
                "%",
                (
                    f"clears when less than {self.least_percent:.0f} % is missing, or after a replacement",
                    f"缺少的容量低于 {self.least_percent:.0f}%，或更换电芯（模组）后解除",
                ),
            ),
        )
        evidence = component_evidence(
            panel,
            "deficit_percent",
            vehicle=vehicle,
            last=int(risk.as_of[position]),
            component=component,
            name=name,
            unit="%",
            titles=("Charge missing at rest against the median cell", "静置时相对中位电芯缺少的电量"),
        )
        return Explanation(reasons=reasons, evidence=evidence, window_days=SLOPE_WINDOW)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``cell`` and its number from 1."""
        return cell_name(component)
