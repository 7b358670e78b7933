"""Free time in steps of 15 minutes, and the earliest stretch where bay and technician are free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from alerts.dispatch.jobs import STEP_MINUTES
from data.records import BoolArray, IntArray

_STEP = timedelta(minutes=STEP_MINUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A weekly stretch of local time within one day."""

    weekday: int  #: ISO: 1 Monday
    start_minute: int  #: since local midnight
    end_minute: int


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """Steps of 15 minutes from ``start``, which lies on a quarter of an hour."""

    start: datetime
    count: int
    _local: dict[str, tuple[IntArray, IntArray]] = field(default_factory=dict, repr=False)

    @classmethod
    def between(cls, after: datetime, until: datetime) -> TimeGrid:
        """Return the grid from the first quarter of an hour at or after ``after`` to ``until``."""
        first = after.astimezone(UTC)
        over = timedelta(
            minutes=first.minute % STEP_MINUTES, seconds=first.second, microseconds=first.microsecond
        )
        if over:
            first += _STEP - over
        return cls(first, max(0, int((until - first) / _STEP)))

    def index_at_or_after(self, time: datetime) -> int:
        """Return the first step that begins at or after ``time``."""
        return max(0, -int((self.start - time) // _STEP))

    def time_of(self, index: int) -> datetime:
        """Return when a step begins."""
        return self.start + index * _STEP

    def work_mask(self, time_zone: str, periods: Iterable[Period]) -> BoolArray:
        """Return which steps lie wholly within the periods; shape (count,)."""
        weekday, minute = self._local_clock(time_zone)
        mask = np.zeros(self.count, dtype=np.bool_)
        for period in periods:
            mask |= (
                (weekday == period.weekday)
                & (minute >= period.start_minute)
                & (minute + STEP_MINUTES <= period.end_minute)
            )
        return mask

    def free_mask(self, taken: Iterable[tuple[datetime, datetime]]) -> BoolArray:
        """Return which steps overlap none of the taken [start, end) stretches; shape (count,)."""
        mask = np.ones(self.count, dtype=np.bool_)
        for begin, end in taken:
            low = max(0, int((begin - self.start) // _STEP))
            high = max(0, -int((self.start - end) // _STEP))
            mask[low:high] = False
        return mask

    def _local_clock(self, time_zone: str) -> tuple[IntArray, IntArray]:
        if time_zone not in self._local:
            zone = ZoneInfo(time_zone)
            clocks = [self.time_of(i).astimezone(zone) for i in range(self.count)]
            self._local[time_zone] = (
                np.array([c.isoweekday() for c in clocks], dtype=np.int64),
                np.array([c.hour * 60 + c.minute for c in clocks], dtype=np.int64),
            )
        return self._local[time_zone]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeSlot:
    """The first stretch where a bay and a technician are free together; rows of the masks given."""

    start_index: int
    bay: int
    technician: int


def earliest_slot(bays: BoolArray, technicians: BoolArray, *, step_count: int, first: int) -> FreeSlot | None:
    """Return the earliest stretch of free steps of one bay and one technician, or None.

    Args:
        bays: Shape (n_bays, n_steps), free; a row further up is preferred.
        technicians: Shape (n_technicians, n_steps), free and at work; a row further up is preferred.
        step_count: Steps needed without a break.
        first: Earliest step the stretch may begin with.
    """
    bay_runs, technician_runs = _runs(bays, step_count), _runs(technicians, step_count)
    if bay_runs.size == 0 or technician_runs.size == 0:
        return None
    both: BoolArray = np.logical_and(bay_runs.any(axis=0), technician_runs.any(axis=0))
    both[:first] = False
    if not both.any():
        return None
    start = int(both.argmax())
    return FreeSlot(
        start_index=start,
        bay=int(bay_runs[:, start].argmax()),
        technician=int(technician_runs[:, start].argmax()),
    )


def _runs(free: BoolArray, step_count: int) -> BoolArray:
    """Return where a stretch of ``step_count`` free steps begins; shape (n, n_steps - step_count + 1)."""
    if free.shape[0] == 0 or free.shape[1] < step_count:
        return np.zeros((free.shape[0], 0), dtype=np.bool_)
    total = np.zeros((free.shape[0], free.shape[1] + 1), dtype=np.int32)
    np.cumsum(free, axis=1, out=total[:, 1:])
    runs: BoolArray = total[:, step_count:] - total[:, :-step_count] == step_count
    return runs


def stack(masks: Sequence[BoolArray], count: int) -> BoolArray:
    """Return masks as rows; shape (len(masks), count)."""
    return np.stack(masks) if masks else np.zeros((0, count), dtype=np.bool_)
