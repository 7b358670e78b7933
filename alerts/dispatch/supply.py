"""Which parts a station can have for a job: from the shelf, on their way, sent by another station. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from alerts.dispatch.arrivals import Arrival, Supply
from alerts.dispatch.jobs import Job
from alerts.dispatch.obstacles import Obstacle, missing
from alerts.dispatch.part_rules import PartRule
from alerts.dispatch.stations import Occupancy, Station
from alerts.dispatch.ways import distance_km


def supply_of(
    job: Job, occupancy: Occupancy, rule: PartRule, now: datetime, *, may_substitute: bool = True
) -> Supply | Obstacle:
    """Return where the parts of a job come from at a station, or which part it cannot have.

    The part itself on the shelf comes first, then its substitutes there, then the part on its way. All pieces
    of one part come from the shelf, or from one arrival: the one that is surely there first.
    """
    arrivals: list[Arrival] = []
    skus = {part.sku for part in job.parts}
    parts = []
    for part in job.parts:
        others = [p for p in part.substitutes if may_substitute and p.sku not in skus]
        chosen = next((p for p in (part, *others) if occupancy.stock.get(p.sku, 0) >= p.qty), None)
        if chosen is None:
            coming = [a for a in occupancy.arrivals if a.sku == part.sku and a.free >= part.qty]
            if not coming:
                return missing(part)
            arrivals.append(min(coming, key=lambda a: (a.sure_at(rule, now), a.arrival_id or 0)))
        parts.append(chosen or part)
        skus.add(parts[-1].sku)
    return Supply(job=replace(job, parts=tuple(parts)), arrivals=tuple(arrivals))


def with_transfers(
    job: Job,
    station: Station,
    known: Mapping[int, Occupancy],
    givers: Sequence[Station],
    rule: PartRule,
    *,
    now: datetime,
) -> Occupancy:
    """Return a station's stock as if the nearest others with pieces to spare sent it what a job lacks.

    Args:
        job: What the station is to do.
        station: Where parts are missing.
        known: What stations have, the station itself among them.
        givers: Stations that may send; those not in ``known`` have nothing.
        rule: How long a transfer takes.
        now: A transfer begins now.
    """
    own = known.get(station.station_id, Occupancy())
    lats, lons = np.array([g.lat for g in givers]), np.array([g.lon for g in givers])
    way_km = distance_km(station.lat, station.lon, lats, lons)
    sent: list[Arrival] = []
    for part in job.parts:
        if own.stock.get(part.sku, 0) >= part.qty:
            continue
        for index in np.argsort(way_km, kind="stable").tolist():
            giver = givers[index]
            spare = known.get(giver.station_id, Occupancy()).stock.get(part.sku, 0)
            if giver.station_id != station.station_id and spare >= part.qty:
                takes_h = rule.handling_h + float(way_km[index]) / rule.transfer_km_per_h
                sent.append(
                    Arrival(
                        arrival_id=None,
                        from_station_id=giver.station_id,
                        sku=part.sku,
                        free=part.qty,
                        expected_at=now + timedelta(hours=takes_h),
                        spread_h=rule.transfer_spread_h,
                    )
                )
                break
    return replace(own, arrivals=(*own.arrivals, *sent))
