"""What the orders of the benchmark cost at best, how many are late at least, and what the nearest costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil

import numpy as np

from alerts.bench.duals import Capacity, Kind, capacities_of, lower_bound
from alerts.bench.scenario import Fault, Scenario
from alerts.dispatch.calendars import Calendar, free_rows
from alerts.dispatch.costs import Merits, costs_of
from alerts.dispatch.jobs import STEP_MINUTES, Job
from alerts.dispatch.network import Network
from alerts.dispatch.obstacles import fit_bays, fit_technicians
from alerts.dispatch.slots import TimeGrid
from alerts.dispatch.stations import Occupancy, Station
from alerts.dispatch.ways import distance_km
from alerts.rules import CostRule, Policy
from data.records import BoolArray, FloatArray

_ROUNDS = 300
_PER_HOUR = 60 // STEP_MINUTES
#: Counts late orders, whatever else they cost.
_LATE_ONLY = CostRule(delay=0.0, way=0.0, way_km=1.0, late=1.0, price=0.0, queue=0.0)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Mean costs per order that some station can ever serve."""

    lower_bound: float  #: Lagrangian: bays and technicians are limited
    unavoidable_late: int  #: orders that begin after their deadline whatever is done, at least
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
) -> Bounds:
    """Return lower bounds and the cost of the nearest station, with the rules of the router.

    Args:
        scenario: Vehicles and faults.
        network: Stations without any booking.
        policy: Urgencies, limits and costs.
        road_factor: Road distance over great-circle distance.
        now: When all orders are opened.
    """
    longest_h = max(policy.severities[f.severity].deadline_h for f in scenario.faults)
    # a day more than anybody waits, so that what begins last can end
    grid = TimeGrid.between(now, now + timedelta(hours=longest_h, days=policy.order.overdue_days + 1))
    faults = sorted(set(scenario.faults), key=lambda f: (f.severity, f.failure_mode))
    jobs = {fault: network.jobs[fault.failure_mode] for fault in faults}
    worked = network.work_times.mask
    plenty = Occupancy(
        stock={part.sku: len(scenario.faults) * part.qty for j in jobs.values() for part in j.parts}
    )
    calendars = [
        Calendar(s, plenty, grid, worked, jobs=list(jobs.values()), parts=policy.parts, now=now)
        for s in network.stations
    ]
    can = {fault: np.array([_can_do(s, job) for s in network.stations]) for fault, job in jobs.items()}
    kinds = [
        Kind(
            job=jobs[fault],
            orders=np.flatnonzero([f == fault for f in scenario.faults]),
            possible=np.stack([_as_mask(c.begins(number), grid) for c in calendars]) & can[fault][:, None],
            start_costs=_start_costs(fault, policy, grid, now, cost=policy.cost),
        )
        for number, fault in enumerate(faults)
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
    capacities = _capacities(kinds, network, grid)
    bound, alone = (
        lower_bound(kinds, some, first=first, way_costs=way_costs, rounds=_ROUNDS)
        for some in (capacities, [])
    )
    late = lower_bound(
        [
            replace(kind, start_costs=_start_costs(fault, policy, grid, now, cost=_LATE_ONLY))
            for fault, kind in zip(faults, kinds, strict=True)
        ],
        capacities,
        first=first,
        way_costs=np.where(is_fit, 0.0, np.inf),
        rounds=_ROUNDS,
    )
    count = max(1, int(is_fit.any(axis=1).sum()))
    greedy = []
    for order, fault in enumerate(scenario.faults):
        nearest = int(np.where(can[fault], way_km[order], np.inf).argmin())
        number, arrives = faults.index(fault), int(first[order, nearest])
        begins = calendars[nearest].begins(number) >> arrives
        start = arrives + (begins & -begins).bit_length() - 1
        if begins and is_fit[order, nearest] and np.isfinite(kinds[number].start_costs[start]):
            calendars[nearest].take(number, start)
            greedy.append(float(kinds[number].start_costs[start] + way_costs[order, nearest]))
    return Bounds(
        lower_bound=max(bound, alone) / count,
        unavoidable_late=max(0, ceil(late - 1e-6)),
        alone=alone / count,
        greedy_cost=float(np.mean(greedy)) if greedy else 0.0,
        greedy_placed=len(greedy),
    )


def _can_do(station: Station, job: Job) -> bool:
    is_certified = station.has_hv_certificate or not job.needs_hv
    return is_certified and bool(fit_bays(station, job)) and bool(fit_technicians(station, job))


def _as_mask(bits: int, grid: TimeGrid) -> BoolArray:
    """Return the bits of a grid's steps as truth values; shape (steps,)."""
    octets = np.frombuffer(bits.to_bytes(grid.count // 8 + 1, "little"), dtype=np.uint8)
    return np.unpackbits(octets, count=grid.count, bitorder="little").astype(np.bool_)


def _start_costs(
    fault: Fault, policy: Policy, grid: TimeGrid, now: datetime, *, cost: CostRule
) -> FloatArray:
    """Return what a start at each step costs without the way; infinite beyond the search's horizon."""
    deadline_h = policy.severities[fault.severity].deadline_h
    start_h = (grid.start - now) / timedelta(hours=1) + np.arange(grid.count) / _PER_HOUR
    late = (start_h > deadline_h).astype(np.float64)
    costs = costs_of(cost, Merits(delay=start_h / deadline_h, way_km=0.0, late=late))
    return np.where(start_h <= deadline_h + 24 * policy.order.overdue_days, costs, np.inf)


def _capacities(kinds: Sequence[Kind], network: Network, grid: TimeGrid) -> list[Capacity]:
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
    free = [free_rows(station, Occupancy(), grid, network.work_times.mask) for station in stations]
    return capacities_of(
        kinds,
        rows,
        {
            "bays": np.concatenate([bays for bays, _, _ in free]),
            "technicians": np.concatenate([technicians for _, technicians, _ in free]),
        },
    )
