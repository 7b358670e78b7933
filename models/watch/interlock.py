"""The loop that tells whether every high-voltage plug is closed, from the live stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, FailureMode, Family, Reason, VehicleSpec
from models.watch.persistence import empty_persistence, hold
from models.watch.rule import LiveExplanation, LiveRisk, Readings, State, rounds

_SURE, _SUSPECT = 0.95, 0.4


@dataclass(frozen=True, slots=True)
class InterlockRule:
    """Tell an interlock that is open while the high-voltage system is live.

    Open with the pack switched off is a workshop at work. A plug that chatters on a bad road opens for an
    instant: it must stay open for ``least_us`` and ``least_readings``. The same mode and component as the
    vehicle's own alarm, so that both are one alert.
    """

    least_readings: int = 3
    least_us: int = 10_000_000
    gap_us: int = 120_000_000
    live_v: float = 60.0
    failure_mode: FailureMode = FailureMode.ONBOARD_ALARM
    model_version: str = "interlock-rule-1"
    horizon_h: float = 24.0
    family: Family = Family.DRIVE
    columns: tuple[str, ...] = ("hv.interlock", "pack.voltage")
    context: tuple[str, ...] = ()
    window_us: int = 180_000_000
    blind_spots: tuple[str, ...] = (
        "a vehicle that does not send the state of its interlock",
        "a plug that makes bad contact without opening the loop",
    )

    def empty(self, n_vehicles: int, spec: VehicleSpec) -> State:
        """Return a state that knows no reading."""
        return empty_persistence(n_vehicles, "open")

    def take(self, state: State, readings: Readings, spec: VehicleSpec) -> LiveRisk:
        """Take readings into the state and return the risk after each of them."""
        n = len(readings)
        probability, since = np.full((n, 1), np.nan), np.full((n, 1), np.nan)
        loop, volts = (np.asarray(readings.columns[a], dtype=np.float64) for a in self.columns)
        is_known = np.isfinite(loop) & np.isfinite(volts)
        is_open = self.could_tell(readings, spec)
        for some in rounds(readings.at):
            at, time_us = readings.at[some], readings.time_us[some]
            count, lasts = hold(
                state,
                "open",
                at,
                time_us,
                is_it=is_open[some],
                is_known=is_known[some],
                gap_us=self.gap_us,
            )
            held = (count >= self.least_readings) & (lasts >= self.least_us)
            heard = state["open_seen_us"][at] > 0
            probability[some, 0] = np.where(
                held, _SURE, np.where(heard, np.where(count > 0, _SUSPECT, 0.0), np.nan)
            )
            since[some, 0] = state["open_since_us"][at].astype(np.float64)
        return LiveRisk(
            probability=probability, severity=np.full((n, 1), 2, dtype=np.int64), detail={"since_us": since}
        )

    def could_tell(self, readings: Readings, spec: VehicleSpec) -> BoolArray:
        """Mark readings of an open loop with the pack live."""
        loop, volts = (np.asarray(readings.columns[a], dtype=np.float64) for a in self.columns)
        return np.asarray((loop == 2) & (volts >= self.live_v))

    def explain(
        self, state: State, risk: LiveRisk, readings: Readings, place: tuple[int, int], spec: VehicleSpec
    ) -> LiveExplanation:
        """Return for how long the loop has been open."""
        now = int(readings.time_us[place[0]])
        since = int(np.nan_to_num(risk.detail["since_us"][place])) or now
        seconds = (now - since) / 1e6
        reasons = (
            Reason(
                feature="interlock_open_s",
                value=round(seconds, 1),
                unit="s",
                healthy_low=0.0,
                healthy_high=self.least_us / 1e6,
                text_en=f"the high-voltage interlock has been open for {seconds:.0f} s with the pack live",
                text_zh=f"高压互锁断开已 {seconds:.0f} 秒，而动力电池仍带电",
            ),
            Reason(
                feature="clears_when_closed",
                value=0.0,
                unit="s",
                text_en="clears when the loop stays closed for a day",
                text_zh="互锁保持闭合一天后解除",
            ),
        )
        evidence = {
            "time": [since // 1000, now // 1000],
            "series": {"open": [1, 1]},
            "unit": "s",
            "title_en": "High-voltage interlock open",
            "title_zh": "高压互锁断开",
        }
        return LiveExplanation(reasons=reasons, evidence=evidence, since_us=since, ttt_h=None)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return ``battery``."""
        return "battery"
