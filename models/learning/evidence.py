"""Counts of one predictor on vehicles with known fate; those of parts add up to those of a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from data.records import FloatArray, IntArray
from models.learning.coverage import needed_stretch
from models.learning.labels import Labels
from models.learning.scale import BINS, counts, group_names, log_odds
from models.predictors.base import RAISE_LEVEL, DayPanel, Risk

Counted = TypeVar("Counted", "DayCounts", "VehicleDays")
#: Highest scores kept of a group: 2 % of 200,000 vehicle-days, and more.
_TOP = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounts:
    """Component-days of one chemistry, by bin of log-odds."""

    positive: FloatArray = field(default_factory=lambda: np.zeros(BINS))  #: of faulty ones, event ahead
    before: FloatArray = field(default_factory=lambda: np.zeros(BINS))  #: of faulty ones, event far ahead
    healthy: FloatArray = field(default_factory=lambda: np.zeros(BINS))
    faults: int = 0  #: faults behind ``positive``

    def __add__(self, other: DayCounts) -> DayCounts:
        return DayCounts(
            positive=self.positive + other.positive,
            before=self.before + other.before,
            healthy=self.healthy + other.healthy,
            faults=self.faults + other.faults,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleDays:
    """Worst scores of healthy vehicle-days of one group."""

    counts: FloatArray
    top: FloatArray  #: the highest, descending

    def __add__(self, other: VehicleDays) -> VehicleDays:
        top = np.sort(np.concatenate((self.top, other.top)))[::-1][:_TOP]
        return VehicleDays(counts=self.counts + other.counts, top=top)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that maps are fitted to."""

    components: Mapping[str, DayCounts]  #: by chemistry
    vehicles: Mapping[str, VehicleDays]  #: by chemistry and season
    needed: FloatArray  #: stretch that days of found faults need
    fault: IntArray  #: which fault each of them is of, from 0
    n_components: float = 1.0  #: of a vehicle, mean

    def __add__(self, other: Evidence) -> Evidence:
        shift = int(self.fault.max()) + 1 if len(self.fault) else 0
        return Evidence(
            components=_joined(self.components, other.components),
            vehicles=_joined(self.vehicles, other.vehicles),
            needed=np.concatenate((self.needed, other.needed)),
            fault=np.concatenate((self.fault, other.fault + shift)),
            n_components=max(self.n_components, other.n_components),
        )


def collect(panel: DayPanel, risk: Risk, labels: Labels, *, is_enriched: bool) -> Evidence:
    """Return the counts of a part.

    Args:
        panel: Of the predictor.
        risk: As of some of its days.
        labels: Of the whole panel.
        is_enriched: Its vehicles have faults: only the faulty components count. Else all do.
    """
    score = log_odds(risk.probability)
    score[~(panel.last_us[:, risk.as_of] > 0)] = np.nan
    event = labels.is_event[:, risk.as_of]
    chemistry = panel.spec.chemistry
    faulty = np.broadcast_to(labels.is_faulty[:, None, :], score.shape)
    if is_enriched:
        positive, before = score[faulty & (event == 1)], score[faulty & (event == 0)]
        days = DayCounts(
            positive=counts(positive),
            before=counts(before),
            faults=int((faulty & (event == 1) & np.isfinite(score)).any(1).sum()),
        )
        vehicles: dict[str, VehicleDays] = {}
        needed, fault = _needed(risk, score, labels.left_h[:, risk.as_of])
    else:
        days = DayCounts(healthy=counts(score[event == 0]))
        # a day of which nobody knows yet is no healthy one
        vehicles = _vehicle_days(panel, risk.as_of, np.where(np.isnan(event), np.nan, score))
        needed, fault = np.zeros(0), np.zeros(0, dtype=np.int64)
    return Evidence(
        components={chemistry: days},
        vehicles=vehicles,
        needed=needed,
        fault=fault,
        n_components=float(score.shape[2]),
    )


def _vehicle_days(panel: DayPanel, as_of: IntArray, score: FloatArray) -> dict[str, VehicleDays]:
    worst = np.where(np.isfinite(score), score, -np.inf).max(2)
    group = group_names(panel.spec.chemistry, panel.day[as_of])
    out = {}
    for name in np.unique(group).tolist():
        found = worst[:, group == name].ravel()
        found = found[np.isfinite(found)]
        out[name] = VehicleDays(counts=counts(found), top=np.sort(found)[::-1][:_TOP])
    return out


def _needed(risk: Risk, score: FloatArray, left_h: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the stretch needed on days between raise and limit, and which fault each is of."""
    raised = np.maximum.accumulate(np.nan_to_num(risk.probability) >= RAISE_LEVEL, axis=1)
    judged = raised & np.isfinite(left_h) & np.isfinite(risk.ttt_h).all(0) & np.isfinite(score)
    vehicle, _, component = np.nonzero(judged)
    needed = needed_stretch(risk.ttt_h[:, judged], left_h[judged])
    _, fault = np.unique(vehicle * score.shape[2] + component, return_inverse=True)
    return needed, fault.astype(np.int64)


def _joined(one: Mapping[str, Counted], other: Mapping[str, Counted]) -> dict[str, Counted]:
    out = dict(one)
    for name, found in other.items():
        out[name] = out[name] + found if name in out else found
    return out
