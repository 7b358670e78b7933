"""Panels of features that were drawn or computed elsewhere, as arrays by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from data.records import IntArray, VehicleSpec
from models.errors import EvaluationError
from models.features.sets import FeatureSet, width
from models.predictors.base import DayPanel


def drawn_panel(
    feature_set: FeatureSet,
    spec: VehicleSpec,
    *,
    vehicle_id: IntArray,
    day: IntArray,
    first_us: IntArray,
    last_us: IntArray,
    values: Mapping[str, npt.NDArray[Any]],
) -> DayPanel:
    """Return the panel of a feature set; its value is the set's first feature.

    Args:
        feature_set: Names and widths of the features; those that ``values`` lacks are missing on every day.
        spec: The vehicle model.
        vehicle_id: Shape (n_vehicles,).
        day: Shape (n_days,), days since 1970-01-01.
        first_us: Shape (n_vehicles, n_days), oldest sample of the day; 0: no data.
        last_us: Same shape, newest.
        values: By feature, shape (n_vehicles, n_days) or (n_vehicles, n_days, n_components).

    Raises:
        EvaluationError: A name or a shape is not the set's.
    """
    known = {f.name: f for f in feature_set.features}
    if strange := sorted(set(values) - set(known)):
        raise EvaluationError(f"{feature_set.name} {strange[0]!r}: must be one of {sorted(known)}")
    extra = {}
    for name, feature in known.items():
        shape = (len(vehicle_id), len(day), width(feature, spec))
        given = values.get(name)
        if given is None:
            extra[name] = np.full(shape, np.nan)
        elif given.shape not in (shape, shape[:2]) or (given.ndim == 2 and shape[2] != 1):
            raise EvaluationError(f"{feature_set.name} {name}: shape {given.shape}, must be {shape}")
        else:
            extra[name] = given.astype(np.float64).reshape(shape)
    main = extra[feature_set.features[0].name]
    return DayPanel(
        spec=spec,
        vehicle_id=vehicle_id,
        day=day,
        value=main,
        weight=np.isfinite(main).astype(np.float64),
        first_us=first_us,
        last_us=last_us,
        extra=extra,
    )
