"""Many orders at once: which goes where and when, so that all together cost least. Pure.

Classes strictly first: the orders of one class are matched with what is free as if the less urgent ones did
not exist. Within a class all kinds of work are matched together, so that none takes the time that another
needs more. A late beginning has its price, and comes before none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

import numpy as np

from alerts.dispatch.arrivals import Supply
from alerts.dispatch.calendars import Calendar
from alerts.dispatch.costs import Merits, costs_of
from alerts.dispatch.jobs import STEP_MINUTES, Job
from alerts.dispatch.matching import Choice, Match, Matching, Wish
from alerts.dispatch.modes import Way
from alerts.dispatch.obstacles import PART_COMING, Obstacle, static_obstacle
from alerts.dispatch.part_rules import PartRule
from alerts.dispatch.slots import TimeGrid
from alerts.dispatch.stations import Occupancy, PassedOver, Plan, Station, Worked
from alerts.dispatch.supply import supply_of
from alerts.facts import Order
from alerts.rules import CostRule, OrderRule, SeverityRule
from data.records import BoolArray, FloatArray, IntArray, Severity

#: The stations that an order may go to, the cheapest to go to.
_CHOICES: Final = 40
#: However few orders there are, they are tried otherwise so often.
_LEAST_ROUNDS: Final = 100
_STEP: Final = timedelta(minutes=STEP_MINUTES)
_HOUR: Final = timedelta(hours=1)
_ELSEWHERE: Final[Obstacle] = (
    "batch",
    "its time serves others who waited at the same time, at less cost for all",
    "同一批次中其时段安排给了其他车辆，整体成本更低",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An order of the batch, its work and the way to all stations."""

    order: Order
    job: Job
    way: Way
    road_km: FloatArray  #: shape (stations,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What all orders of a batch have in common."""

    stations: Sequence[Station]
    occupancy: Mapping[int, Occupancy]  #: by station_id
    worked: Worked
    severities: Mapping[Severity, SeverityRule]
    rule: OrderRule
    cost: CostRule
    parts: PartRule
    improve_rounds: float  #: for each order
    now: datetime

    def occupancy_of(self, station: Station) -> Occupancy:
        """Return what is taken and in stock at a station."""
        return self.occupancy.get(station.station_id, Occupancy())


def match(requests: Sequence[Request], batch: Batch, *, rng: Random) -> dict[int, Plan]:
    """Return appointments by order, late ones marked; orders that find none are left out.

    Args:
        requests: Of one tenant, in any order; none of S0 or S1, which do not wait.
        batch: The network as it is now.
        rng: Source of chance.
    """
    if not requests or not batch.stations:
        return {}
    horizon = max(r.order.deadline for r in requests)
    grid = TimeGrid.between(batch.now, max(horizon, batch.now) + _overdue(batch) + _STEP)
    jobs = list(dict.fromkeys(r.job for r in requests))
    calendars = [
        Calendar(
            station,
            batch.occupancy_of(station),
            grid,
            batch.worked,
            jobs=jobs,
            parts=batch.parts,
            now=batch.now,
        )
        for station in batch.stations
    ]
    plans: dict[int, Plan] = {}
    for severity in sorted({r.order.severity for r in requests}):
        of_class = [r for r in requests if r.order.severity == severity]
        wishes = _wishes(of_class, batch, grid, calendars, jobs)
        matching = Matching(calendars, wishes, late_cost=batch.cost.late, rng=rng)
        matching.improve(max(_LEAST_ROUNDS, round(batch.improve_rounds * len(of_class))))
        for request, found in zip(of_class, matching.matches, strict=True):
            if found is not None:
                plans[request.order.order_id] = _plan_of(request, batch, grid, found)
    return plans


def _overdue(batch: Batch) -> timedelta:
    return timedelta(days=batch.rule.overdue_days)


def _wishes(
    requests: Sequence[Request],
    batch: Batch,
    grid: TimeGrid,
    calendars: Sequence[Calendar],
    jobs: Sequence[Job],
) -> list[Wish]:
    """Return what the orders of one class may have, and at what cost."""
    numbers = {job: number for number, job in enumerate(jobs)}
    way_km = _ways(requests, batch)
    notice_h = batch.severities[requests[0].order.severity].notice_h
    offset_h = (grid.start - batch.now) / _HOUR
    arrival_h = notice_h + way_km / batch.rule.road_speed_km_per_h - offset_h
    first = np.ceil(np.where(np.isfinite(way_km), arrival_h, 0.0) / (_STEP / _HOUR) - 1e-9)
    opened = [request.order.opened_at or batch.now for request in requests]
    span_h = np.array(
        [max((r.order.deadline - o) / _HOUR, 1.0) for r, o in zip(requests, opened, strict=True)]
    )
    waited_h = np.array([(grid.start - o) / _HOUR for o in opened])
    costs = costs_of(
        batch.cost,
        Merits(
            delay=(waited_h / span_h)[:, None],
            way_km=way_km,
            late=0.0,
            dearness=_dearness(batch.stations),
            queue=_queues(calendars),
        ),
    )
    cheapest = np.argsort(costs, axis=1, kind="stable")[:, :_CHOICES]
    counts = np.isfinite(costs).sum(axis=1).tolist()
    choices = zip(
        cheapest.tolist(),
        np.take_along_axis(costs, cheapest, axis=1).tolist(),
        np.maximum(np.take_along_axis(first, cheapest, axis=1), 0).astype(np.int64).tolist(),
        counts,
        strict=True,
    )
    return [
        Wish(
            job=numbers[request.job],
            choices=tuple(map(Choice, stations[:count], prices[:count], begins[:count])),
            delay_cost=batch.cost.delay * (_STEP / _HOUR) / float(span_h[row]),
            in_time=(request.order.deadline - grid.start) // _STEP,
            last=(request.order.deadline + _overdue(batch) - grid.start) // _STEP,
        )
        for row, (request, (stations, prices, begins, count)) in enumerate(
            zip(requests, choices, strict=True)
        )
    ]


def _ways(requests: Sequence[Request], batch: Batch) -> FloatArray:
    """Return the way of orders to stations that they may go to, else infinity; shape (orders, stations)."""
    fit: dict[Job, BoolArray] = {}
    for request in requests:
        if request.job not in fit:
            obstacles = [static_obstacle(s, request.job, request.way, 0.0) for s in batch.stations]
            fit[request.job] = np.array([obstacle is None for obstacle in obstacles])
    ways = np.stack(
        [np.where(fit[r.job] & (r.road_km <= r.way.limit_km), r.road_km, np.inf) for r in requests]
    )
    return np.asarray(ways, dtype=np.float64)


def _dearness(stations: Sequence[Station]) -> FloatArray:
    rates = np.array([float(s.labour_rate) for s in stations])
    cheapest = float(rates[rates > 0].min(initial=np.inf))
    return rates / cheapest - 1 if np.isfinite(cheapest) else np.zeros(len(stations))


def _queues(calendars: Sequence[Calendar]) -> FloatArray:
    """Return the taken share of each station's working time, less the mean of all."""
    loads = np.array([c.load() for c in calendars])
    queues: FloatArray = loads - loads.mean()
    return queues


def _plan_of(request: Request, batch: Batch, grid: TimeGrid, found: Match) -> Plan:
    station, taken = batch.stations[found.station], found.taken
    begins = grid.time_of(taken.start)
    ends = begins + request.job.step_count * _STEP
    return Plan(
        station=station,
        distance_km=float(request.road_km[found.station]),
        bay=station.bays[taken.bay],
        technician=station.technicians[taken.technician],
        start=begins,
        end=ends,
        busy=(begins, ends),
        is_late=begins > request.order.deadline,
        mode=request.way.mode,
        passed_over=tuple(_nearer(request, batch, found.station)),
        supply=taken.supply,
        p_late=taken.supply.p_late(begins, batch.now),
    )


def _nearer(request: Request, batch: Batch, index: int) -> Iterator[PassedOver]:
    order: IntArray = np.argsort(request.road_km, kind="stable")
    for i in order[request.road_km[order] < request.road_km[index]].tolist():
        station, way_km = batch.stations[i], float(request.road_km[i])
        code, reason_en, reason_zh = _obstacle(request, batch, station, way_km)
        yield PassedOver(
            station=station, distance_km=way_km, code=code, reason_en=reason_en, reason_zh=reason_zh
        )


def _obstacle(request: Request, batch: Batch, station: Station, way_km: float) -> Obstacle:
    """Return why an order does not go to a nearer station: what it lacked at the beginning, or the others."""
    obstacle = static_obstacle(station, request.job, request.way, way_km)
    if obstacle is not None:
        return obstacle
    supply = supply_of(request.job, batch.occupancy_of(station), batch.parts, batch.now)
    if not isinstance(supply, Supply):
        return supply
    return PART_COMING if supply.arrivals else _ELSEWHERE
