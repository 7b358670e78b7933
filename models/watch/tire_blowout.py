"""Blow-out risk: a tire that runs too soft, too fast and too hot for minutes on end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, FailureMode, Family, FloatArray, IntArray, Reason, VehicleSpec
from models.predictors.base import logistic
from models.predictors.wheels import wheel_zh
from models.watch.rule import LiveExplanation, LiveRisk, Readings, State, rounds
from models.watch.tire_readings import tire_columns

_DEPTH = 24
_SLOT_US = 30_000_000


@dataclass(frozen=True, slots=True)
class TireBlowoutRule:
    """Warn of a blow-out from the heat that a soft tire makes of speed.

    Heat grows with speed, load and deflection. Index B = load share x (placard / pressure) x (v / 100)^1.2 x
    exp((T - 60) / 25); a sound tire at 130 km/h and 40 °C outside stays below 1.3. At 1.4 it must last
    5 min, at 1.8 30 s (the dose grows with the third power of B - 1.05; below 1.3 it decays), over two
    readings in any case. Rubber is damaged from 93 to 110 °C inside, which a sensor in the cavity reads
    10-25 °C lower. Also told: a tire above 95 °C that goes on warming by 1 °C/min, one that is 12 °C hotter
    than its axle mate above 80 °C for 5 min, and one that runs at more than 80 km/h for 15 min with a fifth
    of its placard missing. What is older than ``fresh_s`` is no evidence, and a pressure that no rolling tire
    has is a broken sensor.
    """

    load_share: float = 0.8
    from_index: float = 1.05
    least_index: float = 1.3
    scale_index: float = 0.35
    dose_s: float = 300.0
    hot_degc: float = 95.0
    rise_degc_per_min: float = 1.0
    contrast_degc: float = 12.0
    contrast_from_degc: float = 80.0
    soft_share: float = 0.8
    soft_km_per_h: float = 80.0
    soft_s: float = 900.0
    fresh_s: float = 180.0
    gap_us: int = 150_000_000
    failure_mode: FailureMode = FailureMode.TIRE_BLOWOUT_RISK
    model_version: str = "tire-blowout-1"
    horizon_h: float = 1.0
    family: Family = Family.TIRE
    columns: tuple[str, ...] = ("tire.pressure", "tire.temperature", "tire.age")
    context: tuple[str, ...] = ("speed",)
    window_us: int = 20 * 60 * 1_000_000
    blind_spots: tuple[str, ...] = (
        "cuts, impacts, age and manufacturing faults that make no heat",
        "the load of the vehicle, which no signal tells: a share of 0.8 is assumed",
        "vehicles without tire temperatures: the index needs them; only long soft running is seen",
        "the belt edge is 10-25 °C hotter than the sensor's air",
    )

    def empty(self, n_vehicles: int, spec: VehicleSpec) -> State:
        """Return a state that knows no reading."""
        shape = (n_vehicles, len(spec.wheels))
        return {
            "seen_us": np.zeros(n_vehicles, dtype=np.int64),
            "since_us": np.zeros(shape, dtype=np.int64),
            "dose_s": np.zeros(shape),
            "contrast_s": np.zeros(shape),
            "soft_s": np.zeros(shape),
            "rising": np.zeros(shape),
            "slot_us": np.zeros((n_vehicles, _DEPTH), dtype=np.int64),
            "slot_degc": np.full((n_vehicles, _DEPTH, shape[1]), np.nan),
        }

    def take(self, state: State, readings: Readings, spec: VehicleSpec) -> LiveRisk:
        """Take readings into the state and return the risk after each of them."""
        gauge, degc, speed, index = self._index(readings, spec)
        placard = np.asarray(spec.placard_kpa, dtype=np.float64)
        score = np.full(gauge.shape, np.nan)
        since = np.full(gauge.shape, np.nan)
        for some in rounds(readings.at):
            at = readings.at[some]
            elapsed = readings.time_us[some] - state["seen_us"][at]
            is_known = (np.isfinite(gauge[some]) | np.isfinite(degc[some])).any(1, keepdims=True)
            step_s = np.where(elapsed <= self.gap_us, elapsed / 1e6, 0.0)[:, None]
            self._forget(state, at, elapsed > self.gap_us)
            self._add(state, at, step_s, index[some])
            self._add_contrast(state, at, step_s, degc[some])
            is_soft = self._is_soft(gauge[some], speed[some], placard)
            state["soft_s"][at] = np.where(is_soft, state["soft_s"][at] + step_s, 0.0)
            self._add_rise(state, at, readings.time_us[some], degc[some])
            parts = (
                state["dose_s"][at] / self.dose_s,
                1.2 * state["contrast_s"][at] / self.dose_s,
                1.2 * state["soft_s"][at] / self.soft_s,
                0.65 * state["rising"][at],
            )
            best = np.minimum(np.maximum.reduce(parts), 2.0)
            begun = state["since_us"][at]
            state["since_us"][at] = np.where(
                best < 0.2, 0, np.where(begun > 0, begun, readings.time_us[some][:, None])
            )
            state["seen_us"][at] = readings.time_us[some]
            score[some] = np.where(is_known, best, np.nan)
            since[some] = state["since_us"][at]
        only_soft = np.nan_to_num(index) < self.least_index
        return LiveRisk(
            probability=logistic(score),
            severity=np.where(only_soft & ~(degc > self.contrast_from_degc), 2, 1).astype(np.int64),
            detail={
                "index": index,
                "gauge": gauge,
                "degc": degc,
                "speed": np.broadcast_to(speed[:, None], gauge.shape),
                "since_us": since,
            },
        )

    def could_tell(self, readings: Readings, spec: VehicleSpec) -> BoolArray:
        """Mark readings with a tire that is too hot for its work, or soft at speed."""
        gauge, degc, speed, index = self._index(readings, spec)
        is_soft = self._is_soft(gauge, speed, np.asarray(spec.placard_kpa, dtype=np.float64))
        least_degc = min(self.contrast_from_degc, self.hot_degc)
        return np.asarray((is_soft | (index >= self.least_index) | (degc > least_degc)).any(1))

    def explain(
        self, state: State, risk: LiveRisk, readings: Readings, place: tuple[int, int], spec: VehicleSpec
    ) -> LiveExplanation:
        """Return the index with what makes it, and what would clear it."""
        reading, wheel = place
        row, name = int(readings.at[reading]), spec.wheels[wheel]
        index, gauge, degc, speed = (
            float(np.nan_to_num(risk.detail[n][place])) for n in ("index", "gauge", "degc", "speed")
        )
        placard = spec.placard_kpa[wheel]
        since = risk.detail["since_us"][place]
        reasons = (
            Reason(
                feature="blowout_index",
                value=round(index, 2),
                unit="1",
                healthy_low=0.0,
                healthy_high=1.2,
                text_en=f"{name}: {gauge:.0f} kPa of {placard:.0f} kPa, {degc:.0f} °C at {speed:.0f} km/h; "
                f"heat index {index:.1f}, healthy below 1.2",
                text_zh=f"{wheel_zh(name)}轮：胎压 {gauge:.0f} kPa（标准 {placard:.0f} kPa），{degc:.0f} °C，"
                f"车速 {speed:.0f} km/h；发热指数 {index:.1f}，正常低于 1.2",
            ),
            Reason(
                feature="tire_temperature_degc",
                value=round(degc, 1),
                unit="°C",
                healthy_high=80.0,
                text_en=f"{degc:.0f} °C in the tire; rubber is damaged from about 93 °C",
                text_zh=f"胎内温度 {degc:.0f} °C；约 93 °C 起橡胶受损",
            ),
            Reason(
                feature="clears_below_index",
                value=self.least_index,
                unit="1",
                text_en="clears when the vehicle slows down and the tire cools; have its pressure and "
                "carcass checked",
                text_zh="减速并待轮胎降温后解除；请检查胎压和胎体",
            ),
        )
        kept = state["slot_us"][row] > 0
        evidence = {
            "time": [int(t) // 1000 for t in state["slot_us"][row][kept]],
            "series": {
                wheel_name: [
                    round(float(x), 1) if np.isfinite(x) else None
                    for x in state["slot_degc"][row][kept][:, i]
                ]
                for i, wheel_name in enumerate(spec.wheels)
            },
            "unit": "°C",
            "title_en": "Tire temperature",
            "title_zh": "胎内温度",
            "suspect": name,
        }
        since_us = int(since) if np.isfinite(since) and since > 0 else int(readings.time_us[reading])
        return LiveExplanation(reasons=reasons, evidence=evidence, since_us=since_us, ttt_h=None)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``tire`` and the wheel."""
        return f"tire {spec.wheels[component]}"

    def _index(
        self, readings: Readings, spec: VehicleSpec
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return pressure and temperature that are fresh and possible, speed, and the index of each wheel."""
        gauge, degc, age = tire_columns(readings, len(spec.wheels))
        is_fresh = ~(age > self.fresh_s)
        gauge = np.where(is_fresh & (gauge > 60.0) & (gauge < 1200.0), gauge, np.nan)
        degc = np.where(is_fresh & (degc > -40.0) & (degc < 150.0), degc, np.nan)
        speed = np.asarray(readings.columns.get("speed", np.full(len(readings), np.nan)), dtype=np.float64)
        placard = np.asarray(spec.placard_kpa, dtype=np.float64)
        v = np.maximum(np.nan_to_num(speed), 0.0)[:, None] / 100.0
        index = self.load_share * placard / gauge * v**1.2 * np.exp((degc - 60.0) / 25.0)
        return gauge, degc, speed, index

    def _is_soft(self, gauge: FloatArray, speed: FloatArray, placard: FloatArray) -> BoolArray:
        """Mark wheels that run with too little air at speed."""
        return np.asarray((gauge < self.soft_share * placard) & (speed > self.soft_km_per_h)[:, None])

    def _forget(self, state: State, at: IntArray, is_stale: BoolArray) -> None:
        stale = at[is_stale]
        for name in ("dose_s", "contrast_s", "soft_s", "rising", "since_us", "slot_us"):
            state[name][stale] = 0
        state["slot_degc"][stale] = np.nan

    def _add(self, state: State, at: IntArray, step_s: FloatArray, index: FloatArray) -> None:
        over = np.nan_to_num(index)
        gain = (np.maximum(over - self.from_index, 0.0) / self.scale_index) ** 3 * step_s
        # no single reading is enough
        gain = np.minimum(gain, 0.6 * self.dose_s)
        change = np.where(over >= self.least_index, gain, -2.0 * step_s)
        state["dose_s"][at] = np.clip(state["dose_s"][at] + change, 0.0, 2.0 * self.dose_s)

    def _add_contrast(self, state: State, at: IntArray, step_s: FloatArray, degc: FloatArray) -> None:
        mate = np.full(degc.shape, np.nan)
        pairs = degc.shape[1] // 2 * 2
        mate[:, 0:pairs:2], mate[:, 1:pairs:2] = degc[:, 1:pairs:2], degc[:, 0:pairs:2]
        is_hot = (degc - mate > self.contrast_degc) & (degc > self.contrast_from_degc)
        state["contrast_s"][at] = np.where(is_hot, state["contrast_s"][at] + step_s, 0.0)

    def _add_rise(self, state: State, at: IntArray, time_us: IntArray, degc: FloatArray) -> None:
        """Count readings in a row that are too hot and warmer than two minutes ago by twice the rate."""
        is_next = time_us - state["slot_us"][at, -1] >= _SLOT_US
        earlier = np.where(
            (time_us[:, None] - state["slot_us"][at] >= 4 * _SLOT_US)[:, :, None]
            & (time_us[:, None] - state["slot_us"][at] <= 6 * _SLOT_US)[:, :, None],
            state["slot_degc"][at],
            np.nan,
        )
        coldest = np.where(np.isfinite(earlier), earlier, np.inf).min(1)
        rises = (degc > self.hot_degc) & (degc - coldest > 2.0 * self.rise_degc_per_min)
        is_hot = is_next[:, None] & rises
        state["rising"][at] = np.where(
            is_hot, state["rising"][at] + 1, np.where(is_next[:, None], 0, state["rising"][at])
        )
        some = at[is_next]
        for name, values in (("slot_us", time_us), ("slot_degc", degc)):
            state[name][some, :-1] = state[name][some, 1:]
            state[name][some, -1] = values[is_next]
