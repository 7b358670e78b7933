"""Daily features of many vehicles on one grid of days, as predictors take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, FloatArray, IntArray, VehicleSpec
from models.features.days import local_day
from models.features.sets import DayFeatures, Feature, width
from models.predictors.base import DayPanel, Predictor

AnyArray = npt.NDArray[Any]
#: The day of a repair that never was.
NEVER = int(np.iinfo(np.int64).min)
#: Vehicles whose newest days lie farther apart share no panel.
_LONGEST_GAP_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDays:
    """Days of several vehicles of one model, by vehicle and day."""

    vehicle_id: IntArray  #: shape (n,)
    day: IntArray  #: shape (n,)
    first_us: IntArray  #: shape (n,)
    last_us: IntArray  #: shape (n,)
    value: FloatArray  #: shape (n, n_values), every feature of the set, component by component

    def part(self, rows: BoolArray) -> FleetDays:
        """Return some of the rows."""
        return FleetDays(
            vehicle_id=self.vehicle_id[rows],
            day=self.day[rows],
            first_us=self.first_us[rows],
            last_us=self.last_us[rows],
            value=self.value[rows],
        )


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
    counts = [len(one.day) for one in found]
    return scattered_panel(
        spec,
        vehicle_ids,
        row=np.repeat(np.arange(len(found)), counts),
        day=_joined([one.day for one in found]),
        first_us=_joined([one.first_us for one in found]),
        last_us=_joined([one.last_us for one in found]),
        value={
            f.name: np.concatenate(
                [
                    np.zeros((0, width(f, spec))),
                    *(one.value[f.name].reshape(len(one.day), width(f, spec)) for one in found),
                ]
            )
            for f in features
        },
        main=main,
        first_day=first_day,
        last_day=last_day,
    )


def scattered_panel(
    spec: VehicleSpec,
    vehicle_ids: Sequence[int],
    *,
    row: IntArray,
    day: IntArray,
    first_us: IntArray,
    last_us: IntArray,
    value: Mapping[str, FloatArray],
    main: str,
    first_day: int,
    last_day: int,
) -> DayPanel:
    """Return the panel of days of many vehicles in one piece; what lies off the grid is left out.

    Args:
        spec: The vehicle model that all of them share.
        vehicle_ids: One a row of the panel.
        row: Shape (n,), row of the panel of each day.
        day: Shape (n,).
        first_us: Shape (n,), oldest sample of each day.
        last_us: Shape (n,), newest.
        value: By feature, shape (n, n_components).
        main: As in ``feature_panel``, as are the days of the grid.
        first_day: First day of the grid.
        last_day: Last day of the grid, included.
    """
    grid = (len(vehicle_ids), last_day - first_day + 1)
    inside = (day >= first_day) & (day <= last_day)
    place = row[inside] * grid[1] + (day[inside] - first_day)
    # most fleets send every day: the days fill the grid in order, and nothing has to be moved
    is_full = len(place) == len(day) == grid[0] * grid[1] and bool((np.diff(place) == 1).all())

    def put(values: AnyArray, missing: float) -> AnyArray:
        shape = (*grid, *values.shape[1:])
        if is_full:
            return np.ascontiguousarray(values).reshape(shape)
        out = np.full((grid[0] * grid[1], *values.shape[1:]), missing, dtype=values.dtype)
        out[place] = values[inside]
        return out.reshape(shape)

    extra = {name: put(values, np.nan) for name, values in value.items()}
    return DayPanel(
        spec=spec,
        vehicle_id=np.asarray(vehicle_ids, dtype=np.int64),
        day=np.arange(first_day, last_day + 1, dtype=np.int64),
        value=extra[main],
        weight=_weight(extra, main),
        first_us=put(first_us, 0),
        last_us=put(last_us, 0),
        extra=extra,
    )


def panels_of(days: FleetDays, features: Sequence[Feature], spec: VehicleSpec) -> list[DayPanel]:
    """Return the panels of stored days; the first feature is their value, ``with_main`` gives another.

    Vehicles whose newest days lie more than 30 days apart get panels of their own: a vehicle that fell silent
    last year does not make the grid of the others a year long.
    """
    vehicles, start = np.unique(days.vehicle_id, return_index=True)
    if not len(vehicles):
        return []
    newest = days.day[np.append(start[1:], len(days.day)) - 1]
    order = np.argsort(newest, kind="stable")
    edges = np.cumsum([0, *(width(f, spec) for f in features)]).tolist()
    out = []
    for members in np.split(order, np.flatnonzero(np.diff(newest[order]) > _LONGEST_GAP_DAYS) + 1):
        row = np.full(len(vehicles), -1, dtype=np.int64)
        row[np.sort(members)] = np.arange(len(members))
        of_day = np.repeat(row, np.diff(np.append(start, len(days.day))))
        some = days if len(members) == len(vehicles) else days.part(of_day >= 0)
        out.append(
            scattered_panel(
                spec,
                vehicles[np.sort(members)].tolist(),
                row=of_day[of_day >= 0],
                day=some.day,
                first_us=some.first_us,
                last_us=some.last_us,
                value={
                    f.name: some.value[:, low:high]
                    for f, low, high in zip(features, edges[:-1], edges[1:], strict=True)
                },
                main=features[0].name,
                first_day=int(some.day.min()),
                last_day=int(some.day.max()),
            )
        )
    return out


def newest_days(panel: DayPanel) -> IntArray:
    """Return the index of each vehicle's newest day with data, shape (n_vehicles,)."""
    has_day = panel.last_us > 0
    return np.asarray(has_day.shape[1] - 1 - np.argmax(has_day[:, ::-1], axis=1), dtype=np.int64)


def with_main(panel: DayPanel, main: str) -> DayPanel:
    """Return the panel of another predictor on the same features; arrays are shared."""
    return replace(panel, value=panel.extra[main], weight=_weight(panel.extra, main))


def rows_of(panel: DayPanel, rows: Sequence[int]) -> DayPanel:
    """Return some vehicles of a panel."""
    if list(rows) == list(range(len(panel.vehicle_id))):
        return panel
    at = np.asarray(rows, dtype=np.int64)
    return replace(
        panel,
        vehicle_id=panel.vehicle_id[at],
        value=panel.value[at],
        weight=panel.weight[at],
        first_us=panel.first_us[at],
        last_us=panel.last_us[at],
        extra={name: values[at] for name, values in panel.extra.items()},
    )


def repaired_days(
    panel: DayPanel,
    predictor: Predictor,
    repairs: Mapping[int, Mapping[str, int]],
    specs: Mapping[int, VehicleSpec],
) -> IntArray:
    """Return the local day of the last repair of each component, as ``since_repair`` takes it.

    Args:
        panel: Of the predictor.
        predictor: Names the components.
        repairs: By vehicle and component, microseconds since 1970.
        specs: By vehicle, for the time zone.
    """
    out = np.full((len(panel.vehicle_id), panel.value.shape[2]), NEVER, dtype=np.int64)
    for row, vehicle in enumerate(panel.vehicle_id.tolist()):
        mine = repairs.get(vehicle)
        if not mine:
            continue
        for i in range(panel.value.shape[2]):
            at_us = mine.get(predictor.component_name(panel.spec, i))
            if at_us is not None:
                out[row, i] = local_day(np.array([at_us], dtype=np.int64), specs[vehicle].time_zone)[0]
    return out


def since_repair(panel: DayPanel, repaired_day: IntArray) -> DayPanel:
    """Return a panel in which a repaired component has no past: what it did as the old part is not evidence.

    The day of the repair is part of the past: it holds samples from before.

    Args:
        panel: Of one predictor.
        repaired_day: Shape (n_vehicles, n_components), local day of the last repair; ``NEVER``: none. Of a
            predictor with one component every feature is cut, else those by the same components.
    """
    gone = panel.day[None, :, None] <= repaired_day[:, None, :]
    if not gone.any():
        return panel
    n_components = panel.value.shape[2]
    return replace(
        panel,
        value=np.where(gone, np.nan, panel.value),
        weight=np.where(gone, 0.0, panel.weight),
        extra={
            name: np.where(gone, np.nan, values) if n_components in {1, values.shape[2]} else values
            for name, values in panel.extra.items()
        },
    )


def _joined(parts: Sequence[IntArray]) -> IntArray:
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def _weight(extra: Mapping[str, FloatArray], main: str) -> FloatArray:
    value = extra[main]
    trust = np.ones((1, 1, 1))
    if "weight" in extra and extra["weight"].shape[2] in {1, value.shape[2]}:
        trust = np.nan_to_num(extra["weight"])
    return np.asarray(np.where(np.isfinite(value), trust, 0.0))
