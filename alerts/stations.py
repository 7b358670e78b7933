"""Service stations: distance, feasibility, and the nearest one that can do the job in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice

import numpy as np

from alerts.jobs import STEP_MINUTES, Job
from alerts.rules import OrderRule, SeverityRule
from alerts.slots import Period, TimeGrid, earliest_slot, stack
from data.records import BoolArray, FloatArray

#: Stations whose bookings are read together; the nearest few nearly always do.
_LOOKED_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Bay:
    """A work position."""

    bay_id: int
    name: str
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Technician:
    """A person with skills and a weekly shift."""

    technician_id: int
    name: str
    skills: frozenset[str]
    shift: tuple[Period, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A service station with what it can do."""

    station_id: int
    code: str
    name_en: str
    name_zh: str
    address: str
    lat: float  #: WGS-84
    lon: float
    time_zone: str
    has_hv_certificate: bool
    labour_rate: Decimal
    currency: str
    tax_rate: Decimal
    hours: tuple[Period, ...]
    bays: tuple[Bay, ...]  #: open ones
    technicians: tuple[Technician, ...]  #: active ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Time of a bay and a technician that is held or booked."""

    bay_id: int | None
    technician_id: int | None
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """What is taken and what is left at one station, now."""

    taken: Sequence[Taken] = ()
    stock: Mapping[str, int] = field(default_factory=dict)  #: sku -> on hand and not reserved


@dataclass(frozen=True, slots=True, kw_only=True)
class Avoid:
    """A station that gave the work back: asked last, and not for a time before ``until``."""

    station_id: int
    until: datetime


#: Asked for a few stations at a time; answers by ``station_id``.
Look = Callable[[Sequence[Station]], Mapping[int, Occupancy]]
#: Hours or shift of a time zone on a grid, as ``WorkTimes.mask``.
Worked = Callable[[str, tuple[Period, ...], TimeGrid], BoolArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the vehicle is, as far as known."""

    lat: float
    lon: float
    is_estimated: bool  #: the owner's home, not a position the vehicle sent
    range_km: float | None = None  #: None: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A station that cannot do it, and why."""

    station: Station
    distance_km: float
    #: ``too_far``, ``no_certificate``, ``no_bay``, ``no_skill``, ``no_part``, ``no_slot``, ``gave_back``.
    code: str
    reason_en: str
    reason_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The appointment that is offered."""

    station: Station
    distance_km: float
    bay: Bay
    technician: Technician
    start: datetime
    end: datetime
    is_late: bool  #: nothing was free before the deadline
    mode: str  #: ``drive_in`` or ``tow``
    passed_over: tuple[PassedOver, ...]  #: the nearer ones


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPlan:
    """No station can do it for now."""

    reason: str
    passed_over: tuple[PassedOver, ...]


def remaining_range_km(
    rule: OrderRule, *, soc_percent: float, energy_kwh: float, soh_percent: float = 100.0
) -> float:
    """Return how far the vehicle may be sent: 80 % of what is left above the reserve."""
    usable = max(0.0, soc_percent - rule.reserve_soc_percent) / 100 * energy_kwh * soh_percent / 100
    return 0.8 * usable / rule.consumption_kwh_per_km


def plan(
    job: Job,
    place: Place,
    stations: Sequence[Station],
    look: Look,
    *,
    road_km: FloatArray,
    worked: Worked,
    rule: OrderRule,
    urgency: SeverityRule,
    deadline: datetime,
    now: datetime,
    avoid: Avoid | None = None,
) -> Plan | NoPlan:
    """Return the earliest appointment at the nearest station that can do the job before the deadline.

    Where no station has time before the deadline, the earliest later appointment within ``overdue_days`` is
    taken and marked late: a late repair is better than none.

    Args:
        job: What the station must have.
        place: Where the vehicle is.
        stations: All of the tenant.
        look: Tells what is held, booked and in stock; asked only about stations that come into question.
        road_km: Shape (stations,), way to each.
        worked: Tells when people work.
        rule: Limits of the search.
        urgency: Notice and mode of the severity; a towed vehicle is not limited by its range.
        deadline: When the work should have begun.
        now: Earliest instant of any appointment.
        avoid: A station that is taken only where no other has time before the deadline.
    """
    if not stations:
        return NoPlan(reason="no station is registered", passed_over=())
    limit_km = rule.longest_way_km
    if urgency.mode == "drive_in" and place.range_km is not None:
        limit_km = min(limit_km, place.range_km)
    grid = TimeGrid.between(now, max(deadline, now) + timedelta(days=rule.overdue_days))
    nearest = [int(index) for index in np.argsort(road_km, kind="stable")]
    known: dict[int, Occupancy] = {}
    passed: list[PassedOver] = []
    late: list[Plan] = []
    for rank, index in enumerate(nearest):
        station, way_km = stations[index], float(road_km[index])
        obstacle = _static_obstacle(station, job, way_km, limit_km)
        if obstacle is None:
            if station.station_id not in known:
                near = (stations[i] for i in nearest[rank:] if road_km[i] <= limit_km)
                fit = (s for s in near if _static_obstacle(s, job, 0.0, limit_km) is None)
                known |= look(list(islice(fit, _LOOKED_AT_ONCE)))
            occupancy = known.get(station.station_id, Occupancy())
            obstacle = _missing_part(job, occupancy)
        if obstacle is None:
            first = now + timedelta(hours=urgency.notice_h + way_km / rule.road_speed_km_per_h)
            is_avoided = avoid is not None and avoid.station_id == station.station_id
            if avoid is not None and is_avoided:
                first = max(first, avoid.until)
            found = appointment(station, job, occupancy.taken, grid, first=first, worked=worked)
            if found is not None:
                bay, technician, start, end = found
                chosen = Plan(
                    station=station,
                    distance_km=way_km,
                    bay=bay,
                    technician=technician,
                    start=start,
                    end=end,
                    is_late=start > deadline,
                    mode=urgency.mode,
                    passed_over=tuple(passed),
                )
                if not chosen.is_late and not is_avoided:
                    return chosen
                late.append(chosen)
            obstacle = (
                "no_slot",
                "no free bay and technician before the deadline",
                "截止时间前没有空闲工位和技师",
            )
            if is_avoided:
                obstacle = ("gave_back", "gave this work back", "已退回此单")
        code, reason_en, reason_zh = obstacle
        passed.append(
            PassedOver(
                station=station, distance_km=way_km, code=code, reason_en=reason_en, reason_zh=reason_zh
            )
        )
    if late:
        return min(late, key=lambda p: (p.start, p.distance_km))
    return NoPlan(reason=_summary(passed), passed_over=tuple(passed))


def _static_obstacle(
    station: Station, job: Job, way_km: float, limit_km: float
) -> tuple[str, str, str] | None:
    if way_km > limit_km:
        return (
            "too_far",
            f"{way_km:.0f} km by road, at most {limit_km:.0f} km",
            f"路程 {way_km:.0f} 公里，超出可达范围",
        )
    if job.needs_hv and not station.has_hv_certificate:
        return ("no_certificate", "no high-voltage certificate", "没有高压维修资质")
    if not _fit_bays(station, job):
        return ("no_bay", f"no {' + '.join(sorted(job.bay_kinds))} bay", "没有合适的工位")
    if not _fit_technicians(station, job):
        return ("no_skill", f"no technician with {' + '.join(sorted(job.skills))}", "没有具备技能的技师")
    return None


def _missing_part(job: Job, occupancy: Occupancy) -> tuple[str, str, str] | None:
    for part in job.parts:
        if occupancy.stock.get(part.sku, 0) < part.qty:
            return ("no_part", f"{part.name_en} not in stock", f"{part.name_zh}缺货")
    return None


def _fit_bays(station: Station, job: Job) -> list[Bay]:
    """Return the bays fit for the job, the least special first: special ones are kept for what needs them."""
    return sorted(
        (b for b in station.bays if job.bay_kinds <= b.kinds), key=lambda b: (len(b.kinds), b.bay_id)
    )


def _fit_technicians(station: Station, job: Job) -> list[Technician]:
    fit = (t for t in station.technicians if job.skills <= t.skills)
    return sorted(fit, key=lambda t: (len(t.skills), t.technician_id))


def appointment(
    station: Station, job: Job, taken: Sequence[Taken], grid: TimeGrid, *, first: datetime, worked: Worked
) -> tuple[Bay, Technician, datetime, datetime] | None:
    """Return the earliest bay, technician, start and end within a grid that do for a job, or None."""
    bays, technicians = _fit_bays(station, job), _fit_technicians(station, job)
    is_open = worked(station.time_zone, station.hours, grid)
    bay_free = [
        is_open & grid.free_mask((t.start, t.end) for t in taken if t.bay_id == bay.bay_id) for bay in bays
    ]
    technician_free = [
        worked(station.time_zone, technician.shift, grid)
        & grid.free_mask((t.start, t.end) for t in taken if t.technician_id == technician.technician_id)
        for technician in technicians
    ]
    found = earliest_slot(
        stack(bay_free, grid.count),
        stack(technician_free, grid.count),
        step_count=job.step_count,
        first=grid.index_at_or_after(first),
    )
    if found is None:
        return None
    start = grid.time_of(found.start_index)
    end = start + job.step_count * timedelta(minutes=STEP_MINUTES)
    return bays[found.bay], technicians[found.technician], start, end


def _summary(passed: Sequence[PassedOver]) -> str:
    words = {
        "too_far": "too far",
        "no_certificate": "without high-voltage certificate",
        "no_bay": "without a fit bay",
        "no_skill": "without the skill",
        "no_part": "without the part",
        "no_slot": "without free time",
        "gave_back": "gave the work back",
    }
    counted = Counter(p.code for p in passed).most_common()
    return "no station can do it: " + ", ".join(f"{count} {words[code]}" for code, count in counted)
