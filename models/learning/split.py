"""Who is trained on and who is judged: never the same vehicle, never a label from the future."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from data.records import BoolArray, IntArray
from models.errors import LearningError
from models.learning.examples import Examples


def vehicle_folds(examples: Examples, *, folds: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield row numbers to train on and to predict; all days of a vehicle are on one side.

    Raises:
        LearningError: There are fewer vehicles than folds.
    """
    from sklearn.model_selection import GroupKFold

    n = len(np.unique(examples.vehicle))
    if n < folds:
        raise LearningError(f"folds {folds}: there are only {n} vehicles")
    yield from GroupKFold(n_splits=folds).split(examples.x, groups=examples.vehicle)


def known_at(examples: Examples, cut_day: int) -> BoolArray:
    """Mark rows whose label was known on a day: these may be trained on when that day is the present."""
    return np.asarray(examples.known_day <= cut_day)


def forward_split(examples: Examples, *, is_judged: BoolArray, cut_day: int) -> tuple[Examples, Examples]:
    """Return what is trained on and what is judged: other vehicles, and later days.

    Args:
        examples: All rows.
        is_judged: Shape (n,), rows of vehicles that are judged.
        cut_day: The present of the training; days since 1970-01-01.

    Raises:
        LearningError: A vehicle is on both sides.
    """
    both = set(examples.vehicle[is_judged].tolist()) & set(examples.vehicle[~is_judged].tolist())
    if both:
        raise LearningError(f"split: vehicle {min(both)} is trained on and judged")
    train = examples.rows(~is_judged & known_at(examples, cut_day))
    return train, examples.rows(is_judged & (examples.day > cut_day))
