"""What a live rule raises on the vehicles of a part, reading by reading, between two looks at their days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.records import IntArray, VehicleSpec
from models.evaluation.episodes import Episodes
from models.evaluation.part import Levels
from models.watch.rule import LiveRule, Readings

_HOUR_US = 3_600_000_000
_URGENT = 2


@dataclass(frozen=True, slots=True)
class Watched:
    """Alerts that a live rule raised on the vehicles of a part."""

    name: str  #: of the rule, its model version
    episodes: Episodes  #: by rows and days of the part's panels


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedReadings:
    """Readings of vehicles of one model, in pieces that a rule takes side by side."""

    spec: VehicleSpec
    vehicle: IntArray  #: shape (n_pieces,), row of the panels
    counts_from_us: IntArray  #: shape (n_pieces,), what is found earlier belongs to the piece before
    row: IntArray  #: shape (n,), piece of each reading, ascending; readings of a piece ascend in time
    time_us: IntArray  #: shape (n,)
    columns: Mapping[str, npt.NDArray[Any]]  #: by alias, (n,) or (n, k)


def watch(rule: LiveRule, given: WatchedReadings, levels: Levels, day_begins_us: IntArray) -> Watched:
    """Return the alerts that a rule raises, by the levels and dwells of the alerts.

    An alert of a piece that has not ended with it ends with its last reading: the next piece goes on.

    Args:
        rule: From an empty state on, for each piece.
        given: What it takes.
        levels: Of the rule's failure mode.
        day_begins_us: Shape (n_days + 1,), begin of each day of the panels and end of the last.
    """
    n = len(given.row)
    wanted = (*rule.columns, *rule.context)
    columns = {name: given.columns.get(name, np.full(n, np.nan)) for name in wanted}
    state = rule.empty(len(given.vehicle), given.spec)
    risk = rule.take(state, Readings(at=given.row, time_us=given.time_us, columns=columns), given.spec)
    begun_us = risk.detail["start_us"]
    urgent_h = levels.raise_dwell_h if levels.urgent_dwell_h is None else levels.urgent_dwell_h
    with np.errstate(invalid="ignore"):
        dwell_us = np.where(risk.severity <= _URGENT, urgent_h, levels.raise_dwell_h) * _HOUR_US
        counts = given.time_us >= given.counts_from_us[given.row]
        is_high = (risk.probability >= levels.raise_level) & counts[:, None]
        is_raising = is_high & (given.time_us[:, None] - begun_us >= dwell_us)
        is_low = risk.probability <= levels.clear_level
    ends = np.searchsorted(given.row, given.row, side="right") - 1
    found: list[tuple[int, int, int, int]] = []
    for component in range(is_raising.shape[1]):
        low = np.flatnonzero(is_low[:, component])
        cleared, piece = -1, -1
        for at in np.flatnonzero(is_raising[:, component]).tolist():
            if given.row[at] == piece and at <= cleared:
                continue
            after = int(np.searchsorted(low, at))
            piece = int(given.row[at])
            cleared = min(int(low[after]) if after < len(low) else n, int(ends[at]))
            found.append((int(given.vehicle[piece]), component, at, cleared))
    vehicle, which, raised, cleared_at = np.array(found, dtype=np.int64).reshape(-1, 4).T
    raised_us = given.time_us[raised]
    order = np.lexsort((raised_us, which, vehicle))
    return Watched(
        rule.model_version,
        Episodes(
            vehicle[order],
            which[order],
            np.searchsorted(day_begins_us, raised_us, side="right")[order] - 1,
            raised_us[order],
            given.time_us[cleared_at][order],
        ),
    )
