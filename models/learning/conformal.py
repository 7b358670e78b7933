"""How rare a score is among healthy vehicle-days: split-conformal p-values with a fitted tail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, FloatArray
from models.learning.scale import bin_of

#: Share of the highest scores that the tail is fitted to, and how many it needs.
TAIL_SHARE = 0.02
LEAST_TAIL = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthy:
    """Scores of healthy vehicle-days of one group."""

    above: FloatArray  #: shape (BINS,), how many lie in this bin or a higher one
    highest: float  #: highest score seen
    tail_from: float = float("nan")  #: score from which the tail is fitted; NaN: there is none
    tail_share: float = float("nan")  #: of the days above it
    tail_shape: float = 0.0  #: of the generalised Pareto distribution
    tail_scale: float = float("nan")

    @property
    def count(self) -> int:
        """Vehicle-days."""
        return int(self.above[0])

    def p_value(self, score: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return p-values of scores of any shape, and which of them come from the fitted tail.

        p = (1 + number of healthy days with at least this score) / (n + 1), which is at most u for a share u
        of healthy days exchangeable with these (Vovk et al. 2005). A score counts as every score of its bin,
        so p is never too small. Above the highest score seen, where this says no more than 1 / (n + 1), the
        fitted tail goes on, never above that.
        """
        known = np.isfinite(score)
        safe = np.where(known, score, 0.0)
        p = (1.0 + self.above[bin_of(safe)]) / (self.count + 1.0)
        is_tail = known & (safe > self.highest) & np.isfinite(self.tail_from)
        if is_tail.any():
            from scipy import stats

            over = stats.genpareto.sf(safe - self.tail_from, self.tail_shape, scale=self.tail_scale)
            least = 1.0 / (self.count + 1.0)
            p = np.where(is_tail, np.minimum(least, np.maximum(self.tail_share * over, 1e-12)), p)
        return np.asarray(np.where(known, p, np.nan)), np.asarray(is_tail)


def fit_healthy(counts: FloatArray, top: FloatArray) -> Healthy:
    """Return the distribution of healthy scores.

    The tail is a generalised Pareto distribution over the highest 2 % (Pickands 1975, Ann. Stat. 3:119), by
    maximum likelihood, with a shape of at least 0: a tail without an end is the careful choice.

    Args:
        counts: Shape (BINS,), vehicle-days by bin of their score.
        top: The highest scores themselves; more than the tail needs do no harm.
    """
    above = np.cumsum(counts[::-1])[::-1]
    n = float(above[0])
    ranked = np.sort(top)[::-1]
    highest = float(ranked[0]) if len(ranked) else float("-inf")
    wanted = int(TAIL_SHARE * n)
    if wanted < LEAST_TAIL or len(ranked) <= wanted:
        return Healthy(above=above, highest=highest)
    start = float(ranked[wanted])
    over = ranked[ranked > start] - start
    if len(over) < LEAST_TAIL or np.ptp(over) <= 0:
        return Healthy(above=above, highest=highest)
    from scipy import stats

    shape, _, scale = stats.genpareto.fit(over, floc=0.0)
    if shape < 0:
        shape, scale = 0.0, float(over.mean())
    return Healthy(
        above=above,
        highest=highest,
        tail_from=start,
        tail_share=len(over) / n,
        tail_shape=float(shape),
        tail_scale=float(scale),
    )
