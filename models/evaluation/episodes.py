"""From probabilities to alerts: the alert machine of the live system, for many vehicles at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FloatArray, IntArray
from models.evaluation.part import Levels
from models.predictors.base import RAISE_LEVEL

_HOUR_US = 3_600_000_000
#: Alerts of one component closer together than this are one.
MERGE_H = 72.0
#: Longer than any run; components are set apart by more than that.
_NEVER_US, _PARTS_APART_US = 1 << 47, 1 << 48
_NONE, _PENDING, _ACTIVE = 0, 1, 2
#: Severities 0 and 1 end by a person only.
_HELD = 1
#: Severities 0 to 2 have a dwell of their own.
_URGENT = 2


@dataclass(frozen=True, slots=True)
class Episodes:
    """Alerts, each from its raise to its end, ordered by vehicle, component and time."""

    vehicle: IntArray  #: shape (n,), row of the panel
    component: IntArray  #: shape (n,)
    position: IntArray  #: shape (n,), day index of the raise
    raised_us: IntArray  #: shape (n,)
    cleared_us: IntArray  #: shape (n,); -1: never

    def __len__(self) -> int:
        return len(self.vehicle)


def find_episodes(
    probability: FloatArray, severity: IntArray | None, data_us: IntArray, levels: Levels
) -> Episodes:
    """Return the alerts that the running system raises from one look a day.

    Hysteresis, dwell in event time and the hold of urgent alerts are those of the alert machine; a test holds
    the two together. Each look has the time of the newest sample that it used.

    Args:
        probability: Shape (n_vehicles, n_days, n_components); NaN: nothing is known.
        severity: Same shape, 0 the most urgent; None: none is urgent.
        data_us: Shape (n_vehicles, n_days), newest sample of the day; 0: no data, no look.
        levels: Of the failure mode.
    """
    n_vehicles, n_days, n_components = probability.shape
    shape = (n_vehicles, n_components)
    state = np.zeros(shape, dtype=np.int8)
    is_high = np.zeros(shape, dtype=np.bool_)
    since, quiet = np.full(shape, -1, dtype=np.int64), np.full(shape, -1, dtype=np.int64)
    worst = np.full(shape, 9, dtype=np.int64)
    open_row = np.full(shape, -1, dtype=np.int64)
    raised: list[tuple[IntArray, IntArray, int, IntArray]] = []
    cleared: list[tuple[IntArray, IntArray]] = []
    count = 0
    for day in range(n_days):
        now = np.broadcast_to(data_us[:, day, None], shape)
        p = probability[:, day]
        has_data = now > 0
        side = np.nan_to_num(p) >= RAISE_LEVEL
        turns = has_data & ((since < 0) | (side != is_high))
        since = np.where(turns, now, since)
        is_high = np.where(has_data, side, is_high)
        looked = has_data & np.isfinite(p)
        with np.errstate(invalid="ignore"):
            is_raising, is_quiet = looked & (p >= levels.raise_level), looked & (p <= levels.clear_level)
        is_past = now - since >= _dwell_us(None if severity is None else severity[:, day], levels)
        was_active = state == _ACTIVE
        begins = ~was_active & is_raising & is_past
        state = np.where(~was_active & is_raising & ~is_past, _PENDING, state)
        state = np.where(~was_active & looked & ~is_raising, _NONE, state)
        quiet = np.where(looked & ~is_quiet, -1, np.where(is_quiet & (quiet < 0), now, quiet))
        ends = was_active & is_quiet & (now - quiet >= levels.clear_dwell_h * _HOUR_US) & (worst > _HELD)
        if severity is not None:
            worst = np.where(is_raising & was_active, np.minimum(worst, severity[:, day]), worst)
            worst = np.where(begins, severity[:, day], worst)
        if ends.any():
            cleared.append((open_row[ends], now[ends]))
            state = np.where(ends, _NONE, state)
        if begins.any():
            rows, components = np.nonzero(begins)
            open_row[begins] = count + np.arange(len(rows))
            count += len(rows)
            raised.append((rows, components, day, now[begins]))
            state = np.where(begins, _ACTIVE, state)
    end_us = np.full(count, -1, dtype=np.int64)
    for which, when in cleared:
        end_us[which] = when
    if not count:
        nothing = np.zeros(0, dtype=np.int64)
        return Episodes(nothing, nothing, nothing, nothing, nothing)
    vehicle = np.concatenate([r[0] for r in raised])
    component = np.concatenate([r[1] for r in raised])
    position = np.concatenate([np.full(len(r[0]), r[2], dtype=np.int64) for r in raised])
    raised_us = np.concatenate([r[3] for r in raised])
    order = np.lexsort((raised_us, component, vehicle))
    return Episodes(vehicle[order], component[order], position[order], raised_us[order], end_us[order])


def _dwell_us(severity: IntArray | None, levels: Levels) -> IntArray:
    """Return how long a probability has to last, shape of ``severity``."""
    longest = np.int64(round(levels.raise_dwell_h * _HOUR_US))
    if severity is None or levels.urgent_dwell_h is None:
        return np.asarray(longest)
    urgent = np.int64(round(levels.urgent_dwell_h * _HOUR_US))
    return np.asarray(np.where(severity <= _URGENT, urgent, longest))


def merge(found: Episodes, *, within_h: float = MERGE_H) -> Episodes:
    """Return the episodes with those of one component that follow each other closely made one.

    Args:
        found: Ordered by vehicle, component and time.
        within_h: From the end of one to the raise of the next.
    """
    if len(found) < 2:
        return found
    is_same = (np.diff(found.vehicle) == 0) & (np.diff(found.component) == 0)
    # of those that overlap the latest end counts; each component on a stretch of time of its own
    part = np.r_[0, np.cumsum(~is_same)] * _PARTS_APART_US
    begin = found.raised_us - found.raised_us.min() + part
    end = np.where(found.cleared_us < 0, _NEVER_US, found.cleared_us - found.raised_us.min()) + part
    latest = np.maximum.accumulate(end)
    joins = is_same & (begin[1:] - latest[:-1] <= within_h * _HOUR_US)
    first = np.flatnonzero(np.r_[True, ~joins])
    last = latest[np.r_[first[1:] - 1, len(found) - 1]] - part[first]
    return Episodes(
        found.vehicle[first],
        found.component[first],
        found.position[first],
        found.raised_us[first],
        np.where(last >= _NEVER_US, -1, last + found.raised_us.min()),
    )


def beside(found: Episodes, other: Episodes) -> Episodes:
    """Return the episodes of two sources of one system, ordered by vehicle, component and time."""
    fields = ("vehicle", "component", "position", "raised_us", "cleared_us")
    columns = [np.concatenate((getattr(found, name), getattr(other, name))) for name in fields]
    order = np.lexsort((columns[3], columns[1], columns[0]))
    return Episodes(*(column[order] for column in columns))
