"""Imbalance: one cell lacks charge and does not lose more; balancing puts it right."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.features.cell_contrast import day_count, windowed_level
from models.predictors.base import DayPanel, Explanation, Risk, reference_of_others
from models.predictors.cell_internal_short import CellInternalShortPredictor
from models.predictors.cells import (
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
from models.predictors.part import clears


@dataclass(frozen=True, slots=True)
class CellImbalancePredictor:
    """Find the cell that lacks charge without losing any more.

    Its deficit at the same state of charge stands out from the rest of the pack by ``least_percent`` on most
    of the last four weeks' days, and the newest week is no more than ``most_growth_percent`` beyond the weeks
    before: what grows is a leak (``cell_internal_short``), what follows the state of charge is a weak cell
    (``cell_weak``), what a neighbour mirrors is a sense wire (``sensor_fault``). It takes range, does no harm
    and is put right at the next visit.
    """

    least_percent: float = 2.5
    most_growth_percent: float = 1.2
    least_days: int = 8
    window: int = 28
    peer_share: float = 0.05
    capacity_share: float = 0.5
    drift: CellInternalShortPredictor = field(default_factory=CellInternalShortPredictor)
    least_cells: int = 4
    history_days: int = 75
    failure_mode: FailureMode = FailureMode.CELL_IMBALANCE
    model_version: str = "cell-imbalance-1"
    feature_set: str = "cell_days"
    main: str = "deficit_percent"
    horizon_h: float = 2160.0
    blind_spots: tuple[str, ...] = (
        "LFP that is never charged to the top",
        "a pack whose cells drift apart evenly: none stands out",
        "its first three weeks: until then growth cannot be ruled out",
    )

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of every cell as of each day; unknown in a pack too small to have peers."""
        if panel.spec.cell_count < self.least_cells:
            return unknown_risk(panel, as_of, ("level", "growth", "alone"))
        slope, _ = capacity_slope(panel, as_of)
        value, weight = measured_charge(panel)
        shape = slope.shape
        level, newest, before = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
        for position in range(len(as_of)):
            even = at_reference(panel, slope[:, position])
            one = as_of[position : position + 1]
            for target, oldest, youngest, least in (
                (level, self.window - 1, 0, self.least_days),
                (newest, 6, 0, 2),
                (before, self.window - 1, 10, 4),
            ):
                target[:, position] = windowed_level(
                    even, weight, one, oldest=oldest, newest=youngest, least=least
                )[:, 0]
        alone = level - np.maximum(reference_of_others(level, self.peer_share), 0.0)
        growth = newest - before
        # what the cell lacks because it is small, 30 % of charge away from the top
        small = np.maximum(-slope * 30.0, 0.0)
        own = 2.0 - growth / self.most_growth_percent
        score = np.minimum.reduce(
            [
                alone / self.least_percent,
                own,
                2.0 - small / (self.capacity_share * np.maximum(level, 1e-6)),
                2.0 - 2.0 * mirrored(level),
            ]
        )
        score = self._undrifting(panel, as_of, score)
        return component_risk(
            as_of,
            score=score,
            is_heard=np.isfinite(score) | (day_count(value, as_of, window=14) > 0),
            detail={"level": level, "growth": growth, "alone": alone},
        )

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return what the cell lacks, that it does not grow, and what would clear it."""
        at = (vehicle, position, component)
        level, growth = float(risk.detail["level"][at]), float(risk.detail["growth"][at])
        name = cell_name(component)
        reasons = (
            Reason(
                feature="charge_deficit_percent",
                value=round(level, 1),
                unit="%",
                healthy_low=-2.0,
                healthy_high=2.0,
                peers=0.0,
                text_en=f"{name} holds {level:.1f} % less charge than the pack's median cell; healthy cells "
                "lie within ±2 %",
                text_zh=f"{component + 1} 号电芯的电量比全包中位电芯少 {level:.1f}%；正常电芯在 ±2% 以内",
            ),
            Reason(
                feature="charge_deficit_growth_percent",
                value=round(growth, 2),
                unit="%",
                healthy_low=-self.most_growth_percent,
                healthy_high=self.most_growth_percent,
                text_en=f"that is {growth:+.1f} % against three weeks ago: it does not grow, so it is no "
                "leak; balancing puts it right",
                text_zh=f"与三周前相比变化 {growth:+.1f}%：没有扩大，不是漏电，均衡即可恢复",
            ),
            clears(
                "clears_below_percent",
                self.least_percent,
                "%",
                (
                    f"clears below {self.least_percent:.1f} %, by balancing or a long charge to the top",
                    f"低于 {self.least_percent:.1f}% 后解除（均衡，或长时间充满）",
                ),
            ),
        )
        evidence = component_evidence(
            panel,
            "lag_percent" if panel.spec.chemistry == "LFP" else "deficit_percent",
            vehicle=vehicle,
            last=int(risk.as_of[position]),
            component=component,
            name=name,
            unit="%",
            titles=("Charge missing against the median cell", "相对中位电芯缺少的电量"),
        )
        return Explanation(reasons=reasons, evidence=evidence, window_days=self.window)

    def _undrifting(self, panel: DayPanel, as_of: IntArray, score: FloatArray) -> FloatArray:
        """Return the score, lowered where the cell has been told of as leaking: a leak may pause."""
        out = score.copy()
        for position in range(len(as_of)):
            rows = np.flatnonzero((score[:, position] >= 0.5).any(1))
            if len(rows):
                leaking = self.drift.predict(vehicles_of(panel, rows), as_of[position : position + 1])
                likely = np.nan_to_num(leaking.probability[:, 0])
                out[rows, position] = np.minimum(score[rows, position], 2.0 - 2.0 * likely)
        return out

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``cell`` and its number from 1."""
        return cell_name(component)
