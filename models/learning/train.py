"""From parts of fleets with known fate to artefacts: maps for all, learners where they earn it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.records import FailureMode, FloatArray
from models.artefacts import Trained, pack_learner, pack_maps
from models.errors import LearningError
from models.evaluation.part import EvaluationPart
from models.evaluation.terms import TERMS
from models.learning.calibration import expected_and_seen
from models.learning.compare import Bar, Verdict, compare, threshold_at
from models.learning.coverage import covered
from models.learning.evidence import DayCounts, Evidence, collect
from models.learning.examples import Examples, concatenate, gather
from models.learning.labels import Labels, label_truths
from models.learning.learner import Kind, fit, out_of_fold
from models.learning.maps import ALL, RiskMaps, fit_maps
from models.panels import with_main
from models.predictors.base import DayPanel, Predictor

#: Where a failure mode has no budget of false alerts of its own, in 1,000 vehicle-days.
BUDGET_PER_1000 = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What parts taught of one predictor."""

    evidence: Mapping[int, Evidence]  #: by seed
    examples: tuple[Examples, ...]
    span: tuple[int, int]

    def __add__(self, other: Learned) -> Learned:
        evidence = dict(self.evidence)
        for seed, found in other.evidence.items():
            evidence[seed] = evidence[seed] + found if seed in evidence else found
        return Learned(
            evidence=evidence,
            examples=self.examples + other.examples,
            span=(min(self.span[0], other.span[0]), max(self.span[1], other.span[1])),
        )


def learn_part(
    part: EvaluationPart, predictors: Sequence[Predictor], *, every: int, with_examples: bool
) -> dict[str, Learned]:
    """Return what a part teaches, by model version.

    Args:
        part: Vehicles with truth.
        predictors: Those whose feature set the part lacks are left out.
        every: So many days lie between two as-of days: days of one vehicle resemble each other.
        with_examples: Rows for learners too.
    """
    out = {}
    for predictor in predictors:
        if predictor.feature_set in part.panels:
            panel = with_main(part.panels[predictor.feature_set], predictor.main)
            out[predictor.model_version] = learn_panel(
                predictor,
                panel,
                label_truths(predictor, panel, part.truths),
                is_enriched=part.is_enriched,
                seed=part.seed,
                every=every,
                with_examples=with_examples,
            )
    return out


def learn_panel(
    predictor: Predictor,
    panel: DayPanel,
    labels: Labels,
    *,
    is_enriched: bool,
    seed: int,
    every: int,
    with_examples: bool,
) -> Learned:
    """Return what vehicles of known fate teach of one predictor.

    Args:
        predictor: Of whom.
        panel: Its own.
        labels: Of the whole panel.
        is_enriched: Every vehicle has the fault: only the faulty components count. Else all are healthy.
        seed: Group that is held out as one: the draw, or a fold of vehicles.
        every: As ``learn_part``.
        with_examples: As ``learn_part``.
    """
    risk = predictor.predict(panel, np.arange(every - 1, len(panel.day), every, dtype=np.int64))
    rows = (
        (gather(predictor, panel, risk, labels, is_enriched=is_enriched, seed=seed),) if with_examples else ()
    )
    return Learned(
        evidence={seed: collect(panel, risk, labels, is_enriched=is_enriched)},
        examples=rows,
        span=(int(panel.day[0]), int(panel.day[-1])),
    )


def add_up(found: Iterable[Mapping[str, Learned]]) -> dict[str, Learned]:
    """Return the sum over parts."""
    out: dict[str, Learned] = {}
    for one in found:
        for version, learned in one.items():
            out[version] = out[version] + learned if version in out else learned
    return out


def faults_per_vehicle_year(mode: FailureMode) -> float:
    """Return the prevalence that probabilities are stated at: the geometric mean of the field's range."""
    low, high = TERMS[mode].faults_per_vehicle_year
    return float(np.sqrt(low * high))


def train_maps(
    predictor: Predictor, learned: Learned, *, origin: str, source: Mapping[str, Any], code_version: str
) -> Trained:
    """Return maps fitted on all seeds but the last, with the figures that they reach on the last.

    Raises:
        LearningError: There are fewer than two seeds.
    """
    seeds = sorted(learned.evidence)
    if len(seeds) < 2:
        raise LearningError(f"{predictor.model_version}: {len(seeds)} seeds, needs 2: one is held out")
    held_out = learned.evidence[seeds[-1]]
    rate = faults_per_vehicle_year(predictor.failure_mode)
    evidence = learned.evidence[seeds[0]]
    for seed in seeds[1:-1]:
        evidence = evidence + learned.evidence[seed]
    maps = fit_maps(
        evidence,
        model_version=predictor.model_version,
        horizon_h=predictor.horizon_h,
        faults_per_vehicle_year=rate,
    )
    return Trained(
        model_version=predictor.model_version,
        failure_mode=predictor.failure_mode.value,
        kind="maps",
        features=("score",),
        span=learned.span,
        origin=origin,
        source={**source, "fitted_on": seeds[:-1], "held_out": seeds[-1], "faults_per_vehicle_year": rate},
        code_version=code_version,
        metrics=_metrics(maps, evidence, held_out),
        content=pack_maps(maps),
    )


def _metrics(maps: RiskMaps, evidence: Evidence, held_out: Evidence) -> dict[str, Any]:
    pooled = sum(held_out.components.values(), DayCounts())
    curve = maps.curves.get(ALL)
    has_both = bool(pooled.positive.sum() and pooled.healthy.sum())
    stretch = 1.0 if maps.stretch is None else maps.stretch
    return {
        "faults": sum(c.faults for c in evidence.components.values()),
        "faults_held_out": pooled.faults,
        "curves": {name: one.method for name, one in maps.curves.items()},
        "prevalence": None if curve is None else curve.prevalence,
        "calibration": expected_and_seen(curve, pooled.positive, pooled.before, pooled.healthy)
        if curve is not None and has_both
        else None,
        "healthy_vehicle_days": {name: one.count for name, one in maps.healthy.items()},
        "p_at_most": _shares(maps, held_out),
        "stretch": maps.stretch,
        "coverage_before": covered(held_out.needed, held_out.fault),
        "coverage_after": covered(held_out.needed, held_out.fault, stretch),
    }


def _shares(maps: RiskMaps, held_out: Evidence) -> dict[str, float]:
    """Return the share of held-out healthy vehicle-days with a p-value of at most some levels."""
    total = below = np.zeros(3)
    levels = np.array([0.1, 0.01, 0.001])
    for name, found in held_out.vehicles.items():
        known = maps.healthy.get(name) or maps.healthy.get(ALL)
        if known is None:
            continue
        p: FloatArray = (1.0 + known.above) / (known.count + 1.0)
        below = below + np.array([found.counts[p <= level].sum() for level in levels])
        total = total + found.counts.sum()
    return {f"{level:g}": float(b / t) for level, b, t in zip(levels, below, total, strict=True) if t}


def train_learner(
    predictor: Predictor, learned: Learned, *, origin: str, source: Mapping[str, Any], code_version: str
) -> tuple[Verdict, Trained | None]:
    """Return whether a learner earns its place on top of a predictor, and it where it does.

    Raises:
        LearningError: There is too little to learn from.
    """
    rows = concatenate(learned.examples)
    terms = TERMS[predictor.failure_mode]
    bar = Bar(
        budget_per_1000=terms.target.false_per_1000 or BUDGET_PER_1000,
        act_h=terms.act_h,
    )
    verdict = compare(rows, bar, model_version=predictor.model_version)
    if not verdict.is_earned:
        return verdict, None
    kind = Kind(verdict.kind)
    threshold = threshold_at(out_of_fold(kind, rows, seed=0), rows, bar)
    return verdict, Trained(
        model_version=predictor.model_version,
        failure_mode=predictor.failure_mode.value,
        kind="learner",
        features=rows.names,
        span=learned.span,
        origin=origin,
        source={**source, "seeds": np.unique(rows.seed).tolist()},
        code_version=code_version,
        metrics=verdict.to_dict(),
        content=pack_learner(fit(kind, rows, seed=0), names=rows.names, threshold=threshold),
    )
