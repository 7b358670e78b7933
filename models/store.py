"""The SQL of models: features in, features, predictions and cursors out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from psycopg.types.json import Jsonb

from data.db import CHANNEL_LIVE, CHANNEL_PREDICTIONS, Connection, load_queries, notify
from data.records import FloatArray, IntArray, Origin, VehicleSpec
from models.assess import TELL_LEVEL, Told
from models.features.cells import KINDS, CellSessions
from models.features.days import from_date, to_date, to_datetime, to_us
from models.features.tires import TireDays

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


def replace_tire_days(
    connection: Connection, vehicle_id: int, days: Collection[int], found: TireDays
) -> None:
    """Put the features of some days in the place of what was there."""
    connection.execute(
        _SQL["delete_tire_days"], {"vehicle_id": vehicle_id, "days": [to_date(d) for d in days]}
    )
    columns = (
        "vehicle_id, day, gas_kpa, contrast_kpa, spread_kpa, sample_count, altitude_low_m, altitude_high_m,"
        " has_equal_wheels, first_time, last_time"
    )
    wanted = [i for i in range(len(found.day)) if int(found.day[i]) in days]
    with connection.cursor().copy(f"COPY tire_days ({columns}) FROM STDIN") as copy:
        for i in wanted:
            copy.write_row(
                (
                    vehicle_id,
                    to_date(int(found.day[i])),
                    _literal(found.gas_kpa[i]),
                    _literal(found.contrast_kpa[i]),
                    _literal(found.spread_kpa[i]),
                    _literal(found.count[i]),
                    _number(found.altitude_low_m[i]),
                    _number(found.altitude_high_m[i]),
                    bool(found.has_equal_wheels[i]),
                    to_datetime(int(found.first_us[i])),
                    to_datetime(int(found.last_us[i])),
                )
            )


def replace_cell_sessions(
    connection: Connection, vehicle_id: int, days: Collection[int], found: CellSessions
) -> None:
    """Put the sessions of some days in the place of what was there."""
    wanted = [i for i in range(len(found.day)) if int(found.day[i]) in days]
    connection.execute(
        _SQL["delete_cell_sessions"],
        {
            "vehicle_id": vehicle_id,
            "days": [to_date(d) for d in days],
            "started_at": [to_datetime(int(found.started_us[i])) for i in wanted],
        },
    )
    columns = (
        "vehicle_id, day, kind, started_at, ended_at, row_count, rested_count, soc_percent, voltage_v,"
        " current_a, temperature_degc, spread_mv, deviation_mv"
    )
    with connection.cursor().copy(f"COPY cell_sessions ({columns}) FROM STDIN") as copy:
        for i in wanted:
            copy.write_row(
                (
                    vehicle_id,
                    to_date(int(found.day[i])),
                    KINDS[int(found.kind[i])],
                    to_datetime(int(found.started_us[i])),
                    to_datetime(int(found.ended_us[i])),
                    int(found.row_count[i]),
                    int(found.rested_count[i]),
                    _number(found.soc_percent[i]),
                    float(found.voltage_v[i]),
                    _number(found.current_a[i]),
                    _number(found.temperature_degc[i]),
                    _number(found.spread_mv[i]),
                    _literal(found.deviation_mv[i]),
                )
            )


def fetch_day_families(
    connection: Connection, wanted: Collection[tuple[int, int]]
) -> list[tuple[int, int, bool, bool]]:
    """Return vehicle, day, has tire features, has cell features, of each (vehicle, day) wanted."""
    params = {"vehicle_ids": [v for v, _ in wanted], "days": [to_date(d) for _, d in wanted]}
    return [
        (row[0], from_date(row[1]), row[2], row[3])
        for row in connection.execute(_SQL["fetch_day_families"], params)
    ]


def fetch_tire_days(
    connection: Connection, vehicle_ids: Sequence[int], first_day: int, n_wheels: int
) -> list[TireDays]:
    """Return the daily features of each vehicle from a day on, in the order of ``vehicle_ids``."""
    grouped: dict[int, list[tuple[Any, ...]]] = {v: [] for v in vehicle_ids}
    params = {"vehicle_ids": list(vehicle_ids), "first_day": to_date(first_day)}
    for row in connection.execute(_SQL["fetch_tire_days"], params):
        if len(row[2]) == n_wheels:
            grouped[row[0]].append(row)
    return [
        TireDays(
            day=np.array([from_date(r[1]) for r in rows], dtype=np.int64),
            gas_kpa=_matrix([r[2] for r in rows], n_wheels),
            contrast_kpa=_matrix([r[3] for r in rows], n_wheels),
            spread_kpa=_matrix([r[4] for r in rows], n_wheels),
            count=_matrix([r[5] for r in rows], n_wheels).astype(np.int64),
            altitude_low_m=_vector([r[6] for r in rows]),
            altitude_high_m=_vector([r[7] for r in rows]),
            has_equal_wheels=np.array([r[8] for r in rows], dtype=np.bool_),
            first_us=np.array([to_us(r[9]) for r in rows], dtype=np.int64),
            last_us=np.array([to_us(r[10]) for r in rows], dtype=np.int64),
        )
        for rows in grouped.values()
    ]


def fetch_cell_sessions(
    connection: Connection, vehicle_ids: Sequence[int], first_day: int, cell_count: int
) -> list[CellSessions]:
    """Return the sessions of each vehicle from a day on, in the order of ``vehicle_ids``."""
    grouped: dict[int, list[tuple[Any, ...]]] = {v: [] for v in vehicle_ids}
    params = {"vehicle_ids": list(vehicle_ids), "first_day": to_date(first_day)}
    for row in connection.execute(_SQL["fetch_cell_sessions"], params):
        if len(row[12]) == cell_count:
            grouped[row[0]].append(row)
    return [
        CellSessions(
            day=np.array([from_date(r[1]) for r in rows], dtype=np.int64),
            kind=np.array([KINDS.index(r[2]) for r in rows], dtype=np.int64),
            started_us=np.array([to_us(r[3]) for r in rows], dtype=np.int64),
            ended_us=np.array([to_us(r[4]) for r in rows], dtype=np.int64),
            row_count=np.array([r[5] for r in rows], dtype=np.int64),
            rested_count=np.array([r[6] for r in rows], dtype=np.int64),
            soc_percent=_vector([r[7] for r in rows]),
            voltage_v=_vector([r[8] for r in rows]),
            current_a=_vector([r[9] for r in rows]),
            temperature_degc=_vector([r[10] for r in rows]),
            spread_mv=_vector([r[11] for r in rows]),
            deviation_mv=_matrix([r[12] for r in rows], cell_count),
        )
        for rows in grouped.values()
    ]


def fetch_likely_components(
    connection: Connection, vehicle_ids: Collection[int], failure_modes: Collection[str], level: float
) -> dict[tuple[int, str], set[str]]:
    """Return the components last told of as likely, by vehicle and failure mode."""
    out: dict[tuple[int, str], set[str]] = {}
    params = {"vehicle_ids": list(vehicle_ids), "failure_modes": list(failure_modes), "level": level}
    for vehicle, mode, component in connection.execute(_SQL["fetch_likely_components"], params):
        out.setdefault((vehicle, mode), set()).add(component)
    return out


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


def upsert_scores(connection: Connection, scores: Iterable[Mapping[str, object]]) -> None:
    """Write the worst component of each vehicle and failure mode."""
    with connection.cursor() as cursor:
        cursor.executemany(_SQL["upsert_score"], list(scores))


def _prediction_params(told: Told) -> dict[str, object]:
    p = told.prediction
    ttt = p.time_to_threshold_h
    return {
        "vehicle_id": p.vehicle_id,
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


def _literal(values: FloatArray | IntArray) -> str:
    """Return an array as PostgreSQL reads it; many times faster than the driver's own way."""
    return "{" + ",".join(map(repr, values.tolist())) + "}"


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _vector(values: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def _matrix(rows: Sequence[Sequence[float]], width: int) -> FloatArray:
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)
