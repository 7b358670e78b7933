"""Parts on their way, and where the parts of one appointment come from. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import NormalDist

from alerts.dispatch.jobs import Job
from alerts.dispatch.part_rules import PartRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Pieces of one part that come to a station at a time that is normally distributed."""

    arrival_id: int | None  #: None: a transfer that is made when the appointment is held
    sku: str
    free: int  #: pieces that no order waits for
    expected_at: datetime  #: mean
    spread_h: float  #: standard deviation
    from_station_id: int | None = None  #: of a transfer that is not made yet

    def due(self, now: datetime) -> datetime:
        """Return the mean as it is now: what is overdue comes at any moment, not in the past."""
        return max(self.expected_at, now)

    def sure_at(self, rule: PartRule, now: datetime) -> datetime:
        """Return when it is there with the probability that appointments ask for."""
        return self.due(now) + rule.margin(self.spread_h)

    def p_after(self, when: datetime, now: datetime) -> float:
        """Return the probability that it is not there by then."""
        left_h = (when - self.due(now)) / timedelta(hours=1)
        if self.spread_h == 0:
            return float(left_h < 0)
        return 1 - NormalDist(0, self.spread_h).cdf(left_h)


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """The part that an appointment waits for the longest."""

    arrival: Arrival
    promised_at: datetime  #: when it was expected as the appointment was made
    is_cancelled: bool

    def is_late_for(self, start: datetime, rule: PartRule, now: datetime) -> bool:
        """Tell whether an appointment cannot wait for it any more.

        It does not come at all, is more likely than not missing when the work begins, or has slipped by more
        than ``slip_h`` and may well be missing then. What slips and is there in time all the same upsets
        nobody.
        """
        slip = self.arrival.due(now) - self.promised_at
        return (
            self.is_cancelled
            or self.arrival.due(now) > start
            or (slip > timedelta(hours=rule.slip_h) and self.arrival.sure_at(rule, now) > start)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Where the parts of a job come from: those without an arrival are on the shelf."""

    job: Job
    arrivals: tuple[Arrival, ...] = ()

    def sure_at(self, rule: PartRule, now: datetime) -> datetime:
        """Return when all parts are there with the probability that appointments ask for."""
        return max((a.sure_at(rule, now) for a in self.arrivals), default=now)

    def p_late(self, start: datetime, now: datetime) -> float:
        """Return the probability that a part is missing when the work begins; arrivals are independent."""
        return 1 - math.prod(1 - a.p_after(start, now) for a in self.arrivals)

    def arrival(self, sku: str) -> Arrival | None:
        """Return what brings a part, None where it is on the shelf."""
        return next((a for a in self.arrivals if a.sku == sku), None)
