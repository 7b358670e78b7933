"""Fast leak: one tire loses gas within hours, over trips and rests, from the live stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, Family, FloatArray, Reason, VehicleSpec
from models.features.tires import axle_contrast
from models.predictors.base import logistic, to_quantiles
from models.predictors.leak_time import time_until_low
from models.predictors.wheels import leak_severity, median_of_others
from models.watch.leak_fall import Fall, straightest_fall
from models.watch.leak_rest import RestLoss, rest_loss
from models.watch.leak_window import WINDOW_US, empty_blocks, first_of_minutes, newest_drop, push_block
from models.watch.rule import LiveExplanation, LiveRisk, Readings, State, rounds
from models.watch.tire_readings import trusted_readings
from models.watch.tire_reasons import loss_over, pressure_left, pressure_series

#: Of a wheel that has not fallen: what ``logistic`` makes of nothing.
_HEALTHY = float(logistic(np.zeros(1))[0])


@dataclass(frozen=True, slots=True)
class TireFastLeakRule:
    """Tell a leak of about 8 kPa/day to 1 kPa/min within the trips that show it, without waiting for days.

    What each wheel's gas lost against the other wheels, compensated by its own temperature, is averaged over
    a quarter of an hour and kept for three days. A leak is a straight fall: from some block on a line must
    tell the blocks better than any single step, within a block or between two (a sensor that jumps, a changed
    wheel and a wheel that was deflated fall once), fit as well as the vehicle's own scatter allows, end below
    where the wheel was before (one that reads high for an hour comes back), and take the wheel's own gas
    along while the others hold theirs (whoever sets four wheels anew has made no leak). What a wheel alone
    lost over one rest, ``least_rest_kpa`` and more, is told as well until the next rest, if no other wheel
    was touched and it goes on falling as fast as that loss asks for: the tire may be flat before a second
    rest can prove it. Where it goes on falling beyond doubt, ``sure_rest_kpa`` are enough.
    A rim that brakes or sun warm makes its sensor read the gas low, by P/T = 1.2 kPa/K at the most: what
    the change of the wheel's temperature against the others could feign is taken off the fall.
    """

    least_rate_kpa_per_day: float = 8.0
    least_drop_kpa: float = 5.0
    errors: float = 5.0
    least_line_over_step: float = 9.0
    largest_misfit: float = 3.0
    least_gas_share: float = 0.5
    most_others_share: float = 0.4
    least_below_share: float = 0.6
    heat_kpa_per_k: float = 1.2
    least_rest_kpa: float = 15.0
    sure_rest_kpa: float = 9.0
    sure_errors: float = 2.0
    most_hurried: float = 3.0
    others_kpa: float = 5.0
    least_rest_readings: float = 10.0
    look_us: int = 240_000_000
    fresh_s: float = 300.0
    alarm_share: float = 0.75
    failure_mode: FailureMode = FailureMode.TIRE_SLOW_LEAK
    model_version: str = "tire-fast-leak-2"
    horizon_h: float = 168.0
    family: Family = Family.TIRE
    columns: tuple[str, ...] = ("tire.pressure", "tire.temperature", "tire.age")
    context: tuple[str, ...] = ("ambient", "barometer", "altitude")
    window_us: int = 20 * 60 * 1_000_000
    memory_us: int = WINDOW_US
    blind_spots: tuple[str, ...] = (
        "below about 8 kPa/day (see tire-slow-leak) and above 1 kPa/min (see tire-puncture)",
        "less than 15 kPa lost within one rest, 9 where it goes on surely, until the next one has gone on",
        "a rest of more than a week, and after a restart of the watch one of more than three days",
        "a sensor that jumps by more than 15 kPa over a rest, for its first hours",
        "vehicles that stand silent, and wheels whose sensor tells no temperature",
        "a sensor that drifts by more than 8 kPa within three days looks like a leak",
    )

    def empty(self, n_vehicles: int, spec: VehicleSpec) -> State:
        """Return a state that knows no reading."""
        return empty_blocks(n_vehicles, len(spec.wheels))

    def take(self, state: State, readings: Readings, spec: VehicleSpec) -> LiveRisk:
        """Take readings into the state and return the risk after each of them."""
        n_wheels = len(spec.wheels)
        shape = (len(readings), n_wheels)
        probability = np.full(shape, np.nan)
        severity = np.full(shape, 3, dtype=np.int64)
        detail = {
            name: np.full(shape, np.nan) for name in ("rate", "drop", "gauge", "start_us", "rate_error")
        }
        looked = np.flatnonzero(first_of_minutes(state, readings.at, readings.time_us))
        some = Readings(
            at=readings.at[looked],
            time_us=readings.time_us[looked],
            columns={name: values[looked] for name, values in readings.columns.items()},
        )
        given = trusted_readings(some, n_wheels)
        gas = np.where(given.is_paired, given.gas_kpa, np.nan)
        contrast = np.where(given.age_s > self.fresh_s, np.nan, axle_contrast(gas))
        warmer = given.degc - median_of_others(np.where(np.isfinite(gas), given.degc, np.nan))
        placard = np.asarray(spec.placard_kpa, dtype=np.float64)
        for turn in rounds(some.at):
            heard = turn[np.isfinite(contrast[turn]).any(1)]
            at = some.at[heard]
            push_block(state, at, some.time_us[heard], (contrast[heard], gas[heard], warmer[heard]))
            drop = newest_drop(state, at)
            place = looked[heard]
            worst = np.argmax(np.nan_to_num(drop), axis=1)
            falls = np.flatnonzero(drop[np.arange(len(at)), worst] >= self.least_drop_kpa)
            probability[place] = np.where(np.isfinite(drop), _HEALTHY, np.nan)
            probability[place[falls], worst[falls]] = np.nan
            falls = falls[some.time_us[heard[falls]] - state["looked_us"][at[falls]] >= self.look_us]
            if not len(falls):
                continue
            state["looked_us"][at[falls]] = some.time_us[heard[falls]]
            wheel = worst[falls]
            found = straightest_fall(state, at[falls], wheel, heat_kpa_per_k=self.heat_kpa_per_k)
            where = (place[falls], wheel)
            rested = rest_loss(state, at[falls], wheel, heat_kpa_per_k=self.heat_kpa_per_k)
            line, rest = self.score(found), self.rest_score(rested)
            probability[where] = logistic(np.maximum(line, rest))
            is_rest = rest > line
            left = state["gas_kpa"][at[falls], -1, wheel].astype(np.float64) - 101.325
            per_day = 24.0 * np.where(is_rest, rested.loss_kpa / rested.hours, found.rate_kpa_per_h)
            error = np.maximum(24.0 * found.rate_error, 0.1 * per_day)
            ttt = time_until_low(left, self.alarm_share * placard[wheel], per_day, error)
            severity[where] = leak_severity(per_day, left, placard[wheel], ttt[1])
            for name, values in (
                ("rate", per_day),
                ("rate_error", error),
                ("drop", np.where(is_rest, rested.loss_kpa, found.drop_kpa)),
                ("gauge", left),
                ("start_us", np.where(is_rest, rested.start_us, found.start_us).astype(np.float64)),
            ):
                detail[name][where] = values
        return LiveRisk(probability=probability, severity=severity, detail=detail)

    def score(self, found: Fall) -> FloatArray:
        """Return 1.2 where every condition is just met; the weakest decides."""
        per_day = 24.0 * found.rate_kpa_per_h
        parts = (
            per_day / self.least_rate_kpa_per_day,
            found.drop_kpa / self.least_drop_kpa,
            found.rate_kpa_per_h / (self.errors * found.rate_error),
            found.line_over_step / self.least_line_over_step,
            2.0 - found.misfit / self.largest_misfit,
            found.gas_share / self.least_gas_share,
            2.0 - found.others_share / self.most_others_share,
            found.below_share / self.least_below_share,
        )
        return np.asarray(1.2 * np.minimum.reduce([np.asarray(p, dtype=np.float64) for p in parts]))

    def rest_score(self, found: RestLoss) -> FloatArray:
        """Return 1.2 where every condition is just met, as ``score``; -1 without a rest."""
        least_per_h = found.loss_kpa / found.hours
        # the surer it goes on falling, and not all at once, the less the rest itself has to show
        sure = np.clip(found.goes_on_kpa_per_h / found.goes_on_error / self.sure_errors, 0.0, 1.0)
        sure = np.where(found.goes_on_kpa_per_h > self.most_hurried * least_per_h, 0.0, sure)
        least_kpa = self.least_rest_kpa + sure * (self.sure_rest_kpa - self.least_rest_kpa)
        fell_kpa = found.goes_on_kpa_per_h * found.awake_h
        parts = (
            24.0 * least_per_h / self.least_rate_kpa_per_day,
            found.loss_kpa / least_kpa,
            found.gas_kpa / (0.8 * least_kpa),
            2.0 - found.touched_kpa / self.others_kpa,
            found.readings * np.fmax(found.loss_kpa / self.least_rest_kpa, 1.0) / self.least_rest_readings,
            # a leak that lost this in the rest goes on losing at least half as fast
            1.0 + (fell_kpa + 1.5 - 0.5 * least_per_h * found.awake_h) / 2.0,
        )
        weakest = np.minimum.reduce([np.asarray(p, dtype=np.float64) for p in parts])
        return np.asarray(np.nan_to_num(1.2 * weakest, nan=-1.0))

    def explain(
        self, state: State, risk: LiveRisk, readings: Readings, place: tuple[int, int], spec: VehicleSpec
    ) -> LiveExplanation:
        """Return the loss, what is left, how long that lasts, and what would clear it."""
        index, wheel = place
        name, row, now_us = spec.wheels[wheel], int(readings.at[index]), int(readings.time_us[index])
        rate, error, drop, gauge = (
            float(np.nan_to_num(risk.detail[n][place])) for n in ("rate", "rate_error", "drop", "gauge")
        )
        placard, start = spec.placard_kpa[wheel], risk.detail["start_us"][place]
        start_us = int(start) if np.isfinite(start) and start > 0 else now_us
        ttt = time_until_low(*(np.array([v]) for v in (gauge, self.alarm_share * placard, rate, error)))[:, 0]
        clear = Reason(
            feature="clears_below_kpa_per_day",
            value=self.least_rate_kpa_per_day,
            unit="kPa/day",
            text_en="clears when the wheel holds its pressure for a day; pumping up alone does not mend it",
            text_zh="该轮气压保持一天不变后解除；仅补气不能修复",
        )
        kept = state["begun_us"][row] > 0
        return LiveExplanation(
            reasons=(
                loss_over(name, drop_kpa=drop, rate=rate, minutes=(now_us - start_us) / 60e6, is_by_day=True),
                pressure_left(gauge, placard),
                clear,
            ),
            evidence=pressure_series(state["mid_us"][row][kept], state["gas_kpa"][row][kept], spec.wheels),
            since_us=start_us,
            ttt_h=to_quantiles(ttt),
        )

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``tire`` and the wheel."""
        return f"tire {spec.wheels[component]}"
