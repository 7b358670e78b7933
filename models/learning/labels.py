"""What is learned: does a component cross its limit within the horizon; known from when on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from data.records import BoolArray, FloatArray, IntArray, Truth
from models.features.days import to_us
from models.predictors.base import DayPanel, Predictor

_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkshopLabel:
    """What a workshop found on a component, and when that became known."""

    vehicle: int
    component: str
    failure_mode: str
    is_confirmed: bool
    found_us: int  #: when it was found
    decided_us: int  #: when it was written down; nothing before may know it
    onset_us: int | None = None


class Labels(NamedTuple):
    """Labels of a panel's vehicle-days and components."""

    is_event: (
        FloatArray  #: shape (n_vehicles, n_days, n_components): 1, 0; NaN: not known, or after the limit
    )
    is_faulty: BoolArray  #: shape (n_vehicles, n_components): has the fault at any time
    left_h: FloatArray  #: shape as ``is_event``, hours until the limit; NaN: none
    late_h: FloatArray  #: shape (n_vehicles, n_components), hours from the limit until it was written down

    def rows(self, which: IntArray) -> Labels:
        """Return those of some vehicles."""
        return Labels(self.is_event[which], self.is_faulty[which], self.left_h[which], self.late_h[which])


def label_truths(predictor: Predictor, panel: DayPanel, truths: Sequence[Truth]) -> Labels:
    """Return the labels of simulated vehicles.

    A day is an event where the limit comes after it and within the horizon; days before the onset too: what
    nothing can show yet belongs to an honest probability. Unknown are days of faults without a limit, of
    components with another fault, and after the limit, where the vehicle is no longer what it was. A truth
    table knows limits behind the end of the run, so the last days are as well known as the first.

    Args:
        predictor: Gives failure mode, horizon and names of components.
        panel: Of the predictor.
        truths: ``Truth.vehicle`` is ``DayPanel.vehicle_id``.
    """
    out = _blank(panel)
    row_of = {int(v): i for i, v in enumerate(panel.vehicle_id)}
    names = _names(predictor, panel)
    horizon = round(predictor.horizon_h * _HOUR_US)
    for truth in truths:
        if truth.vehicle not in row_of:
            continue
        row = row_of[truth.vehicle]
        if truth.component not in names:
            continue
        component = names[truth.component]
        if not truth.is_fault:
            continue
        if truth.kind != predictor.failure_mode.value:
            out.is_event[row, :, component] = np.nan
            continue
        limit = truth.threshold_at or truth.failure_at
        if limit is None:
            out.is_event[row, :, component] = np.nan
            out.is_faulty[row, component] = True
            continue
        _set_limit(out, panel, (row, component), to_us(limit), horizon)
    return out


def label_outcomes(
    predictor: Predictor,
    panel: DayPanel,
    found: Sequence[WorkshopLabel],
    *,
    cut_us: int,
    undecided: Collection[tuple[int, str]] = (),
) -> Labels:
    """Return the labels of real vehicles from what workshops found, as it was known at a cut.

    Confirmed work is an event at the time it was found. A day without one is healthy only when its whole
    horizon lies before the cut; what was decided after the cut is not looked at, whenever it was found. A
    finding of another kind or of nothing makes the days before it healthy ones up to that time. Of components
    with an order that is open at the cut nothing is known yet: their days are neither.

    Args:
        predictor: As in ``label_truths``.
        panel: Of the predictor.
        found: In any order; of other failure modes too.
        cut_us: The present of the training.
        undecided: (vehicle, component) with an open order at the cut.
    """
    out = _blank(panel)
    names = _names(predictor, panel)
    horizon = round(predictor.horizon_h * _HOUR_US)
    is_open = (panel.last_us + horizon > cut_us) | (panel.last_us == 0)
    out.is_event[is_open] = np.nan
    row_of = {int(v): i for i, v in enumerate(panel.vehicle_id)}
    for vehicle, component in undecided:
        if vehicle in row_of and component in names:
            out.is_event[row_of[vehicle], :, names[component]] = np.nan
    known = [
        one
        for one in found
        if one.decided_us <= cut_us
        and one.is_confirmed
        and one.failure_mode == predictor.failure_mode.value
        and one.vehicle in row_of
        and one.component in names
    ]
    for one in sorted(known, key=lambda label: -label.found_us):
        at = row_of[one.vehicle], names[one.component]
        _set_limit(out, panel, at, one.found_us, horizon)
        out.late_h[at] = (one.decided_us - one.found_us) / _HOUR_US
    return out


def _set_limit(out: Labels, panel: DayPanel, at: tuple[int, int], limit_us: int, horizon_us: int) -> None:
    row, component = at
    when = panel.last_us[row]
    before = (when > 0) & (when < limit_us)
    soon = before & (limit_us <= when + horizon_us)
    label = np.where(soon, 1.0, np.where(before, 0.0, np.nan))
    out.is_event[row, :, component] = label
    out.is_faulty[row, component] = True
    out.left_h[row, :, component] = np.where(before, (limit_us - when) / _HOUR_US, np.nan)


def _blank(panel: DayPanel) -> Labels:
    shape = (len(panel.vehicle_id), len(panel.day), max(1, panel.value.shape[2]))
    parts = shape[0], shape[2]
    return Labels(np.zeros(shape), np.zeros(parts, dtype=np.bool_), np.full(shape, np.nan), np.zeros(parts))


def _names(predictor: Predictor, panel: DayPanel) -> dict[str, int]:
    return {predictor.component_name(panel.spec, i): i for i in range(panel.value.shape[2])}
