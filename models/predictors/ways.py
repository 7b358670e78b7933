"""Several kinds of evidence of one fault, each with a score of its own; the strongest decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.records import BoolArray, FloatArray, IntArray
from models.predictors.base import DayPanel, Risk
from models.predictors.part import part_risk


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of evidence; shape (n_vehicles, n_as_of) unless said otherwise."""

    score: FloatArray  #: 1 at the raise level; NaN: not known
    value: FloatArray  #: what is told of it
    usual: FloatArray  #: what is usual
    age: FloatArray  #: days
    ttt_h: FloatArray  #: shape (3, n_vehicles, n_as_of), p10, p50, p90; NaN: not foreseeable

    def at_least(self, score: float, where: BoolArray) -> Way:
        """Return it with no lower a score there, known or not."""
        return replace(self, score=np.where(where, np.fmax(self.score, score), self.score))


def strongest_way(ways: Sequence[Way]) -> tuple[Way, IntArray]:
    """Return the way with the highest score for each vehicle and as-of day, and its place."""
    scores = np.stack([np.where(np.isfinite(way.score), way.score, -np.inf) for way in ways])
    best = scores.argmax(0)[None]

    def of_best(arrays: Sequence[FloatArray]) -> FloatArray:
        return np.asarray(np.take_along_axis(np.stack(arrays), best, 0)[0])

    shape = scores.shape[1:]
    score = of_best(list(scores))
    found = Way(
        score=np.where(np.isfinite(score), score, np.nan),
        value=of_best([np.broadcast_to(way.value, shape) for way in ways]),
        usual=of_best([np.broadcast_to(way.usual, shape) for way in ways]),
        age=of_best([np.broadcast_to(way.age, shape) for way in ways]),
        ttt_h=np.asarray(np.take_along_axis(np.stack([way.ttt_h for way in ways]), best[:, None], 0)[0]),
    )
    return found, np.asarray(best[0])


def way_risk(
    panel: DayPanel,
    as_of: IntArray,
    found: tuple[Way, IntArray],
    is_urgent: BoolArray,
    known_by: tuple[str, ...],
) -> Risk:
    """Return the risk of the strongest way: S2 where it is urgent, else S3. See ``part_risk``."""
    best, place = found
    return part_risk(
        panel,
        as_of,
        score=best.score,
        severity=np.where(is_urgent, 2, 3).astype(np.int64),
        ttt_h=best.ttt_h,
        detail={
            "way": place.astype(np.float64),
            "value": best.value,
            "usual": best.usual,
            "age": best.age,
        },
        known_by=known_by,
    )


def told_of(risk: Risk, at: tuple[int, int, int]) -> tuple[int, float, float, float]:
    """Return place, value, usual and age of what decided about an element of a risk, 0 for the unknown."""
    value, usual, age = (float(np.nan_to_num(risk.detail[name][at])) for name in ("value", "usual", "age"))
    return int(risk.detail["way"][at]), value, usual, age
