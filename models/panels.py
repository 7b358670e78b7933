"""Daily features of many vehicles on one grid of days, as predictors take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from data.records import FloatArray, VehicleSpec
from models.features.cells import REST, CellSessions, charge_deficit
from models.features.sets import DayFeatures, Feature, width
from models.features.tires import TireDays
from models.features.trend import weighted_median
from models.predictors.base import DayPanel

#: Fewest trusted samples a day that count fully.
_FULL_COUNT = 8.0
_LEAST_COUNT = 2


def feature_panel(
    spec: VehicleSpec,
    vehicle_ids: Sequence[int],
    found: Sequence[DayFeatures],
    *,
    features: Sequence[Feature],
    main: str,
    first_day: int,
    last_day: int,
) -> DayPanel:
    """Return the panel of any feature set: every feature by name, ``main`` as its value.

    A feature named ``weight`` is the trust in the value, 0-1; without one every value counts fully.

    Args:
        spec: The vehicle model that all of them share.
        vehicle_ids: One a vehicle.
        found: Features of each vehicle.
        features: Of the set.
        main: Name of the feature whose components are those of the predictor.
        first_day: First day of the grid, days since 1970-01-01.
        last_day: Last day of the grid, included.
    """
    grid = (len(vehicle_ids), last_day - first_day + 1)
    first_us, last_us = np.zeros(grid, dtype=np.int64), np.zeros(grid, dtype=np.int64)
    extra = {f.name: np.full((*grid, width(f, spec)), np.nan) for f in features}
    for row, one in enumerate(found):
        inside = (one.day >= first_day) & (one.day <= last_day)
        at = one.day[inside] - first_day
        first_us[row, at] = one.first_us[inside]
        last_us[row, at] = one.last_us[inside]
        for name, values in extra.items():
            values[row, at] = one.value[name][inside].reshape(len(at), values.shape[2])
    return DayPanel(
        spec=spec,
        vehicle_id=np.asarray(vehicle_ids, dtype=np.int64),
        day=np.arange(first_day, last_day + 1, dtype=np.int64),
        value=extra[main],
        weight=_weight(extra, main),
        first_us=first_us,
        last_us=last_us,
        extra=extra,
    )


def _weight(extra: Mapping[str, FloatArray], main: str) -> FloatArray:
    is_known = np.isfinite(extra[main])
    trust = np.nan_to_num(extra["weight"]) if "weight" in extra else np.ones((1, 1, 1))
    return np.asarray(np.where(is_known, trust, 0.0))


def tire_panel(
    spec: VehicleSpec, vehicle_ids: Sequence[int], features: Sequence[TireDays], first_day: int, last_day: int
) -> DayPanel:
    """Return the panel of the slow-leak predictor.

    Args:
        spec: The vehicle model that all of them share.
        vehicle_ids: One a vehicle.
        features: Daily features, one a vehicle.
        first_day: First day of the grid, days since 1970-01-01.
        last_day: Last day of the grid, included.
    """
    n_wheels = len(spec.wheels)
    shape = (len(vehicle_ids), last_day - first_day + 1, n_wheels)
    value, gas = np.full(shape, np.nan), np.full(shape, np.nan)
    weight = np.zeros(shape)
    first_us, last_us = np.zeros(shape[:2], dtype=np.int64), np.zeros(shape[:2], dtype=np.int64)
    for row, found in enumerate(features):
        inside = (found.day >= first_day) & (found.day <= last_day)
        at = found.day[inside] - first_day
        enough = found.count[inside] >= _LEAST_COUNT
        value[row, at] = np.where(enough, found.contrast_kpa[inside], np.nan)
        gas[row, at] = np.where(enough, found.gas_kpa[inside], np.nan)
        weight[row, at] = np.where(enough, np.minimum(found.count[inside] / _FULL_COUNT, 1.0), 0.0)
        first_us[row, at] = found.first_us[inside]
        last_us[row, at] = found.last_us[inside]
    return DayPanel(
        spec=spec,
        vehicle_id=np.asarray(vehicle_ids, dtype=np.int64),
        day=np.arange(first_day, last_day + 1, dtype=np.int64),
        value=value,
        weight=weight,
        first_us=first_us,
        last_us=last_us,
        extra={"gas": gas},
    )


def cell_panel(
    spec: VehicleSpec,
    vehicle_ids: Sequence[int],
    features: Sequence[CellSessions],
    first_day: int,
    last_day: int,
) -> DayPanel:
    """Return the panel of the internal-short predictor, one deficit a day and cell.

    It is the weighted median of the sessions of the day.

    Arguments as for ``tire_panel``.
    """
    shape = (len(vehicle_ids), last_day - first_day + 1, spec.cell_count)
    value, deviation = np.full(shape, np.nan), np.full(shape, np.nan)
    weight = np.zeros((*shape[:2], 1))
    first_us, last_us = np.zeros(shape[:2], dtype=np.int64), np.zeros(shape[:2], dtype=np.int64)
    for row, found in enumerate(features):
        deficit, trust = charge_deficit(found.deviation_mv, found.voltage_v, spec.chemistry)
        session_weight = _session_weight(found, trust)
        for day in np.unique(found.day[(found.day >= first_day) & (found.day <= last_day)]).tolist():
            here = found.day == day
            at = day - first_day
            weights = session_weight[here]
            value[row, at] = weighted_median(deficit[here].T, weights[None, :])
            deviation[row, at] = weighted_median(found.deviation_mv[here].T, weights[None, :])
            weight[row, at] = trust[here][weights > 0].max() if (weights > 0).any() else 0.0
            first_us[row, at] = found.started_us[here].min()
            last_us[row, at] = found.ended_us[here].max()
    return DayPanel(
        spec=spec,
        vehicle_id=np.asarray(vehicle_ids, dtype=np.int64),
        day=np.arange(first_day, last_day + 1, dtype=np.int64),
        value=value,
        weight=np.broadcast_to(weight, shape),
        first_us=first_us,
        last_us=last_us,
        extra={"deviation": deviation},
    )


def _session_weight(found: CellSessions, trust: FloatArray) -> FloatArray:
    """Return the weight of each session: trust in its voltage, its rested rows, twice for a resting car."""
    rows = np.minimum(found.rested_count, 20) * np.where(found.kind == REST, 2.0, 1.0)
    return np.asarray(trust * rows)
