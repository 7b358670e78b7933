"""One station's free time and parts, as a batch takes them and gives them back. Pure.

Free steps are the bits of one integer for each bay and each technician: where a stretch of steps is free
follows from a few shifts, which is what allows a batch to try hundreds of thousands of appointments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from alerts.dispatch.arrivals import Arrival, Supply
from alerts.dispatch.jobs import Job
from alerts.dispatch.obstacles import fit_bays, fit_technicians
from alerts.dispatch.part_rules import PartRule
from alerts.dispatch.slots import TimeGrid, stack
from alerts.dispatch.stations import Occupancy, Station, Worked
from alerts.dispatch.supply import supply_of
from data.records import BoolArray


@dataclass(frozen=True, slots=True)
class Appointment:
    """Time, rows and parts that a calendar gave away."""

    start: int  #: step of the grid
    bay: int  #: as the station lists them
    technician: int
    steps: int  #: as bits
    supply: Supply


class Calendar:
    """Which steps of a grid each bay and each technician of a station has left, and which parts.

    Args:
        station: Whose calendar it is.
        occupancy: What is taken and in stock.
        grid: Steps that appointments begin with.
        worked: Hours and shifts on the grid.
        jobs: What will be asked for, by its number in this sequence.
        parts: How sure a part on its way has to be.
        now: Arrivals are weighed as of now.
    """

    def __init__(
        self,
        station: Station,
        occupancy: Occupancy,
        grid: TimeGrid,
        worked: Worked,
        *,
        jobs: Sequence[Job],
        parts: PartRule,
        now: datetime,
    ) -> None:
        self.station = station
        self._grid, self._jobs, self._rule, self._now = grid, jobs, parts, now
        bays, technicians, shifts = free_rows(station, occupancy, grid, worked)
        self._bays = [_bits(row) for row in bays]
        self._technicians = [_bits(row) for row in technicians]
        self._worked = int(shifts.sum())
        self._stock = dict(occupancy.stock)
        self._arrivals = tuple(occupancy.arrivals)
        #: Whether there are parts that appointments may have to wait for.
        self.waits = bool(self._arrivals)
        self._rows = [
            (
                [station.bays.index(bay) for bay in fit_bays(station, job)],
                [station.technicians.index(who) for who in fit_technicians(station, job)],
            )
            for job in jobs
        ]
        self._counts = [job.step_count for job in jobs]
        self._shelf = [Supply(job=job) for job in jobs]
        self._supplies: dict[int, Supply | None] = {}
        #: Job -> steps it can begin at, as bits; what is not here has changed since it was asked for.
        self.known: dict[int, int] = {}

    def load(self) -> float:
        """Return the share of the technicians' time that is taken."""
        free = sum(row.bit_count() for row in self._technicians)
        return 1 - free / self._worked if self._worked else 0.0

    def begins(self, job: int) -> int:
        """Return the steps that a job can begin at, as bits: bay and technician are free, parts there."""
        found = self.known.get(job)
        if found is None:
            found = self.known[job] = self._find_begins(job)
        return found

    def p_late(self, job: int, start: int) -> float:
        """Return the probability that a part of the job is missing when it begins."""
        supply = self._supply(job)
        if supply is None or not supply.arrivals:
            return 0.0
        return supply.p_late(self._grid.time_of(start), self._now)

    def take(self, job: int, start: int) -> Appointment:
        """Take one of the ``begins`` of a job: the least special bay and technician, and the parts."""
        steps = ((1 << self._counts[job]) - 1) << start
        bays, technicians = self._rows[job]
        bay = next(row for row in bays if self._bays[row] & steps == steps)
        technician = next(row for row in technicians if self._technicians[row] & steps == steps)
        supply = self._supply(job)
        if supply is None:
            raise ValueError(f"job {job} has no parts at {self.station.code}")
        taken = Appointment(start, bay, technician, steps, supply)
        self.retake(taken)
        return taken

    def retake(self, taken: Appointment) -> None:
        """Take again what was given back and has not been taken by anybody else since."""
        self._bays[taken.bay] ^= taken.steps
        self._technicians[taken.technician] ^= taken.steps
        self._move_parts(taken.supply, -1)

    def give_back(self, taken: Appointment) -> None:
        """Make an appointment's time and parts free again."""
        self._bays[taken.bay] |= taken.steps
        self._technicians[taken.technician] |= taken.steps
        self._move_parts(taken.supply, 1)

    def _find_begins(self, job: int) -> int:
        bays, technicians = self._rows[job]
        supply = self._supply(job)
        if supply is None or not bays or not technicians:
            return 0
        count = self._counts[job]
        in_bay = with_technician = 0
        for row in bays:
            in_bay |= _stretches(self._bays[row], count)
        if not in_bay:
            return 0
        for row in technicians:
            with_technician |= _stretches(self._technicians[row], count)
        found = in_bay & with_technician
        if supply.arrivals:
            ready = self._grid.index_at_or_after(supply.sure_at(self._rule, self._now))
            found = found >> ready << ready
        return found

    def _supply(self, job: int) -> Supply | None:
        """Return where the parts of a job come from as things are; None: nowhere."""
        stock = self._stock
        for part in self._jobs[job].parts:
            if stock.get(part.sku, 0) < part.qty:
                break
        else:
            return self._shelf[job]
        if job not in self._supplies:
            have = Occupancy(stock=stock, arrivals=self._arrivals)
            found = supply_of(self._jobs[job], have, self._rule, self._now)
            self._supplies[job] = found if isinstance(found, Supply) else None
        return self._supplies[job]

    def _move_parts(self, supply: Supply, sign: int) -> None:
        self.known.clear()
        if self._supplies:
            self._supplies.clear()
        for part in supply.job.parts:
            coming = supply.arrival(part.sku) if supply.arrivals else None
            if coming is None:
                self._stock[part.sku] += sign * part.qty
            else:
                self._arrivals = tuple(
                    _with_more(a, sign * part.qty) if a.arrival_id == coming.arrival_id else a
                    for a in self._arrivals
                )


def free_rows(
    station: Station, occupancy: Occupancy, grid: TimeGrid, worked: Worked
) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Return which steps bays and technicians have free, and when technicians work at all.

    Returns:
        Shapes (bays, steps), (technicians, steps) and (technicians, steps).
    """
    is_open = worked(station.time_zone, station.hours, grid)
    bays = [
        is_open & grid.free_mask((t.start, t.end) for t in occupancy.taken if t.bay_id == bay.bay_id)
        for bay in station.bays
    ]
    shifts = [worked(station.time_zone, who.shift, grid) for who in station.technicians]
    technicians = [
        shift
        & grid.free_mask((t.start, t.end) for t in occupancy.taken if t.technician_id == who.technician_id)
        for who, shift in zip(station.technicians, shifts, strict=True)
    ]
    return stack(bays, grid.count), stack(technicians, grid.count), stack(shifts, grid.count)


def _with_more(arrival: Arrival, pieces: int) -> Arrival:
    return replace(arrival, free=arrival.free + pieces)


def _bits(row: BoolArray) -> int:
    return int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little")


def _stretches(free: int, count: int) -> int:
    """Return where a stretch of ``count`` free steps begins."""
    length = 1
    while 2 * length <= count:
        free &= free >> length
        length *= 2
    return free & (free >> (count - length)) if length < count else free
