"""Judges predictors and baselines on the same parts by the same events, and sums up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from data.records import FailureMode
from models.evaluation.bounds import puncture_bounds
from models.evaluation.budget import false_vehicles_per_1000, recall_at_rate
from models.evaluation.detectors import Detector
from models.evaluation.judge import is_of, judge
from models.evaluation.part import EvaluationPart, Levels
from models.evaluation.summary import rounded, summarise
from models.evaluation.tally import FaultOutcome, Outcome, Tally
from models.evaluation.terms import TERMS, Target
from models.evaluation.watched import Watched
from models.panels import rows_of

#: Name of the running system among those that are judged; the others are baselines.
ANXIN = "anxin"
#: (system, failure mode) -> what it did
Tallies = dict[tuple[str, FailureMode], Tally]
#: Baselines say yes or no: they raise at once, and end after a day of silence.
BASELINE_LEVELS = Levels()


def judge_part(
    part: EvaluationPart,
    systems: Mapping[str, Sequence[Detector]],
    levels: Mapping[FailureMode, Levels],
    watched: Mapping[FailureMode, Watched] | None = None,
) -> Tallies:
    """Return what every system did on a part.

    A detector whose feature set the part does not have is left out. Detectors of one system and mode count
    together: each has its own components. A fault that none of them names is missed.

    Args:
        part: Vehicles with truth.
        systems: Detectors by system, ``ANXIN`` the one with the levels of the alerts.
        levels: Of the alerts, by mode.
        watched: What the live watch raised on the same vehicles; counts for ``ANXIN`` only.
    """
    out: Tallies = {}
    for system, detectors in systems.items():
        for detector in detectors:
            mode = detector.failure_mode
            if detector.feature_set not in part.panels:
                continue
            own = levels[mode] if system == ANXIN else BASELINE_LEVELS
            live = (watched or {}).get(mode) if system == ANXIN else None
            tally = judge(detector, part, own, TERMS[mode], watched=live.episodes if live else None)
            if live:
                tally = replace(tally, name=f"{tally.name}, {live.name}")
            key = (system, mode)
            out[key] = out[key].beside(tally) if key in out else tally
    return {key: _with_unnamed(tally, part) for key, tally in out.items()}


def judge_mixed(
    part: EvaluationPart,
    systems: Mapping[str, Sequence[Detector]],
    levels: Mapping[FailureMode, Levels],
) -> Tallies:
    """Return what every system did on a part of faulty and healthy vehicles, whatever it says it is.

    Vehicles with a fault count for recall, the others for false alerts.
    """
    ids = next(iter(part.panels.values())).vehicle_id.tolist()
    faulty = {t.vehicle for t in part.truths if t.is_fault}
    results = []
    for is_enriched in (True, False):
        rows = [row for row, vehicle in enumerate(ids) if (vehicle in faulty) == is_enriched]
        if rows:
            mine = {ids[row] for row in rows}
            some = replace(
                part,
                panels={name: rows_of(panel, rows) for name, panel in part.panels.items()},
                truths=[t for t in part.truths if t.vehicle in mine],
                states={name: values[rows] for name, values in part.states.items()},
                is_enriched=is_enriched,
            )
            results.append(judge_part(some, systems, levels))
    return add_up(results)


def _with_unnamed(tally: Tally, part: EvaluationPart) -> Tally:
    """Return the tally with the faults that no detector has a name for, as missed."""
    named = {(f.vehicle, f.component) for f in tally.faults}
    missed = (
        FaultOutcome(
            seed=part.seed,
            vehicle=truth.vehicle,
            component=truth.component,
            magnitude=truth.magnitude,
            outcome=Outcome.MISSED,
            is_alerted=False,
        )
        for truth in part.truths
        if is_of(truth, tally.failure_mode) and (truth.vehicle, truth.component) not in named
    )
    return replace(tally, faults=(*tally.faults, *missed))


def add_up(results: Iterable[Tallies]) -> Tallies:
    """Return the sum over parts; it does not depend on how the fleet was cut into parts."""
    out: Tallies = {}
    for result in results:
        for key, tally in result.items():
            out[key] = out[key] + tally if key in out else tally
    return out


def figures(
    tallies: Tallies,
    levels: Mapping[FailureMode, Levels],
    *,
    level: str,
    rng: np.random.Generator,
    is_simulated: bool = True,
    live: Tallies | None = None,
) -> dict[str, Any]:
    """Return the figures of all modes and baselines, ready for JSON.

    Args:
        tallies: Of the whole fleet.
        levels: Of the alerts.
        level: ``day`` or ``full``: how the fleet was simulated; ``stored``: the history of a database.
        rng: Chance of the bootstrap.
        is_simulated: Tells where the data come from.
        live: Of the live rules on streams. What else is told of days ahead stands
            as ``<mode>_live``, without the targets, which are set for that.
    """
    modes: dict[str, Any] = {}
    baselines: dict[str, dict[str, Any]] = {}
    named = [(system, mode, mode.value, TERMS[mode], tally) for (system, mode), tally in tallies.items()]
    for (system, mode), tally in (live or {}).items():
        terms = TERMS[mode]
        if terms.is_foretold:
            named.append((system, mode, f"{mode.value}_live", replace(terms, target=Target()), tally))
        else:
            named.append((system, mode, mode.value, terms, tally))
    own = {name: tally for system, _, name, _, tally in named if system == ANXIN}
    for system, mode, name, terms, tally in sorted(named, key=lambda one: (one[0], one[2])):
        if system == ANXIN:
            modes[name] = summarise(tally, terms, levels[mode], rng)
        else:
            found = summarise(tally, terms, BASELINE_LEVELS, rng)
            ours = own.get(name)
            rate = None if ours is None else false_vehicles_per_1000(ours)
            found["recall_at_our_false_rate"] = (
                None if rate is None else rounded(recall_at_rate(tally, terms, rate))
            )
            baselines.setdefault(system, {})[name] = found
    if (puncture := FailureMode.TIRE_PUNCTURE.value) in modes:
        modes[puncture]["bounds"] = puncture_bounds(TERMS[FailureMode.TIRE_PUNCTURE].edges)
    return {"simulated": is_simulated, "level": level, "modes": modes, "baselines": baselines}
