"""Features of the live fleet against an earlier span, and how often workshops found what was predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
from psycopg.rows import dict_row

from data.db import Connection, load_queries
from data.records import IntArray
from models import store, store_features
from models.evaluation.metrics import wilson
from models.features.days import to_date
from models.features.sets import FeatureSet, width
from models.learning.drift import shift_of

#: Vehicles of a model that are looked at; more tell nothing new.
VEHICLES = 300
#: Share of predicted orders that workshops should confirm.
LEAST_PRECISION = 0.7

_SQL = load_queries("models", "artefacts.sql")


def measure_drift(
    connection: Connection,
    sets: Sequence[FeatureSet],
    *,
    live_days: int,
    reference_days: int,
    gap_days: int,
    now: datetime,
) -> list[dict[str, Any]]:
    """Compare each feature's newest days with earlier ones, by vehicle model; keep and return what was found.

    Args:
        connection: In a transaction.
        sets: Whose features.
        live_days: Newest days, counted from the newest of the model.
        reference_days: Days of the earlier span.
        gap_days: Between both.
        now: When it is measured.
    """
    out: list[dict[str, Any]] = []
    rows = connection.execute(_SQL["fetch_vehicles_of_models"], {"limit": VEHICLES}).fetchall()
    for model_id, vehicles in rows:
        spec = store.fetch_specs(connection, vehicles[:1])[vehicles[0]]
        for one in sets:
            history = live_days + gap_days + reference_days
            days = store_features.fetch_days(connection, vehicles, one, spec, history_days=history)
            if not len(days.day):
                continue
            newest = int(days.day.max())
            live = days.day > newest - live_days
            earlier = days.day <= newest - live_days - gap_days
            at = 0
            for feature in one.features:
                n = width(feature, spec)
                values, at = days.value[:, at : at + n], at + n
                shift = shift_of(
                    values[earlier].ravel(),
                    _repeated(days.vehicle_id[earlier], n),
                    values[live].ravel(),
                    _repeated(days.vehicle_id[live], n),
                )
                if shift is None:
                    continue
                out.append(
                    {
                        "feature_set": one.name,
                        "feature": feature.name,
                        "model_id": model_id,
                        **asdict(shift),
                        "reference_from": to_date(int(days.day[earlier].min())),
                        "reference_to": to_date(int(days.day[earlier].max())),
                        "live_from": to_date(newest - live_days + 1),
                        "live_to": to_date(newest),
                        "measured_at": now,
                    }
                )
    connection.execute(_SQL["clear_drift"])
    with connection.cursor() as cursor:
        cursor.executemany(_SQL["insert_drift"], out)
    return sorted(out, key=lambda row: -row["psi"])


def live_precision(connection: Connection) -> list[dict[str, Any]]:
    """Return how often workshops confirmed what was predicted, by model version and origin.

    With the Wilson interval; ``is_low`` where even the upper bound is below what is asked of a predictor.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_SQL["fetch_precision"]).fetchall()
    for row in rows:
        low, high = wilson(row["confirmed"], row["total"]) or (0.0, 1.0)
        row |= {
            "precision": row["confirmed"] / row["total"],
            "low": low,
            "high": high,
            "is_low": high < LEAST_PRECISION,
        }
    return rows


def _repeated(vehicle: IntArray, n: int) -> IntArray:
    return np.repeat(vehicle, n)
