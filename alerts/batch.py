"""Many orders at once: which goes where and when, so that all together cost least. Pure.

Classes strictly first, within a class short work before long, which keeps the mean delay low. The orders of
one kind of work are matched with the free slots of the stations around them by minimum-cost assignment
(``scipy.optimize.linear_sum_assignment``), some hundred at a time; what one kind takes is no longer free
for the next. What finds no time before its deadline is matched with the times after it before the next
class is looked at: a late appointment before none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

import numpy as np

from alerts.arrivals import Supply
from alerts.calendars import Calendar
from alerts.costs import Merits, costs_of
from alerts.facts import Order
from alerts.jobs import STEP_MINUTES, Job
from alerts.modes import Way
from alerts.obstacles import Obstacle, missing_part, static_obstacle
from alerts.rules import CostRule, OrderRule, SeverityRule
from alerts.slots import TimeGrid
from alerts.stations import Occupancy, PassedOver, Plan, Station, Worked
from data.records import BoolArray, FloatArray, IntArray, Severity

#: Orders matched together, and the nearest stations that each of them may go to.
_MATCHED: Final = 400
_NEAREST: Final = 16
#: Of these, the ones that an order most likely goes to.
_NEAR: Final = 4
#: Beyond any cost of an appointment: not possible.
_NEVER: Final = 1e6
#: Times that what was not placed is matched with what is left.
_ROUNDS: Final = 3
_STEP: Final = timedelta(minutes=STEP_MINUTES)
_ELSEWHERE: Final[Obstacle] = (
    "batch",
    "its time serves others who waited at the same time, at less cost for all",
    "同一批次中其时段安排给了其他车辆，整体成本更低",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An order of the batch, its work and the ways to all stations."""

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
    now: datetime


def match(requests: Sequence[Request], batch: Batch) -> dict[int, Plan]:
    """Return appointments by order, late ones marked; orders that find none are left out.

    Args:
        requests: Of one tenant, in any order; none of S0 or S1, which do not wait.
        batch: The network as it is now.
    """
    if not requests or not batch.stations:
        return {}
    horizon = max(r.order.deadline for r in requests)
    overdue = timedelta(days=batch.rule.overdue_days)
    grid = TimeGrid.between(batch.now, max(horizon, batch.now) + overdue + _STEP)
    calendars = [
        Calendar(s, batch.occupancy.get(s.station_id, Occupancy()), grid, batch.worked)
        for s in batch.stations
    ]
    found: dict[int, Plan] = {}
    ranked = sorted(requests, key=lambda r: (r.order.severity, r.job.step_count, r.order.failure_mode))
    for _, of_class in groupby(ranked, key=lambda r: r.order.severity):
        kinds = [list(kind) for _, kind in groupby(of_class, key=lambda r: r.order.failure_mode)]
        for late_by in (timedelta(0), overdue):
            for kind in kinds:
                waiting = [r for r in kind if r.order.order_id not in found]
                found |= _match_kind(waiting, batch, calendars, grid, late_by)
    return found


def _match_kind(
    requests: list[Request],
    batch: Batch,
    calendars: Sequence[Calendar],
    grid: TimeGrid,
    late_by: timedelta,
) -> dict[int, Plan]:
    """Match the orders of one class and kind of work, the nearest to their deadlines first."""
    waiting = sorted(requests, key=lambda r: (r.order.deadline, r.order.order_id))
    found: dict[int, Plan] = {}
    for _ in range(_ROUNDS):
        for begin in range(0, len(waiting), _MATCHED):
            found |= _match_some(waiting[begin : begin + _MATCHED], batch, calendars, grid, late_by)
        waiting = [r for r in waiting if r.order.order_id not in found]
    return found


def _match_some(
    requests: Sequence[Request],
    batch: Batch,
    calendars: Sequence[Calendar],
    grid: TimeGrid,
    late_by: timedelta,
) -> dict[int, Plan]:
    """Match some orders of one kind with slots, then let each have the earliest time it can have there.

    A slot says how many come before at a station; the time itself waits for the vehicle to arrive. It begins
    no later than ``late_by`` after the order's deadline.
    """
    fit = np.array([_can_do(calendar, requests[0]) for calendar in calendars])
    if not fit.any():
        return {}
    way_km = _ways(requests, fit)
    columns = _columns(requests[0].job, way_km, calendars, first=_first(requests[0], 0.0, batch, grid))
    if not columns:
        return {}
    queue = _queues(calendars)
    costs = _cost_matrix(requests, way_km, columns, grid, batch=batch, queue=queue, late_by=late_by)
    from scipy.optimize import linear_sum_assignment  # a second to import, for batches only

    rows, picks = linear_sum_assignment(costs)
    matched = [
        (columns[pick][1], columns[pick][0], requests[row])
        for row, pick in zip(rows.tolist(), picks.tolist(), strict=True)
        if costs[row, pick] < _NEVER
    ]
    found: dict[int, Plan] = {}
    for _, index, request in sorted(matched, key=lambda m: (m[0], m[2].road_km[m[1]], m[2].order.order_id)):
        taken = calendars[index].take(
            request.job,
            first=_first(request, float(request.road_km[index]), batch, grid),
            last=grid.index_at_or_after(request.order.deadline + late_by + timedelta(seconds=1)) - 1,
        )
        if taken is not None:
            found[request.order.order_id] = _plan_of(request, batch, grid, index, taken)
    return found


def _first(request: Request, way_km: float, batch: Batch, grid: TimeGrid) -> int:
    """Return the first step at which the vehicle can be there."""
    notice_h = batch.severities[request.order.severity].notice_h
    lead_h = request.way.lead_h(way_km, batch.rule.road_speed_km_per_h)
    return grid.index_at_or_after(batch.now + timedelta(hours=notice_h + lead_h))


def _can_do(calendar: Calendar, request: Request) -> bool:
    is_fit = static_obstacle(calendar.station, request.job, request.way, 0.0) is None
    return is_fit and calendar.supply(request.job) > 0


def _ways(requests: Sequence[Request], fit: BoolArray) -> FloatArray:
    """Return the way of each order to the nearest few stations that it may go to, else infinity."""
    ways = np.stack([np.where(fit, r.road_km, np.inf) for r in requests])
    limits = np.array([r.way.limit_km for r in requests])[:, None]
    if fit.sum() > _NEAREST:
        limits = np.minimum(limits, np.partition(ways, _NEAREST - 1, axis=1)[:, [_NEAREST - 1]])
    return np.where(ways <= limits, ways, np.inf)


def _columns(
    job: Job, way_km: FloatArray, calendars: Sequence[Calendar], *, first: int
) -> list[tuple[int, int]]:
    """Return (station, start) of the slots that may be wanted: as many as have the station near."""
    near = min(_NEAR, way_km.shape[1]) - 1
    is_near = np.isfinite(way_km) & (way_km <= np.partition(way_km, near, axis=1)[:, [near]])
    return [
        (index, start)
        for index in np.flatnonzero(np.isfinite(way_km).any(axis=0)).tolist()
        for start in calendars[index].starts(job, first=first, count=int(is_near[:, index].sum()) + 2)
    ]


def _cost_matrix(
    requests: Sequence[Request],
    way_km: FloatArray,
    columns: Sequence[tuple[int, int]],
    grid: TimeGrid,
    *,
    batch: Batch,
    queue: FloatArray,
    late_by: timedelta,
) -> FloatArray:
    """Return what each order costs in each slot; shape (orders, slots)."""
    stations, starts = np.array(columns, dtype=np.int64).T
    way_km = way_km[:, stations]
    notice_h = batch.severities[requests[0].order.severity].notice_h
    arrival_h = notice_h + way_km / batch.rule.road_speed_km_per_h
    start_h = (grid.start - batch.now) / timedelta(hours=1) + starts * STEP_MINUTES / 60
    start_h = np.maximum(start_h, arrival_h)
    deadline_h = _hours([r.order.deadline - batch.now for r in requests])
    opened_h = _hours([(r.order.opened_at or batch.now) - batch.now for r in requests])
    merits = Merits(
        delay=(start_h - opened_h) / np.maximum(deadline_h - opened_h, 1.0),
        way_km=np.where(np.isfinite(way_km), way_km, 0.0),
        late=(start_h > deadline_h).astype(np.float64),
        dearness=_dearness(batch.stations)[stations],
        queue=queue[stations],
    )
    costs = costs_of(batch.cost, merits)
    is_possible = np.isfinite(way_km) & (start_h <= deadline_h + late_by / timedelta(hours=1))
    return np.where(is_possible, costs, _NEVER)


def _hours(spans: Sequence[timedelta]) -> FloatArray:
    return np.array([span / timedelta(hours=1) for span in spans], dtype=np.float64)[:, None]


def _dearness(stations: Sequence[Station]) -> FloatArray:
    rates = np.array([float(s.labour_rate) for s in stations])
    cheapest = float(rates[rates > 0].min(initial=np.inf))
    return rates / cheapest - 1 if np.isfinite(cheapest) else np.zeros(len(stations))


def _queues(calendars: Sequence[Calendar]) -> FloatArray:
    """Return the taken share of each station's working time, less the mean of all."""
    loads = np.array([c.load() for c in calendars])
    queues: FloatArray = loads - loads.mean()
    return queues


def _plan_of(request: Request, batch: Batch, grid: TimeGrid, index: int, taken: tuple[int, int, int]) -> Plan:
    start, bay, technician = taken
    station = batch.stations[index]
    begins = grid.time_of(start)
    ends = begins + request.job.step_count * _STEP
    return Plan(
        station=station,
        distance_km=float(request.road_km[index]),
        bay=station.bays[bay],
        technician=station.technicians[technician],
        start=begins,
        end=ends,
        busy=(begins, ends),
        is_late=begins > request.order.deadline,
        mode=request.way.mode,
        passed_over=tuple(_nearer(request, batch, index)),
        supply=Supply(job=request.job),
    )


def _nearer(request: Request, batch: Batch, index: int) -> Iterator[PassedOver]:
    order: IntArray = np.argsort(request.road_km, kind="stable")
    for i in order[request.road_km[order] < request.road_km[index]].tolist():
        station, way_km = batch.stations[i], float(request.road_km[i])
        code, reason_en, reason_zh = (
            static_obstacle(station, request.job, request.way, way_km)
            or missing_part(request.job, batch.occupancy.get(station.station_id, Occupancy()))
            or _ELSEWHERE
        )
        yield PassedOver(
            station=station, distance_km=way_km, code=code, reason_en=reason_en, reason_zh=reason_zh
        )
