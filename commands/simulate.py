"""A simulated fleet that publishes like a real one."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.options import Json
from commands.printing import print_json, progress_bar
from commands.running import TENANT, running_settings, stop_on_signal, stop_when
from data.errors import SettingsError

Vehicles = Annotated[int, typer.Option(min=1, max=20_000, help="How many vehicles.")]
Days = Annotated[int, typer.Option(min=1, max=365, help="Days of back-fill.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same fleet.")]


def build_simulated_fleet(vehicles: int, days: int, seed: int, faults: list[str] | None = None) -> Any:
    """Return a fleet with a past of some days until now, and faults that become visible soon."""
    from simulators.faults import parse_orders
    from simulators.fleet import build_fleet

    start = datetime.now(UTC) - timedelta(days=days)
    orders = parse_orders(faults or [])
    return build_fleet(vehicles, seed=seed, start=start, days=days, faults=orders, timing="ahead")


def register_fleet(connection: Any, fleet: Any) -> None:
    """Store the vehicles of a simulated fleet and their owners."""
    from data.reference import NEVER_QUIET, VehicleRegistration, register_vehicles

    registrations = [
        VehicleRegistration(
            vin=v.vin,
            model_id=v.model_id,
            plate=v.plate,
            time_zone=v.time_zone,
            owner_name=v.owner_name,
            home_lat=v.home_lat,
            home_lon=v.home_lon,
            quiet=NEVER_QUIET,  # whoever shows it at night wants to see it, too
        )
        for v in fleet.vehicles
    ]
    register_vehicles(connection, tenant=TENANT, vehicles=registrations)


def simulate(
    vehicles: Vehicles = 60,
    days: Days = 14,
    seed: Seed = 1,
    rate: Annotated[float, typer.Option(help="Messages a second of the whole fleet, at most.")] = 400.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="KIND[:COURSE]=NUMBER, repeatable, or all; see simulators/README.md."),
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="Write what is really wrong to this JSON file.")] = None,
    once: Annotated[bool, typer.Option("--once", help="End after the back-fill.")] = False,
    as_json: Json = False,
) -> None:
    """Publish a simulated fleet: its past as a back-fill, then live until stopped."""
    from data.db import connect
    from simulators.demo import write_truth
    from simulators.service import FleetRun

    settings = running_settings("simulator")
    fleet = build_simulated_fleet(vehicles, days, seed, fault)
    if truth:
        try:
            write_truth(fleet.truth, truth)
        except OSError as error:
            raise SettingsError(f"--truth {str(truth)!r}: cannot be written ({error.strerror})") from error
    with connect(settings.database_url, name="anxin-simulate") as connection:
        register_fleet(connection, fleet)
    stop = stop_on_signal()
    with progress_bar() as progress:
        task = progress.add_task("days of back-fill", total=days)
        run = FleetRun(
            settings,
            fleet,
            store_dir=settings.home_path / "vehicles",
            tenant=TENANT,
            rate_messages_per_s=rate,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
        if once:
            stop_when(lambda: run.is_backfill_done, stop)
        run.run(stop)
    if as_json:
        print_json({"vehicles": vehicles, **asdict(run.counters)})
