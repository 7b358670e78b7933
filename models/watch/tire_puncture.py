"""Rapid deflation of one tire, from the live stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from data.records import FailureMode, Family, FloatArray, Reason, VehicleSpec
from models.predictors.base import logistic, time_to_threshold, to_quantiles
from models.watch.rule import LiveExplanation, LiveRisk, Readings, State, rounds
from models.watch.tire_readings import trusted_readings
from models.watch.tire_reasons import loss_over, pressure_left, pressure_series
from models.watch.tire_window import WINDOW_US, Loss, empty_window, loss, push_window


@dataclass(frozen=True, slots=True)
class TirePunctureRule:
    """Tell a puncture: about 1 kPa/min or more, against the other wheels, on two changed readings in a row.

    UN R141 asks for 10 min to a warning. What the wheel lost must exceed ``noises`` times the scatter of the
    other wheels' contrasts on this vehicle at this time, so that fine sensors are believed sooner than coarse
    ones; a wheel whose pressure falls while its temperature rises does what sealed air cannot do and needs
    less. Without an own temperature the cooling of one hot wheel looks like a loss of up to 9 kPa. A single
    reading proves nothing (a sensor that falls to zero and comes back); below ``dead_kpa`` the sensor is
    doubted before the tire. The class is S1: stop when it is safe.
    """

    rate_kpa_per_min: float = 0.8
    noises: float = 8.0
    hot_noises: float = 6.0
    quick_noises: float = 5.5
    earlier_noises: float = 2.0
    least_growth: float = 0.3
    certain_drop_kpa: float = 30.0
    least_drop_kpa: float = 4.5
    grids: float = 2.4
    unpaired_drop_kpa: float = 11.0
    least_falls: int = 2
    dead_kpa: float = 20.0
    failure_mode: FailureMode = FailureMode.TIRE_PUNCTURE
    model_version: str = "tire-puncture-2"
    horizon_h: float = 1.0
    family: Family = Family.TIRE
    columns: tuple[str, ...] = ("tire.pressure", "tire.temperature", "tire.age")
    context: tuple[str, ...] = ("ambient", "barometer", "altitude")
    window_us: int = WINDOW_US
    blind_spots: tuple[str, ...] = (
        "a puncture while the vehicle stands silent, and the first 150 s after such a silence",
        "losses between a slow leak and 0.8 kPa/min (see tire_slow_leak)",
        "within 90 s most of what is slower than 5 kPa/min: two readings do not tell it from a sensor's jump",
        "a burst between two readings after which the sensor tells nothing more",
    )

    def empty(self, n_vehicles: int, spec: VehicleSpec) -> State:
        """Return a state that knows no reading."""
        return empty_window(n_vehicles, len(spec.wheels))

    def take(self, state: State, readings: Readings, spec: VehicleSpec) -> LiveRisk:
        """Take readings into the state and return the risk after each of them."""
        given = trusted_readings(readings, len(spec.wheels))
        gas, gauge, is_paired = given.gas_kpa, given.gauge_kpa, given.is_paired
        shape = gas.shape
        probability = np.full(shape, np.nan)
        names = ("rate", "drop", "gauge_drop", "noise", "gauge", "start_us")
        detail = {name: np.full(shape, np.nan) for name in names}
        for some in rounds(readings.at):
            is_known = push_window(state, readings.at[some], readings.time_us[some], gas[some], gauge[some])
            here = some[is_known]
            if not len(here):
                continue
            found = loss(state, readings.at[here])
            probability[here] = self.probability(found, is_paired[here])
            for name, values in zip(
                names,
                (
                    found.rate_kpa_per_min,
                    found.drop_kpa,
                    found.gauge_drop_kpa,
                    found.noise_kpa,
                    found.gauge_kpa,
                    found.start_us.astype(np.float64),
                ),
                strict=True,
            ):
                detail[name][here] = values
        return LiveRisk(probability=probability, severity=np.full(shape, 1, dtype=np.int64), detail=detail)

    def probability(self, found: Loss, is_paired: np.ndarray[Any, np.dtype[np.bool_]]) -> FloatArray:
        """Return the probability of a puncture of each wheel, shape (n, n_wheels).

        Args:
            found: Loss of each wheel.
            is_paired: Same shape, the wheel tells its own temperature.
        """
        is_hot = (found.gauge_drop_kpa >= 0.6 * self.least_drop_kpa) & (
            found.drop_kpa - found.gauge_drop_kpa >= 0.4 * self.least_drop_kpa
        )
        noises = np.where(is_hot & is_paired, self.hot_noises, self.noises)
        floor = np.where(is_paired, self.least_drop_kpa, self.unpaired_drop_kpa)
        # beyond what rounding of pressure and temperature can make of a wheel that warms
        floor = np.maximum(floor, self.grids * found.grid_kpa)
        # a sensor that jumps stays where it jumped to: both ways ask for more after the first change
        grows = (found.quick_drop_kpa - found.earlier_kpa) / np.maximum(found.quick_drop_kpa, 0.1)
        quick = np.minimum.reduce(
            [
                1.2 * found.quick_drop_kpa / np.maximum(floor, self.quick_noises * found.noise_kpa),
                1.2 * found.earlier_kpa / (self.earlier_noises * found.noise_kpa),
                1.2 * grows / self.least_growth,
            ]
        )
        goes_on = 1.0 - found.largest_fall_kpa / np.maximum(found.drop_kpa, 0.1)
        goes_on = np.where(found.drop_kpa >= self.certain_drop_kpa, 1.0, goes_on)
        lasting = np.minimum.reduce(
            [
                1.2 * found.drop_kpa / np.maximum(floor, noises * found.noise_kpa),
                found.falls / self.least_falls * 1.3,
                1.2 * goes_on / self.least_growth,
            ]
        )
        score = np.minimum(found.rate_kpa_per_min / self.rate_kpa_per_min, np.maximum(quick, lasting))
        score = np.where(found.gauge_kpa < self.dead_kpa, np.minimum(score, 0.4), score)
        return logistic(np.nan_to_num(score, nan=-1.0))

    def explain(
        self, state: State, risk: LiveRisk, readings: Readings, place: tuple[int, int], spec: VehicleSpec
    ) -> LiveExplanation:
        """Return the loss, what is left, and what would clear it."""
        index, wheel = place
        name = spec.wheels[wheel]
        rate, drop, gauge = (float(np.nan_to_num(risk.detail[n][place])) for n in ("rate", "drop", "gauge"))
        placard, now_us = spec.placard_kpa[wheel], int(readings.time_us[index])
        row = int(readings.at[index])
        kept = state["time_us"][row] > 0
        start = risk.detail["start_us"][place]
        start_us = int(start) if np.isfinite(start) and start > 0 else now_us
        per_day = np.array([rate * 1440])
        ttt = time_to_threshold(
            np.array([gauge - 0.6 * placard]), np.array([1.5]), per_day, np.maximum(per_day * 0.15, 1e-6)
        )[:, 0]
        reasons = (
            loss_over(name, drop_kpa=drop, rate=rate, minutes=(now_us - start_us) / 60e6, is_by_day=False),
            pressure_left(gauge, placard),
            Reason(
                feature="clears_below_kpa_per_min",
                value=self.rate_kpa_per_min,
                unit="kPa/min",
                text_en="clears when the wheel holds its pressure for 20 min; a tire that lost air is to be "
                "looked at even so",
                text_zh="该轮气压保持 20 分钟不变后解除；但已漏气的轮胎仍需检查",
            ),
        )
        return LiveExplanation(
            reasons=reasons,
            evidence=pressure_series(state["time_us"][row][kept], state["gas_kpa"][row][kept], spec.wheels),
            since_us=start_us,
            ttt_h=to_quantiles(ttt),
        )

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``tire`` and the wheel."""
        return f"tire {spec.wheels[component]}"
