"""What the orders of the benchmark would cost at best, and what the nearest station for each costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from alerts.bench.scenario import Scenario
from alerts.costs import Merits, costs_of
from alerts.jobs import Job
from alerts.network import Network
from alerts.rules import CostRule, Policy
from alerts.slots import TimeGrid, earliest_slot, stack
from alerts.stations import Station
from alerts.ways import distance_km
from data.records import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Bounds:
    """Mean costs per order."""

    lower_bound: float  #: every order at its cheapest station, as if it were the only one
    greedy_cost: float  #: one after the other, each at the nearest station that can ever do it
    greedy_placed: int


class _Calendar:
    """One station's free time, as appointments are taken out of it."""

    def __init__(self, station: Station, grid: TimeGrid) -> None:
        is_open = grid.work_mask(station.time_zone, station.hours)
        self._station = station
        self._bays = stack([is_open.copy() for _ in station.bays], grid.count)
        self._technicians = stack(
            [grid.work_mask(station.time_zone, t.shift) for t in station.technicians], grid.count
        )

    def rows_for(self, job: Job) -> tuple[list[int], list[int]]:
        bays = [n for n, bay in enumerate(self._station.bays) if job.bay_kinds <= bay.kinds]
        people = [n for n, who in enumerate(self._station.technicians) if job.skills <= who.skills]
        return bays, people

    def can(self, job: Job) -> bool:
        is_certified = self._station.has_hv_certificate or not job.needs_hv
        return is_certified and all(self.rows_for(job))

    def starts(self, job: Job) -> BoolArray:
        """Return at which steps the job could begin now."""
        bays, people = self.rows_for(job)
        count = self._bays.shape[1]
        found = np.ones(count, dtype=np.bool_)
        for rows in (self._bays[bays], self._technicians[people]):
            runs = np.lib.stride_tricks.sliding_window_view(rows, job.step_count, axis=1)
            found[: runs.shape[1]] &= runs.all(axis=2).any(axis=0)
            found[runs.shape[1] :] = False
        return found

    def take(self, job: Job, first: int) -> int | None:
        """Take the earliest time from ``first`` on and return its step; None: there is none."""
        bays, people = self.rows_for(job)
        found = earliest_slot(
            self._bays[bays], self._technicians[people], step_count=job.step_count, first=first
        )
        if found is None:
            return None
        span = slice(found.start_index, found.start_index + job.step_count)
        self._bays[bays[found.bay], span] = False
        self._technicians[people[found.technician], span] = False
        return found.start_index


def bounds_of(
    scenario: Scenario,
    network: Network,
    *,
    policy: Policy,
    road_factor: float,
    now: datetime,
) -> Bounds:
    """Return the lower bound and the cost of the nearest station, with the rules of the router.

    The lower bound is the relaxation without capacity: no order takes another's time or parts.
    """
    longest_h = max(policy.severities[f.severity].deadline_h for f in scenario.faults)
    horizon = timedelta(hours=longest_h, days=policy.order.overdue_days)
    grid = TimeGrid.between(now, now + horizon)
    stations = network.stations
    jobs = {f.failure_mode: network.jobs[f.failure_mode] for f in scenario.faults}
    calendars = [_Calendar(station, grid) for station in stations]
    first_free = {mode: _first_free(calendars, job, grid) for mode, job in jobs.items()}
    can = {mode: np.array([c.can(job) for c in calendars]) for mode, job in jobs.items()}
    best: list[float] = []
    greedy: list[float] = []
    offset_h = (grid.start - now).total_seconds() / 3600
    for number, fault in enumerate(scenario.faults):
        mode, rule = fault.failure_mode, policy.severities[fault.severity]
        place = float(scenario.vehicle_lats[number]), float(scenario.vehicle_lons[number])
        way_km = distance_km(*place, network.lats, network.lons) * road_factor
        is_fit = can[mode] & (way_km <= policy.order.longest_way_km)
        if not is_fit.any():
            continue
        wait_h = rule.notice_h + way_km / policy.order.road_speed_km_per_h - offset_h
        first = np.clip(np.ceil(wait_h * 4), 0, grid.count).astype(np.int64)
        last = rule.deadline_h + 24 * policy.order.overdue_days
        steps = first_free[mode][np.arange(len(stations)), first]
        start_h = steps / 4 + offset_h
        is_fit &= (steps < grid.count) & (start_h <= last)
        if is_fit.any():
            costs = _costs(policy.cost, start_h[is_fit], way_km[is_fit], rule.deadline_h)
            best.append(float(costs.min()))
        nearest = int(np.where(can[mode], way_km, np.inf).argmin())
        taken = calendars[nearest].take(jobs[mode], int(first[nearest]))
        if taken is not None and way_km[nearest] <= policy.order.longest_way_km:
            hours = np.array([taken / 4 + offset_h])
            greedy.append(
                float(_costs(policy.cost, hours, way_km[nearest : nearest + 1], rule.deadline_h)[0])
            )
    return Bounds(
        lower_bound=float(np.mean(best)) if best else 0.0,
        greedy_cost=float(np.mean(greedy)) if greedy else 0.0,
        greedy_placed=len(greedy),
    )


def _costs(rule: CostRule, start_h: FloatArray, way_km: FloatArray, deadline_h: float) -> FloatArray:
    late = (start_h > deadline_h).astype(np.float64)
    return costs_of(rule, Merits(delay=start_h / deadline_h, way_km=way_km, late=late))


def _first_free(calendars: Sequence[_Calendar], job: Job, grid: TimeGrid) -> IntArray:
    """Return the first possible start at or after each step; ``count`` where there is none."""
    first = np.full((len(calendars), grid.count + 1), grid.count, dtype=np.int64)
    for number, calendar in enumerate(calendars):
        if calendar.can(job):
            steps = np.where(calendar.starts(job), np.arange(grid.count), grid.count)
            first[number, :-1] = np.minimum.accumulate(steps[::-1])[::-1]
    return first
