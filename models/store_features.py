"""The SQL of features: days in and out, bit for bit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from data.db import Connection, load_queries
from data.records import FloatArray, VehicleSpec
from models.binary import arrays, row_type, times, whole
from models.copied import fetch_copied
from models.features.days import to_date, to_datetime
from models.features.sets import DayFeatures, FeatureSet, width
from models.panels import FleetDays

_SQL = load_queries("models")


def replace_days(
    connection: Connection,
    vehicle_id: int,
    found: Sequence[tuple[FeatureSet, Collection[int], DayFeatures]],
    *,
    spec: VehicleSpec,
) -> None:
    """Put the features of some days in the place of what was there; a day without any is noted as such.

    Args:
        connection: In the caller's transaction.
        vehicle_id: Whose days.
        found: Each set, the days wanted of it, and its features on these and perhaps other days.
        spec: For the widths of features.
    """
    rows = [row for one, days, of_set in found for row in _rows(vehicle_id, one, days, of_set, spec)]
    with connection.cursor() as cursor:
        cursor.executemany(_SQL["upsert_day"], rows)


def _rows(
    vehicle_id: int, feature_set: FeatureSet, days: Collection[int], found: DayFeatures, spec: VehicleSpec
) -> Iterator[dict[str, object]]:
    at = {int(day): row for row, day in enumerate(found.day.tolist())}
    values = np.concatenate(
        [
            np.asarray(found.value[f.name], dtype=np.float64).reshape(len(found.day), width(f, spec))
            for f in feature_set.features
        ],
        axis=1,
    )
    for day in sorted(days):
        row = at.get(day)
        yield {
            "vehicle_id": vehicle_id,
            "feature_set": feature_set.name,
            "day": to_date(day),
            "version": feature_set.version,
            "first_time": None if row is None else to_datetime(int(found.first_us[row])),
            "last_time": None if row is None else to_datetime(int(found.last_us[row])),
            "value": "{}" if row is None else _literal(values[row]),
        }


def fetch_days(
    connection: Connection,
    vehicle_ids: Sequence[int],
    feature_set: FeatureSet,
    spec: VehicleSpec,
    *,
    history_days: int,
) -> FleetDays:
    """Return each vehicle's last days of one set: ``history_days`` of them, counted from its newest.

    Days of another version, or of a vehicle model with another number of components, are left out.
    """
    n_values = sum(width(f, spec) for f in feature_set.features)
    layout = row_type(
        [
            ("vehicle", "int4", 0),
            ("day", "int4", 0),
            ("first", "timestamptz", 0),
            ("last", "timestamptz", 0),
            ("value", "float8", n_values),
        ]
    )
    params: Mapping[str, object] = {
        "vehicle_ids": list(vehicle_ids),
        "feature_set": feature_set.name,
        "version": feature_set.version,
        "width": n_values,
        "history": history_days,
    }
    rows = fetch_copied(connection, _SQL["copy_days"], params, layout)
    return FleetDays(
        vehicle_id=whole(rows, "vehicle"),
        day=whole(rows, "day"),
        first_us=times(rows, "first"),
        last_us=times(rows, "last"),
        value=arrays(rows, "value"),
    )


def fetch_known_days(
    connection: Connection, wanted: Collection[tuple[int, int]]
) -> set[tuple[int, str, int]]:
    """Return (vehicle, feature set, day) of what is stored on some (vehicle, day)."""
    if not wanted:
        return set()
    params = {"vehicle_ids": [v for v, _ in wanted], "days": [d for _, d in wanted]}
    return {(row[0], row[1], row[2]) for row in connection.execute(_SQL["fetch_known_days"], params)}


def fetch_stale_days(
    connection: Connection,
    vehicle_id: int,
    sets: Sequence[FeatureSet],
    histories: Mapping[str, int],
    *,
    limit: int,
) -> list[tuple[int, tuple[str, ...]]]:
    """Return days that some set was not computed for in its present version, and these sets, newest first.

    Args:
        connection: To read from.
        vehicle_id: Whose days.
        sets: All that are worked out.
        histories: By name of the set, how many days back from the newest matter.
        limit: Days returned at most.
    """
    params = {
        "vehicle_id": vehicle_id,
        "names": [s.name for s in sets],
        "versions": [s.version for s in sets],
        "histories": [histories[s.name] for s in sets],
        "limit": limit,
    }
    return [(row[0], tuple(row[1])) for row in connection.execute(_SQL["fetch_stale_days"], params)]


def _literal(values: FloatArray) -> str:
    """Return an array as PostgreSQL reads it; many times faster than the driver's own way."""
    return "{" + ",".join(map(repr, values.tolist())) + "}"
