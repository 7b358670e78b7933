"""Judges one detector on one part: its alerts against the truth, event by event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, FloatArray, IntArray, Truth
from models.evaluation.answers import log_odds, peaks, soh_error
from models.evaluation.detectors import Detected, Detector, panel_of, rows_of
from models.evaluation.episodes import Episodes, beside, find_episodes, merge
from models.evaluation.honest import is_honest, may_be_right
from models.evaluation.metrics import Scores
from models.evaluation.part import EvaluationPart, Levels
from models.evaluation.tally import FalseAlert, FaultOutcome, Outcome, Tally
from models.evaluation.terms import Terms
from models.features.days import DAY_US, to_us

_HOUR_US = 3_600_000_000
#: Elements of one array of probabilities that a detector is asked for at once.
_MOST_ELEMENTS = 2_000_000
#: Features look back over weeks: a decoy may be felt so long.
_DECOY_DAYS = 60


def judge(
    detector: Detector,
    part: EvaluationPart,
    levels: Levels,
    terms: Terms,
    *,
    watched: Episodes | None = None,
) -> Tally:
    """Return what a detector did on a part, with what the live watch raised of the same mode beside it.

    An alert is right when it names the component, comes after the onset and leaves ``terms.act_h`` before
    the limit (the threshold of the mode, else the failure). Faults of components that the detector has no
    name for are another detector's of the same mode. Later ones count as misses, earlier ones as
    false. Faults whose limit lies behind the end of the run are not judged, whether found or not: counting
    only the found ones would flatter.
    """
    panel = panel_of(part, detector.feature_set)
    n_days = len(panel.day)
    n_components = max(1, panel.value.shape[2])
    at_once = max(1, _MOST_ELEMENTS // (n_days * n_components))
    out: Tally | None = None
    for begin in range(0, len(panel.vehicle_id), at_once):
        end = begin + at_once
        some = rows_of(panel, begin, end)
        ids = set(some.vehicle_id.tolist())
        case = _Case(
            part=part,
            detected=detector.detect(some),
            vehicle_id=some.vehicle_id,
            truths=[t for t in part.truths if t.vehicle in ids],
            mode=detector.failure_mode,
            horizon_us=round(detector.horizon_h * _HOUR_US),
            act_us=round(terms.act_h * _HOUR_US),
            end_us=(int(panel.day[-1]) + 1) * DAY_US,
            levels=levels,
            watched=None if watched is None else _within(watched, begin, end),
        )
        soh = part.states.get("soh_percent")
        tally = case.tally(detector, None if soh is None else soh[begin:end])
        out = tally if out is None else out + tally
    return out or Tally(
        name=detector.name,
        failure_mode=detector.failure_mode,
        horizon_h=detector.horizon_h,
        scores=Scores.of(np.zeros(0), np.zeros(0)),
    )


def _within(found: Episodes, begin: int, end: int) -> Episodes:
    """Return the episodes of some rows of a panel, counted from the first of them."""
    here = (found.vehicle >= begin) & (found.vehicle < end)
    return Episodes(
        found.vehicle[here] - begin,
        found.component[here],
        found.position[here],
        found.raised_us[here],
        found.cleared_us[here],
    )


def is_of(truth: Truth, mode: FailureMode) -> bool:
    """Tell whether a truth is a fault of a mode."""
    return truth.is_fault and truth.kind == mode.value


def limit_us(truth: Truth) -> int | None:
    """Return when a fault left alone reaches the limit of its mode, else its failure; None: never."""
    limit = truth.threshold_at or truth.failure_at
    return None if limit is None else to_us(limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A detector's answer on some vehicles, beside their truths."""

    part: EvaluationPart
    detected: Detected
    vehicle_id: IntArray
    truths: Sequence[Truth]
    mode: FailureMode
    horizon_us: int
    act_us: int
    end_us: int  #: of the run
    levels: Levels
    watched: Episodes | None

    def tally(self, detector: Detector, soh_percent: FloatArray | None) -> Tally:
        found = self.detected
        looked = find_episodes(found.probability, found.severity, found.data_us, self.levels)
        episodes = merge(looked if self.watched is None else beside(looked, self.watched))
        with_answer = int((np.isfinite(found.probability).any(2) & (found.data_us > 0)).sum())
        calendar = found.data_us.size
        mine = [t for t in self.truths if is_of(t, self.mode) and t.component in found.names]
        outcomes = tuple(self._outcome(t, episodes) for t in mine)
        wrong, confusion = self._unmatched(episodes)
        is_enriched = self.part.is_enriched
        return Tally(
            name=detector.name,
            failure_mode=self.mode,
            horizon_h=detector.horizon_h,
            scores=self._scores(mine),
            faults=outcomes,
            false_alerts=() if is_enriched else wrong,
            astray=wrong if is_enriched else (),
            healthy_days=0 if is_enriched else with_answer,
            healthy_calendar_days=0 if is_enriched else calendar,
            enriched_days=with_answer if is_enriched else 0,
            enriched_calendar_days=calendar if is_enriched else 0,
            decoys=0 if is_enriched else sum(not t.is_fault for t in self.truths),
            confusion=confusion,
            peaks=np.zeros(0) if is_enriched else self._peaks(),
            interval=self._interval(mine, episodes),
            soh=soh_error(found, soh_percent),
        )

    def _row(self, truth: Truth) -> int:
        return int(np.flatnonzero(self.vehicle_id == truth.vehicle)[0])

    def _of(self, truth: Truth, episodes: Episodes) -> IntArray:
        """Return the episodes on the component of a truth."""
        component = self.detected.names.index(truth.component)
        return np.flatnonzero((episodes.vehicle == self._row(truth)) & (episodes.component == component))

    def _outcome(self, truth: Truth, episodes: Episodes) -> FaultOutcome:
        onset, limit = to_us(truth.onset), limit_us(truth)
        here = self._of(truth, episodes)
        after = here[episodes.raised_us[here] >= onset]
        outcome = Outcome.MISSED
        lead = delay = inside = float("nan")
        last_us = None if limit is None else limit - self.act_us
        if limit is None or last_us is None or last_us > self.end_us:
            outcome = Outcome.UNJUDGED
        elif len(after):
            raised = int(episodes.raised_us[after[0]])
            if raised <= last_us:
                outcome = Outcome.FOUND
                lead, delay = (limit - raised) / _HOUR_US, (raised - onset) / _HOUR_US
                at = (int(episodes.vehicle[after[0]]), int(episodes.position[after[0]]))
                inside = self._is_inside(*at, int(episodes.component[after[0]]), lead)
            elif raised <= limit + _DECOY_DAYS * DAY_US:
                outcome = Outcome.LATE
        return FaultOutcome(
            seed=self.part.seed,
            vehicle=truth.vehicle,
            component=truth.component,
            magnitude=truth.magnitude,
            outcome=outcome,
            is_alerted=bool(len(after)),
            lead_h=lead,
            delay_h=delay,
            peak=float("-inf") if last_us is None else self._peak(truth, onset, last_us),
            is_inside=inside,
        )

    def _peak(self, truth: Truth, onset_us: int, last_us: int) -> float:
        """Return the highest log-odds of a component within a time."""
        row, component = self._row(truth), self.detected.names.index(truth.component)
        when = self.detected.data_us[row]
        said = self.detected.probability[row, (when >= onset_us) & (when <= last_us), component]
        known = said[np.isfinite(said)]
        return float(log_odds(known.max())) if len(known) else float("-inf")

    def _is_inside(self, row: int, day: int, component: int, left_h: float) -> float:
        ttt = self.detected.ttt_h
        if ttt is None or not np.isfinite(ttt[:, row, day, component]).all():
            return float("nan")
        return float(ttt[0, row, day, component] <= left_h <= ttt[2, row, day, component])

    def _peaks(self) -> FloatArray:
        """Return the highest log-odds of each vehicle, but of those of whom an alert may be right."""
        rows = [self._row(t) for t in self.truths if may_be_right(t, self.mode)]
        return peaks(np.delete(self.detected.probability, rows, axis=0))

    def _interval(self, mine: Sequence[Truth], episodes: Episodes) -> tuple[int, int]:
        """Count the days from the alert to the limit: those whose interval holds the limit, all."""
        ttt = self.detected.ttt_h
        inside = count = 0
        for truth in mine if ttt is not None else ():
            limit, here = limit_us(truth), self._of(truth, episodes)
            here = here[episodes.raised_us[here] >= to_us(truth.onset)]
            if ttt is None or limit is None or not len(here):
                continue
            row, component = int(episodes.vehicle[here[0]]), int(episodes.component[here[0]])
            when = self.detected.data_us[row]
            days = np.flatnonzero((when >= episodes.raised_us[here[0]]) & (when < limit))
            low, high = ttt[0, row, days, component], ttt[2, row, days, component]
            left = (limit - when[days]) / _HOUR_US
            known = np.isfinite(low) & np.isfinite(high)
            count += int(known.sum())
            inside += int(((low <= left) & (left <= high) & known).sum())
        return inside, count

    def _unmatched(self, episodes: Episodes) -> tuple[tuple[FalseAlert, ...], Counter[tuple[str, bool]]]:
        """Return the alerts that no fault explains, and which other fault was taken for this mode."""
        by_vehicle: dict[int, list[Truth]] = {}
        for truth in self.truths:
            by_vehicle.setdefault(truth.vehicle, []).append(truth)
        alerts: list[FalseAlert] = []
        confusion: Counter[tuple[str, bool]] = Counter()
        confused: set[tuple[int, str, bool]] = set()
        for i in range(len(episodes)):
            vehicle = int(self.vehicle_id[episodes.vehicle[i]])
            component = self.detected.names[int(episodes.component[i])]
            raised = int(episodes.raised_us[i])
            truths = by_vehicle.get(vehicle, [])
            begun = [t for t in truths if to_us(t.onset) <= raised]
            if any(
                (is_of(t, self.mode) and t.component == component) or is_honest(t, self.mode, component)
                for t in begun
            ):
                continue
            others = [t for t in begun if t.is_fault]
            for truth in others:
                key = (vehicle, truth.kind, truth.component == component)
                if key not in confused:
                    confused.add(key)
                    confusion[truth.kind, truth.component == component] += 1
            if any(t.component == component for t in others):
                continue  # the right component under another name: confusion, not a false alert
            recent = [t for t in begun if not t.is_fault and raised - to_us(t.onset) <= _DECOY_DAYS * DAY_US]
            alerts.append(
                FalseAlert(
                    seed=self.part.seed,
                    vehicle=vehicle,
                    component=component,
                    day=raised // DAY_US,
                    decoy=max(recent, key=lambda t: t.onset).kind if recent else "",
                )
            )
        return tuple(alerts), confusion

    def _scores(self, mine: Sequence[Truth]) -> Scores:
        """Count vehicle-days: the worst component's probability against the limit within the horizon.

        Days before the onset of a fault that reaches its limit within the horizon are left out (nothing could
        be known), as are days after the limit.
        """
        found = self.detected
        known = np.isfinite(found.probability).any(2) & (found.data_us > 0)
        worst = np.where(known, np.nan_to_num(found.probability, nan=-1.0).max(2), np.nan)
        happens = np.zeros(worst.shape)
        for truth in mine:
            limit = limit_us(truth)
            if limit is None:
                continue
            row, when = self._row(truth), found.data_us[self._row(truth)]
            soon = (when < limit) & (limit <= when + self.horizon_us)
            happens[row] = np.where(soon, 1.0, happens[row])
            worst[row, (soon & (when < to_us(truth.onset))) | (when >= limit)] = np.nan
        return Scores.of(worst.ravel(), happens.ravel())
