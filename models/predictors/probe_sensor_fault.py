"""A temperature probe of the pack at fault: it stands still, or is off from all the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, IntArray, Reason, VehicleSpec
from models.predictors.base import DayPanel, Explanation, Risk
from models.predictors.cells import component_evidence, component_risk, repeated
from models.predictors.part import clears, heard


@dataclass(frozen=True, slots=True)
class ProbeSensorFaultPredictor:
    """Find the probe that no longer measures.

    After an hour at rest all probes of a pack are within a few kelvin; one that is ``least_offset_k`` away
    from the median on ``least_days`` days, and was not always, is off. One that keeps its reading to the last
    digit in every hour in which the median probe moves 2 K, on as many days, stands still.
    """

    least_offset_k: float = 6.0
    least_still_share: float = 0.8
    least_days: int = 3
    window: int = 10
    failure_mode: FailureMode = FailureMode.SENSOR_FAULT
    model_version: str = "probe-sensor-fault-1"
    feature_set: str = "cell_sensor_days"
    main: str = "probe_offset_k"
    horizon_h: float = 720.0
    blind_spots: tuple[str, ...] = (
        "packs with fewer than three probes",
        "an error under 6 K, and a probe that drifts together with the others",
    )

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of every probe as of each day."""
        offset, still = panel.extra["probe_offset_k"], panel.extra["probe_still_share"]
        away = repeated(
            np.abs(offset) / self.least_offset_k, as_of, least_days=self.least_days, window=self.window
        )
        stuck = repeated(
            still / self.least_still_share, as_of, least_days=self.least_days, window=self.window
        )
        score = np.fmax(away, stuck)
        is_heard = np.fmax(heard(offset, as_of), heard(still, as_of)) > 0
        return component_risk(as_of, score=score, is_heard=is_heard, detail={"away": away, "stuck": stuck})

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the distance or the standstill, and what would clear it."""
        at = (vehicle, position, component)
        away, stuck = (float(np.nan_to_num(risk.detail[k][at])) for k in ("away", "stuck"))
        number = component + 1
        if away >= stuck:
            feature, unit = "probe_offset_k", "K"
            titles = ("Distance from the median probe at rest", "静置时与中位探头的温差")
            size = away * self.least_offset_k
            first = Reason(
                feature=feature,
                value=round(size, 1),
                unit="K",
                healthy_low=-3.0,
                healthy_high=3.0,
                text_en=f"probe {number} is {size:.0f} K off the other probes after an hour at rest",
                text_zh=f"静置一小时后，{number} 号温度探头与其余探头相差 {size:.0f} K",
            )
        else:
            feature, unit = "probe_still_share", ""
            titles = ("Share of hours in which the probe stood still", "探头读数不变的小时占比")
            share = stuck * self.least_still_share
            first = Reason(
                feature=feature,
                value=round(share, 2),
                unit="share",
                healthy_low=0.0,
                healthy_high=0.3,
                text_en=f"probe {number} stood still in {100 * share:.0f} % of the hours in which the pack's "
                "temperature moved",
                text_zh=f"电池温度变化的时段中，{number} 号探头有 {100 * share:.0f}% 读数不变",
            )
        reasons = (
            first,
            clears(
                "clears_after_days",
                float(self.window),
                "days",
                (f"clears after {self.window} days without it", f"连续 {self.window} 天未再出现后解除"),
            ),
        )
        evidence = component_evidence(
            panel,
            feature,
            vehicle=vehicle,
            last=int(risk.as_of[position]),
            component=component,
            name=f"probe {number}",
            unit=unit,
            titles=titles,
        )
        return Explanation(reasons=reasons, evidence=evidence, window_days=self.window)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``sensor probe`` and its number from 1."""
        return f"sensor probe {component + 1}"
