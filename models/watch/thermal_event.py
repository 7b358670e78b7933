"""Thermal event of the traction battery: the confirmation logic of GB 38031, with persistence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, FailureMode, Family, FloatArray, IntArray, VehicleSpec
from models.watch.rule import LiveExplanation, LiveRisk, Readings, State, rounds
from models.watch.thermal_reasons import thermal_evidence, thermal_reasons
from models.watch.thermal_window import (
    STALE_US,
    Rise,
    empty_window,
    has_risen,
    is_known,
    may_have_risen,
    push_window,
    rise,
)

_SURE, _SUSPECT = 0.99, 0.4
_FINE_US = (3_000_000, 6_500_000)
_LONG_US = (6_900_000, 12_500_000)
_COARSE_US = (2_900_000, 65_000_000)
_COARSE_FROM_US = 1_600_000


@dataclass(frozen=True, slots=True)
class BatteryThermalEventRule:
    """Tell a runaway as GB 38031-2025 confirms one.

    A probe rises by 1 °C/s for more than 3 s, and a cell has lost a quarter of its voltage or the probe is
    beyond the maximum. A rise counts when it goes on over several readings: a step, a spike,
    a probe that comes back from a sentinel rise at once. A cell's voltage counts when it falls under 75 % of
    its pack's median in two readings after having been sound, and the probe must then be ``contrast_k``
    hotter than the pack's middle one: a plug that shakes takes a cell and a probe away together, and behind
    the filter of its input the probe warms for seconds to where it was. Heat without a fallen cell must go
    on for 7 s.
    Readings more than 1.6 s apart show no second of the rise: there the mean rate since the reading 3-65 s
    before takes its place beyond the maximum, and the next reading must confirm it with a fallen cell or a
    second hot probe. Nothing older than 90 s is compared with. Once told, it stays: a pack
    that has burnt shows no rise any more.

    A thermocouple on a bare cell sees what a pack's probe shows tens of seconds later and half as high. A
    cell that merely empties itself over a hard short heats without chemistry taking over (30 times the
    one-hour current make 6 °C/s; reactions carry themselves from 110-130 °C on): there the cell must be past
    120 °C, or rise at 8 °C/s with its voltage gone, or at 20 °C/s.
    """

    least_rate: float = 1.0
    drop_share: float = 0.25
    max_degc: float = 60.0
    contrast_k: float = 5.0
    bare_degc: float = 120.0
    bare_rate: float = 8.0
    bare_sure_rate: float = 20.0
    least_cells: int = 4
    least_probes: int = 3
    drop_readings: int = 2
    drop_us: int = 90_000_000
    most_step_share: float = 0.7
    kept_us: int = 3_600_000_000
    failure_mode: FailureMode = FailureMode.BATTERY_THERMAL_EVENT
    model_version: str = "battery-thermal-event-2"
    horizon_h: float = 1.0
    family: Family = Family.CELL
    columns: tuple[str, ...] = ("cell.voltage", "cell.temperature")
    context: tuple[str, ...] = ()
    window_us: int = 120_000_000
    blind_spots: tuple[str, ...] = (
        "what happens between two readings: at 30 s it is told one to two readings late",
        "a runaway far from any probe until its heat arrives, tens of seconds later",
        "a vehicle that does not send: asleep, out of coverage, or its wiring burnt first",
        "gas and smoke without a rise at a probe",
    )

    def empty(self, n_vehicles: int, spec: VehicleSpec) -> State:
        """Return a state that knows no reading."""
        n_cells = max(1, spec.cell_count)
        return empty_window(n_vehicles, max(1, spec.probe_count)) | {
            "time_us": np.zeros(n_vehicles, dtype=np.int64),
            "is_sound": np.zeros((n_vehicles, n_cells), dtype=np.bool_),
            "reference_v": np.zeros(n_vehicles),
            "low_count": np.zeros(n_vehicles, dtype=np.int64),
            "dropped_us": np.zeros(n_vehicles, dtype=np.int64),
            "dropped_v": np.full(n_vehicles, np.nan),
            "dropped_cell": np.zeros(n_vehicles, dtype=np.int64),
            "candidate_us": np.zeros(n_vehicles, dtype=np.int64),
            "candidate_degc": np.full(n_vehicles, np.nan),
            "event_us": np.zeros(n_vehicles, dtype=np.int64),
            "event_rate": np.full(n_vehicles, np.nan),
            "event_degc": np.full(n_vehicles, np.nan),
        }

    def take(self, state: State, readings: Readings, spec: VehicleSpec) -> LiveRisk:
        """Take readings into the state and return the risk after each of them."""
        n = len(readings)
        probability = np.full((n, 1), np.nan)
        detail = {name: np.full((n, 1), np.nan) for name in ("rate", "degc", "dropped_v", "cell", "since_us")}
        volts = _wide(readings.columns.get("cell.voltage"), n, state["is_sound"].shape[1])
        probes = _wide(readings.columns.get("cell.temperature"), n, state["probe_degc"].shape[2])
        for some in rounds(readings.at):
            at, time_us = readings.at[some], readings.time_us[some]
            self._forget(state, at, time_us)
            self._drops(state, at, time_us, volts[some], spec)
            probability[some, 0] = self._judge(state, at, time_us, probes[some], spec)
            push_window(state, at, time_us, probes[some])
            state["time_us"][at] = time_us
            told = state["event_us"][at] > 0
            rate = np.where(told, state["event_rate"][at], np.nan)
            for name, values in (
                ("rate", rate),
                ("degc", np.where(told, state["event_degc"][at], np.nan)),
                ("dropped_v", np.where(state["dropped_us"][at] > 0, state["dropped_v"][at], np.nan)),
                ("cell", state["dropped_cell"][at].astype(np.float64)),
                ("since_us", state["event_us"][at].astype(np.float64)),
            ):
                detail[name][some, 0] = values
        return LiveRisk(probability=probability, severity=np.zeros((n, 1), dtype=np.int64), detail=detail)

    def could_tell(self, readings: Readings, spec: VehicleSpec) -> BoolArray:
        """Mark readings before which a probe may have risen: without one nothing is looked at."""
        probes = _wide(readings.columns.get("cell.temperature"), len(readings), max(1, spec.probe_count))
        return may_have_risen(readings.at, readings.time_us, probes)

    def explain(
        self, state: State, risk: LiveRisk, readings: Readings, place: tuple[int, int], spec: VehicleSpec
    ) -> LiveExplanation:
        """Return the rise, the temperature reached, and the cell that lost its voltage."""
        row = int(readings.at[place[0]])
        rate, degc = float(risk.detail["rate"][place]), float(risk.detail["degc"][place])
        dropped, cell = float(risk.detail["dropped_v"][place]), int(risk.detail["cell"][place]) + 1
        now = int(readings.time_us[place[0]])
        since = int(risk.detail["since_us"][place]) or now
        return LiveExplanation(
            reasons=thermal_reasons(rate, degc, dropped, cell),
            evidence=thermal_evidence(state, row),
            since_us=since,
            ttt_h=None,
        )

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``battery``."""
        return "battery"

    def _forget(self, state: State, at: IntArray, time_us: IntArray) -> None:
        """Drop what is too old to be compared with."""
        stale = at[~is_known(time_us, state["time_us"][at])]
        state["seen_us"][stale] = 0
        state["probe_degc"][stale] = np.nan
        state["is_sound"][stale] = False
        for name in ("reference_v", "low_count", "dropped_us", "candidate_us"):
            state[name][stale] = 0
        over = at[(state["event_us"][at] > 0) & (time_us - state["event_us"][at] > self.kept_us)]
        state["event_us"][over] = 0

    def _drops(
        self, state: State, at: IntArray, time_us: IntArray, volts: FloatArray, spec: VehicleSpec
    ) -> None:
        """Note cells that have just lost a quarter of their voltage."""
        known = np.isfinite(volts)
        if spec.cell_count >= self.least_cells:
            ranked = np.sort(volts, axis=1)
            count = known.sum(1)
            reference = ranked[np.arange(len(at)), np.maximum((count - 1) // 2, 0)]
            reference = np.where((count >= self.least_cells) & (reference > 1.0), reference, np.nan)
        else:
            highest = np.where(known, volts, 0.0).max(1)
            state["reference_v"][at] = np.maximum(state["reference_v"][at], highest)
            reference = np.where(state["reference_v"][at] > 1.0, state["reference_v"][at], np.nan)
        limit = ((1.0 - self.drop_share) * reference)[:, None]
        with np.errstate(invalid="ignore"):
            low = known & (volts < limit) & state["is_sound"][at]
            sound = known & (volts >= limit)
        any_low = low.any(1)
        heard = known.any(1)
        state["low_count"][at] = np.where(
            any_low, state["low_count"][at] + 1, np.where(heard, 0, state["low_count"][at])
        )
        is_dropped = any_low & (state["low_count"][at] >= self.drop_readings)
        rows = at[is_dropped]
        worst = np.where(low, volts, np.inf).argmin(1)
        state["dropped_us"][rows] = time_us[is_dropped]
        state["dropped_cell"][rows] = worst[is_dropped]
        state["dropped_v"][rows] = volts[np.arange(len(at)), worst][is_dropped]
        # a cell that stays low was sound once: the drop goes on being one
        state["is_sound"][at] |= sound

    def _judge(
        self, state: State, at: IntArray, time_us: IntArray, probes: FloatArray, spec: VehicleSpec
    ) -> FloatArray:
        """Return the probability after the present readings; confirmed events are noted in the state."""
        told = state["event_us"][at] > 0
        heard = np.isfinite(probes).any(1) | (state["seen_us"][at, -1] > 0)
        waiting = state["candidate_us"][at] > 0
        moving = np.flatnonzero((has_risen(state, at, probes) | waiting) & ~told)
        suspect = np.zeros(len(at), dtype=np.bool_)
        if len(moving):
            suspect[moving] = self._look(state, at[moving], time_us[moving], probes[moving], spec)
            told = state["event_us"][at] > 0
        return np.where(told, _SURE, np.where(heard, np.where(suspect, _SUSPECT, 0.0), np.nan))

    def _look(
        self, state: State, at: IntArray, time_us: IntArray, probes: FloatArray, spec: VehicleSpec
    ) -> BoolArray:
        """Note confirmed events in the state; return which vehicles are suspect."""
        dropped = (state["dropped_us"][at] > 0) & (time_us - state["dropped_us"][at] <= self.drop_us)
        fine = rise(state, at, time_us, probes, span_us=_FINE_US)
        rising = self._rises(fine, 3)
        suspect = rising.any(1)
        if spec.cell_count < self.least_cells:
            with np.errstate(invalid="ignore"):
                confirmed = rising & (
                    (probes >= self.bare_degc)
                    | (fine.rate >= self.bare_sure_rate)
                    | ((fine.rate >= self.bare_rate) & dropped[:, None])
                )
        else:
            long = rise(state, at, time_us, probes, span_us=_LONG_US)
            with np.errstate(invalid="ignore"):
                hot = self._rises(long, 6) & (probes >= self.max_degc)
            coarse, waits = self._coarse(state, at, time_us, probes, dropped)
            confirmed = (rising & self._is_hotter(probes) & dropped[:, None]) | hot | coarse
            suspect |= waits
        best = np.where(confirmed, np.nan_to_num(probes, nan=-np.inf), -np.inf).argmax(1)
        index = np.flatnonzero(confirmed.any(1))
        rows, degc = at[index], probes[index, best[index]]
        state["event_us"][rows] = time_us[index]
        state["event_degc"][rows] = degc
        span_s = np.maximum(time_us[index] - state["candidate_us"][rows], 1) / 1e6
        found = fine.rate[index, best[index]]
        slow = (degc - state["candidate_degc"][rows]) / span_s
        state["event_rate"][rows] = np.where(np.isfinite(found), found, slow)
        return np.asarray(suspect)

    def _is_hotter(self, probes: FloatArray) -> BoolArray:
        """Mark probes that are hot beside the others; of two or fewer none is the middle one."""
        ranked = np.sort(probes, axis=1)
        count = np.isfinite(probes).sum(1)
        middle = ranked[np.arange(len(probes)), np.maximum(count - 1, 0) // 2]
        with np.errstate(invalid="ignore"):
            is_apart = probes - middle[:, None] >= self.contrast_k
            return np.asarray(is_apart | (probes >= self.max_degc) | (count < self.least_probes)[:, None])

    def _rises(self, found: Rise, least_steps: int) -> BoolArray:
        with np.errstate(invalid="ignore"):
            return np.asarray(
                (found.rate >= self.least_rate)
                & (found.steps >= least_steps)
                & ((found.share <= self.most_step_share) | (found.rest_rate >= self.least_rate))
            )

    def _coarse(
        self, state: State, at: IntArray, time_us: IntArray, probes: FloatArray, dropped: BoolArray
    ) -> tuple[BoolArray, BoolArray]:
        """Judge readings far apart: a rise makes a candidate, the next reading confirms it."""
        long_ago = time_us - state["time_us"][at] > _COARSE_FROM_US
        waiting = (state["candidate_us"][at] > 0) & (time_us - state["candidate_us"][at] <= STALE_US)
        last = state["candidate_degc"][at]
        with np.errstate(invalid="ignore"):
            holds = probes >= (last - 5.0)[:, None]
            several = (holds & (probes >= self.max_degc)).sum(1) >= 2
            confirmed = (
                holds
                & (dropped | several)[:, None]
                & (waiting & long_ago & (time_us > state["candidate_us"][at]))[:, None]
            )
            found = rise(state, at, time_us, probes, span_us=_COARSE_US)
            is_new = long_ago[:, None] & (found.rate >= self.least_rate) & (probes >= self.max_degc)
        rows = at[is_new.any(1) & ~waiting]
        picked = is_new.any(1) & ~waiting
        state["candidate_us"][rows] = time_us[picked]
        state["candidate_degc"][rows] = np.where(is_new, probes, -np.inf).max(1)[picked]
        return confirmed, is_new.any(1) | waiting


def _wide(values: FloatArray | None, n: int, width: int) -> FloatArray:
    """Return values with as many columns as the state has; NaN where there are none."""
    out = np.full((n, width), np.nan)
    if values is not None and values.ndim == 2:
        kept = min(width, values.shape[1])
        out[:, :kept] = values[:, :kept]
    elif values is not None:
        out[:, 0] = values
    return out
