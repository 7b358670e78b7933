"""Inverter: the thermal resistance of its power module grows as solder and bond wires age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import FailureMode, IntArray, Reason, VehicleSpec
from models.predictors.base import DayPanel, Explanation, Risk
from models.predictors.drive_heat import heat_evidence, own_heat, told_heat
from models.predictors.foresight import ITS_LIMIT, Shown, time_to_limit
from models.predictors.part import clears, part_risk, until, weakest

#: Of development fleets; see ``foresight``.
_SHOWN: Final = Shown(share=0.91, spread=0.07)


@dataclass(frozen=True, slots=True)
class InverterThermalPredictor:
    """Find the inverter whose rise over the coolant at equal losses grows: R_th = rise / losses.

    Losses of the module follow the phase current, hence torque (conduction: torque and its square). The share
    by which the rise outgrows the vehicle's own past is the growth of R_th; ``limit_share`` is the usual end
    of life in power cycling (IEC 60749-34: +20 %). What the motor on the same coolant shows too is not the
    inverter's own.

    Panel: ``inverter_rise_k`` of ``thermal_days``.
    """

    limit_share: float = 0.20
    least_share: float = 0.05
    least_k: float = 0.35
    least_strength: float = 4.2
    blind_spots: tuple[str, ...] = (
        "vehicles that send no inverter temperature or torque",
        "growth that was there before the first three weeks of data",
        "a temperature sensor at the heat sink sees the module's own resistance only in part",
        "bond-wire lift-off without heat (V_ce is not sent)",
    )
    shown: Shown = _SHOWN
    history_days: int = 120
    failure_mode: FailureMode = FailureMode.INVERTER_THERMAL
    model_version: str = "inverter-thermal-3"
    feature_set: str = "thermal_days"
    main: str = "inverter_rise_k"
    horizon_h: float = 2160.0

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of the inverter as of each day."""
        own_k, found = own_heat(panel, as_of, "inverter", self.history_days)
        per_k = 1.0 / np.maximum(found.usual_k, 3.0)
        own, rate = own_k * per_k, found.rate_k * per_k
        days = self.horizon_h / 24.0
        score = weakest(
            found.strength / self.least_strength,
            own / self.least_share,
            own_k / self.least_k,
            (own + np.maximum(rate, 0.0) * days) / self.limit_share,
        )
        ttt = time_to_limit(own, rate, found.rate_error_k * per_k, self.limit_share, self.shown)
        severity = np.where(own >= 2.0 * self.limit_share, 2, 3).astype(np.int64)
        detail = {"own": own, "rate": rate, "expected": found.usual_k, "age": found.age}
        return part_risk(panel, as_of, score=score, severity=severity, ttt_h=ttt, detail=detail)

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the growth of the thermal resistance, what it meant in kelvin, and what would clear it."""
        at = (vehicle, position, component)
        own, rate, expected, age = told_heat(risk, at)
        end_en, end_zh = until(risk.ttt_h[:, vehicle, position, component], *ITS_LIMIT)
        reasons = (
            Reason(
                feature="thermal_resistance_growth_percent",
                value=round(100.0 * own, 1),
                unit="%",
                healthy_low=-5.0,
                healthy_high=5.0,
                text_en=f"thermal resistance {100 * own:+.0f} % against its own past{end_en}",
                text_zh=f"热阻相对自身历史 {100 * own:+.0f}%{end_zh}",
            ),
            Reason(
                feature="inverter_excess_k",
                value=round(own * expected, 1),
                unit="K",
                healthy_low=-1.0,
                healthy_high=1.0,
                peers=0.0,
                text_en=f"{own * expected:.1f} K above the {expected:.0f} K that its load explains, growing "
                f"{700 * rate:.1f} % a week for {age:.0f} days; the motor on the same coolant did not",
                text_zh=f"比负载所能解释的 {expected:.0f} K 高 {own * expected:.1f} K，"
                f"{age:.0f} 天来每周增长 {700 * rate:.1f}%；同一冷却回路上的电机没有变化",
            ),
            clears(
                "clears_below_percent",
                round(50.0 * self.least_share, 1),
                "%",
                (
                    f"clears when the growth falls below {50 * self.least_share:.1f} %, or after a repair",
                    f"增长低于 {50 * self.least_share:.1f}% 或维修后解除",
                ),
            ),
        )
        shown = heat_evidence(panel, vehicle, int(risk.as_of[position]), "inverter")
        return Explanation(reasons=reasons, evidence=shown, window_days=self.history_days)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``inverter 1``."""
        del spec
        return f"inverter {component + 1}"
