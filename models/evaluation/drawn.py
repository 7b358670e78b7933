"""Panels of features that were drawn elsewhere, as arrays by name, or are worked out from readings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from data.records import Family, FamilyRows, IntArray, VehicleSpec
from models.errors import EvaluationError
from models.features.rows import thinned
from models.features.sets import DayFeatures, FeatureSet, width
from models.panels import feature_panel
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


def computed_panels(
    sets: Sequence[FeatureSet],
    spec: VehicleSpec,
    vehicle_ids: Sequence[int],
    rows: Iterable[Mapping[Family, FamilyRows]],
    *,
    first_day: int,
    last_day: int,
) -> dict[str, DayPanel]:
    """Return a panel of each feature set, worked out from readings as the live system does it.

    Args:
        sets: Feature sets.
        spec: The vehicle model that all vehicles share.
        vehicle_ids: One a vehicle.
        rows: Readings of each vehicle by family, ascending in time; taken one after the other.
        first_day: First local day of the panels, days since 1970-01-01.
        last_day: Last day, included.
    """
    found: dict[str, list[DayFeatures]] = {one.name: [] for one in sets}
    for families in rows:
        kept = {family: thinned(of_family) for family, of_family in families.items()}
        for one in sets:
            found[one.name].append(one.compute(kept, spec))
    return {
        one.name: feature_panel(
            spec,
            vehicle_ids,
            found[one.name],
            features=one.features,
            main=one.features[0].name,
            first_day=first_day,
            last_day=last_day,
        )
        for one in sets
    }
