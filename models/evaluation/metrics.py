"""Figures with their uncertainty: shares, rates, calibration, precision and tails; arrays in, numbers out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from data.records import FloatArray, IntArray
from models.errors import EvaluationError

#: Bins of probability: fine enough that average precision and ECE do not feel them.
BINS = 1000
_RELIABILITY_BINS = 10
_MOST_CELLS = 4_000_000


def wilson(found: int, total: int, *, level: float = 0.95) -> tuple[float, float] | None:
    """Return the Wilson score interval of a share (Wilson 1927, J. Am. Stat. Assoc. 22:209).

    Returns:
        Lower and upper bound, None of nothing.
    """
    _require_share(found, total)
    if total == 0:
        return None
    z = float(stats.norm.ppf(0.5 + level / 2))
    share = found / total
    centre = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    # at the ends the bound is exact, but for the rounding of floats
    return float(centre - half) if found else 0.0, float(centre + half) if found < total else 1.0


def clopper_pearson(found: int, total: int, *, level: float = 0.95) -> tuple[float, float] | None:
    """Return the exact two-sided interval of a share (Clopper and Pearson 1934, Biometrika 26:404)."""
    _require_share(found, total)
    if total == 0:
        return None
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, found, total - found + 1)) if found else 0.0
    high = float(stats.beta.ppf(1 - tail, found + 1, total - found)) if found < total else 1.0
    return low, high


def poisson_upper(count: int, exposure: float, *, level: float = 0.95) -> float | None:
    """Return the exact one-sided upper bound of a rate (Garwood 1936, Biometrika 28:437).

    Args:
        count: Events seen.
        exposure: In what they were seen, for example thousands of vehicle-days.
        level: Confidence that the true rate is not above.

    Returns:
        Events per unit of exposure, None without exposure. None seen in n gives 3.0 / n at 95 %.
    """
    if count < 0 or exposure < 0:
        raise EvaluationError(f"count {count}, exposure {exposure}: must not be negative")
    return float(stats.chi2.ppf(level, 2 * (count + 1)) / 2 / exposure) if exposure else None


def cluster_bootstrap(
    found: IntArray, total: IntArray, *, rng: np.random.Generator, level: float = 0.95, draws: int = 2000
) -> tuple[float, float] | None:
    """Return the percentile interval of a share when whole vehicles are drawn again.

    Args:
        found: Shape (n_vehicles,), events found on each.
        total: Shape (n_vehicles,), events of each.
        rng: Chance.
        level: Of the interval.
        draws: Resampled fleets.
    """
    if found.shape != total.shape or (found > total).any() or (found < 0).any():
        raise EvaluationError("found and total: must have one shape and 0 <= found <= total")
    n = len(found)
    if n == 0 or total.sum() == 0:
        return None
    shares = []
    at_once = max(1, _MOST_CELLS // n)
    for begin in range(0, draws, at_once):
        picked = rng.integers(0, n, (min(at_once, draws - begin), n))
        totals = total[picked].sum(1)
        shares.append(found[picked].sum(1)[totals > 0] / totals[totals > 0])
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(shares), [tail, 1 - tail])
    return float(low), float(high)


def quantiles(values: FloatArray, shares: tuple[float, ...] = (0.1, 0.5, 0.9)) -> tuple[float, ...] | None:
    """Return quantiles of the finite values, None of nothing."""
    known = values[np.isfinite(values)]
    return tuple(float(q) for q in np.quantile(known, shares)) if len(known) else None


def field_precision(recall: float, prevalence: float, false_rate: float) -> float | None:
    """Return the share of alerts that are right where faults are as rare as in the field.

    PPV = r π / (r π + f).

    Args:
        recall: Share of faults found.
        prevalence: Faults per unit of exposure.
        false_rate: False episodes per the same unit.
    """
    right = recall * prevalence
    return right / (right + false_rate) if right + false_rate > 0 else None


@dataclass(frozen=True, slots=True)
class Scores:
    """How often each probability was said with and without the event following; adds up over parts."""

    positive: FloatArray  #: shape (BINS,), cases that were followed by the event
    negative: FloatArray  #: shape (BINS,)
    squared_error: float  #: sum of (p - y)²
    probability_sum: tuple[FloatArray, FloatArray]  #: of reliability bins: sum of p, sum of y

    @staticmethod
    def of(probability: FloatArray, is_event: FloatArray) -> Scores:
        """Count one-dimensional probabilities and outcomes (0 or 1); NaN is left out."""
        known = np.isfinite(probability)
        p, y = probability[known], is_event[known].astype(np.float64)
        at = np.minimum((p * BINS).astype(np.int64), BINS - 1)
        coarse = np.minimum((p * _RELIABILITY_BINS).astype(np.int64), _RELIABILITY_BINS - 1)
        return Scores(
            positive=_sums(at, y, BINS),
            negative=_sums(at, 1 - y, BINS),
            squared_error=float(((p - y) ** 2).sum()),
            probability_sum=(_sums(coarse, p, _RELIABILITY_BINS), _sums(coarse, y, _RELIABILITY_BINS)),
        )

    def __add__(self, other: Scores) -> Scores:
        return Scores(
            positive=self.positive + other.positive,
            negative=self.negative + other.negative,
            squared_error=self.squared_error + other.squared_error,
            probability_sum=(
                self.probability_sum[0] + other.probability_sum[0],
                self.probability_sum[1] + other.probability_sum[1],
            ),
        )

    @property
    def count(self) -> float:
        """Cases."""
        return float(self.positive.sum() + self.negative.sum())

    @property
    def prevalence(self) -> float | None:
        """Share of cases that were followed by the event: without it no precision means anything."""
        return float(self.positive.sum()) / self.count if self.count else None

    @property
    def brier(self) -> float | None:
        """Mean squared error of the probabilities (Brier 1950)."""
        return self.squared_error / self.count if self.count else None

    @property
    def ece(self) -> float | None:
        """Expected calibration error: mean |said - happened| over ten bins, weighted by their cases."""
        if not self.count:
            return None
        said, happened = self.probability_sum
        return float(np.abs(said - happened).sum() / self.count)

    @property
    def average_precision(self) -> float | None:
        """Area under precision over recall, as a step function from the highest probability down."""
        total = self.positive.sum()
        if total == 0:
            return None
        hits, misses = np.cumsum(self.positive[::-1]), np.cumsum(self.negative[::-1])
        precision = hits / np.maximum(hits + misses, 1e-12)
        return float((precision * self.positive[::-1]).sum() / total)

    def reliability(self) -> list[dict[str, float]]:
        """Return for each of ten bins with cases: mean probability said, share that happened, cases."""
        said, happened = self.probability_sum
        cases = (self.positive + self.negative).reshape(_RELIABILITY_BINS, -1).sum(1)
        return [
            {"said": float(s / n), "happened": float(h / n), "cases": float(n)}
            for s, h, n in zip(said, happened, cases, strict=True)
            if n
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """A generalised Pareto tail over the highest scores (Pickands 1975, Ann. Stat. 3:119)."""

    threshold: float
    shape: float
    scale: float
    share: float  #: of all scores above the threshold
    exceedances: int
    beyond: float  #: argued share of scores above the level asked for


def pareto_tail(scores: FloatArray, level: float, *, share: float = 0.02, least: int = 50) -> Tail | None:
    """Argue how rarely a score passes a level that no healthy vehicle has passed.

    The fit is to the highest ``share`` of the scores, one per vehicle (rows of one vehicle are not
    exchangeable). The result is an extrapolation and must be marked so.

    Args:
        scores: Shape (n,), one a vehicle; NaN is left out.
        level: Of an alert.
        share: Of scores in the tail.
        least: Exceedances below which nothing is argued.
    """
    known = np.sort(scores[np.isfinite(scores)])
    count = int(share * len(known))
    if count < least:
        return None
    threshold = float(known[-count - 1])
    over = known[known > threshold] - threshold
    if len(over) < least:
        return None
    shape, _, scale = (float(v) for v in stats.genpareto.fit(over, floc=0.0))
    part = len(over) / len(known)
    above = float(stats.genpareto.sf(max(0.0, level - threshold), shape, scale=scale))
    return Tail(
        threshold=threshold,
        shape=shape,
        scale=scale,
        share=part,
        exceedances=len(over),
        beyond=part * above,
    )


def _sums(at: IntArray, weights: FloatArray, count: int) -> FloatArray:
    return np.asarray(np.bincount(at, weights=weights, minlength=count), dtype=np.float64)


def _require_share(found: int, total: int) -> None:
    if not 0 <= found <= total:
        raise EvaluationError(f"found {found} of {total}: must be 0 <= found <= total")
