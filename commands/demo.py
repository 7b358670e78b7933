"""The demo: the whole chain on a fresh installation."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from commands.first_start import make_key, make_login, prepare
from commands.options import Json, Port
from commands.printing import console, print_json
from commands.running import TENANT, read_settings, stop_on_signal
from commands.simulate import Seed, Vehicles, build_simulated_fleet, register_fleet
from data.errors import SettingsError


class _DemoWorkshop:
    """Gives the demo what it needs of the parts it must not know."""

    def register(self, connection: Any, fleet: Any) -> None:
        """Store vehicles and owners."""
        register_fleet(connection, fleet)

    def subscribe(self, connection: Any, owner_id: int, subscription: Any) -> None:
        """Subscribe an owner to Web Push."""
        from api.store import upsert_subscription

        upsert_subscription(connection, owner_id=owner_id, now=datetime.now(UTC), **asdict(subscription))

    def report(self, connection: Any) -> list[dict[str, Any]]:
        """Return the orders as the demo prints them."""
        from alerts.report import order_report

        return order_report(connection, tenant=TENANT)

    def admit(
        self, connection: Any, role: str, *, owner_id: int | None = None, station_id: int | None = None
    ) -> str:
        """Make a login and return its password."""
        return make_login(connection, role, owner_id=owner_id, station_id=station_id)


def demo(
    until_order: Annotated[
        bool, typer.Option("--until-order", help="End when an order's warning is delivered; 1 if it is not.")
    ] = False,
    until_closed: Annotated[
        bool,
        typer.Option(
            "--until-closed", help="Carry that order on to hand-over, rating and label by the API; likewise."
        ),
    ] = False,
    vehicles: Vehicles = 60,
    days: Annotated[int, typer.Option(min=14, max=60, help="Days of back-fill.")] = 14,
    seed: Seed = 1,
    port: Port = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the order's warning.")] = 180.0,
    as_json: Json = False,
) -> None:
    """Show the whole chain on a fresh installation: from a simulated fault to the repaired vehicle."""
    import tempfile

    from data.db import open_pool
    from data.installation import Installation
    from ingest.service import discard_session
    from simulators.demo import Demo, Goal

    started_at = time.monotonic()
    goal = Goal.CLOSED if until_closed else Goal.ORDER if until_order else Goal.STOPPED
    settings = read_settings(least_level=30)
    stop = stop_on_signal()
    name = f"demo-{secrets.token_hex(4)}"  # at a given broker the demo takes nobody else's messages
    with tempfile.TemporaryDirectory(prefix="anxin-demo-", ignore_cleanup_errors=True) as home:
        settings = replace(
            settings,
            home=home,
            http_port=port or settings.http_port,
            push_allow_loopback=True,
            ingest_slot=name,
            ingest_share=name,
        )
        environ = {**os.environ, "ANXIN_INGEST_SLOT": name}
        with ExitStack() as afterwards, Installation(settings, environ) as installation:
            console.print("Starting PostgreSQL, the broker and the services …")
            endpoints = installation.start_servers()
            if endpoints.broker == "external":
                afterwards.callback(discard_session, endpoints.settings_for(settings, "ingest"))
            logins = prepare(endpoints.database_url)
            if not logins:
                raise SettingsError("ANXIN_DATABASE_URL: is in use; the demo wants an empty database")
            installation.start_services()
            console.print(f"Pages: {settings.base_url}  (everything in them is simulated)")
            for login, password in logins.items():
                console.print(f"  login {login}  password {password}")
            console.print(
                f"  API key of operations {make_key(endpoints.database_url)}  (Authorization: Bearer …)"
            )
            console.print(f"  Commands beside it: export ANXIN_HOME={home}")
            fleet = build_simulated_fleet(vehicles, days, seed)
            with open_pool(endpoints.database_url, size=2, name="anxin-demo") as pool:
                run = Demo(
                    settings=endpoints.settings_for(settings, "simulator"),
                    fleet=fleet,
                    workshop=_DemoWorkshop(),
                    pool=pool,
                    started_at=started_at,
                    say=console.print,
                    tend=installation.tend,
                )
                missing = run.run(stop, goal=goal, timeout_s=timeout)
                if goal is Goal.STOPPED:
                    missing = []
                for step in missing:
                    console.print(f"missing: {step}")
                if as_json:
                    told = {} if goal is Goal.STOPPED else {"missing": missing}
                    print_json(run.report() | told)
    raise typer.Exit(1 if missing else 0)
