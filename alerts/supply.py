"""Which parts a station can have for a job: on the shelf, else on their way. Pure."""

from __future__ import annotations

from datetime import datetime

from alerts.arrivals import Arrival, Supply
from alerts.jobs import Job
from alerts.obstacles import Obstacle, missing
from alerts.part_rules import PartRule
from alerts.stations import Occupancy


def supply_of(job: Job, occupancy: Occupancy, rule: PartRule, now: datetime) -> Supply | Obstacle:
    """Return where the parts of a job come from at a station, or which part it cannot have.

    All pieces of one part come from the shelf, or from one arrival: the one that is there first.
    """
    arrivals: list[Arrival] = []
    for part in job.parts:
        if occupancy.stock.get(part.sku, 0) >= part.qty:
            continue
        coming = [a for a in occupancy.arrivals if a.sku == part.sku and a.free >= part.qty]
        if not coming:
            return missing(part)
        arrivals.append(min(coming, key=lambda a: (a.sure_at(rule, now), a.arrival_id)))
    return Supply(job=job, arrivals=tuple(arrivals))
