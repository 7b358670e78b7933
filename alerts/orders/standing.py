"""Does an appointment still stand? What upsets one, and who else could keep its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from alerts.dispatch.appointments import appointment
from alerts.dispatch.arrivals import Awaited
from alerts.dispatch.jobs import STEP_MINUTES, Job
from alerts.dispatch.network import Network
from alerts.dispatch.part_rules import PartRule
from alerts.dispatch.slots import Period, TimeGrid
from alerts.dispatch.stations import Bay, Station, Taken, Technician
from alerts.orders.standing_rules import StandingRule
from alerts.orders.states import OrderState
from data.records import FailureMode, Severity

_STEP = timedelta(minutes=STEP_MINUTES)


class Upset(StrEnum):
    """Why an appointment cannot be kept."""

    STATION_CLOSED = "the station is closed"
    BAY_CLOSED = "the bay is closed"
    TECHNICIAN_AWAY = "the technician is away"
    OUT_OF_HOURS = "the station is not open then"
    NO_SHOW = "nobody came"
    NOT_SENT = "nobody was sent"
    OVERRUN = "the work before it takes longer"
    PART_LATE = "a part comes too late"
    URGENT = "the fault may come before it"


_STATION = ("The workshop cannot keep your appointment.", "维修站无法按原时间接待您。")
_LATE = ("The work before yours takes longer than planned.", "您之前的维修工作超时。")
#: What the owner reads before the new appointment.
PREFACES: Mapping[Upset, tuple[str, str]] = MappingProxyType(
    {
        Upset.STATION_CLOSED: _STATION,
        Upset.BAY_CLOSED: _STATION,
        Upset.TECHNICIAN_AWAY: _STATION,
        Upset.OUT_OF_HOURS: _STATION,
        Upset.NO_SHOW: ("We missed you at your appointment.", "您未按预约时间到站。"),
        Upset.NOT_SENT: ("Nobody could be sent to you in time.", "未能按时派人上门。"),
        Upset.OVERRUN: _LATE,
        Upset.PART_LATE: (
            "A part for your car arrives at the workshop later than planned.",
            "您车辆所需的备件将晚于预期到达维修站。",
        ),
        Upset.URGENT: (
            "The fault is getting worse faster, so we moved your appointment.",
            "故障发展加快，我们已为您调整预约。",
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A held or booked appointment of an order that has not come to the station yet."""

    order_id: int
    vehicle_id: int
    tenant_id: int
    failure_mode: FailureMode
    severity: Severity
    state: OrderState
    mode: str
    booking_id: int
    station_id: int
    bay_id: int | None  #: None: the work is not done at the station
    technician_id: int | None
    start: datetime
    end: datetime
    awaited: Awaited | None = None  #: the part that is not here yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupied:
    """Work whose bay is not free although its time is over."""

    order_id: int
    booking_id: int
    station_id: int
    bay_id: int | None
    technician_id: int | None
    start: datetime
    end: datetime

    def until(self, rule: StandingRule, now: datetime) -> datetime:
        """Return until when it is expected to go on: a share of what was planned, on a quarter of an hour."""
        extra = max(_STEP, (self.end - self.start) * rule.overrun_share)
        grid = TimeGrid.between(max(now, self.end) + extra, max(now, self.end) + extra)
        return grid.start

    def taken(self, until: datetime) -> Taken:
        """Return what it takes of bay and technician until then."""
        return Taken(bay_id=self.bay_id, technician_id=self.technician_id, start=self.start, end=until)


def upset_of(
    standing: Standing, network: Network, rule: StandingRule, parts: PartRule, now: datetime
) -> Upset | None:
    """Return what upsets an appointment, None where it stands.

    Hours and people are those that planning looks at. An appointment whose time has begun is upset only when
    nobody comes.
    """
    if standing.start <= now:
        waited = now - standing.start >= timedelta(minutes=rule.no_show_after_minutes)
        if standing.state is not OrderState.BOOKED or not waited:
            return None
        return Upset.NO_SHOW if standing.mode == "drive_in" else Upset.NOT_SENT
    station = network.station(standing.station_id)
    if station is None:
        return Upset.STATION_CLOSED
    if standing.bay_id is not None:
        if standing.bay_id not in {bay.bay_id for bay in station.bays}:
            return Upset.BAY_CLOSED
        if not _is_at_work(network, station, station.hours, standing, now):
            return Upset.OUT_OF_HOURS
    if standing.technician_id is not None:
        who = next((t for t in station.technicians if t.technician_id == standing.technician_id), None)
        if who is None or not _is_at_work(network, station, who.shift, standing, now):
            return Upset.TECHNICIAN_AWAY
    if standing.awaited is not None and standing.awaited.is_late_for(standing.start, parts, now):
        return Upset.PART_LATE
    return None


def _is_at_work(
    network: Network, station: Station, periods: tuple[Period, ...], standing: Standing, now: datetime
) -> bool:
    grid = TimeGrid.between(now, standing.end)  # from now on: hours are laid out once for all appointments
    worked = network.work_times.mask(station.time_zone, periods, grid)
    return bool(worked[grid.index_at_or_after(standing.start) :].all())


def same_time(
    standing: Standing, job: Job, network: Network, taken: Sequence[Taken]
) -> tuple[Bay, Technician] | None:
    """Return who else at the station could do the work at the same time, None where nobody could.

    Args:
        standing: The appointment; it is done at the station.
        job: What the work needs.
        network: Of its tenant.
        taken: What is held or booked at the station, the appointment itself among it.
    """
    station = network.station(standing.station_id)
    if station is None or standing.bay_id is None:
        return None
    own = (standing.bay_id, standing.technician_id, standing.start)
    others = [t for t in taken if (t.bay_id, t.technician_id, t.start) != own]
    grid = TimeGrid.between(standing.start, standing.end)
    found = appointment(station, job, others, grid, first=standing.start, worked=network.work_times.mask)
    if found is None or found[3] != standing.end:
        return None
    return found[0], found[1]
