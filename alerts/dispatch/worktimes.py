"""Opening hours and shifts as free steps, kept from one decision to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta

from alerts.dispatch.jobs import STEP_MINUTES
from alerts.dispatch.slots import Period, TimeGrid
from data.records import BoolArray

_STEP = timedelta(minutes=STEP_MINUTES)
_SPAN = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class _Window:
    grid: TimeGrid
    masks: dict[tuple[str, tuple[Period, ...]], BoolArray] = field(default_factory=dict)


class WorkTimes:
    """Weekly hours laid out over the coming weeks once, whoever asks; any number of threads may."""

    def __init__(self) -> None:
        self._window: _Window | None = None

    def mask(self, time_zone: str, periods: tuple[Period, ...], grid: TimeGrid) -> BoolArray:
        """Return which steps of the grid lie wholly within the periods; shape (grid.count,), read-only."""
        window = self._window
        offset = 0 if window is None else (grid.start - window.grid.start) // _STEP
        if window is None or offset < 0 or offset + grid.count > window.grid.count:
            start = grid.start.astimezone(UTC).replace(minute=0)
            window = _Window(TimeGrid.between(start, start + max(_SPAN, (grid.count + 4) * _STEP)))
            offset = (grid.start - start) // _STEP
            self._window = window
        key = (time_zone, periods)
        if key not in window.masks:
            mask = window.grid.work_mask(time_zone, periods)
            mask.setflags(write=False)
            window.masks[key] = mask
        return window.masks[key][offset : offset + grid.count]
