"""An isolation forest on the same features: what a general anomaly detector finds without any physics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.records import BoolArray, FloatArray, IntArray
from models.evaluation.detectors import Detected, OfPredictor, panel_of
from models.evaluation.part import EvaluationPart
from models.panels import with_main
from models.predictors.base import DayPanel, Predictor

NAME = "isolation_forest"
_TREES, _SAMPLES = 64, 1024
_MOST_ROWS = 40_000
_LOOKS_BACK = (3, 14)
#: Of the score, whose values lie between 0.3 and 0.9.
_SCALE = 0.05


@dataclass(frozen=True, slots=True)
class ForestDetector(OfPredictor):
    """Says yes where a forest is beyond what healthy development vehicles reached, and how far."""

    forest: Any  #: sklearn.ensemble.IsolationForest
    level: float
    name: str = NAME

    def detect(self, panel: DayPanel) -> Detected:
        """Return what rises with the score of the day's most unusual component, 0.7 at the level."""
        own = with_main(panel, self.predictor.main)
        rows, known, component = _table(own)
        score = np.full(known.shape, np.nan)
        if known.any():
            score[known] = -self.forest.score_samples(rows[known])
        probability = np.where(np.isfinite(own.value) & known[..., None], 0.0, np.nan)
        vehicle, day = np.nonzero(known)
        probability[vehicle, day, component[vehicle, day]] = _as_probability(score[known] - self.level)
        names = (self.predictor.component_name(own.spec, i) for i in range(own.value.shape[2]))
        return Detected(probability=probability, data_us=own.last_us, names=tuple(names))


def _as_probability(beyond: FloatArray) -> FloatArray:
    """Return above 0.7 beyond the level and below 0.3 before it: no alert is held open by what is near it."""
    far = np.exp(-np.abs(beyond) / _SCALE)
    return np.where(beyond > 0, 1.0 - 0.3 * far, 0.29 * far)


def train_forest(
    predictor: Predictor, parts: Sequence[EvaluationPart], *, budget_per_1000: float, rng: np.random.Generator
) -> ForestDetector | None:
    """Fit a forest to healthy development vehicles and set its level by their false alerts.

    Half of the vehicles are fitted to; the level is the one that the other half crosses as often as the
    budget allows. None where there is nothing to fit to.

    Args:
        predictor: Whose feature and components are taken.
        parts: Healthy vehicles with decoys, of seeds that are not judged.
        budget_per_1000: Vehicles that may alert, per 1,000 vehicle-days.
        rng: Chance of the trees and of the rows taken.
    """
    from sklearn.ensemble import IsolationForest

    tables = []
    for part in parts:
        if predictor.feature_set in part.panels:
            own = with_main(panel_of(part, predictor.feature_set), predictor.main)
            rows, known, _ = _table(own)
            tables.append((rows, known))
    fitted = [rows[::2][known[::2]] for rows, known in tables]
    if not fitted or sum(map(len, fitted)) < _SAMPLES:
        return None
    train = np.concatenate(fitted)
    train = train[rng.choice(len(train), min(len(train), _MOST_ROWS), replace=False)]
    forest = IsolationForest(
        n_estimators=_TREES, max_samples=_SAMPLES, random_state=int(rng.integers(1 << 31))
    )
    forest.fit(train)
    peaks, days = [], 0
    for rows, known in tables:
        score = np.full(known.shape, -np.inf)
        score[known] = -forest.score_samples(rows[known])
        peaks.append(score[1::2].max(1))
        days += int(known[1::2].sum())
    ranked = np.sort(np.concatenate(peaks))[::-1]
    allowed = int(budget_per_1000 * days / 1000)
    return ForestDetector(predictor, forest, float(ranked[min(allowed, len(ranked) - 1)]))


def _table(panel: DayPanel) -> tuple[FloatArray, BoolArray, IntArray]:
    """Return what a forest sees of each vehicle-day: (n_vehicles, n_days, n), where it is known, of whom.

    Of many components the one farthest from the others: its value, its distance from their median, and how
    both have changed over days. Of a vehicle as a whole all features of the day.
    """
    value = panel.value
    if value.shape[2] > 1:
        known = np.isfinite(value)
        centre = _median(value)
        away = value - centre[..., None]
        component = np.where(known, np.abs(away), -1.0).argmax(2)
        pick = component[..., None]
        columns = [np.take_along_axis(value, pick, 2)[..., 0], np.take_along_axis(away, pick, 2)[..., 0]]
        columns += [np.take_along_axis(_change(away, back), pick, 2)[..., 0] for back in _LOOKS_BACK]
    else:
        component = np.zeros(value.shape[:2], dtype=np.int64)
        columns = [v[..., 0] for v in panel.extra.values() if v.shape[2] == 1]
        columns += [_change(value, back)[..., 0] for back in _LOOKS_BACK]
        known = np.isfinite(value)
    rows = np.stack(columns, axis=2)
    return np.nan_to_num(rows), known.any(2) & (panel.last_us > 0), component


def _median(values: FloatArray) -> FloatArray:
    """Return the median of the components, NaN where none is known."""
    ranked = np.sort(values, axis=2)  # NaN last
    count = np.isfinite(values).sum(2)
    at = np.maximum((count - 1) // 2, 0)[..., None]
    return np.asarray(np.where(count > 0, np.take_along_axis(ranked, at, 2)[..., 0], np.nan))


def _change(values: FloatArray, days: int) -> FloatArray:
    """Return the change against so many days earlier, NaN where either is missing."""
    out = np.full(values.shape, np.nan)
    out[:, days:] = values[:, days:] - values[:, :-days]
    return out
