"""SQL of the dispatch benchmark."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from psycopg import sql

from alerts.bench.scenario import Scenario
from alerts.dispatch.network import Network
from alerts.dispatch.network_store import NetworkStore
from alerts.orders.states import BATCHED
from data.db import Connection, connect, fetch_rows, load_queries
from data.migrate import migrate
from data.reference import NEVER_QUIET, VehicleRegistration, load_reference, register_vehicles

TENANT = "bench"
_Q = load_queries("alerts.bench", "bench.sql")


@contextmanager
def temporary_database(server_url: str) -> Iterator[str]:
    """Make a migrated database on a server and drop it at the end."""
    name = f"anxin_bench_{uuid.uuid4().hex[:12]}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    with connect(server_url, is_autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            migrate(url)
            yield url
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def prepare(connection: Connection, scenario: Scenario, now: datetime) -> tuple[int, list[int]]:
    """Write the network, the vehicles and their predictions; return the tenant and the vehicles in order."""
    tenant_id = load_reference(connection, tenant=TENANT)
    key = {"tenant_id": tenant_id}
    connection.execute(_Q["clear_stations"], key)
    connection.execute(
        _Q["insert_stations"],
        {
            **key,
            "codes": [f"B{n:04d}" for n in range(len(scenario.station_lats))],
            "lats": scenario.station_lats.tolist(),
            "lons": scenario.station_lons.tolist(),
            "hv": scenario.has_hv_certificate.tolist(),
        },
    )
    for name in ("insert_hours", "insert_bays", "insert_technicians", "insert_shifts"):
        connection.execute(_Q[name], key)
    connection.execute(_Q["insert_stock"], key | {"on_hand": scenario.stock})
    vehicles = [
        VehicleRegistration(
            vin=f"LBX{n:014d}",
            model_id="anxin-sedan-96-ncm",
            owner_name="bench",
            home_lat=lat,
            home_lon=lon,
            quiet=NEVER_QUIET,  # the same work at any hour
        )
        for n, (lat, lon) in enumerate(
            zip(scenario.vehicle_lats.tolist(), scenario.vehicle_lons.tolist(), strict=True)
        )
    ]
    found = register_vehicles(connection, tenant=TENANT, vehicles=vehicles)
    ids = [found[v.vin] for v in vehicles]
    connection.execute(
        _Q["insert_predictions"],
        {
            "now": now,
            "vehicle_ids": ids,
            "components": [fault.component for fault in scenario.faults],
            "modes": [fault.failure_mode for fault in scenario.faults],
            "severities": [fault.severity for fault in scenario.faults],
            # many predictors: the circuit breaker for one of them is not what is measured
            "versions": [f"bench-{n // 10}" for n in range(len(ids))],
        },
    )
    return tenant_id, ids


def gather_statistics(url: str) -> None:
    """Let the planner know the tables."""
    with connect(url, is_autocommit=True) as connection:
        connection.execute(_Q["analyze"])


def fetch_network(connection: Connection, tenant_id: int) -> Network:
    """Return the stations and what each failure mode needs."""
    return NetworkStore(connection).fetch_network(tenant_id, least_ratings=1)


def is_waiting(connection: Connection) -> bool:
    """Tell whether a prediction waits for a decision or an order for a batch."""
    return bool(fetch_rows(connection, _Q["is_waiting"], {"batched": BATCHED})[0]["is_waiting"])


def fetch_placed(connection: Connection) -> list[dict[str, Any]]:
    """Return vehicle, start, opening, deadline and way of each order with an appointment."""
    return fetch_rows(connection, _Q["fetch_placed"])


def fetch_unserved(connection: Connection) -> list[str]:
    """Return why each order without an appointment waits."""
    return [row["waiting_reason"] or "" for row in fetch_rows(connection, _Q["fetch_unserved"])]


def count_wrong(connection: Connection) -> dict[str, int]:
    """Return how often a guarantee is broken, by guarantee."""
    return dict(fetch_rows(connection, _Q["count_wrong"])[0])
