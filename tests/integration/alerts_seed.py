"""Rows that the tests of alerts start from."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from alerts.desk import Terms
from alerts.dispatch.roads import Roads
from alerts.rules import BreakerRule, load_policy
from data.db import Pool, transaction
from data.reference import NEVER_QUIET, VehicleRegistration, load_reference, register_vehicles

SHANGHAI = (31.2304, 121.4737)
REASON = {
    "feature": "loss",
    "value": 3.9,
    "unit": "kPa/day",
    "text_en": "loses 3.9 kPa/day",
    "text_zh": "每天漏 3.9 kPa",
}

INSERT_ALARM = (
    "INSERT INTO vehicle_events (vehicle_id, time, kind, source, level, code, data, is_hist, received)"
    " VALUES (%s, %s, 'alarm', 'event', %s, '', %s, %s, %s) ON CONFLICT DO NOTHING"
)


def make_terms(**overrides: Any) -> Terms:
    facts: dict[str, Any] = {
        "policy": replace(load_policy(), breaker=BreakerRule(orders_per_hour=1, fleet_share=1.0)),
        "roads": Roads(1.3),
        "hold_for": timedelta(minutes=15),
        "fresh_s": 900.0,
    }
    return Terms(**{**facts, **overrides})


def vin_of(number: int) -> str:
    return f"LAX{number:014d}"


def seed_vehicles(pool: Pool, count: int = 1, home: tuple[float, float] | None = SHANGHAI) -> list[int]:
    with transaction(pool) as connection:
        load_reference(connection, tenant="demo")
        found = register_vehicles(
            connection,
            tenant="demo",
            vehicles=[
                VehicleRegistration(
                    vin=vin_of(n),
                    model_id="anxin-sedan-96-ncm",
                    owner_name=f"owner {n}",
                    home_lat=home[0] if home else None,
                    home_lon=home[1] if home else None,
                    quiet=NEVER_QUIET,
                )
                for n in range(count)
            ],
        )
    return [found[vin_of(n)] for n in range(count)]


def add_prediction(pool: Pool, vehicle_id: int, at: datetime, **overrides: Any) -> int:
    row: dict[str, Any] = {
        "vehicle_id": vehicle_id,
        "component": "tire rear-left",
        "failure_mode": "tire_slow_leak",
        "severity": "S3",
        "probability": 0.9,
        "horizon_h": 168.0,
        "ttt_p10_h": 100.0,
        "ttt_p50_h": 140.0,
        "ttt_p90_h": 180.0,
        "predicted_at": at,
        "data_time": at,
        "since": at - timedelta(days=3),
        "window_from": at - timedelta(days=14),
        "window_to": at,
        "reasons": json.dumps([REASON]),
        "model_version": "test-1",
        "origin": "simulated",
        "is_fresh": True,
        **overrides,
    }
    names = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    with transaction(pool) as connection:
        found = connection.execute(
            f"INSERT INTO predictions ({names}) VALUES ({values}) RETURNING prediction_id",  # type: ignore[arg-type]  # noqa: S608 - own names
            row,
        ).fetchone()
    assert found
    return int(found[0])


def add_alarms(
    pool: Pool,
    vehicle_id: int,
    times: Sequence[datetime],
    *,
    received: datetime,
    level: int = 3,
    is_hist: bool = True,
    data: dict[str, Any] | None = None,
) -> None:
    """Store alarms and the batch that brought them, as ingest does."""
    with transaction(pool) as connection:
        for time in times:
            connection.execute(
                INSERT_ALARM,
                (vehicle_id, time, level, json.dumps(data or {}), is_hist, received),
            )
        add_batch(connection, vehicle_id, min(times), max(times))


def add_batch(connection: Any, vehicle_id: int, first: datetime, last: datetime) -> None:
    connection.execute(
        "INSERT INTO ingest_batches (slot, message_count, duplicate_count, reject_count, row_count, families,"
        " vehicle_ids, vehicle_families, time_from, time_to, has_live)"
        " VALUES ('0', 1, 0, 0, 1, %s, %s, %s, %s, %s, %s)",
        (["event"], [vehicle_id], ["event"], [first], [last], [False]),
    )


def wait_until(condition: Any, timeout_s: float = 60.0) -> None:
    """Return when it holds, however long a busy machine takes."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.05)


def rows(pool: Pool, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with transaction(pool) as connection:
        return connection.execute(statement, values).fetchall()  # type: ignore[arg-type]
