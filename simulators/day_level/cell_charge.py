"""The charge of every cell against its pack from day to day: leaks, self-discharge, balancing, ageing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, Severity
from simulators.day_level.chance import Floats, Singles
from simulators.day_level.plan import Course
from simulators.day_level.scene import Scene

#: A cell of a sound pack: capacity 0.7 %, resistance 4 %, self-discharge 2 % a month ±20 %.
_CAPACITY, _RESISTANCE, _DISCHARGE = 0.007, 0.04, 0.02 / 30.0 * 0.2
#: Charge above the lowest cell, 0-1, from which a cell is bled (6-20 mV): evenly spread, 0.4 % on average.
_WITHIN = (0.006, 0.020)
_CELL_V = 3.75
_BEGIN_OHM, _LIMIT_OHM, _END_OHM = 10_000.0, 10.0, 0.3
#: A cell that is so much emptier than the others ends every drive.
_USELESS = 0.35


@dataclass(slots=True, kw_only=True)
class CellCharge:
    """State of the cells; (F, D, N) in single precision."""

    offset: Singles  #: charge above the median cell's when the pack is full, 0-1
    capacity: Singles  #: over the rated capacity of the pack's age
    resistance: Singles  #: over the median cell's
    courses: list[Course]


def run_cells(scene: Scene) -> CellCharge:
    """Return what each cell holds and how it ages.

    An internal short falls log-linearly from 10 kOhm to 10 Ohm in 20-90 days; three in ten heal before.
    Passive balancing (20-100 mA for 3-8 h after a charge) bleeds the cells that are 0.6-2 % above the lowest:
    it evens out self-discharge and hides a part of a leak.
    """
    n, days = scene.shape
    width = scene.spec.cell_count
    topic = scene.chance.topic("cells")
    drawn = np.clip(topic.normal(3, width), -3.0, 3.0).astype(np.float64)
    own = topic.uniform(3).astype(np.float64)
    is_one = scene.mark(width)[:, 0]
    capacity_ah = scene.spec.capacity_ah
    bleed = (0.02 + 0.08 * own[:, 0]) * (3.0 + 5.0 * own[:, 1]) / capacity_ah
    lost, courses = _short_loss(scene, capacity_ah)
    step = _step(scene)
    # left to itself, balancing keeps the cells within its own threshold
    within = _WITHIN[0] + (_WITHIN[1] - _WITHIN[0]) * own[:, 2:]
    offset = within * topic.uniform(width).astype(np.float64)
    out = CellCharge(
        offset=np.empty((n, days, width), np.float32),
        capacity=np.broadcast_to((1.0 + _CAPACITY * drawn[:, 1])[:, None], (n, days, width)).astype(
            np.float32
        ),
        resistance=np.broadcast_to((1.0 + _RESISTANCE * drawn[:, 2])[:, None], (n, days, width)).astype(
            np.float32
        ),
        courses=courses,
    )
    balances = scene.usage.is_charged & (scene.usage.charged_to >= 0.8)
    for day in range(days):
        offset = offset - _DISCHARGE * drawn[:, 0] - np.where(is_one, (lost + step)[:, day, None], 0.0)
        above = offset - offset.min(axis=1, keepdims=True) - within
        bled = np.where(balances[:, day, None], np.clip(above, 0.0, bleed[:, None]), 0.0)
        offset = offset - bled
        out.offset[:, day] = offset
    _weaken(scene, out)
    return out


def _short_loss(scene: Scene, capacity_ah: float) -> tuple[Floats, list[Course]]:
    """Return the charge that the short takes from its cell each day, 0-1, and the courses.

    The integral of V/R with log-linear R is closed: V / (R0 s) (e^(s t) - 1).
    """
    u, plan = scene.plan.u, scene.plan
    rows = plan.rows(FailureMode.CELL_INTERNAL_SHORT)
    n, days = scene.shape
    lost = np.zeros((n, days))
    if not len(rows):
        return lost, []
    takes = 20.0 + 70.0 * u[rows, 2]
    rate = np.log(_BEGIN_OHM / _LIMIT_OHM) / takes
    heals = u[rows, 3] < 0.3
    heals_at = np.where(heals, takes * (0.45 + 0.5 * u[rows, 4]), np.inf)
    burns = ~heals & (u[rows, 3] < 0.3 + 0.2 * 0.7)
    # the last stretch down to 0.3 ohm in 1-48 h where it runs away
    burns_at = np.where(burns, takes + (1.0 + 47.0 * u[rows, 5]) / 24.0, np.inf)
    edges = np.arange(float(days + 1))[None, :] - plan.onset_day[rows, None]
    live = np.clip(edges, 0.0, np.minimum(heals_at, takes)[:, None])
    drained = _CELL_V / (_BEGIN_OHM * rate[:, None]) * np.expm1(rate[:, None] * live)
    beyond = np.where(heals[:, None], 0.0, np.maximum(edges - takes[:, None], 0.0)) * _CELL_V / _LIMIT_OHM
    charge = (drained + beyond) * 24.0 / capacity_ah
    lost[rows] = np.diff(charge, axis=1)
    width = scene.spec.cell_count
    cell = scene.picked(width)[rows]
    courses = []
    for i, row in enumerate(rows.tolist()):
        onset = float(plan.onset_day[row])
        fine = np.linspace(0.0, takes[i] + 30.0, 2000)
        course = _CELL_V / (_BEGIN_OHM * rate[i]) * np.expm1(rate[i] * np.minimum(fine, takes[i]))
        course = (course + np.maximum(fine - takes[i], 0.0) * _CELL_V / _LIMIT_OHM) * 24.0 / capacity_ah
        empty = float(fine[int(np.argmax(course > _USELESS))]) if (course > _USELESS).any() else np.inf
        # left alone: a healing short never gets to its limit
        failure = np.inf if heals[i] else min(float(burns_at[i]), max(empty, 1e-3))
        threshold = np.inf if heals[i] else min(float(takes[i]), failure)
        courses.append(
            Course(
                row=row,
                component=f"cell {int(cell[i]) + 1}",
                magnitude=round(float(_BEGIN_OHM * np.exp(-rate[i] * min(takes[i], heals_at[i]))), 1),
                unit="ohm",
                onset_day=onset,
                threshold_day=onset + threshold,
                failure_day=onset + failure,
                severity=Severity.S2 if onset + threshold < scene.plan.days + 7.0 else Severity.S3,
            )
        )
    return lost, courses


def _step(scene: Scene) -> Floats:
    """Return the charge that one cell lacks from a day on (a module was changed), without a leak; (F, D)."""
    size = 0.02 + 0.04 * scene.plan.u[:, 2]
    is_out = scene.has(FailureMode.CELL_IMBALANCE) | scene.has("imbalance")
    return np.where(is_out[:, None] & (scene.since == 0), size[:, None], 0.0)


def _weaken(scene: Scene, out: CellCharge) -> None:
    """Lower the capacity or raise the resistance of the weak cell, and write what is true of it."""
    u, plan, width = scene.plan.u, scene.plan, scene.spec.cell_count
    cell = scene.picked(width)
    takes = 40.0 + 80.0 * u[:, 2]
    grown = np.clip((scene.since + 0.5) / takes[:, None], 0.0, 1.0)
    for kind in (FailureMode.CELL_WEAK, FailureMode.CELL_RESISTANCE):
        for row in plan.rows(kind).tolist():
            onset, at = float(plan.onset_day[row]), int(cell[row])
            loses = kind is FailureMode.CELL_WEAK
            size = 0.05 + 0.10 * u[row, 3] if loses else 0.3 + 0.7 * u[row, 3]
            if loses:
                out.capacity[row, :, at] *= 1.0 - size * grown[row]
            else:
                out.resistance[row, :, at] *= 1.0 + size * grown[row]
            # ill with all of its loss, or a quarter more resistance than the others
            threshold = onset + takes[row] * (1.0 if loses else 0.25 / size)
            out.courses.append(
                Course(
                    row=row,
                    component=f"cell {at + 1}",
                    magnitude=round(float(100.0 * size), 1),
                    unit="% of capacity" if loses else "% of resistance",
                    onset_day=onset,
                    threshold_day=threshold,
                )
            )
    for imbalance in (str(FailureMode.CELL_IMBALANCE), "imbalance"):
        for row in plan.rows(imbalance).tolist():
            out.courses.append(
                Course(
                    row=row,
                    component=f"cell {int(cell[row]) + 1}",
                    magnitude=round(float(2.0 + 4.0 * u[row, 2]), 2),
                    unit="% of charge",
                    onset_day=float(np.floor(plan.onset_day[row])),
                    severity=Severity.S4,
                )
            )
