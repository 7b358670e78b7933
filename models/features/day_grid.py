"""Arrays of daily values on their way to ``DayFeatures``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from data.records import FloatArray, VehicleSpec
from models.features.sets import Axis, DayFeatures, Feature, width


def no_days(features: Sequence[Feature], spec: VehicleSpec) -> DayFeatures:
    """Return features without a day."""
    none = np.zeros(0, dtype=np.int64)
    blank = {f.name: np.zeros((0, width(f, spec))) for f in features}
    return DayFeatures(day=none, first_us=none, last_us=none, value=flat(blank, features))


def flat(value: Mapping[str, FloatArray], features: Sequence[Feature]) -> dict[str, FloatArray]:
    """Return the values, those of the vehicle itself without their component axis."""
    return {f.name: value[f.name][:, 0] if f.axis is Axis.VEHICLE else value[f.name] for f in features}


def row_median(values: FloatArray) -> FloatArray:
    """Return the median of each row of what is there, NaN where nothing is.

    Args:
        values: Shape (n, k).
    """
    ranked = np.sort(values, axis=1)
    count = np.isfinite(ranked).sum(1)
    at = np.arange(len(ranked))
    low, high = (
        ranked[at, np.maximum((count - 1) // 2, 0)],
        ranked[at, np.minimum(count // 2, values.shape[1] - 1)],
    )
    return np.asarray(np.where(count > 0, (low + high) / 2, np.nan))
