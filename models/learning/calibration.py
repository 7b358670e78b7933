"""From the risk index of a predictor to the probability that the limit is crossed within its horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FloatArray
from models.errors import LearningError
from models.learning.scale import BINS, CENTRES

#: Below so many faults a curve of two parameters is fitted instead of steps.
LEAST_FAULTS_ISOTONIC = 50
_SMALLEST = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Probability by log-odds of the risk index, at a stated prevalence."""

    probability: FloatArray  #: shape (BINS,), at ``CENTRES``, never falling
    prevalence: float  #: share of component-days that are followed by the event
    method: str  #: ``isotonic`` or ``platt``

    def at(self, score: FloatArray) -> FloatArray:
        """Return the probability for log-odds of any shape; NaN stays NaN."""
        found = np.interp(score, CENTRES, self.probability)
        return np.asarray(np.where(np.isfinite(score), found, np.nan))


def fault_weight(positive: FloatArray, before: FloatArray, healthy: FloatArray, prevalence: float) -> float:
    """Return how much a day of a faulty component weighs against one of a healthy one.

    Fleets for training are rich in faults; weighted so, the share of days that are followed by the event is
    the prevalence.

    Args:
        positive: Days of faulty components with the event within the horizon, by bin.
        before: Their other days.
        healthy: Days of healthy components.
        prevalence: Share, above 0 and below 1.

    Raises:
        LearningError: There is nothing to weigh, or the prevalence is out of reach.
    """
    if not 0 < prevalence < 1:
        raise LearningError(f"prevalence {prevalence}: must be between 0 and 1")
    faulty = positive.sum() - prevalence * (positive.sum() + before.sum())
    if not positive.sum() or not healthy.sum() or faulty <= 0:
        raise LearningError(
            f"calibration: {positive.sum():.0f} days before an event, {healthy.sum():.0f} healthy days: "
            f"must both be there and reach prevalence {prevalence:g}"
        )
    return float(prevalence * healthy.sum() / faulty)


def fit_curve(
    positive: FloatArray, before: FloatArray, healthy: FloatArray, *, prevalence: float, faults: int
) -> Curve:
    """Return the curve by isotonic regression, of few faults by Platt's (1999) logistic one.

    Half a healthy day is added at the highest score of a fault (Jeffreys): no healthy day seen there is not
    none possible.

    Args:
        positive: Shape (BINS,), days of faulty components with the event within the horizon.
        before: Their other days.
        healthy: Days of healthy components.
        prevalence: Share of all days that are followed by the event.
        faults: Number of faults behind ``positive``.

    Raises:
        LearningError: As ``fault_weight``.
    """
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression

    weight = fault_weight(positive, before, healthy, prevalence)
    yes = positive * weight
    no = before * weight + healthy
    no[int(np.flatnonzero(positive).max())] += 0.5
    total = yes + no
    seen = total > 0
    if faults >= LEAST_FAULTS_ISOTONIC:
        steps = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        steps.fit(CENTRES[seen], yes[seen] / total[seen], sample_weight=total[seen])
        found, method = steps.predict(CENTRES), "isotonic"
    else:
        line = LogisticRegression(C=1e6, max_iter=500)
        line.fit(
            np.concatenate((CENTRES, CENTRES))[:, None],
            np.repeat([1, 0], BINS),
            sample_weight=np.concatenate((yes, no)),
        )
        rising = line if line.coef_[0, 0] >= 0 else None
        flat = np.full(BINS, prevalence)
        found = flat if rising is None else rising.predict_proba(CENTRES[:, None])[:, 1]
        method = "platt"
    probability = np.maximum.accumulate(np.clip(found, _SMALLEST, 1 - _SMALLEST))
    return Curve(probability=probability.astype(np.float64), prevalence=prevalence, method=method)


def expected_and_seen(
    curve: Curve, positive: FloatArray, before: FloatArray, healthy: FloatArray
) -> dict[str, float]:
    """Return how well a curve holds on other vehicles, weighted to its prevalence.

    ``ratio`` is what was seen against what was expected, ``ece`` the mean distance of both over bins of
    probability, ``brier`` the mean squared error, ``brier_base`` that of saying the prevalence always.
    """
    weight = fault_weight(positive, before, healthy, curve.prevalence)
    yes = positive * weight
    total = yes + before * weight + healthy
    p = curve.probability
    share = total / total.sum()
    rate = np.divide(yes, total, out=np.zeros(BINS), where=total > 0)
    coarse = np.digitize(p, [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    gaps = [abs(float((share * (rate - p))[coarse == k].sum())) for k in np.unique(coarse)]
    return {
        "ratio": float((share * rate).sum() / (share * p).sum()),
        "ece": float(sum(gaps)),
        "brier": float((share * (rate * (1 - p) ** 2 + (1 - rate) * p**2)).sum()),
        "brier_base": float(curve.prevalence * (1 - curve.prevalence)),
    }
