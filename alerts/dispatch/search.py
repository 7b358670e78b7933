"""The search for an appointment: the nearest station that can do the job in time, and why no nearer one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import numpy as np

from alerts.dispatch.appointments import Found, appointment, round_trip
from alerts.dispatch.arrivals import Supply
from alerts.dispatch.costs import Merits, costs_of
from alerts.dispatch.jobs import Job
from alerts.dispatch.modes import Way
from alerts.dispatch.obstacles import (
    NO_SLOT,
    PART_COMING,
    Obstacle,
    static_obstacle,
    summary_of,
)
from alerts.dispatch.part_rules import PartRule
from alerts.dispatch.slots import TimeGrid
from alerts.dispatch.stations import (
    Avoid,
    Look,
    NoPlan,
    Occupancy,
    PassedOver,
    Plan,
    Station,
    Worked,
)
from alerts.dispatch.supply import supply_of, with_transfers
from alerts.rules import CostRule, Mode, OrderRule
from data.records import FloatArray

#: Stations whose bookings are read together; the nearest few nearly always do.
_LOOKED_AT_ONCE: Final = 4
#: The nearest stations, which are asked for a part that none has that could do the work in time.
_ASKED_FOR_PARTS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """What one search is to achieve."""

    rule: OrderRule
    cost: CostRule
    parts: PartRule
    notice_h: float  #: before anything can begin
    deadline: datetime
    now: datetime
    avoid: Avoid | None = None  #: taken only where no other has time before the deadline
    preferred_id: int | None = None  #: the owner's own station, asked first


def plan_any(
    job: Job,
    stations: Sequence[Station],
    look: Look,
    *,
    ways: Iterable[Way],
    aims: Aims,
    road_km: FloatArray,
    worked: Worked,
) -> Plan | NoPlan:
    """Return the appointment of the first way that is in time, else the late one that costs least.

    A vehicle that can drive to a station, though late, is not towed; arguments as in ``plan``.
    """
    late: list[Plan] = []
    refused = NoPlan(reason="there is no way to do it", passed_over=())
    can_drive = False
    for way in ways:
        if way.mode is Mode.TOW and can_drive:
            continue
        found = plan(job, stations, look, way=way, aims=aims, road_km=road_km, worked=worked)
        if isinstance(found, NoPlan):
            refused = found
            nearer_than = [p.distance_km for p in found.passed_over if p.code == "too_far"]
            can_drive |= way.mode is Mode.DRIVE_IN and not any(
                km <= aims.rule.longest_way_km for km in nearer_than
            )
        elif not found.is_late:
            return found
        else:
            late.append(found)
            can_drive |= way.mode is Mode.DRIVE_IN
    return min(late, key=lambda p: (cost_of(p, stations, aims), p.start), default=refused)


def plan(
    job: Job,
    stations: Sequence[Station],
    look: Look,
    *,
    way: Way,
    aims: Aims,
    road_km: FloatArray,
    worked: Worked,
) -> Plan | NoPlan:
    """Return the earliest appointment at the nearest station that can do the job before the deadline.

    The owner's own station is asked first, stations with poor ratings last. Where none has time before the
    deadline, the later appointment that costs least within ``overdue_days`` is taken and marked late: a late
    repair is better than none. An appointment that waits for a part on its way is weighed by its cost against
    the first one for which all is on the shelf. Where nobody has a part who could do the work in time, the
    nearest of them gets it from a station with pieces to spare.

    Args:
        job: What the station must have.
        stations: All of the tenant.
        look: Tells what is held, booked and in stock; asked only about stations that come into question.
        way: How vehicle and work come together, and how far that may be.
        aims: Deadline, wishes and limits.
        road_km: Shape (stations,), way to each.
        worked: Tells when people work.
    """
    if not stations:
        return NoPlan(reason="no station is registered", passed_over=())
    grid = TimeGrid.between(aims.now, max(aims.deadline, aims.now) + timedelta(days=aims.rule.overdue_days))
    sequence = _in_turn(stations, road_km, aims)
    known: dict[int, Occupancy] = {}
    obstacles: dict[int, Obstacle] = {}
    late: list[Plan] = []
    in_time: list[Plan] = []
    is_mobile = way.mode is Mode.MOBILE

    def try_at(index: int, occupancy: Occupancy) -> Obstacle:
        """Note the appointment that a station has; return why it is not yet the one that is taken."""
        station, way_km = stations[index], float(road_km[index])
        supply = supply_of(job, occupancy, aims.parts, aims.now, may_substitute=not is_mobile)
        if not isinstance(supply, Supply):
            return supply
        found = _plan_at(station, supply, occupancy, grid, way=way, way_km=way_km, aims=aims, worked=worked)
        is_avoided = aims.avoid is not None and aims.avoid.station_id == station.station_id
        if found is not None:
            (late if found.is_late or is_avoided else in_time).append(found)
        return _why_not(found, is_avoided=is_avoided)

    for rank, index in enumerate(sequence):
        station = stations[index]
        obstacle = static_obstacle(station, job, way, float(road_km[index]))
        if obstacle is None:
            if station.station_id not in known:
                near = (stations[i] for i in sequence[rank:] if road_km[i] <= way.limit_km)
                fit = (s for s in near if static_obstacle(s, job, way, 0.0) is None)
                known |= look(list(islice(fit, _LOOKED_AT_ONCE)))
            obstacle = try_at(index, known.get(station.station_id, Occupancy()))
            if in_time and not in_time[-1].supply.arrivals:
                break
        obstacles[index] = obstacle
    lacking = next((i for i in sequence if obstacles.get(i, NO_SLOT)[0] == "no_part"), None)
    if lacking is not None and not in_time and not is_mobile:
        givers = [stations[i] for i in sequence[:_ASKED_FOR_PARTS]]
        if unknown := [s for s in givers if s.station_id not in known]:
            known |= look(unknown)
        try_at(lacking, with_transfers(job, stations[lacking], known, givers, aims.parts, now=aims.now))
    if not in_time and not late:
        passed = [_passed(stations[i], float(road_km[i]), obstacles[i]) for i in sequence]
        return NoPlan(reason=summary_of(passed), passed_over=tuple(passed))
    chosen = min(in_time or late, key=lambda p: (cost_of(p, stations, aims), p.start))
    return _tell_nearer(chosen, job, stations, road_km, obstacles, way=way, aims=aims)


def _why_not(chosen: Plan | None, *, is_avoided: bool) -> Obstacle:
    if is_avoided:
        return ("gave_back", "gave this work back", "已退回此单")
    if chosen is not None and chosen.supply.arrivals:
        return PART_COMING
    return NO_SLOT


def cost_of(chosen: Plan, stations: Sequence[Station], aims: Aims) -> float:
    """Return what an appointment costs in the terms of ``[cost]``; opened now."""
    hours_left = max(aims.deadline - aims.now, timedelta(hours=1))
    cheapest = min((float(s.labour_rate) for s in stations if s.labour_rate > 0), default=1.0)
    merits = Merits(
        delay=(chosen.start - aims.now) / hours_left,
        way_km=chosen.distance_km,
        late=max(float(chosen.is_late), chosen.p_late),
        dearness=float(chosen.station.labour_rate) / cheapest - 1,
    )
    return float(costs_of(aims.cost, merits))


def _in_turn(stations: Sequence[Station], road_km: FloatArray, aims: Aims) -> list[int]:
    """Return the stations as they are asked: the owner's own, the well rated by way, then the others."""
    nearest = [int(index) for index in np.argsort(road_km, kind="stable")]

    def turn(index: int) -> int:
        if stations[index].station_id == aims.preferred_id:
            return 0
        return 2 if _is_rated_low(stations[index], aims) else 1

    return sorted(nearest, key=turn)


def _is_rated_low(station: Station, aims: Aims) -> bool:
    return station.stars is not None and station.stars < aims.rule.least_stars


def _tell_nearer(
    chosen: Plan,
    job: Job,
    stations: Sequence[Station],
    road_km: FloatArray,
    obstacles: dict[int, Obstacle],
    *,
    way: Way,
    aims: Aims,
) -> Plan:
    """Add the nearer stations, each with what ruled it out."""
    passed = []
    for i in (int(index) for index in np.argsort(road_km, kind="stable")):
        station, way_km = stations[i], float(road_km[i])
        if station.station_id == chosen.station.station_id or way_km > chosen.distance_km:
            continue
        obstacle = obstacles.get(i) or static_obstacle(station, job, way, way_km)
        if obstacle is None and _is_rated_low(station, aims):
            obstacle = (
                "low_rating",
                f"rated {station.stars:.1f} of 5",
                f"评分 {station.stars:.1f}（满分 5）",
            )
        if obstacle is None:
            obstacle = ("not_preferred", "the owner prefers another station", "车主选择了其他站点")
        passed.append(_passed(station, way_km, obstacle))
    return replace(chosen, passed_over=tuple(passed))


def _passed(station: Station, way_km: float, obstacle: Obstacle) -> PassedOver:
    code, reason_en, reason_zh = obstacle
    return PassedOver(
        station=station, distance_km=way_km, code=code, reason_en=reason_en, reason_zh=reason_zh
    )


def _plan_at(
    station: Station,
    supply: Supply,
    occupancy: Occupancy,
    grid: TimeGrid,
    *,
    way: Way,
    way_km: float,
    aims: Aims,
    worked: Worked,
) -> Plan | None:
    lead = timedelta(hours=way.lead_h(way_km, aims.rule.road_speed_km_per_h))
    job, taken = supply.job, occupancy.taken
    first = aims.now + timedelta(hours=aims.notice_h)
    if aims.avoid is not None and aims.avoid.station_id == station.station_id:
        first = max(first, aims.avoid.until)
    sure_at = supply.sure_at(aims.parts, aims.now)
    if way.mode is Mode.MOBILE:
        first = max(first, sure_at)
        found: Found | None = round_trip(station, job, taken, grid, first=first, lead=lead, worked=worked)
    else:
        there = appointment(station, job, taken, grid, first=max(first + lead, sure_at), worked=worked)
        found = None if there is None else (*there, (there[2], there[3]))
    if found is None:
        return None
    bay, technician, start, end, busy = found
    return Plan(
        station=station,
        distance_km=way_km,
        bay=bay,
        technician=technician,
        start=start,
        end=end,
        busy=busy,
        is_late=start > aims.deadline,
        mode=way.mode,
        passed_over=(),
        supply=supply,
        p_late=supply.p_late(start, aims.now),
    )
