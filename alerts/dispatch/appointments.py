"""The earliest time at a station: of bay and technician together, or of a van that comes back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from alerts.dispatch.jobs import STEP_MINUTES, Job
from alerts.dispatch.obstacles import fit_bays, fit_technicians
from alerts.dispatch.slots import TimeGrid, earliest_slot, stack
from alerts.dispatch.stations import Bay, Station, Taken, Technician, Worked
from data.records import BoolArray

_STEP: Final = timedelta(minutes=STEP_MINUTES)
#: Bay, technician, start and end of the work, and how long both are busy.
Found = tuple[Bay | None, Technician, datetime, datetime, tuple[datetime, datetime]]


def appointment(
    station: Station, job: Job, taken: Sequence[Taken], grid: TimeGrid, *, first: datetime, worked: Worked
) -> tuple[Bay, Technician, datetime, datetime] | None:
    """Return the earliest bay, technician, start and end within a grid that do for a job, or None."""
    bays, technicians = fit_bays(station, job), fit_technicians(station, job)
    is_open = worked(station.time_zone, station.hours, grid)
    bay_free = [
        is_open & grid.free_mask((t.start, t.end) for t in taken if t.bay_id == bay.bay_id) for bay in bays
    ]
    found = earliest_slot(
        stack(bay_free, grid.count),
        stack(_free(technicians, station, taken, grid, worked), grid.count),
        step_count=job.step_count,
        first=grid.index_at_or_after(first),
    )
    if found is None:
        return None
    start = grid.time_of(found.start_index)
    return bays[found.bay], technicians[found.technician], start, start + job.step_count * _STEP


def round_trip(
    station: Station,
    job: Job,
    taken: Sequence[Taken],
    grid: TimeGrid,
    *,
    first: datetime,
    lead: timedelta,
    worked: Worked,
) -> Found | None:
    """Return the earliest time a van can go, work and come back within one shift."""
    people = fit_technicians(station, job, is_mobile=True)
    way_steps = -int(-lead // _STEP)
    slot = earliest_slot(
        np.ones((1, grid.count), dtype=np.bool_),
        stack(_free(people, station, taken, grid, worked), grid.count),
        step_count=job.step_count + 2 * way_steps,
        first=grid.index_at_or_after(first),
    )
    if slot is None:
        return None
    leaves = grid.time_of(slot.start_index)
    start = leaves + way_steps * _STEP
    end = start + job.step_count * _STEP
    return None, people[slot.technician], start, end, (leaves, end + way_steps * _STEP)


def _free(
    people: Sequence[Technician], station: Station, taken: Sequence[Taken], grid: TimeGrid, worked: Worked
) -> list[BoolArray]:
    return [
        worked(station.time_zone, who.shift, grid)
        & grid.free_mask((t.start, t.end) for t in taken if t.technician_id == who.technician_id)
        for who in people
    ]
