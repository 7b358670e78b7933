"""Touched days to stored features: each family of a vehicle's rows is read once for all sets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from data.db import Connection
from data.records import Family, FamilyRows, VehicleSpec
from models import readings, store_features
from models.errors import describe_error
from models.features.days import DAY_US, day_bounds_us
from models.features.sets import DayFeatures, FeatureSet

#: Days whose rows are held in memory at once: a clock that was wrong for a moment may touch years.
LONGEST_RUN_DAYS = 16


def touched_days(sets: Sequence[FeatureSet], days: Mapping[str, Collection[int]]) -> dict[str, set[int]]:
    """Return the days of each set that new rows touch.

    Args:
        sets: All that are worked out.
        days: By family, days with new rows.
    """
    return {one.name: {day for family in one.columns for day in days.get(family.value, ())} for one in sets}


def following_days(sets: Sequence[FeatureSet], days: Mapping[str, set[int]]) -> dict[str, set[int]]:
    """Return the days after the touched ones that look back at them, by set."""
    return {
        one.name: {
            day + later
            for day in days[one.name]
            for later in range(1, -(-one.context_us // DAY_US) + 1)
            if day + later not in days[one.name]
        }
        for one in sets
    }


def recompute_days(
    connection: Connection,
    vehicle_id: int,
    days: Mapping[str, set[int]],
    spec: VehicleSpec,
    sets: Sequence[FeatureSet],
) -> dict[str, str]:
    """Work out days of one vehicle from its stored rows and store them.

    Args:
        connection: In the caller's transaction.
        vehicle_id: Whose days.
        days: By name of the set.
        spec: The vehicle model.
        sets: All that are worked out.

    Returns:
        The error of each set that raised; its days stay as they were, other sets go on.
    """
    failures: dict[str, str] = {}
    for first, last in runs(set().union(*days.values())):
        wanted = {s.name: {d for d in days[s.name] if first <= d <= last} for s in sets}
        busy = [s for s in sets if wanted[s.name] and s.name not in failures]
        rows = _fetch_run(connection, vehicle_id, busy, (first, last), spec)
        done: list[tuple[FeatureSet, set[int], DayFeatures]] = []
        for one in busy:
            try:
                done.append((one, wanted[one.name], one.compute(rows, spec)))
            except Exception as error:
                failures[one.name] = describe_error(error)
        store_features.replace_days(connection, vehicle_id, done, spec=spec)
    return failures


def fetch_features(
    connection: Connection,
    vehicle_id: int,
    span: tuple[int, int],
    spec: VehicleSpec,
    sets: Sequence[FeatureSet],
) -> dict[str, DayFeatures]:
    """Return the features of all days of a span, from the rows that are stored now; writes nothing.

    What scoring has stored of these days has the same bits.

    Args:
        connection: To read from.
        vehicle_id: Whose days.
        span: First and last day, both included, days since 1970-01-01, local to the vehicle.
        spec: The vehicle model.
        sets: Which features.
    """
    parts: dict[str, list[DayFeatures]] = {one.name: [] for one in sets}
    for first, last in runs(range(span[0], span[1] + 1)):
        rows = _fetch_run(connection, vehicle_id, sets, (first, last), spec)
        for one in sets:
            parts[one.name].append(_between(one.compute(rows, spec), first, last))
    return {name: _joined(of_set) for name, of_set in parts.items()}


def _between(found: DayFeatures, first: int, last: int) -> DayFeatures:
    inside = (found.day >= first) & (found.day <= last)
    return DayFeatures(
        day=found.day[inside],
        first_us=found.first_us[inside],
        last_us=found.last_us[inside],
        value={name: values[inside] for name, values in found.value.items()},
    )


def _joined(parts: Sequence[DayFeatures]) -> DayFeatures:
    return DayFeatures(
        day=np.concatenate([p.day for p in parts]),
        first_us=np.concatenate([p.first_us for p in parts]),
        last_us=np.concatenate([p.last_us for p in parts]),
        value={name: np.concatenate([p.value[name] for p in parts]) for name in parts[0].value},
    )


def _fetch_run(
    connection: Connection,
    vehicle_id: int,
    sets: Sequence[FeatureSet],
    run: tuple[int, int],
    spec: VehicleSpec,
) -> dict[Family, FamilyRows]:
    """Return the rows that some sets need for a run of days: of each family only columns that one reads."""
    begin_us, end_us = day_bounds_us(run[0], spec.time_zone)[0], day_bounds_us(run[1], spec.time_zone)[1]
    rows = {}
    for family in sorted({family for one in sets for family in one.columns}):
        readers = [one for one in sets if family in one.columns]
        rows[family] = readings.fetch_rows(
            connection,
            vehicle_id,
            family,
            sorted({alias for one in readers for alias in one.columns[family]}),
            begin_us=begin_us - max(one.context_us for one in readers),
            end_us=end_us,
            spec=spec,
        )
    return rows


def runs(days: Collection[int]) -> list[tuple[int, int]]:
    """Return runs of consecutive days as first and last, none longer than ``LONGEST_RUN_DAYS``."""
    out: list[tuple[int, int]] = []
    for day in sorted(days):
        if out and day == out[-1][1] + 1 and day - out[-1][0] < LONGEST_RUN_DAYS:
            out[-1] = (out[-1][0], day)
        else:
            out.append((day, day))
    return out
