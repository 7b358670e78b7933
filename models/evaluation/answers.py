"""What detectors answered, as numbers: how sure at most, and how far off the state of health was."""

from __future__ import annotations

import numpy as np

from data.records import FloatArray
from models.evaluation.detectors import Detected
from models.evaluation.tally import SohError

_ODDS_LIMIT = 1e-6


def peaks(probability: FloatArray) -> FloatArray:
    """Return the highest log-odds of each vehicle that has any."""
    highest = np.where(np.isfinite(probability), probability, -1.0).max((1, 2), initial=-1.0)
    return log_odds(highest[highest >= 0])


def log_odds(probability: FloatArray) -> FloatArray:
    """Return the log-odds, within those of one in a million."""
    p = np.clip(probability, _ODDS_LIMIT, 1 - _ODDS_LIMIT)
    return np.asarray(np.log(p / (1 - p)))


def soh_error(found: Detected, truth: FloatArray | None) -> SohError:
    """Compare what a predictor says of the state of health with the truth."""
    if truth is None or "soh_percent" not in found.detail:
        return SohError()
    said = found.detail["soh_percent"][..., 0]
    known = np.isfinite(said) & np.isfinite(truth)
    low = found.detail.get("soh_low_percent", np.full((*said.shape, 1), np.nan))[..., 0]
    high = found.detail.get("soh_high_percent", np.full((*said.shape, 1), np.nan))[..., 0]
    has_interval = known & np.isfinite(low) & np.isfinite(high)
    return SohError(
        count=int(known.sum()),
        squared=float(((said - truth)[known] ** 2).sum()),
        inside=int(((low <= truth) & (truth <= high) & has_interval).sum()),
        with_interval=int(has_interval.sum()),
    )
