"""The axis on which risk is counted: log-odds in bins of 0.1, and the groups that are told apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data.records import FloatArray, IntArray

#: Predictors clip their log-odds at about -15 and 15.
LIMIT = 15.0
BINS = 300
CENTRES: FloatArray = np.linspace(-LIMIT, LIMIT, 2 * BINS + 1, dtype=np.float64)[1::2]
SEASONS = ("winter", "spring", "summer", "autumn")


def log_odds(probability: FloatArray) -> FloatArray:
    """Return ln(p / (1 - p)) within the axis; NaN stays NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.clip(np.log(probability) - np.log1p(-probability), -LIMIT, LIMIT))


def bin_of(score: FloatArray) -> IntArray:
    """Return the bin of each log-odds; NaN must have been left out."""
    at = np.floor((np.clip(score, -LIMIT, LIMIT) + LIMIT) * (BINS / (2 * LIMIT)) + 1e-9)
    return np.minimum(at, BINS - 1).astype(np.int64)


def counts(score: FloatArray) -> FloatArray:
    """Return how many scores lie in each bin, shape (BINS,); NaN is left out."""
    known = score[np.isfinite(score)]
    return np.bincount(bin_of(known), minlength=BINS).astype(np.float64)


def season_of(day: IntArray) -> IntArray:
    """Return the index into ``SEASONS`` of days since 1970-01-01: December to February is winter.

    The names are those of the northern half of the world; as a grouping they serve on both.
    """
    month = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    return np.asarray(month % 12 // 3, dtype=np.int64)


def group_names(chemistry: str, day: IntArray) -> npt.NDArray[np.str_]:
    """Return the group of each day, ``NCM winter``."""
    return np.array([f"{chemistry} {name}" for name in SEASONS])[season_of(day)]
