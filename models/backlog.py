"""What has been touched and not yet scored, and when it is time to score it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from data.records import Family, VehicleSpec
from models.features.days import local_day
from models.partitions import partition_of

#: Families that features are made of.
_FAMILIES = frozenset({Family.DRIVE.value, Family.TIRE.value, Family.CELL.value})


@dataclass(slots=True)
class Touched:
    """What is to be recomputed of one vehicle."""

    first_batch: int  #: oldest batch not yet scored
    since_s: float  #: clock of the oldest and the newest touch
    latest_s: float
    days: dict[str, set[int]] = field(default_factory=dict)  #: by family, local days with new rows
    data_us: int = 0  #: newest sample
    has_live: bool = False  #: some of it was sent live

    @property
    def all_days(self) -> set[int]:
        """Return the days with new rows of any family."""
        return set().union(*self.days.values())


@dataclass(frozen=True, slots=True)
class Scored:
    """The last scoring of one vehicle."""

    at_s: float
    newest_day: int
    was_live: bool


@dataclass(slots=True)
class Backlog:
    """Collects touched days by vehicle; a vehicle is due when it is quiet, or has waited long enough.

    A vehicle that goes on sending live on the day that was scored last changes that day by a few samples:
    it waits for ``pause_s``. News do not wait that long: the first live sample, another day, late rows.
    """

    pause_s: float  #: shortest pause between two scorings of a vehicle that goes on sending
    news_pause_s: float = 5.0  #: and of one that brings news
    quiet_s: float = 2.0
    longest_wait_s: float = 15.0
    touched: dict[int, Touched] = field(default_factory=dict)
    scored: dict[int, Scored] = field(default_factory=dict)

    def add(
        self,
        batch_id: int,
        entries: Iterable[tuple[int, str, int, int, bool]],
        specs: Mapping[int, VehicleSpec],
        *,
        now_s: float,
    ) -> None:
        """Note what a batch touched.

        Args:
            batch_id: Of the commit log.
            entries: Vehicle, family, first and last sample time in microseconds, sent live.
            specs: For the time zone; vehicles that are not in it are left out.
            now_s: A clock that only goes forward.
        """
        for vehicle, family, from_us, to_us, is_live in entries:
            spec = specs.get(vehicle)
            if spec is None or family not in _FAMILIES:
                continue
            entry = self.touched.setdefault(vehicle, Touched(batch_id, now_s, now_s))
            entry.latest_s = now_s
            entry.data_us = max(entry.data_us, to_us)
            entry.has_live |= is_live
            first, last = local_day(np.array([from_us, to_us], dtype=np.int64), spec.time_zone).tolist()
            entry.days.setdefault(family, set()).update(range(first, last + 1))

    def due(self, now_s: float, limit: int) -> list[int]:
        """Return the vehicles whose turn it is, longest waiting first."""
        ready = [
            (entry.since_s, vehicle)
            for vehicle, entry in self.touched.items()
            if (now_s - entry.latest_s >= self.quiet_s or now_s - entry.since_s >= self.longest_wait_s)
            and self._is_rested(vehicle, entry, now_s)
        ]
        return [vehicle for _, vehicle in sorted(ready)[:limit]]

    def done(self, vehicles: Collection[int], now_s: float) -> None:
        """Forget what has been scored and committed."""
        for vehicle in vehicles:
            entry = self.touched.pop(vehicle, None)
            if entry is not None:
                self.scored[vehicle] = Scored(now_s, max(entry.all_days), entry.has_live)

    def reach(self, partition: int, read_to: int, but: Collection[int]) -> int:
        """Return the batch up to which a partition is scored once the vehicles ``but`` are."""
        waiting = (
            entry.first_batch
            for vehicle, entry in self.touched.items()
            if partition_of(vehicle) == partition and vehicle not in but
        )
        return min((first - 1 for first in waiting), default=read_to)

    def _is_rested(self, vehicle: int, entry: Touched, now_s: float) -> bool:
        last = self.scored.get(vehicle)
        if last is None:
            return True
        is_news = entry.has_live != last.was_live or {last.newest_day} != entry.all_days
        return now_s - last.at_s >= (min(self.news_pause_s, self.pause_s) if is_news else self.pause_s)
