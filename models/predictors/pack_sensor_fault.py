"""Sensors of the pack at fault: current, voltage, state of charge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Reason, VehicleSpec
from models.predictors.base import DayPanel, Explanation, Risk
from models.predictors.cells import repeated
from models.predictors.part import clears, daily, evidence, part_risk


@dataclass(frozen=True, slots=True, kw_only=True)
class PackSensorFaultPredictor:
    """Find the pack sensor that contradicts the others.

    The current sensor shows a current while the vehicle is off; the pack voltage differs from the sum of its
    cells; the state of charge jumps against the counted charge. What the reading was in the vehicle's first
    weeks is taken off where ``is_own`` (every wiring has some offset); the rest must exceed ``limit`` on
    ``least_days`` of the last ``window`` days.
    """

    main: str
    component: str
    limit: float
    unit: str
    titles: tuple[str, str]
    is_own: bool = True
    per_cell: bool = False  #: the limit is one for each cell of the pack
    least_days: int = 4
    window: int = 8
    past: int = 60
    failure_mode: FailureMode = FailureMode.SENSOR_FAULT
    model_version: str
    feature_set: str = "battery_days"
    horizon_h: float = 720.0
    blind_spots: tuple[str, ...] = (
        "an error of the gain: it looks like another capacity",
        "vehicles that do not report while they are off, or whose cells are not all reported",
        "a sensor that was wrong from the first day on by less than its limit",
    )

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk of the sensor as of each day."""
        limit = self.limit * (panel.spec.cell_count if self.per_cell else 1)
        value = daily(panel, self.main)
        usual = self._usual(value, as_of) if self.is_own else np.zeros((len(value), len(as_of)))
        score = np.full(usual.shape, np.nan)
        size = np.full(usual.shape, np.nan)
        for position in range(len(as_of)):
            away = np.abs(value - usual[:, position : position + 1])[..., None]
            found = repeated(
                away / limit,
                as_of[position : position + 1],
                least_days=self.least_days,
                window=self.window,
            )
            score[:, position] = found[:, 0, 0]
            size[:, position] = found[:, 0, 0] * limit
        return part_risk(
            panel,
            as_of,
            score=score,
            severity=np.full(score.shape, 4, dtype=np.int64),
            ttt_h=np.full((3, *score.shape), np.nan),
            detail={"size": size, "usual": usual},
        )

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return how far the sensor is off, and what would clear it."""
        at = (vehicle, position, component)
        limit = self.limit * (panel.spec.cell_count if self.per_cell else 1)
        size, usual = (float(np.nan_to_num(risk.detail[k][at])) for k in ("size", "usual"))
        reasons = (
            Reason(
                feature=self.main,
                value=round(size, 2),
                unit=self.unit,
                healthy_low=0.0,
                healthy_high=round(limit, 2),
                text_en=f"{self.titles[0]}: {size:.1f} {self.unit} or more beyond {usual:.1f} on "
                f"{self.least_days} of the last {self.window} days",
                text_zh=f"{self.titles[1]}：最近 {self.window} 天中有 {self.least_days} 天"
                f"超出 {usual:.1f} 达 {size:.1f} {self.unit} 以上",
            ),
            clears(
                "clears_below",
                round(limit, 2),
                self.unit,
                (
                    f"clears after {self.window} days below {limit:.1f} {self.unit}",
                    f"连续 {self.window} 天低于 {limit:.1f} {self.unit} 后解除",
                ),
            ),
        )
        shown = evidence(
            panel,
            vehicle,
            int(risk.as_of[position]),
            days=60,
            series={self.component: daily(panel, self.main)},
            titles=(self.unit, *self.titles),
        )
        return Explanation(reasons=reasons, evidence=shown, window_days=self.window)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return the name of the sensor: ``sensor pack.current``."""
        return self.component

    def _usual(self, value: FloatArray, as_of: IntArray) -> FloatArray:
        """Return the median of the days before the window, NaN until five are known."""
        out = np.full((len(value), len(as_of)), np.nan)
        for position, day in enumerate(as_of.tolist()):
            part = np.sort(value[:, max(0, day - self.past + 1) : max(0, day - self.window + 1)], axis=1)
            count = np.isfinite(part).sum(1)
            if part.shape[1]:
                middle = part[np.arange(len(part)), np.maximum((count - 1) // 2, 0)]
                out[:, position] = np.where(count >= 5, middle, np.nan)
        return out


def pack_sensor_predictors() -> tuple[PackSensorFaultPredictor, ...]:
    """Return the predictors of the pack's own sensors."""
    return (
        PackSensorFaultPredictor(
            main="current_offset_a",
            component="sensor pack.current",
            limit=2.0,
            unit="A",
            titles=("Pack current while the vehicle is off", "车辆关闭时的电池电流读数"),
            is_own=False,
            model_version="pack-current-sensor-1",
        ),
        PackSensorFaultPredictor(
            main="voltage_offset_v",
            component="sensor pack.voltage",
            limit=0.05,
            per_cell=True,
            unit="V",
            titles=("Pack voltage less the sum of its cells", "总电压与各电芯电压之和的差"),
            model_version="pack-voltage-sensor-1",
        ),
        PackSensorFaultPredictor(
            main="soc_jump_percent",
            component="sensor soc",
            limit=8.0,
            unit="%",
            titles=("Jump of the state of charge", "荷电状态跳变"),
            is_own=False,
            model_version="soc-jump-1",
        ),
    )
