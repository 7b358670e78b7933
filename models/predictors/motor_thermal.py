"""Motor: a bearing that drags or a winding that is cooled less warms it more than its work explains."""

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
_SHOWN: Final = Shown(share=0.82, spread=0.2)


@dataclass(frozen=True, slots=True)
class MotorThermalPredictor:
    """Find the motor that runs warmer above its coolant than torque and speed explain.

    A lumped thermal model is fitted to the vehicle's own last ``history_days`` days of driving; what grows in
    its residual and not in the inverter's beside it (same coolant, same drive) is the motor's own. A lost
    conductance multiplies the rise, so growth is looked for as a share of what is expected. Raised when it
    is ``least_strength`` standard errors, ``least_part`` of its limit and more, and will show within the
    horizon what is usually shown at the limit; limit is ``limit_k`` or ``limit_share`` of the usual rise,
    whichever is less (a fifth of the conductance to the coolant; the housing gives off heat to the air as
    before). With the coolant's rise
    among the causes days no longer follow each other, and of strengths of healthy vehicles on days that do
    not, one in a thousand passes 3.5.

    Panel: ``motor_rise_k`` of ``thermal_days``.
    """

    limit_k: float = 10.0
    limit_share: float = 0.2
    least_usual_k: float = 4.0
    least_part: float = 0.3
    least_strength: float = 3.8
    blind_spots: tuple[str, ...] = (
        "vehicles that send no motor temperature, torque or speed",
        "a fault that was there before the first three weeks of data",
        "vehicles without pump signals: a flow that is lost slowly may pass for the motor's",
        "bearing noise and vibration without heat; demagnetisation",
        "a winding that shorts within minutes: the vehicle's own alarm tells of it",
    )
    shown: Shown = _SHOWN
    history_days: int = 120
    failure_mode: FailureMode = FailureMode.MOTOR_THERMAL
    model_version: str = "motor-thermal-3"
    feature_set: str = "thermal_days"
    main: str = "motor_rise_k"
    horizon_h: float = 1440.0

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of the motor as of each day."""
        own, found = own_heat(panel, as_of, "motor", self.history_days)
        ahead = own + np.maximum(found.rate_k, 0.0) * self.horizon_h / 24.0
        # +10 K of a machine that is driven gently is a share of its conductance first
        limit = np.minimum(self.limit_k, self.limit_share * np.maximum(found.usual_k, self.least_usual_k))
        shown = self.shown.share * limit
        score = weakest(found.strength / self.least_strength, own / (self.least_part * limit), ahead / shown)
        ttt = time_to_limit(own, found.rate_k, found.rate_error_k, limit, self.shown)
        severity = np.where(own >= 2.0 * self.limit_k, 2, 3).astype(np.int64)
        detail = {
            "own": own,
            "rate": found.rate_k,
            "expected": found.usual_k,
            "age": found.age,
            "limit": limit,
        }
        return part_risk(panel, as_of, score=score, severity=severity, ttt_h=ttt, detail=detail)

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return how much warmer it runs, how fast that grows, and what would clear it."""
        at = (vehicle, position, component)
        own, rate, expected, age = told_heat(risk, at)
        limit = float(np.nan_to_num(risk.detail["limit"][at], nan=self.limit_k))
        end_en, end_zh = until(risk.ttt_h[:, vehicle, position, component], *ITS_LIMIT)
        reasons = (
            Reason(
                feature="motor_excess_k",
                value=round(own, 1),
                unit="K",
                healthy_low=-2.0,
                healthy_high=2.0,
                text_en=f"runs {own:.1f} K warmer above its coolant than its torque and speed explain "
                f"({expected:.0f} K expected){end_en}",
                text_zh=f"电机相对冷却液的温升比扭矩和转速所能解释的高 {own:.1f} K"
                f"（应为 {expected:.0f} K）{end_zh}",
            ),
            Reason(
                feature="motor_excess_k_per_week",
                value=round(7 * rate, 2),
                unit="K/week",
                healthy_low=-0.3,
                healthy_high=0.3,
                peers=0.0,
                text_en=f"grew over {age:.0f} days; the inverter on the same coolant did not",
                text_zh=f"在 {age:.0f} 天内逐渐升高；同一冷却回路上的逆变器没有变化",
            ),
            clears(
                "clears_below_k",
                round(limit * self.least_part / 2, 1),
                "K",
                (
                    f"clears below an excess of {limit * self.least_part / 2:.1f} K, or after a repair",
                    f"温升超出量低于 {limit * self.least_part / 2:.1f} K 或维修后解除",
                ),
            ),
        )
        shown = heat_evidence(panel, vehicle, int(risk.as_of[position]), "motor")
        return Explanation(reasons=reasons, evidence=shown, window_days=self.history_days)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``motor 1``."""
        del spec
        return f"motor {component + 1}"
