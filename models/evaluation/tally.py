"""What the judging of one detector counts; tallies of parts add up to that of the fleet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from data.records import FailureMode, FloatArray
from models.evaluation.metrics import Scores


class Outcome(StrEnum):
    """What became of a fault."""

    FOUND = "found"  #: alerted after its onset and in time to act
    LATE = "late"  #: alerted, but with less time left than acting needs: counts as a miss
    MISSED = "missed"
    UNJUDGED = "unjudged"  #: its limit lies behind the end of the run, or it never reaches it


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultOutcome:
    """One fault and what the detector made of it."""

    seed: int
    vehicle: int
    component: str
    magnitude: float
    outcome: Outcome
    is_alerted: bool  #: at any time after the onset
    lead_h: float = float("nan")  #: from the alert to the limit
    delay_h: float = float("nan")  #: from the onset to the alert
    #: highest log-odds on its component, from the onset on while there is time to act
    peak: float = float("-inf")
    is_inside: float = float("nan")  #: 1: the limit came within the 10-90 % interval foretold at the alert


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlert:
    """One alert without a fault."""

    seed: int
    vehicle: int
    component: str
    day: int  #: days since 1970-01-01, UTC
    decoy: str  #: the harmless thing that happened there last, or empty


@dataclass(frozen=True, slots=True, kw_only=True)
class SohError:
    """How far the state of health was off, where the truth is known."""

    count: int = 0
    squared: float = 0.0  #: sum, points²
    inside: int = 0  #: truths within the 95 % interval
    with_interval: int = 0

    def __add__(self, other: SohError) -> SohError:
        return SohError(
            count=self.count + other.count,
            squared=self.squared + other.squared,
            inside=self.inside + other.inside,
            with_interval=self.with_interval + other.with_interval,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What one detector did on one or more parts."""

    name: str
    failure_mode: FailureMode
    horizon_h: float
    scores: Scores  #: of vehicle-days: the worst component against "crosses its limit within the horizon"
    faults: tuple[FaultOutcome, ...] = ()
    false_alerts: tuple[FalseAlert, ...] = ()  #: on vehicles of the healthy-plus-decoy fleet
    astray: tuple[FalseAlert, ...] = ()  #: on vehicles with a fault elsewhere, or before its onset
    healthy_days: int = 0  #: vehicle-days of the healthy fleet with an answer
    healthy_calendar_days: int = 0
    ruled_out_days: int = 0  #: of ``healthy_days``: what a rule needs did not happen, it was not run
    enriched_days: int = 0
    enriched_calendar_days: int = 0
    decoys: int = 0  #: harmless look-alikes on the healthy vehicles
    #: (kind of the true fault, is it on the same component) -> vehicles on which this mode was alerted
    confusion: Counter[tuple[str, bool]] = field(default_factory=Counter)
    peaks: FloatArray = field(
        default_factory=lambda: np.zeros(0)
    )  #: highest log-odds of each healthy vehicle
    interval: tuple[int, int] = (0, 0)  #: days between alert and limit: inside the interval, all
    soh: SohError = SohError()

    def beside(self, other: Tally) -> Tally:
        """Return what two detectors of one mode did together on the same vehicles.

        A fault that both have a name for is one; the one that found it, and earlier, counts.
        """
        both = self + other
        return replace(
            both,
            faults=_once(both.faults),
            name=f"{self.name}, {other.name}",
            horizon_h=max(self.horizon_h, other.horizon_h),
            healthy_days=max(self.healthy_days, other.healthy_days),
            healthy_calendar_days=max(self.healthy_calendar_days, other.healthy_calendar_days),
            ruled_out_days=max(self.ruled_out_days, other.ruled_out_days),
            decoys=max(self.decoys, other.decoys),
            enriched_days=max(self.enriched_days, other.enriched_days),
            enriched_calendar_days=max(self.enriched_calendar_days, other.enriched_calendar_days),
        )

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            name=self.name,
            failure_mode=self.failure_mode,
            horizon_h=self.horizon_h,
            scores=self.scores + other.scores,
            faults=self.faults + other.faults,
            false_alerts=self.false_alerts + other.false_alerts,
            astray=self.astray + other.astray,
            healthy_days=self.healthy_days + other.healthy_days,
            healthy_calendar_days=self.healthy_calendar_days + other.healthy_calendar_days,
            ruled_out_days=self.ruled_out_days + other.ruled_out_days,
            enriched_days=self.enriched_days + other.enriched_days,
            enriched_calendar_days=self.enriched_calendar_days + other.enriched_calendar_days,
            decoys=self.decoys + other.decoys,
            confusion=self.confusion + other.confusion,
            peaks=np.concatenate((self.peaks, other.peaks)),
            interval=(self.interval[0] + other.interval[0], self.interval[1] + other.interval[1]),
            soh=self.soh + other.soh,
        )


_BEST = (Outcome.FOUND, Outcome.LATE, Outcome.MISSED, Outcome.UNJUDGED)


def _once(faults: Sequence[FaultOutcome]) -> tuple[FaultOutcome, ...]:
    """Return each fault once, by its best outcome and longest lead."""
    best: dict[tuple[int, int, str], FaultOutcome] = {}
    for fault in faults:
        key = (fault.seed, fault.vehicle, fault.component)
        kept = best.get(key)
        first = fault if kept is None or _rank(fault) < _rank(kept) else kept
        best[key] = first if kept is None else replace(first, peak=max(kept.peak, fault.peak))
    return tuple(best.values())


def _rank(fault: FaultOutcome) -> tuple[int, float]:
    return _BEST.index(fault.outcome), -fault.lead_h if np.isfinite(fault.lead_h) else 0.0
