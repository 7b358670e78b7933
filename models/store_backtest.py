"""The SQL of backtest and training: vehicles, their span, what was predicted live, what workshops found."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from data.db import Connection, load_queries
from data.records import Truth, Vin
from models.features.days import to_us
from models.learning.labels import WorkshopLabel

_SQL = load_queries("models", "backtest_queries.sql")
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class StoredPrediction:
    """One prediction of the running system."""

    vehicle_id: int
    model_version: str
    component: str
    probability: float
    data_us: int


def fetch_vehicles(connection: Connection, vins: Sequence[str] | None) -> dict[int, str]:
    """Return vehicles that have readings, VIN by id; of some VINs only, or of all."""
    params = {"vins": None if vins is None else list(vins)}
    return {row[0]: row[1] for row in connection.execute(_SQL["fetch_vehicles"], params).fetchall()}


def fetch_span(connection: Connection, vehicle_ids: Collection[int]) -> tuple[int, int] | None:
    """Return the first and last day with features, days since 1970-01-01; None without any."""
    row = connection.execute(_SQL["fetch_span"], {"vehicle_ids": list(vehicle_ids)}).fetchone()
    if row is None or row[0] is None:
        return None
    return (row[0] - _EPOCH).days, (row[1] - _EPOCH).days


def fetch_predictions(
    connection: Connection, vehicle_ids: Collection[int], since: datetime, until: datetime
) -> list[StoredPrediction]:
    """Return what was predicted of some vehicles from samples of a span."""
    params = {"vehicle_ids": list(vehicle_ids), "since": since, "until": until}
    rows = connection.execute(_SQL["fetch_predictions"], params).fetchall()
    return [StoredPrediction(row[0], row[1], row[2], row[3], to_us(row[4])) for row in rows]


def fetch_outcomes(connection: Connection, vehicle_ids: Collection[int], until: datetime) -> list[Truth]:
    """Return what workshops had found by a time, as truths.

    A confirmed fault began at its estimated onset, else at any time, and reached its limit when it was found.
    What turned out to be something else is a fault without a name; a vehicle without a fault is a decoy.
    """
    return [
        Truth(
            vehicle=vehicle,
            vin=Vin(vin),
            component=component,
            kind=mode if outcome == "confirmed" else outcome,
            is_fault=outcome != "no_fault_found",
            onset=onset or datetime.fromtimestamp(0, found_at.tzinfo),
            threshold_at=found_at if outcome == "confirmed" else None,
            failure_at=None,
            severity=None,
            magnitude=float("nan"),
            unit=unit or "",
        )
        for vehicle, vin, component, mode, outcome, onset, found_at, unit, _ in _outcomes(
            connection, vehicle_ids, until
        )
    ]


def fetch_labels(
    connection: Connection, vehicle_ids: Collection[int], until: datetime
) -> list[WorkshopLabel]:
    """Return what workshops had found and written down by a time, as labels."""
    return [
        WorkshopLabel(
            vehicle=vehicle,
            component=component,
            failure_mode=mode,
            is_confirmed=outcome == "confirmed",
            found_us=to_us(found_at),
            decided_us=to_us(decided_at),
            onset_us=None if onset is None else to_us(onset),
        )
        for vehicle, _, component, mode, outcome, onset, found_at, _, decided_at in _outcomes(
            connection, vehicle_ids, until
        )
    ]


def fetch_undecided(
    connection: Connection, vehicle_ids: Collection[int], until: datetime
) -> set[tuple[int, str]]:
    """Return (vehicle, component) with an order that was open at a time."""
    params = {"vehicle_ids": list(vehicle_ids), "until": until}
    return {(row[0], row[1]) for row in connection.execute(_SQL["fetch_undecided"], params)}


def _outcomes(connection: Connection, vehicle_ids: Collection[int], until: datetime) -> list[tuple[Any, ...]]:
    params = {"vehicle_ids": list(vehicle_ids), "until": until}
    return connection.execute(_SQL["fetch_outcomes"], params).fetchall()
