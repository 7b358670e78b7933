"""What has been touched and not yet scored, and when it is time to score it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from data.records import Family, VehicleSpec
from models.features.days import local_day
from models.partitions import partition_of

_TIRE_FAMILIES = frozenset({Family.TIRE.value, Family.DRIVE.value})
_CELL_FAMILIES = frozenset({Family.CELL.value, Family.DRIVE.value})


@dataclass(slots=True)
class Touched:
    """What is to be recomputed of one vehicle."""

    first_batch: int  #: oldest batch not yet scored
    since_s: float  #: clock of the oldest and the newest touch
    latest_s: float
    tire_days: set[int] = field(default_factory=set)
    cell_days: set[int] = field(default_factory=set)
    data_us: int = 0  #: newest sample


@dataclass(slots=True)
class Backlog:
    """Collects touched days by vehicle; a vehicle is due when it is quiet, or has waited long enough."""

    pause_s: float  #: shortest pause between two scorings of a vehicle
    quiet_s: float = 2.0
    longest_wait_s: float = 15.0
    touched: dict[int, Touched] = field(default_factory=dict)
    scored_s: dict[int, float] = field(default_factory=dict)

    def add(
        self,
        batch_id: int,
        entries: Iterable[tuple[int, str, int, int]],
        specs: Mapping[int, VehicleSpec],
        *,
        now_s: float,
    ) -> None:
        """Note what a batch touched.

        Args:
            batch_id: Of the commit log.
            entries: Vehicle, family, first and last sample time in microseconds.
            specs: For the time zone; vehicles that are not in it are left out.
            now_s: A clock that only goes forward.
        """
        for vehicle, family, from_us, to_us in entries:
            spec = specs.get(vehicle)
            if spec is None or family not in _TIRE_FAMILIES | _CELL_FAMILIES:
                continue
            entry = self.touched.setdefault(vehicle, Touched(batch_id, now_s, now_s))
            entry.latest_s = now_s
            entry.data_us = max(entry.data_us, to_us)
            first, last = local_day(np.array([from_us, to_us], dtype=np.int64), spec.time_zone).tolist()
            days = range(first, last + 1)
            if family in _TIRE_FAMILIES:
                entry.tire_days.update(days)
            if family in _CELL_FAMILIES:
                entry.cell_days.update(days)

    def due(self, now_s: float, limit: int) -> list[int]:
        """Return the vehicles whose turn it is, longest waiting first."""
        ready = [
            (entry.since_s, vehicle)
            for vehicle, entry in self.touched.items()
            if (now_s - entry.latest_s >= self.quiet_s or now_s - entry.since_s >= self.longest_wait_s)
            and now_s - self.scored_s.get(vehicle, -1e9) >= self.pause_s
        ]
        return [vehicle for _, vehicle in sorted(ready)[:limit]]

    def done(self, vehicles: Collection[int], now_s: float) -> None:
        """Forget what has been scored and committed."""
        for vehicle in vehicles:
            self.touched.pop(vehicle, None)
            self.scored_s[vehicle] = now_s

    def reach(self, partition: int, read_to: int, but: Collection[int]) -> int:
        """Return the batch up to which a partition is scored once the vehicles ``but`` are."""
        waiting = (
            entry.first_batch
            for vehicle, entry in self.touched.items()
            if partition_of(vehicle) == partition and vehicle not in but
        )
        return min((first - 1 for first in waiting), default=read_to)
