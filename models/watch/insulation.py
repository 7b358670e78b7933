"""Insulation between the high-voltage system and the body, from the live stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, FailureMode, Family, FloatArray, IntArray, Reason, VehicleSpec
from models.watch.persistence import empty_persistence, hold
from models.watch.rule import LiveExplanation, LiveRisk, Readings, State, rounds

_SURE, _SUSPECT = 0.95, 0.4


@dataclass(frozen=True, slots=True)
class InsulationRule:
    """Tell insulation below 500 Ω/V (inspect) and below 100 Ω/V (stop), once it has held.

    UN R100 and ISO 6469-3 ask for 100 Ω/V of the working voltage for direct current and 500 Ω/V where
    alternating current is conductively connected. A contactor that closes, a measurement in its first
    seconds, a puddle give a low value or two: it must hold for ``least_us`` and ``least_readings``. Exactly
    0 kΩ is what a terminal sends before it knows one and counts as unknown, as does a pack without voltage.
    """

    stop_ohm_per_v: float = 100.0
    inspect_ohm_per_v: float = 500.0
    least_readings: int = 5
    least_us: int = 60_000_000
    gap_us: int = 120_000_000
    live_v: float = 60.0
    failure_mode: FailureMode = FailureMode.INSULATION_LOSS
    model_version: str = "insulation-rule-1"
    horizon_h: float = 24.0
    family: Family = Family.DRIVE
    columns: tuple[str, ...] = ("insulation", "pack.voltage")
    context: tuple[str, ...] = ()
    window_us: int = 180_000_000
    blind_spots: tuple[str, ...] = (
        "a vehicle without an insulation monitor, or one that clips its reading above 500 Ω/V",
        "a fault on both sides of the pack at once, which bridge monitors do not see",
    )

    def empty(self, n_vehicles: int, spec: VehicleSpec) -> State:
        """Return a state that knows no reading."""
        return empty_persistence(n_vehicles, "inspect") | empty_persistence(n_vehicles, "stop")

    def take(self, state: State, readings: Readings, spec: VehicleSpec) -> LiveRisk:
        """Take readings into the state and return the risk after each of them."""
        n = len(readings)
        probability = np.full((n, 1), np.nan)
        severity = np.full((n, 1), 2, dtype=np.int64)
        since = np.full((n, 1), np.nan)
        kohm, per_v = self._per_v(readings)
        for some in rounds(readings.at):
            at, time_us = readings.at[some], readings.time_us[some]
            held = {
                name: self._held(state, name, at, time_us, per_v=per_v[some], limit=limit)
                for name, limit in (("inspect", self.inspect_ohm_per_v), ("stop", self.stop_ohm_per_v))
            }
            heard = state["inspect_seen_us"][at] > 0
            suspect = state["inspect_count"][at] > 0
            probability[some, 0] = np.where(
                held["inspect"], _SURE, np.where(heard, np.where(suspect, _SUSPECT, 0.0), np.nan)
            )
            severity[some, 0] = np.where(held["stop"], 1, 2)
            name_us = np.where(held["stop"], state["stop_since_us"][at], state["inspect_since_us"][at])
            since[some, 0] = name_us.astype(np.float64)
        return LiveRisk(
            probability=probability,
            severity=severity,
            detail={"ohm_per_v": per_v[:, None], "kohm": kohm[:, None], "since_us": since},
        )

    def could_tell(self, readings: Readings, spec: VehicleSpec) -> BoolArray:
        """Mark readings below the level at which it is to be inspected."""
        return np.asarray(self._per_v(readings)[1] < self.inspect_ohm_per_v)

    def explain(
        self, state: State, risk: LiveRisk, readings: Readings, place: tuple[int, int], spec: VehicleSpec
    ) -> LiveExplanation:
        """Return the insulation against the limits of the regulation."""
        per_v, kohm = float(risk.detail["ohm_per_v"][place]), float(risk.detail["kohm"][place])
        now = int(readings.time_us[place[0]])
        since = int(np.nan_to_num(risk.detail["since_us"][place])) or now
        minutes = (now - since) / 60e6
        limit = self.stop_ohm_per_v if int(risk.severity[place]) == 1 else self.inspect_ohm_per_v
        reasons = (
            Reason(
                feature="insulation_ohm_per_v",
                value=round(per_v, 1) if np.isfinite(per_v) else 0.0,
                unit="Ω/V",
                healthy_low=self.inspect_ohm_per_v,
                text_en=f"insulation of the high-voltage system {kohm:.0f} kΩ ({per_v:.0f} Ω/V), below "
                f"{limit:.0f} Ω/V for {minutes:.0f} min",
                text_zh=f"高压系统绝缘电阻 {kohm:.0f} kΩ（{per_v:.0f} Ω/V），"
                f"低于 {limit:.0f} Ω/V 已持续 {minutes:.0f} 分钟",
            ),
            Reason(
                feature="clears_above_ohm_per_v",
                value=self.inspect_ohm_per_v,
                unit="Ω/V",
                text_en=f"clears when it stays above {self.inspect_ohm_per_v:.0f} Ω/V for a day",
                text_zh=f"高于 {self.inspect_ohm_per_v:.0f} Ω/V 持续一天后解除",
            ),
        )
        evidence = {
            "time": [now // 1000],
            "series": {"insulation": [round(kohm, 1) if np.isfinite(kohm) else None]},
            "unit": "kΩ",
            "title_en": "Insulation resistance",
            "title_zh": "绝缘电阻",
        }
        return LiveExplanation(reasons=reasons, evidence=evidence, since_us=since, ttt_h=None)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``battery``."""
        return "battery"

    def _per_v(self, readings: Readings) -> tuple[FloatArray, FloatArray]:
        """Return the resistance, kΩ, and against the voltage, Ω/V; NaN where nothing is known."""
        kohm, volts = (np.asarray(readings.columns[a], dtype=np.float64) for a in self.columns)
        is_known = (kohm > 0) & (volts >= self.live_v)
        return kohm, np.where(is_known, 1000.0 * kohm / np.where(is_known, volts, 1.0), np.nan)

    def _held(
        self,
        state: State,
        name: str,
        at: IntArray,
        time_us: IntArray,
        *,
        per_v: FloatArray,
        limit: float,
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        with np.errstate(invalid="ignore"):
            is_low = per_v < limit
        count, lasts = hold(
            state,
            name,
            at,
            time_us,
            is_it=is_low,
            is_known=np.isfinite(per_v),
            gap_us=self.gap_us,
        )
        return np.asarray((count >= self.least_readings) & (lasts >= self.least_us))
