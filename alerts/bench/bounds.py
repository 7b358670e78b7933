"""What the orders of the benchmark would cost at best, and what the nearest station for each costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from alerts.bench.duals import Capacity, Kind, capacities_of, lower_bound
from alerts.bench.scenario import Fault, Scenario
from alerts.calendars import Calendar
from alerts.costs import Merits, costs_of
from alerts.jobs import STEP_MINUTES, Job
from alerts.network import Network
from alerts.obstacles import fit_bays, fit_technicians
from alerts.rules import Policy
from alerts.slots import TimeGrid
from alerts.stations import Occupancy, Station
from alerts.ways import distance_km
from data.records import BoolArray, FloatArray

_ROUNDS = 120
_PER_HOUR = 60 // STEP_MINUTES


@dataclass(frozen=True, slots=True)
class Bounds:
    """Mean costs per order."""

    lower_bound: float  #: Lagrangian: bays and technicians are limited
    alone: float  #: every order at its cheapest station, as if it were the only one
    greedy_cost: float  #: one after the other, each at the nearest station that can ever do it
    greedy_placed: int


def bounds_of(
    scenario: Scenario,
    network: Network,
    *,
    policy: Policy,
    road_factor: float,
    now: datetime,
    reached: float,
) -> Bounds:
    """Return lower bounds and the cost of the nearest station, with the rules of the router.

    Args:
        scenario: Vehicles and faults.
        network: Stations without any booking.
        policy: Urgencies, limits and costs.
        road_factor: Road distance over great-circle distance.
        now: When all orders are opened.
        reached: Mean cost of a schedule that is possible; steers the search for the bound only.
    """
    longest_h = max(policy.severities[f.severity].deadline_h for f in scenario.faults)
    grid = TimeGrid.between(now, now + timedelta(hours=longest_h, days=policy.order.overdue_days))
    calendars = [_make_calendar(s, network, grid) for s in network.stations]
    faults = sorted(set(scenario.faults), key=lambda f: (f.severity, f.failure_mode))
    jobs = {fault: network.jobs[fault.failure_mode] for fault in faults}
    can = {fault: np.array([_can_do(s, job) for s in network.stations]) for fault, job in jobs.items()}
    kinds = [
        Kind(
            job=jobs[fault],
            orders=np.flatnonzero([f == fault for f in scenario.faults]),
            possible=np.stack([_possible(c, jobs[fault]) for c in calendars]),
            start_costs=_start_costs(fault, policy, grid, now),
        )
        for fault in faults
    ]
    way_km = road_factor * np.stack(
        [
            distance_km(lat, lon, network.lats, network.lons)
            for lat, lon in zip(scenario.vehicle_lats.tolist(), scenario.vehicle_lons.tolist(), strict=True)
        ]
    )
    offset_h = (grid.start - now) / timedelta(hours=1)
    notice_h = np.array([policy.severities[f.severity].notice_h for f in scenario.faults])[:, None]
    arrival = notice_h + way_km / policy.order.road_speed_km_per_h - offset_h
    first = np.clip(np.ceil(arrival * _PER_HOUR - 1e-9), 0, grid.count).astype(np.int64)
    is_fit = np.stack([can[f] for f in scenario.faults]) & (way_km <= policy.order.longest_way_km)
    way_costs = np.where(is_fit, policy.cost.way * way_km / policy.cost.way_km, np.inf)
    count = len(scenario.faults)
    bounds = [
        lower_bound(kinds, some, first=first, way_costs=way_costs, upper=reached * count, rounds=_ROUNDS)
        for some in (_capacities(kinds, network, calendars), [])
    ]
    greedy = []
    for number, fault in enumerate(scenario.faults):
        nearest = int(np.where(can[fault], way_km[number], np.inf).argmin())
        taken = calendars[nearest].take(jobs[fault], first=int(first[number, nearest]), last=grid.count)
        if taken is not None and is_fit[number, nearest]:
            start_cost = _start_costs(fault, policy, grid, now)[taken[0]]
            greedy.append(float(start_cost + way_costs[number, nearest]))
    return Bounds(
        lower_bound=max(bounds) / count,
        alone=bounds[1] / count,
        greedy_cost=float(np.mean(greedy)) if greedy else 0.0,
        greedy_placed=len(greedy),
    )


def _make_calendar(station: Station, network: Network, grid: TimeGrid) -> Calendar:
    """Return a station's calendar with parts for everything."""
    stock = {part.sku: 1_000_000 for job in network.jobs.values() for part in job.parts}
    return Calendar(station, Occupancy(stock=stock), grid, network.work_times.mask)


def _can_do(station: Station, job: Job) -> bool:
    is_certified = station.has_hv_certificate or not job.needs_hv
    return is_certified and bool(fit_bays(station, job)) and bool(fit_technicians(station, job))


def _possible(calendar: Calendar, job: Job) -> BoolArray:
    """Return at which steps the job could begin at a station that has nothing else to do."""
    station = calendar.station
    found = np.zeros(calendar.bays.shape[1], dtype=np.bool_)
    if not _can_do(station, job):
        return found
    bays = [station.bays.index(bay) for bay in fit_bays(station, job)]
    people = [station.technicians.index(who) for who in fit_technicians(station, job)]
    is_free = np.ones(len(found) - job.step_count + 1, dtype=np.bool_)
    for rows in (calendar.bays[bays], calendar.technicians[people]):
        runs = np.lib.stride_tricks.sliding_window_view(rows, job.step_count, axis=1)
        is_free &= runs.all(axis=2).any(axis=0)
    found[: len(is_free)] = is_free
    return found


def _start_costs(fault: Fault, policy: Policy, grid: TimeGrid, now: datetime) -> FloatArray:
    """Return what a start at each step costs without the way; infinite beyond the search's horizon."""
    deadline_h = policy.severities[fault.severity].deadline_h
    start_h = (grid.start - now) / timedelta(hours=1) + np.arange(grid.count) / _PER_HOUR
    late = (start_h > deadline_h).astype(np.float64)
    costs = costs_of(policy.cost, Merits(delay=start_h / deadline_h, way_km=0.0, late=late))
    return np.where(start_h <= deadline_h + 24 * policy.order.overdue_days, costs, np.inf)


def _capacities(kinds: Sequence[Kind], network: Network, calendars: Sequence[Calendar]) -> list[Capacity]:
    stations = network.stations
    offsets = {
        "bays": np.cumsum([0, *(len(s.bays) for s in stations)]).tolist(),
        "technicians": np.cumsum([0, *(len(s.technicians) for s in stations)]).tolist(),
    }
    rows: Mapping[str, list[list[tuple[int, ...]]]] = {
        "bays": [
            [
                tuple(offsets["bays"][n] + s.bays.index(b) for b in fit_bays(s, k.job))
                for n, s in enumerate(stations)
            ]
            for k in kinds
        ],
        "technicians": [
            [
                tuple(offsets["technicians"][n] + s.technicians.index(t) for t in fit_technicians(s, k.job))
                for n, s in enumerate(stations)
            ]
            for k in kinds
        ],
    }
    free = {
        "bays": np.concatenate([c.bays for c in calendars]),
        "technicians": np.concatenate([c.technicians for c in calendars]),
    }
    return capacities_of(kinds, rows, free)
