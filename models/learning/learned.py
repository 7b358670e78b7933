"""A predictor whose probability a learner gives; everything else stays the physical predictor's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from data.records import FloatArray, IntArray
from models.learning.examples import arranged, feature_rows
from models.learning.learner import score
from models.learning.wrapped import WrappedPredictor
from models.predictors.base import DayPanel, Risk

#: Log-odds of the level at which most alerts are raised, 0.7.
_RAISE_LOG_ODDS = float(np.log(0.7 / 0.3))


@dataclass(frozen=True)
class LearnedPredictor(WrappedPredictor):
    """A physical predictor with a learner on top; it explains by the physics below."""

    number: int  #: of the artefact
    learner: Any  #: a classifier of scikit-learn
    names: tuple[str, ...]  #: of its features, in order
    threshold: float  #: log-odds of the learner at which the budget of false alerts was held

    @property
    def model_version(self) -> str:
        """The predictor's with the number of the learner: what is said by both never mixes."""
        return learned_version(self.base.model_version, self.number)

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the predictor's risk with the learner's index: its threshold lies at the raise level."""
        risk = self.base.predict(panel, as_of)
        names, x = feature_rows(panel, risk)
        known = np.isfinite(risk.probability)
        out = np.full(risk.probability.shape, np.nan)
        if known.any():
            found = score(self.learner, arranged(x[known], names, self.names))
            out[known] = _index(found - self.threshold + _RAISE_LOG_ODDS)
        return replace(risk, probability=out)


def learned_version(model_version: str, number: int) -> str:
    """Return the model version of a learner on top of a predictor."""
    return f"{model_version}+learned-{number}"


def _index(log_odds: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -15.0, 15.0))))
