"""The past of a fleet: day after day of driving, charging and standing, ending at an exact instant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, FamilyRows, Truth
from simulators.chance import Floats, Ints, VehicleChance
from simulators.climate import DAY_S
from simulators.emission import emit, report_masks
from simulators.faults import Witness, truth_rows
from simulators.fleet import Fleet
from simulators.habits import Habits
from simulators.physics.chemistry import open_circuit_v
from simulators.physics.driving import Inputs
from simulators.physics.runaway import Runaway, run_away
from simulators.physics.trace import Trace
from simulators.physics.vehicle import VehicleState
from simulators.schedule import CHARGER_W, DRIVING, PARKED, Day, day_begin, plan_day
from simulators.sensors import SensorFaults
from simulators.trips import TRIPS

#: A draw so large that a transmission is lost: nothing is heard at instants that are only padding.
SILENCE = 9.0
#: From runaway to danger for the occupants, as GB 38031 reckons.
DANGER_S = 300.0


@dataclass(slots=True, kw_only=True)
class Routes:
    """Where every vehicle is bound for, (F, ...); what a live continuation goes on from."""

    origin: Floats  #: (F, 2)
    target: Floats  #: (F, 2)
    rise_from_m: Floats  #: (F,)
    rise_to_m: Floats  #: (F,)
    fraction: Floats  #: (F,)
    length_m: Floats  #: (F,)
    activity: Ints  #: (F,)
    charge_to: Floats  #: (F,)
    charge_w: Floats  #: (F,)


class History:
    """Simulates a fleet from its start to an end; afterwards ``state`` and ``routes`` stand at that end."""

    def __init__(self, fleet: Fleet) -> None:
        """Put every vehicle at home at the start of the fleet."""
        n = len(fleet)
        self.fleet = fleet
        self.chance = VehicleChance(fleet.seed, n, first=fleet.first)
        self.state = VehicleState(fleet, self.chance)
        self.sensors = SensorFaults(fleet.plan)
        self.habits = Habits.of(fleet)
        self.hazard_s = np.full(n, np.inf)  #: when each vehicle's hazard has come
        self.runaways: tuple[Runaway, ...] = ()
        self.soh_percent: list[Floats] = []  #: (F,) at the end of each day, the truth
        self.routes = Routes(
            origin=fleet.home.copy(),
            target=fleet.home.copy(),
            rise_from_m=np.zeros(n),
            rise_to_m=np.zeros(n),
            fraction=np.ones(n),
            length_m=np.ones(n),
            activity=np.zeros(n, np.int64),
            charge_to=np.full(n, 0.9),
            charge_w=np.full(n, CHARGER_W),
        )

    def days(self, end_s: float) -> Iterator[list[FamilyRows]]:
        """Yield the rows of one simulated day after another, drive, tire and cell, up to ``end_s``."""
        for trace in self.traces(end_s):
            yield self.emit(trace)

    def emit(self, trace: Trace) -> list[FamilyRows]:
        """Return what the sensors say of a trace that has just been yielded."""
        return emit(
            self.state,
            trace,
            self.chance,
            *report_masks(trace),
            sensors=self.sensors,
            runaways=self.runaways,
        )

    def traces(self, end_s: float) -> Iterator[Trace]:
        """Yield what the sensors could see, one simulated day after another."""
        begin = day_begin(self.fleet.start_s)
        while begin < end_s:
            is_over = np.isfinite(self.hazard_s)
            self.state.begin_day(begin)
            day = plan_day(self.fleet, self.habits, self.chance, begin, self.state.soc, is_over=is_over)
            trace = self._run_day(day, end_s)
            yield trace
            self.soh_percent.append(100.0 * self.state.cells.soh)
            if begin + DAY_S <= end_s:
                self.state.close_day(np.isfinite(day.hazard_s))
            begin += DAY_S

    def witnesses(self) -> dict[int, Witness]:
        """Return what has been seen of each injection, by its place in the plan."""
        out: dict[int, Witness] = {}
        fires = {fire.vehicle: fire for fire in self.runaways}
        tires = self.state.tires
        for place, one in enumerate(self.fleet.plan.injections):
            row, wheel = one.vehicle, one.element
            if one.kind == FailureMode.BATTERY_THERMAL_EVENT:
                if row in fires:
                    runs_s = fires[row].runs_s
                    out[place] = Witness(
                        onset_s=fires[row].begin_s, threshold_s=runs_s, failure_s=runs_s + DANGER_S
                    )
            elif one.is_hazard:
                burst_s, flat_s = float(tires.burst_at_s[row, wheel]), float(tires.flat_at_s[row, wheel])
                is_belt = one.kind == FailureMode.TIRE_BLOWOUT_RISK
                limit_s = burst_s if is_belt else float(tires.legal_at_s[row, wheel])
                onset_s = float(self.hazard_s[row])
                out[place] = Witness(
                    onset_s=onset_s if np.isfinite(onset_s) else None,
                    threshold_s=limit_s,
                    failure_s=burst_s if is_belt else flat_s,
                )
            elif one.kind == FailureMode.TIRE_SLOW_LEAK:
                out[place] = Witness(
                    threshold_s=_seen(tires.legal_at_s[row, wheel]),
                    failure_s=_seen(tires.flat_at_s[row, wheel]),
                )
            elif one.kind == FailureMode.LV_BATTERY:
                out[place] = Witness(threshold_s=_seen(self.state.lv.low_at_s[row]))
        return out

    def truths(self) -> list[Truth]:
        """Return the truth table as far as it has happened, and what is planned beyond."""
        return truth_rows(
            self.fleet.plan,
            [v.vin for v in self.fleet.vehicles],
            end_s=self.fleet.end_s,
            first=self.fleet.first,
            seen=self.witnesses(),
        )

    def ignite(self, row: int, begin_s: float) -> None:
        """Let a planned runaway begin."""
        model, cells = self.fleet.model_of(row), self.state.cells
        one = next(i for i in self.fleet.plan.of(FailureMode.BATTERY_THERMAL_EVENT) if i.vehicle == row)
        volts = open_circuit_v(self.state.soc[row], cells.is_lfp[row])
        fire = run_away(
            np.random.default_rng(np.random.SeedSequence([self.fleet.seed, 0xF17E, self.fleet.first + row])),
            vehicle=row,
            begin_s=begin_s,
            cell=int(one.p["cell"]),
            short_ohm=one.magnitude * 150.0 / model.capacity_ah,
            volts=float(volts),
            cell_count=model.cell_count,
            probe_count=model.probe_count,
            capacity_ah=model.capacity_ah,
            chemistry=model.chemistry,
            degc=float(self.state.pack_degc[row]),
        )
        self.runaways = (*self.runaways, fire)

    def _run_day(self, day: Day, end_s: float) -> Trace:
        n, width = day.time_s.shape
        begins = np.isfinite(day.hazard_s) & (day.hazard_s <= end_s)
        self.hazard_s = np.where(begins, day.hazard_s, self.hazard_s)
        burns = self.fleet.plan.mask(FailureMode.BATTERY_THERMAL_EVENT) & begins
        for row in np.flatnonzero(burns).tolist():
            self.ignite(row, float(day.hazard_s[row]))
        is_inside = day.is_valid & (day.time_s >= self.fleet.start_s) & (day.time_s <= end_s)
        time_s = np.minimum(np.maximum(day.time_s, self.fleet.start_s), end_s)
        trip = np.maximum(day.trip, 0)
        position, heading = positions(_take(day.origin, trip), _take(day.target, trip), day.fraction)
        begun = day.trip >= 0
        position = np.where(begun[..., None], position, self.fleet.home[:, None, :])
        rows = np.arange(n)[:, None]
        rise = day.rise_m[rows, trip] + (day.rise_m[rows, trip + 1] - day.rise_m[rows, trip]) * day.fraction
        altitude = self.fleet.home_altitude_m[:, None] + np.where(begun, rise, 0.0)
        noise = self.chance.normal_padded(day.is_valid.sum(axis=1), width, 2, 5)
        noise[~day.is_valid, 1] = SILENCE
        trace = Trace.empty(n, width)
        for k in range(width):
            is_past = day.time_s[:, k] > end_s
            to = Inputs(
                time_s=np.where(is_past, self.state.time_s, time_s[:, k]),
                is_valid=is_inside[:, k],
                activity=day.activity[:, k],
                step=day.step[:, k],
                speed_mps=day.speed_mps[:, k],
                position=position[:, k],
                heading_deg=heading[:, k],
                altitude_m=np.where(is_past, self.state.altitude_m, altitude[:, k]),
                charge_to=day.charge_to,
                charge_w=day.charge_w,
                sun_degc=day.sun_degc,
                hazard_s=day.hazard_s,
            )
            to.speed_mps = np.where(is_past, self.state.speed_mps, to.speed_mps)
            self.state.advance(to, noise[:, k], trace, k)
        trace.is_dense[:] = day.is_dense
        self._remember(day, altitude, end_s)
        return trace

    def _remember(self, day: Day, altitude: Floats, end_s: float) -> None:
        """Keep where each vehicle is at its last instant of this day before the end."""
        n = len(self.fleet)
        last = np.maximum((day.is_valid & (day.time_s <= end_s)).sum(axis=1) - 1, 0)
        rows = np.arange(n)
        trip = np.maximum(day.trip[rows, last], 0)
        begun = day.trip[rows, last] >= 0
        home = self.fleet.home
        self.routes = Routes(
            origin=np.where(begun[:, None], day.origin[rows, trip], home),
            target=np.where(begun[:, None], day.target[rows, trip], home),
            rise_from_m=np.where(begun, day.rise_m[rows, trip], 0.0),
            rise_to_m=np.where(begun, day.rise_m[rows, np.minimum(trip + 1, TRIPS)], 0.0),
            fraction=np.where(begun, day.fraction[rows, last], 1.0),
            length_m=np.maximum(day.length_m[rows, trip], 1.0),
            activity=np.where(
                (day.activity[rows, last] == DRIVING) & (day.fraction[rows, last] >= 1.0),
                PARKED,
                day.activity[rows, last],
            ),
            charge_to=day.charge_to,
            charge_w=day.charge_w,
        )


def _seen(time_s: float) -> float | None:
    return float(time_s) if np.isfinite(time_s) else None


def _take(places: Floats, trip: Ints) -> Floats:
    return places[np.arange(places.shape[0])[:, None], trip]


def positions(origin: Floats, target: Floats, fraction: Floats) -> tuple[Floats, Floats]:
    """Return latitude and longitude on a bent way, and the heading in degrees from north.

    Args:
        origin: Shape (..., 2), WGS-84.
        target: Shape (..., 2).
        fraction: Shape (...), of the way done, 0-1.
    """
    along = target - origin
    stretch = np.cos(np.radians(origin[..., 0]))
    across = np.stack([-along[..., 1] * stretch, along[..., 0] / np.maximum(stretch, 0.1)], axis=-1)
    bend = 0.12 * np.sin(np.pi * fraction) + 0.03 * np.sin(4 * np.pi * fraction)
    slope = 0.12 * np.pi * np.cos(np.pi * fraction) + 0.12 * np.pi * np.cos(4 * np.pi * fraction)
    point = origin + along * fraction[..., None] + across * bend[..., None]
    way = along + across * slope[..., None]
    heading = np.degrees(np.arctan2(way[..., 1] * stretch, way[..., 0])) % 360.0
    return point, heading
