"""Vehicles of one small model in tests of ingest: four cells, two probes, four wheels; tenant 1 is demo."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from data.db import Pool


def register(
    pool: Pool, *vins: str, dbc: str | None = None, signal_map: Mapping[str, Any] | None = None
) -> Pool:
    """Store the tenant, the model and vehicles of it in an empty database."""
    with pool.connection() as connection:
        connection.execute("INSERT INTO tenants (name) VALUES ('demo')")
        connection.execute(
            "INSERT INTO vehicle_models (model_id, name, chemistry, cell_count, probe_count, capacity_ah,"
            " energy_kwh, wheels, placard_kpa, dbc, signal_map)"
            " VALUES ('small', 'Small', 'NCM', 4, 2, 100, 40,"
            " '{front-left,front-right,rear-left,rear-right}', '{250,250,250,250}', %s, %s)",
            (dbc, json.dumps(signal_map or {})),
        )
    return add(pool, *vins)


def add(pool: Pool, *vins: str) -> Pool:
    """Store further vehicles of the model."""
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO vehicles (tenant_id, vin, model_id)"
            " SELECT 1, vin, 'small' FROM unnest(%s::text[]) AS vin",
            (list(vins),),
        )
    return pool
