"""One station's free time and parts, as a batch takes them. Pure."""

from __future__ import annotations

from typing import Final

from alerts.jobs import Job
from alerts.obstacles import fit_bays, fit_technicians
from alerts.slots import TimeGrid, earliest_slot, stack
from alerts.stations import Occupancy, Station, Worked
from data.records import BoolArray

#: Steps searched at once; two days nearly always hold the next slot.
_WINDOW: Final = 192


class Calendar:
    """Which steps of a grid each bay and each technician of a station has left, and which parts."""

    def __init__(self, station: Station, occupancy: Occupancy, grid: TimeGrid, worked: Worked) -> None:
        self.station = station
        is_open = worked(station.time_zone, station.hours, grid)
        self.bays = stack(
            [
                is_open & grid.free_mask((t.start, t.end) for t in occupancy.taken if t.bay_id == bay.bay_id)
                for bay in station.bays
            ],
            grid.count,
        )
        shifts = [worked(station.time_zone, who.shift, grid) for who in station.technicians]
        self.technicians = stack(
            [
                shift
                & grid.free_mask(
                    (t.start, t.end) for t in occupancy.taken if t.technician_id == who.technician_id
                )
                for who, shift in zip(station.technicians, shifts, strict=True)
            ],
            grid.count,
        )
        self.stock = dict(occupancy.stock)
        self._worked = int(sum(shift.sum() for shift in shifts))

    def load(self) -> float:
        """Return the share of the technicians' time that is taken."""
        return 1 - float(self.technicians.sum()) / self._worked if self._worked else 0.0

    def supply(self, job: Job) -> int:
        """Return for how many of these jobs there are parts."""
        return min((self.stock.get(part.sku, 0) // part.qty for part in job.parts), default=1_000_000)

    def starts(self, job: Job, *, first: int, count: int) -> list[int]:
        """Return the starts of up to ``count`` jobs one after the other, each as early as it can be."""
        bay_rows, people_rows = self._rows(job)
        bays, people = self.bays[bay_rows], self.technicians[people_rows]
        found: list[int] = []
        low = first
        while low < bays.shape[1] and len(found) < min(count, self.supply(job)):
            span = slice(low, low + _WINDOW + job.step_count)
            slot = earliest_slot(bays[:, span], people[:, span], step_count=job.step_count, first=0)
            if slot is None:
                low += _WINDOW
                continue
            low += slot.start_index
            _take(bays, slot.bay, low, job)
            _take(people, slot.technician, low, job)
            found.append(low)
        return found

    def take(self, job: Job, *, first: int, last: int) -> tuple[int, int, int] | None:
        """Take the earliest time for a job that begins from ``first`` to ``last``, and its parts.

        Returns:
            Start, bay and technician as the station lists them; None where there is no such time.
        """
        if self.supply(job) < 1:
            return None
        bay_rows, people_rows = self._rows(job)
        span = slice(0, last + job.step_count)
        slot = earliest_slot(
            self.bays[bay_rows, span],
            self.technicians[people_rows, span],
            step_count=job.step_count,
            first=first,
        )
        if slot is None:
            return None
        bay, who = bay_rows[slot.bay], people_rows[slot.technician]
        _take(self.bays, bay, slot.start_index, job)
        _take(self.technicians, who, slot.start_index, job)
        for part in job.parts:
            self.stock[part.sku] -= part.qty
        return slot.start_index, bay, who

    def _rows(self, job: Job) -> tuple[list[int], list[int]]:
        bays, people = fit_bays(self.station, job), fit_technicians(self.station, job)
        return [self.station.bays.index(bay) for bay in bays], [
            self.station.technicians.index(who) for who in people
        ]


def _take(rows: BoolArray, row: int, start: int, job: Job) -> None:
    rows[row, start : start + job.step_count] = False
