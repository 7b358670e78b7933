"""Does a learner earn its place: faults found at the budget of false alerts, beside the physical score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data.records import FloatArray
from models.errors import LearningError
from models.learning.examples import Examples
from models.learning.learner import Kind, fit, out_of_fold, score
from models.learning.split import forward_split

#: Share of the faults whose limit lies before the cut in time.
_BEFORE_CUT = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One way of scoring on the vehicles of one seed."""

    recall: float
    false_per_1000: float
    faults: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the comparison says of one predictor."""

    model_version: str
    budget_per_1000: float
    physical: tuple[Figures, ...]  #: by seed
    learned: tuple[Figures, ...]
    kind: str  #: of the learner
    gain: float  #: mean difference of recall
    spread: float  #: its standard deviation over the seeds
    is_earned: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What is asked of both ways."""

    budget_per_1000: float  #: false alerts allowed in 1,000 vehicle-days
    act_h: float  #: time that acting needs


def threshold_at(scores: FloatArray, examples: Examples, bar: Bar) -> float:
    """Return the score that so few healthy vehicles exceed that the budget holds.

    One false alert a vehicle is counted: where they come that rarely, the second on one vehicle is rarer.
    """
    healthy = ~examples.is_faulty
    highest = _highest(scores[healthy], examples.vehicle[healthy])
    allowed = int(bar.budget_per_1000 / 1000.0 * len(highest) * _span_days(examples))
    ranked = np.sort(highest)[::-1]
    return float(ranked[min(allowed, len(ranked) - 1)]) if len(ranked) else float("-inf")


def figures_at(scores: FloatArray, examples: Examples, threshold: float, bar: Bar) -> Figures:
    """Return recall of faults in time to act, and false alerts, at a threshold.

    A fault counts as found where its component exceeds the threshold on a day that leaves the time to act;
    faults without such a day are not judged.
    """
    in_time = examples.is_faulty & (examples.left_h >= bar.act_h)
    key = examples.vehicle * 1000 + examples.component
    faults = _highest(scores[in_time], key[in_time])
    healthy = _highest(scores[~examples.is_faulty], examples.vehicle[~examples.is_faulty])
    days = len(healthy) * _span_days(examples)
    return Figures(
        recall=float((faults > threshold).mean()) if len(faults) else float("nan"),
        false_per_1000=1000.0 * float((healthy > threshold).sum()) / days if days else float("nan"),
        faults=len(faults),
    )


def compare(
    examples: Examples, bar: Bar, *, model_version: str, seed: int = 0, kinds: Sequence[Kind] = tuple(Kind)
) -> Verdict:
    """Judge learners against the physical score, each seed's vehicles by what all the others teach.

    Vehicles of one seed are judged after a cut in time; the learner sees the other seeds' vehicles and what
    was known of them at the cut. Thresholds of both ways come from these as well, the learner's from folds
    that it has not seen, so neither is tuned on what it is judged by. The better learner on the training side
    is the one that is judged. It earns its place where recall rises by more than the spread over the
    seeds and false alerts stay within the budget or below those of the physical score.

    What simulated rows cannot show: generator and detector come from one house, so a gain here may be
    knowledge of the simulator. A verdict on simulated rows makes a challenger, never a champion.

    Args:
        examples: Of several seeds.
        bar: What is asked of both.
        model_version: Of the predictor.
        seed: Of the learners.
        kinds: Of learners that are tried.

    Raises:
        LearningError: There are fewer than two seeds, or a side has no fault.
    """
    seeds = np.unique(examples.seed)
    limits = _limit_days(examples)
    if len(seeds) < 2 or not len(limits):
        raise LearningError(
            f"{model_version}: {len(seeds)} seeds, {len(limits)} faults: needs two seeds and faults"
        )
    cut = int(np.quantile(limits, _BEFORE_CUT))
    physical, learned, chosen = [], [], []
    for one in seeds.tolist():
        train, judged = forward_split(examples, is_judged=examples.seed == one, cut_day=cut)
        kind, inside = _better_kind(train, bar, kinds, seed)
        chosen.append(kind)
        found = score(fit(kind, train, seed=seed), judged.x)
        physical.append(_judge(train.x[:, 0], train, judged.x[:, 0], judged, bar=bar))
        learned.append(_judge(inside, train, found, judged, bar=bar))
    gains = np.array([b.recall - a.recall for a, b in zip(physical, learned, strict=True)])
    gain, spread = float(np.nanmean(gains)), float(np.nanstd(gains, ddof=1))
    false_now = float(np.nanmean([f.false_per_1000 for f in physical]))
    false_then = float(np.nanmean([f.false_per_1000 for f in learned]))
    return Verdict(
        model_version=model_version,
        budget_per_1000=bar.budget_per_1000,
        physical=tuple(physical),
        learned=tuple(learned),
        kind=max(chosen, key=chosen.count).value,
        gain=gain,
        spread=spread,
        is_earned=bool(gain > spread and false_then <= max(bar.budget_per_1000, false_now)),
    )


def _better_kind(train: Examples, bar: Bar, kinds: Sequence[Kind], seed: int) -> tuple[Kind, FloatArray]:
    """Return the kind that finds more in folds of the training side, and its scores there."""
    best: tuple[float, Kind, FloatArray] | None = None
    for kind in kinds:
        inside = out_of_fold(kind, train, seed=seed)
        recall = _judge(inside, train, inside, train, bar=bar).recall
        if best is None or recall > best[0]:
            best = recall, kind, inside
    if best is None:
        raise LearningError("learner: there is no kind to choose from")
    return best[1], best[2]


def _judge(inside: FloatArray, train: Examples, found: FloatArray, judged: Examples, *, bar: Bar) -> Figures:
    return figures_at(found, judged, threshold_at(inside, train, bar), bar)


def _span_days(examples: Examples) -> int:
    return int(examples.day.max() - examples.day.min()) + 1


def _limit_days(examples: Examples) -> FloatArray:
    """Return the day of the limit of each fault that reaches it within the run."""
    with_limit = examples.is_faulty & np.isfinite(examples.left_h)
    key = examples.vehicle[with_limit] * 1000 + examples.component[with_limit]
    _, first = np.unique(key, return_index=True)
    limit = np.asarray((examples.day[with_limit] + examples.left_h[with_limit] / 24.0)[first])
    return np.asarray(limit[limit < examples.day.max()])


def _highest(values: FloatArray, key: np.ndarray[Any, np.dtype[np.int64]]) -> FloatArray:
    """Return the highest value of each key."""
    if not len(key):
        return np.zeros(0)
    _, row = np.unique(key, return_inverse=True)
    out = np.full(int(row.max()) + 1, -np.inf)
    np.maximum.at(out, row, values)
    return out
