"""The SQL of models but features: cursors and the commit log, vehicles, predictions and scores."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
from psycopg.types.json import Jsonb

from data.db import CHANNEL_LIVE, CHANNEL_PREDICTIONS, Connection, load_queries, notify
from data.records import Origin, VehicleSpec
from models.assess import TELL_LEVEL, Told
from models.features.days import to_us

_SQL = load_queries("models")


@dataclass(frozen=True, slots=True)
class Batch:
    """One entry of the commit log: what a commit of ingest touched, parallel tuples."""

    batch_id: int
    vehicle_ids: tuple[int, ...]
    families: tuple[str, ...]
    from_us: tuple[int, ...]
    to_us: tuple[int, ...]
    has_live: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class VehicleState:
    """What a vehicle's own streams say of it."""

    live_time: datetime | None  #: newest sample that came live
    tire_live_time: datetime | None  #: newest tire reading that came live
    origin: Origin


@dataclass(frozen=True, slots=True)
class Score:
    """What a predictor says of a vehicle as a whole."""

    vehicle_id: int
    failure_mode: str
    data_time: datetime  #: newest sample used
    probability: float  #: of the worst component; NaN: nothing is known
    component: str | None
    model_version: str


@dataclass(frozen=True, slots=True)
class LastTold:
    """The newest prediction of one component."""

    probability: float
    data_time: datetime
    is_fresh: bool


def fetch_cursor(connection: Connection, service: str, partition: int) -> int:
    """Return how far a service has come in a partition; 0 at its beginning."""
    key = {"service": service, "partition": partition}
    connection.execute(_SQL["create_cursor"], {**key, "batch_id": 0})
    row = connection.execute(_SQL["fetch_cursor"], key).fetchone()
    return int(row[0]) if row else 0


def move_cursor(connection: Connection, service: str, partition: int, *, seen: int, to: int) -> bool:
    """Move a cursor; False where another process has moved it since: undo and let go of the partition."""
    done = connection.execute(
        _SQL["move_cursor"], {"service": service, "partition": partition, "from": seen, "to": to}
    )
    return done.rowcount == 1


def fetch_batches(connection: Connection, after: int, limit: int) -> list[Batch]:
    """Return the next entries of the commit log in commit order."""
    rows = connection.execute(_SQL["fetch_batches"], {"after": after, "limit": limit}).fetchall()
    return [
        Batch(
            row[0],
            tuple(row[1]),
            tuple(row[2]),
            tuple(to_us(t) for t in row[3]),
            tuple(to_us(t) for t in row[4]),
            tuple(row[5]),
        )
        for row in rows
    ]


def fetch_specs(connection: Connection, vehicle_ids: Collection[int]) -> dict[int, VehicleSpec]:
    """Return the vehicle model of each vehicle."""
    rows = connection.execute(_SQL["fetch_specs"], {"vehicle_ids": list(vehicle_ids)}).fetchall()
    return {
        row[0]: VehicleSpec(
            model_id=row[1],
            chemistry=row[2],
            cell_count=row[3],
            probe_count=row[4],
            capacity_ah=row[5],
            wheels=tuple(row[6]),
            placard_kpa=tuple(row[7]),
            time_zone=row[8],
        )
        for row in rows
    }


def fetch_states(connection: Connection, vehicle_ids: Collection[int]) -> dict[int, VehicleState]:
    """Return freshness and origin of each vehicle."""
    rows = connection.execute(_SQL["fetch_states"], {"vehicle_ids": list(vehicle_ids)}).fetchall()
    return {row[0]: VehicleState(row[1], row[2], Origin(row[3])) for row in rows}


def fetch_likely_components(
    connection: Connection, vehicle_ids: Collection[int], failure_modes: Collection[str], level: float
) -> dict[tuple[int, str], set[str]]:
    """Return the components last told of as likely, by vehicle and failure mode."""
    out: dict[tuple[int, str], set[str]] = {}
    params = {"vehicle_ids": list(vehicle_ids), "failure_modes": list(failure_modes), "level": level}
    for vehicle, mode, component in connection.execute(_SQL["fetch_likely_components"], params):
        out.setdefault((vehicle, mode), set()).add(component)
    return out


def fetch_newest_predictions(
    connection: Connection, vehicle_ids: Collection[int], versions: Collection[str]
) -> dict[tuple[int, str], dict[str, LastTold]]:
    """Return the newest prediction of each component, by vehicle and model version."""
    out: dict[tuple[int, str], dict[str, LastTold]] = {(v, m): {} for v in vehicle_ids for m in versions}
    params = {"vehicle_ids": list(vehicle_ids), "versions": list(versions)}
    for row in connection.execute(_SQL["fetch_newest_predictions"], params):
        out[row[0], row[1]][row[2]] = LastTold(row[3], row[4], row[5])
    return out


def fetch_open_alerts(
    connection: Connection, vehicle_ids: Collection[int]
) -> dict[tuple[int, str], set[str]]:
    """Return the components with an alert that has not ended, by vehicle and failure mode."""
    out: dict[tuple[int, str], set[str]] = {}
    for vehicle, mode, component in connection.execute(
        _SQL["fetch_open_alerts"], {"vehicle_ids": list(vehicle_ids)}
    ):
        out.setdefault((vehicle, mode), set()).add(component)
    return out


def fetch_repairs(connection: Connection, vehicle_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """Return when each component was last repaired, microseconds, by vehicle."""
    out: dict[int, dict[str, int]] = {}
    for vehicle, component, at in connection.execute(
        _SQL["fetch_repairs"], {"vehicle_ids": list(vehicle_ids)}
    ):
        out.setdefault(vehicle, {})[component] = to_us(at)
    return out


def fetch_off(connection: Connection, vehicle_ids: Collection[int]) -> dict[tuple[int, str, str], bool]:
    """Return whether predictors are off, by vehicle, failure mode and model version (``*``: all others)."""
    rows = connection.execute(_SQL["fetch_off"], {"vehicle_ids": list(vehicle_ids)})
    return {(row[0], row[1], row[2]): row[3] == "off" for row in rows}


def write_failures(
    connection: Connection,
    vehicle_ids: Collection[int],
    failures: Mapping[tuple[int, str], str],
    *,
    now: datetime,
) -> None:
    """Note what failed on some vehicles, and forget what failed before and works again.

    Args:
        connection: In the caller's transaction.
        vehicle_ids: All that were looked at.
        failures: (vehicle, feature set or model version) -> error.
        now: Wall clock.
    """
    failed = sorted(failures)
    connection.execute(
        _SQL["delete_failures"],
        {
            "vehicle_ids": list(vehicle_ids),
            "failed_ids": [v for v, _ in failed],
            "parts": [part for _, part in failed],
        },
    )
    for vehicle, part in failed:
        connection.execute(
            _SQL["upsert_failure"],
            {"vehicle_id": vehicle, "part": part, "error": failures[vehicle, part][:1000], "now": now},
        )


def insert_predictions(connection: Connection, told: Iterable[Told]) -> int:
    """Write predictions that say something new; return how many did. Wakes ``route`` and the live pages."""
    count = 0
    for one in told:
        row = connection.execute(_SQL["insert_prediction"], _prediction_params(one)).fetchone()
        if row is not None:
            count += 1
            notify(connection, CHANNEL_LIVE, f'{{"kind":"prediction","id":{int(row[0])}}}')
    if count:
        notify(connection, CHANNEL_PREDICTIONS)
    return count


def upsert_scores(connection: Connection, scores: Sequence[Score], *, scored_at: datetime) -> None:
    """Write the worst component of each vehicle and predictor."""
    if not scores:
        return
    connection.execute(
        _SQL["upsert_scores"],
        {
            "scored_at": scored_at,
            "vehicle_ids": [s.vehicle_id for s in scores],
            "failure_modes": [s.failure_mode for s in scores],
            "data_times": [s.data_time for s in scores],
            "probabilities": [s.probability for s in scores],
            "components": [s.component for s in scores],
            "versions": [s.model_version for s in scores],
        },
    )


def delete_old_scores(
    connection: Connection, vehicle_ids: Collection[int], versions: Collection[str]
) -> None:
    """Drop the scores of model versions other than those that run."""
    connection.execute(
        _SQL["delete_old_scores"], {"vehicle_ids": list(vehicle_ids), "versions": list(versions)}
    )


def _prediction_params(told: Told) -> dict[str, object]:
    p = told.prediction
    ttt = p.time_to_threshold_h
    return {
        "vehicle_id": p.vehicle_id,
        "calibrated": p.calibrated,
        "p_value": p.p_value,
        "is_tail": p.is_tail,
        "component": p.component,
        "failure_mode": p.failure_mode.value,
        "severity": p.severity.value,
        # as the column stores it, so that a repetition compares equal
        "probability": float(np.float32(p.probability)),
        "horizon_h": p.horizon_h,
        "p10": ttt.p10 if ttt else None,
        "p50": ttt.p50 if ttt else None,
        "p90": ttt.p90 if ttt else None,
        "predicted_at": p.predicted_at,
        "data_time": p.data_time,
        "since": p.since,
        "window_from": p.window_from,
        "window_to": p.window_to,
        "reasons": Jsonb([_plain(asdict(reason)) for reason in p.reasons]),
        "evidence": Jsonb(dict(told.evidence)),
        "model_version": p.model_version,
        "tell_level": TELL_LEVEL,
        "origin": p.origin.value,
        "is_fresh": p.is_fresh,
    }


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    """Return values that JSON has: no NaN."""
    return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in values.items()}
