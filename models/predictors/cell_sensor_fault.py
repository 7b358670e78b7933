"""A cell's measurement at fault: a loose sense wire, a channel that stands still or tells nonsense."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, IntArray, Reason, VehicleSpec
from models.predictors.base import DayPanel, Explanation, Risk
from models.predictors.cells import cell_name, component_evidence, component_risk, repeated
from models.predictors.part import clears, heard


@dataclass(frozen=True, slots=True)
class CellSensorFaultPredictor:
    """Find the sense wire that is loose and the channel that no longer measures.

    The tap between two cells belongs to both: bad contact adds to one what it takes from the next. Their
    mirrored swing must exceed ``least_swing_mv`` on ``least_days`` of the last ``window`` days and stand out
    from the other taps; noise of independent channels has no such swing. A channel is bad that stood still or
    was out of range or silent in ``bad_share`` of a day's readings, on as many days. The finding names the
    sensor, so that no cell is replaced for it.
    """

    least_swing_mv: float = 9.0
    over_others: float = 3.0
    bad_share: float = 0.5
    least_days: int = 3
    window: int = 10
    failure_mode: FailureMode = FailureMode.SENSOR_FAULT
    model_version: str = "cell-sensor-fault-1"
    feature_set: str = "cell_sensor_days"
    main: str = "wire_swing_mv"
    horizon_h: float = 720.0
    blind_spots: tuple[str, ...] = (
        "a constant error of a channel: it looks like an imbalance until the cell is measured by hand",
        "packs that scan cells one by one under load: their neighbours move together and hide the swing",
        "the tap at either end of the pack, which has one neighbour only",
    )

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of every channel as of each day."""
        swing, bad = panel.extra["wire_swing_mv"], panel.extra["bad_share"]
        typical = np.sort(np.where(np.isfinite(swing), swing, np.inf), axis=2)
        usual = typical[..., (3 * swing.shape[2]) // 4 : (3 * swing.shape[2]) // 4 + 1]
        with np.errstate(invalid="ignore"):
            stands_out = swing / np.maximum(self.over_others * np.where(np.isfinite(usual), usual, 0.0), 1e-6)
        wire = np.fmin(swing / self.least_swing_mv, stands_out)
        loose = repeated(wire, as_of, least_days=self.least_days, window=self.window)
        broken = repeated(bad / self.bad_share, as_of, least_days=self.least_days, window=self.window)
        score = np.fmax(loose, broken)
        is_heard = np.fmax(heard(swing, as_of), heard(bad, as_of)) > 0
        detail = {"loose": loose, "broken": broken}
        return component_risk(as_of, score=score, is_heard=is_heard, detail=detail)

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the swing or the share of bad readings, and what would clear it."""
        at = (vehicle, position, component)
        loose, broken = (float(np.nan_to_num(risk.detail[k][at])) for k in ("loose", "broken"))
        number = component + 1
        if loose >= broken:
            feature, unit = "wire_swing_mv", "mV"
            titles = ("Mirrored swing of neighbouring cells", "相邻电芯电压的反向摆动")
            swing = loose * self.least_swing_mv
            first = Reason(
                feature=feature,
                value=round(swing, 1),
                unit=unit,
                healthy_low=0.0,
                healthy_high=3.0,
                text_en=f"cells {number} and {number + 1} swing against each other by {swing:.0f} mV or more "
                f"on {self.least_days} of the last {self.window} days: the sense wire between them is loose, "
                "not a cell at fault",
                text_zh=f"{number} 号与 {number + 1} 号电芯在最近 {self.window} 天中有 {self.least_days} 天"
                f"反向摆动 {swing:.0f} mV 以上：是两者之间的采样线松动，不是电芯故障",
            )
        else:
            feature, unit = "bad_share", ""
            titles = ("Share of bad readings", "异常读数占比")
            share = broken * self.bad_share
            first = Reason(
                feature=feature,
                value=round(share, 3),
                unit="share",
                healthy_low=0.0,
                healthy_high=0.02,
                text_en=f"the voltage of cell {number} stood still, was implausible or silent in "
                f"{100 * share:.0f} % of the readings while the pack moved: its measurement is at fault",
                text_zh=f"{number} 号电芯的电压有 {100 * share:.0f}% 的读数不变、超出范围或缺失，"
                "而整包电压在变化：采样故障",
            )
        reasons = (
            first,
            clears(
                "clears_after_days",
                float(self.window),
                "days",
                (
                    f"clears after {self.window} days without it",
                    f"连续 {self.window} 天未再出现后解除",
                ),
            ),
        )
        evidence = component_evidence(
            panel,
            feature,
            vehicle=vehicle,
            last=int(risk.as_of[position]),
            component=component,
            name=cell_name(component),
            unit=unit,
            titles=titles,
        )
        return Explanation(reasons=reasons, evidence=evidence, window_days=self.window)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``sensor cell`` and its number from 1."""
        return f"sensor {cell_name(component)}"
