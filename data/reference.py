"""Reference data of a tenant: vehicle models, stations, parts, labour, jobs; registration of vehicles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from importlib import resources

import msgspec
from psycopg.types.json import Jsonb

from data.db import Connection, load_queries
from data.errors import ReferenceDataError
from data.records import VehicleSpec, parse_vin
from data.reference_rows import (
    ModelRow,
    StationRow,
    StationsFile,
    check_known,
    check_time_zone,
    read_reference,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleRegistration:
    """What must be known of a vehicle before it may speak."""

    vin: str
    model_id: str
    plate: str = ""
    time_zone: str = "Asia/Shanghai"
    owner_name: str
    locale: str = "zh"  #: ``zh`` or ``en``
    home_lat: float | None = None  #: WGS-84
    home_lon: float | None = None
    in_service_on: date | None = None  #: warranties count from this day
    quiet: tuple[time, time] | None = None  #: the owner's quiet hours, local; None: as the policy says


#: Quiet hours without length: the owner is told at any hour.
NEVER_QUIET = (time(0), time(0))


def load_reference(connection: Connection, *, tenant: str) -> int:
    """Bring the tenant's reference data up to date and return its ``tenant_id``.

    May run any number of times. Stock on hand is set only where the station does not hold the part yet.

    Raises:
        ReferenceDataError: A shipped row breaks a rule; nothing is written.
    """
    data = read_reference()
    queries = load_queries("data", "reference.sql")
    tenant_id = _tenant_id(connection, tenant)
    for model in data.models:
        row = msgspec.structs.asdict(model)
        row["dbc"] = _read_dbc(model)
        row["signal_map"] = Jsonb(model.signal_map)
        row["warranty"] = Jsonb(msgspec.to_builtins(model.warranty))
        connection.execute(queries["upsert_vehicle_model"], row)
    with connection.cursor() as cursor:
        for name, rows in (("upsert_part", data.parts), ("upsert_operation", data.operations)):
            cursor.executemany(
                queries[name], [{**msgspec.structs.asdict(r), "tenant_id": tenant_id} for r in rows]
            )
    for job in data.jobs:
        row = {**msgspec.structs.asdict(job), "tenant_id": tenant_id}
        row["parts"] = Jsonb(msgspec.to_builtins(job.parts))
        connection.execute(queries["upsert_job"], row)
    for station in data.stations.stations:
        _load_station(connection, tenant_id, station, data.stations)
    return tenant_id


def _tenant_id(connection: Connection, tenant: str) -> int:
    row = connection.execute(
        load_queries("data", "reference.sql")["upsert_tenant"], {"name": tenant}
    ).fetchone()
    if row is None:
        raise ReferenceDataError(f"tenant {tenant!r}: not stored")
    return int(row[0])


def _read_dbc(model: ModelRow) -> str | None:
    if model.dbc is None:
        return None
    file = resources.files("data").joinpath("dbc", model.dbc)
    if not file.is_file():
        raise ReferenceDataError(
            f"vehicle_models.toml: {model.model_id} dbc {model.dbc!r}: no such file in data/dbc"
        )
    return file.read_text("utf-8")


def _load_station(connection: Connection, tenant_id: int, station: StationRow, all_: StationsFile) -> None:
    queries = load_queries("data", "reference.sql")
    row = connection.execute(
        queries["upsert_station"],
        {
            **msgspec.structs.asdict(station),
            "tenant_id": tenant_id,
            "fees": Jsonb(msgspec.to_builtins(station.fees)),
        },
    ).fetchone()
    if row is None:
        raise ReferenceDataError(f"stations.toml: {station.code}: not stored")
    station_id = row[0]
    hours = msgspec.structs.asdict(all_.hours[station.hours])
    connection.execute(queries["delete_hours"], {"station_id": station_id})
    connection.execute(queries["insert_hours"], {**hours, "station_id": station_id})
    for bay in station.bays:
        connection.execute(queries["upsert_bay"], {**msgspec.structs.asdict(bay), "station_id": station_id})
    for technician in station.technicians:
        named = {
            "station_id": station_id,
            "name": technician.name,
            "skills": technician.skills,
            "carries": technician.carries,
        }
        found = connection.execute(queries["upsert_technician"], named).fetchone()
        key = {"technician_id": found[0] if found else None}
        connection.execute(queries["delete_shifts"], key)
        shift = msgspec.structs.asdict(all_.shifts[technician.shift])
        connection.execute(queries["insert_shifts"], {**shift, **key})
    stock = {"skus": list(station.stock), "counts": list(station.stock.values())}
    connection.execute(queries["insert_stock"], {**stock, "station_id": station_id})


def fetch_model_specs(connection: Connection) -> list[VehicleSpec]:
    """Return the vehicle models of the database, shipped and imported ones."""
    rows = connection.execute(load_queries("data", "reference.sql")["fetch_specs"]).fetchall()
    return [
        VehicleSpec(
            model_id=model_id,
            chemistry=chemistry,
            cell_count=cells,
            probe_count=probes,
            capacity_ah=capacity_ah,
            wheels=tuple(wheels),
            placard_kpa=tuple(placard_kpa),
        )
        for model_id, chemistry, cells, probes, capacity_ah, wheels, placard_kpa in rows
    ]


def fetch_model_of(connection: Connection, *, tenant: str, vin: str) -> str | None:
    """Return the model of a registered vehicle, None when the tenant has no such vehicle."""
    queries = load_queries("data", "reference.sql")
    row = connection.execute(queries["fetch_model_of"], {"tenant": tenant, "vin": vin}).fetchone()
    return str(row[0]) if row else None


def register_vehicles(
    connection: Connection, *, tenant: str, vehicles: Sequence[VehicleRegistration]
) -> dict[str, int]:
    """Register vehicles with their owners, or bring them up to date; return ``vehicle_id`` by VIN.

    Raises:
        VinError: A VIN breaks ISO 3779.
        ReferenceDataError: A model is unknown, or another field breaks its rule; names the vehicle.
    """
    queries = load_queries("data", "reference.sql")
    tenant_id = _tenant_id(connection, tenant)
    models = {row[0] for row in connection.execute(queries["fetch_known_models"])}
    zones: set[str] = set()
    for vehicle in vehicles:
        _check_vehicle(vehicle, models, zones)
    vins = [v.vin for v in vehicles]
    if len(set(vins)) != len(vins):
        raise ReferenceDataError("vehicles: a vin is given twice")
    stored = connection.execute(
        queries["upsert_vehicles"],
        {
            "tenant_id": tenant_id,
            "vins": vins,
            "model_ids": [v.model_id for v in vehicles],
            "plates": [v.plate for v in vehicles],
            "time_zones": [v.time_zone for v in vehicles],
            "in_service": [v.in_service_on for v in vehicles],
        },
    ).fetchall()
    connection.execute(
        queries["upsert_owners"],
        {
            "tenant_id": tenant_id,
            "vins": vins,
            "names": [v.owner_name for v in vehicles],
            "locales": [v.locale for v in vehicles],
            "lats": [v.home_lat for v in vehicles],
            "lons": [v.home_lon for v in vehicles],
            "quiet_from": [v.quiet and v.quiet[0] for v in vehicles],
            "quiet_to": [v.quiet and v.quiet[1] for v in vehicles],
        },
    )
    return {vin: int(vehicle_id) for vin, vehicle_id in stored}


def _check_vehicle(vehicle: VehicleRegistration, models: set[str], zones: set[str]) -> None:
    name = f"vehicle {parse_vin(vehicle.vin)}"
    check_known(name, "model_id", [vehicle.model_id], models)
    check_known(name, "locale", [vehicle.locale], {"zh", "en"})
    if vehicle.time_zone not in zones:
        check_time_zone(name, vehicle.time_zone)
        zones.add(vehicle.time_zone)
    if (vehicle.home_lat is None) != (vehicle.home_lon is None):
        raise ReferenceDataError(f"{name}: home_lat and home_lon: must be given together")
    if vehicle.home_lat is not None and not -90 <= vehicle.home_lat <= 90:
        raise ReferenceDataError(f"{name} home_lat {vehicle.home_lat}: must be from -90 to 90")
    if vehicle.home_lon is not None and not -180 <= vehicle.home_lon <= 180:
        raise ReferenceDataError(f"{name} home_lon {vehicle.home_lon}: must be from -180 to 180")
