"""The present of a fleet: the same vehicles go on second by second from where their past ended."""

from __future__ import annotations

import numpy as np

from data.records import FailureMode, FamilyRows
from simulators.chance import Floats
from simulators.emission import Mask, emit
from simulators.fleet import distance_between
from simulators.history import History, positions
from simulators.physics.driving import Inputs
from simulators.physics.runaway import LASTS_S
from simulators.physics.trace import Trace
from simulators.schedule import CHARGING, DRIVING, PARKED

#: Seconds between two reports, by activity: parked, driving, charging.
REPORT_S = np.array([20.0, 5.0, 10.0])
_STEP_S = 1.0
_LONG_STEP_S = 30.0
_TOWN_MPS, _ROAD_MPS = 11.0, 31.0
#: Who will lose a tire is on a road this long.
_ROAD_M = 60_000.0


class LiveFleet:
    """Drives, charges and parks the vehicles in real time; about a third of them is under way."""

    def __init__(self, history: History, begin_s: float) -> None:
        """Take the fleet over at the end of its history, ``begin_s`` in seconds since 1970."""
        self._history = history
        state, routes, chance = history.state, history.routes, history.chance
        n = len(history.fleet)
        self._activity = routes.activity.copy()
        self._fraction = np.where(self._activity == DRIVING, routes.fraction, 1.0)
        self._length_m = np.maximum(routes.length_m, 500.0)
        self._step = np.where(self._activity == PARKED, 0, 1)
        self._until_s = np.full(n, np.inf)
        self._report_s = np.zeros(n)
        self._count = np.zeros(n, np.int64)
        self._look_s = begin_s
        self._hazard_at_s = np.array([np.inf if h is None else h.at_s for h in history.habits.hazard])
        self._hazard_at_s = np.where(np.isfinite(history.hazard_s), np.inf, self._hazard_at_s)
        burns = history.fleet.plan.mask(FailureMode.BATTERY_THERMAL_EVENT)
        self._rolls = np.isfinite(self._hazard_at_s) & ~burns
        self._move(begin_s)  # the newest reports lie up to an hour apart

        draw = chance.uniform(3)
        is_parked = self._activity == PARKED
        sets_off = is_parked & ((draw[:, 0] < 0.3) | self._rolls)
        is_home = np.abs(routes.target - history.fleet.home).max(axis=1) < 1e-9
        plugs_in = is_parked & ~sets_off & is_home & (draw[:, 0] < 0.5) & (state.soc < 0.8)
        self._until_s = begin_s + np.where(sets_off, 2.0 + 20.0 * draw[:, 1], 600.0 + 7200.0 * draw[:, 1])
        self._activity = np.where(plugs_in, CHARGING, self._activity)
        self._step = np.where(plugs_in, 0, self._step)
        self._report_s = begin_s + REPORT_S[self._activity] * draw[:, 2]

    def advance(self, now_s: float) -> list[FamilyRows] | None:
        """Move the fleet to ``now_s`` and return the rows of the vehicles due to report, None when none is.

        Steps of one second; after a long pause in steps of half a minute.
        """
        state = self._history.state
        trace: Trace | None = None
        if now_s >= self._look_s:
            state.begin_day(now_s)
            self._look_s = now_s + 600.0
        while True:
            behind = now_s - float(state.time_s.min())
            if behind < 0.5:
                break
            trace = self._move(
                float(state.time_s.min()) + min(behind, _LONG_STEP_S if behind > 120 else _STEP_S)
            )
        if trace is None:
            return None
        due = self._report_s <= now_s
        if not due.any():
            return None
        is_dense = (now_s >= self._hazard_at_s) & (now_s < self._hazard_at_s + LASTS_S)
        every_s = np.where(is_dense, _STEP_S, REPORT_S[self._activity])
        self._report_s = np.where(due, now_s + every_s - 0.5 * is_dense, self._report_s)
        self._count += due
        rows: Mask = due[:, None]
        cells: Mask = rows & (is_dense | (self._activity != DRIVING) | (self._count % 2 == 0))[:, None]
        history = self._history
        return emit(
            state, trace, history.chance, rows, cells, sensors=history.sensors, runaways=history.runaways
        )

    def _hazards(self, to_s: float) -> Floats:
        """Return (F,) when the hazard under way began, infinite where there is none; sets packs on fire."""
        begins = (to_s >= self._hazard_at_s) & ~np.isfinite(self._history.hazard_s)
        for row in np.flatnonzero(begins).tolist():
            self._history.hazard_s[row] = self._hazard_at_s[row]
            if not self._rolls[row]:
                self._history.ignite(row, float(self._hazard_at_s[row]))
        return np.where(to_s >= self._hazard_at_s, self._hazard_at_s, np.inf)

    def _move(self, to_s: float) -> Trace:
        state, routes, fleet, chance = (
            self._history.state,
            self._history.routes,
            self._history.fleet,
            self._history.chance,
        )
        n = len(fleet)
        dt = np.maximum(to_s - state.time_s, 0.0)
        draw = chance.uniform(4)
        is_driving = self._activity == DRIVING
        speed = self._speed(is_driving, dt, chance.normal(1)[:, 0].astype(np.float64))
        self._fraction = np.where(
            is_driving,
            np.minimum(self._fraction + 0.5 * (state.speed_mps + speed) * dt / self._length_m, 1.0),
            self._fraction,
        )
        arrives = is_driving & (self._fraction >= 1.0)
        leaves = ~is_driving & (to_s >= self._until_s) & (state.soc > 0.2)
        speed = np.where(arrives, 0.0, speed)
        self._step = np.where(leaves, 0, self._step + 1)
        self._set_off(leaves, draw)
        position, heading = positions(routes.origin, routes.target, self._fraction)
        rise = routes.rise_from_m + (routes.rise_to_m - routes.rise_from_m) * self._fraction
        trace = Trace.empty(n, 1)
        inputs = Inputs(
            time_s=np.full(n, to_s),
            is_valid=np.ones(n, np.bool_),
            activity=self._activity.copy(),
            step=self._step.copy(),
            speed_mps=speed,
            position=position,
            heading_deg=heading,
            altitude_m=fleet.home_altitude_m + rise,
            charge_to=routes.charge_to,
            charge_w=routes.charge_w,
            sun_degc=np.zeros(n),
            hazard_s=self._hazards(to_s),
        )
        state.advance(inputs, chance.normal(2, 5), trace, 0)
        self._activity = np.where(arrives, PARKED, self._activity)
        self._until_s = np.where(arrives, to_s + 180.0 + 1200.0 * draw[:, 3], self._until_s)
        self._report_s = np.where(arrives | leaves, to_s, self._report_s)
        return trace

    def _speed(
        self, is_driving: np.ndarray[tuple[int], np.dtype[np.bool_]], dt: Floats, noise: Floats
    ) -> Floats:
        """Return the next speeds in m/s: wandering around 40 km/h, braking before the destination."""
        keep = np.exp(-0.06 * dt)
        now = self._history.state.speed_mps
        pace = np.where(self._rolls, _ROAD_MPS, _TOWN_MPS)
        drawn = pace + (now - pace) * keep + 3.0 * np.sqrt(1.0 - keep**2) * noise
        drawn = np.clip(drawn, np.maximum(now - 3.0 * dt, 1.0), now + 2.5 * dt)
        left_m = (1.0 - self._fraction) * self._length_m
        return np.asarray(np.where(is_driving, np.minimum(drawn, np.sqrt(2.0 * left_m) + 0.8), 0.0))

    def _set_off(self, leaves: Mask, draw: Floats) -> None:
        """Send vehicles on their way: from home to work, from anywhere else home."""
        if not leaves.any():
            return
        routes, fleet = self._history.routes, self._history.fleet
        here = routes.target
        is_home = np.abs(here - fleet.home).max(axis=1) < 1e-9
        there = np.where(is_home[:, None], fleet.work, fleet.home)
        apart = distance_between(here, there)
        routes.origin = np.where(leaves[:, None], here, routes.origin)
        routes.target = np.where(leaves[:, None], there, routes.target)
        routes.rise_from_m = np.where(leaves, routes.rise_to_m, routes.rise_from_m)
        routes.rise_to_m = np.where(leaves, 0.0, routes.rise_to_m)
        self._fraction = np.where(leaves, 0.0, self._fraction)
        least_m = np.where(self._rolls, _ROAD_M, 500.0)
        self._length_m = np.where(
            leaves, np.maximum(apart * (1.2 + 0.2 * draw[:, 0]), least_m), self._length_m
        )
        self._activity = np.where(leaves, DRIVING, self._activity)
