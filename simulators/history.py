"""The past of a fleet: day after day of driving, charging and standing, ending at an exact instant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.records import FamilyRows
from simulators.chance import Floats, VehicleChance
from simulators.climate import DAY_S
from simulators.emission import Mask, emit, report_masks
from simulators.fleet import Fleet
from simulators.schedule import DRIVING, PARKED, TRIPS, Day, Ints, day_begin, plan_day
from simulators.vehicle import Inputs, Trace, VehicleState


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


class History:
    """Simulates a fleet from its start to an end; afterwards ``state`` and ``routes`` stand at that end."""

    def __init__(self, fleet: Fleet) -> None:
        """Put every vehicle at home at the start of the fleet."""
        self.fleet = fleet
        self.chance = VehicleChance(fleet.seed, len(fleet))
        self.state = VehicleState(fleet, self.chance)
        n = len(fleet)
        self.routes = Routes(
            origin=fleet.home.copy(),
            target=fleet.home.copy(),
            rise_from_m=np.zeros(n),
            rise_to_m=np.zeros(n),
            fraction=np.ones(n),
            length_m=np.ones(n),
            activity=np.zeros(n, np.int64),
            charge_to=np.full(n, 0.9),
        )

    def days(self, end_s: float) -> Iterator[list[FamilyRows]]:
        """Yield the rows of one simulated day after another, drive, tire and cell, up to ``end_s``."""
        for trace in self.traces(end_s):
            yield emit(self.state, trace, self.chance, *report_masks(trace))

    def traces(self, end_s: float) -> Iterator[Trace]:
        """Yield what the sensors could see, one simulated day after another."""
        begin = day_begin(self.fleet.start_s)
        while begin < end_s:
            yield self._run_day(plan_day(self.fleet, self.chance, begin, self.state.soc), end_s)
            begin += DAY_S

    def _run_day(self, day: Day, end_s: float) -> Trace:
        n, width = day.time_s.shape
        is_inside = day.is_valid & (day.time_s >= self.fleet.start_s) & (day.time_s <= end_s)
        time_s = np.minimum(np.maximum(day.time_s, self.fleet.start_s), end_s)
        trip = np.maximum(day.trip, 0)
        position, heading = positions(_take(day.origin, trip), _take(day.target, trip), day.fraction)
        begun = day.trip >= 0
        position = np.where(begun[..., None], position, self.fleet.home[:, None, :])
        rows = np.arange(n)[:, None]
        rise = day.rise_m[rows, trip] + (day.rise_m[rows, trip + 1] - day.rise_m[rows, trip]) * day.fraction
        altitude = self.fleet.home_altitude_m[:, None] + np.where(begun, rise, 0.0)
        noise = self.chance.normal(width, 2, 4)
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
            )
            to.speed_mps = np.where(is_past, self.state.speed_mps, to.speed_mps)
            self.state.advance(to, noise[:, k], trace, k)
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
        )


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


__all__ = ["History", "Mask", "Routes", "positions"]
