"""Service stations, what is taken of them, and the appointment that a search ends with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from alerts.dispatch.arrivals import Arrival, Supply
from alerts.dispatch.modes import Reach
from alerts.dispatch.slots import Period, TimeGrid
from alerts.rules import Mode
from data.records import BoolArray


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
    carries: frozenset[str] | None = None  #: parts in this technician's van; None: works at the station


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
    fees: Mapping[Mode, Decimal] = field(
        default_factory=dict
    )  #: without tax; what is not here is not offered
    stars: float | None = None  #: mean of the owners' ratings; None: too few


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
    arrivals: Sequence[Arrival] = ()  #: on their way, with pieces that no order waits for


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
    reach: Reach = field(default_factory=Reach)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A station that cannot do it, and why."""

    station: Station
    distance_km: float
    code: str  #: stable, a key of ``alerts.dispatch.search.SUMMARY``
    reason_en: str
    reason_zh: str

    def told(self) -> dict[str, object]:
        """Return it as it is kept with an order."""
        return {
            "station": self.station.code,
            "name_en": self.station.name_en,
            "name_zh": self.station.name_zh,
            "distance_km": round(self.distance_km, 1),
            "code": self.code,
            "reason": self.reason_en,
            "reason_zh": self.reason_zh,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The appointment that is offered."""

    station: Station
    distance_km: float
    bay: Bay | None  #: None: the work is done where the vehicle is
    technician: Technician
    start: datetime
    end: datetime
    busy: tuple[datetime, datetime]  #: of bay and technician; a van's ways are part of it
    is_late: bool  #: nothing was free before the deadline
    mode: Mode
    passed_over: tuple[PassedOver, ...]  #: the nearer ones
    supply: Supply  #: where the parts come from; names the work as it is priced
    p_late: float = 0.0  #: probability that a part is missing when it begins


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPlan:
    """No station can do it for now."""

    reason: str
    passed_over: tuple[PassedOver, ...]
