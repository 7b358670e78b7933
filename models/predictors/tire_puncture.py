"""Rapid deflation of one tire, from the live stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from data.records import FailureMode, FloatArray, Origin, Prediction, Reason, Severity, VehicleSpec
from models.features.days import to_datetime
from models.features.deflation import Deflation
from models.predictors.base import logistic, time_to_threshold, to_quantiles

_WHEEL_ZH = {"front-left": "左前", "front-right": "右前", "rear-left": "左后", "rear-right": "右后"}


@dataclass(frozen=True, slots=True)
class TirePunctureRule:
    """Tell a puncture: 1 kPa/min or more, against the other wheels, on two changed readings in a row.

    UN R141 asks for 10 min to a warning. A single reading proves nothing (a sensor that falls to zero and
    comes back), noise and temperature steps of a cheap sensor together reach 8 kPa, and below
    ``dead_kpa`` the sensor is doubted before the tire. The class is S1: stop when it is safe.
    """

    rate_kpa_per_min: float = 1.0
    least_drop_kpa: float = 10.0
    least_falls: int = 2
    dead_kpa: float = 20.0
    failure_mode: FailureMode = FailureMode.TIRE_PUNCTURE
    model_version: str = "tire-puncture-1"
    horizon_h: float = 1.0

    def probability(self, found: Deflation) -> FloatArray:
        """Return the probability of a puncture of each wheel, shape (n, n_wheels)."""
        score = np.minimum.reduce(
            [
                found.rate_kpa_per_min / self.rate_kpa_per_min,
                found.drop_kpa / self.least_drop_kpa,
                found.falls / self.least_falls * 1.3,
            ]
        )
        score = np.where(found.gauge_kpa < self.dead_kpa, np.minimum(score, 0.4), score)
        return logistic(np.nan_to_num(score, nan=-1.0))

    def tell(
        self,
        spec: VehicleSpec,
        found: Deflation,
        row: int,
        wheel: int,
        *,
        vehicle_id: int,
        now: datetime,
        origin: Origin,
        is_fresh: bool,
    ) -> Prediction:
        """Return the prediction for one wheel."""
        name = spec.wheels[wheel]
        name_zh = _WHEEL_ZH.get(name, name)
        rate, drop = float(found.rate_kpa_per_min[row, wheel]), float(found.drop_kpa[row, wheel])
        gauge, placard = float(found.gauge_kpa[row, wheel]), spec.placard_kpa[wheel]
        per_day = np.array([rate * 1440])
        ttt = time_to_threshold(
            np.array([gauge - 0.6 * placard]), np.array([1.5]), per_day, np.maximum(per_day * 0.15, 1e-6)
        )[:, 0]
        minutes = (int(found.last_us[row]) - int(found.start_us[row, wheel])) / 60e6
        return Prediction(
            vehicle_id=vehicle_id,
            component=f"tire {name}",
            failure_mode=self.failure_mode,
            severity=Severity.S1,
            probability=round(float(self.probability(found)[row, wheel]), 6),
            horizon_h=self.horizon_h,
            time_to_threshold_h=to_quantiles(ttt),
            predicted_at=now,
            data_time=to_datetime(int(found.last_us[row])),
            since=to_datetime(int(found.start_us[row, wheel])),
            window_from=to_datetime(int(found.start_us[row, wheel])),
            window_to=to_datetime(int(found.last_us[row])),
            reasons=(
                Reason(
                    feature="loss_kpa_per_min",
                    value=round(rate, 2),
                    unit="kPa/min",
                    healthy_low=0.0,
                    healthy_high=0.05,
                    peers=0.0,
                    text_en=f"{name} lost {drop:.0f} kPa in {minutes:.0f} min ({rate:.1f} kPa/min) "
                    "while the other wheels held",
                    text_zh=f"{name_zh}轮在 {minutes:.0f} 分钟内漏气 {drop:.0f} kPa"
                    f"（每分钟 {rate:.1f} kPa），其余车轮正常",
                ),
                Reason(
                    feature="pressure_20degc_kpa",
                    value=round(gauge, 1),
                    unit="kPa",
                    healthy_low=round(placard * 0.9, 1),
                    healthy_high=round(placard * 1.15, 1),
                    text_en=f"{gauge:.0f} kPa left at 20 °C; placard {placard:.0f} kPa",
                    text_zh=f"20 °C 时剩余 {gauge:.0f} kPa；标准 {placard:.0f} kPa",
                ),
            ),
            model_version=self.model_version,
            origin=origin,
            is_fresh=is_fresh,
        )
