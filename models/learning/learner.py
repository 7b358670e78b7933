"""Learners on top of the physical features, as scikit-learn has them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from data.records import FloatArray
from models.errors import LearningError
from models.learning.examples import Examples
from models.learning.scale import log_odds
from models.learning.split import vehicle_folds

FOLDS = 4


class Kind(StrEnum):
    """What is fitted."""

    BOOSTING = "boosting"
    LOGISTIC = "logistic"


def make_learner(kind: Kind, *, seed: int) -> Any:
    """Return an unfitted learner; gaps are filled and scales set by what ``fit`` is given alone."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if kind is Kind.BOOSTING:
        return HistGradientBoostingClassifier(
            max_iter=120,
            max_leaf_nodes=15,
            min_samples_leaf=100,
            l2_regularization=1.0,
            learning_rate=0.08,
            early_stopping=False,
            random_state=seed,
        )
    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True, add_indicator=True),
        StandardScaler(),
        LogisticRegression(C=0.1, max_iter=1000, random_state=seed),
    )


def fit(kind: Kind, examples: Examples, *, seed: int) -> Any:
    """Return a learner fitted to rows; a vehicle weighs the same however many days it has.

    Raises:
        LearningError: All labels are the same.
    """
    if len(np.unique(examples.is_event)) < 2:
        raise LearningError(f"learner: {len(examples)} rows, all with one label")
    _, row, days = np.unique(examples.vehicle, return_inverse=True, return_counts=True)
    weight = (1.0 / days)[row]
    weight *= len(weight) / weight.sum()
    learner = make_learner(kind, seed=seed)
    name = "sample_weight" if kind is Kind.BOOSTING else "logisticregression__sample_weight"
    x = np.clip(examples.x, -1e9, 1e9)
    x[:, ~np.isfinite(x).any(0)] = 0.0  # what no row has teaches nothing, and has no quantiles
    # threads that wait for each other take all of a machine that others use too
    with threadpool_limits(1):
        return learner.fit(x, examples.is_event.astype(np.int64), **{name: weight})


def score(learner: Any, x: FloatArray) -> FloatArray:
    """Return log-odds, shape (n,)."""
    with threadpool_limits(1):
        found = learner.predict_proba(np.clip(x, -1e9, 1e9))[:, 1]
    return log_odds(np.asarray(found, dtype=np.float64))


def out_of_fold(kind: Kind, examples: Examples, *, seed: int, folds: int = FOLDS) -> FloatArray:
    """Return the log-odds of each row by a learner that has not seen its vehicle, shape (n,)."""
    out = np.full(len(examples), np.nan)
    for train, rest in vehicle_folds(examples, folds=folds):
        out[rest] = score(fit(kind, examples.rows(train), seed=seed), examples.x[rest])
    return out
