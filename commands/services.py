"""The services, one process each, and all of them on one machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from commands.first_start import prepare
from commands.options import Port, Supervised
from commands.printing import console
from commands.running import read_settings, running_settings, stop_on_signal

#: On a machine that does everything, what can wait for minutes gives way to what hazards pass through.
_GIVE_WAY = 5


def _serve(
    run: Callable[..., None], role: str | None, *, is_supervised: bool, gives_way: bool = False
) -> None:
    if is_supervised and gives_way:
        os.nice(_GIVE_WAY)
    run(running_settings(role), stop=stop_on_signal(is_supervised=is_supervised))


def ingest(
    drain: Annotated[
        bool,
        typer.Option("--drain", help="End this slot for good: store what the broker holds for it first."),
    ] = False,
    supervised: Supervised = False,
) -> None:
    """Store what vehicles publish: broker to database, acknowledged after commit."""
    from ingest.service import run

    _serve(partial(run, is_draining=drain), "ingest", is_supervised=supervised)


def watch(supervised: Supervised = False) -> None:
    """Find hazards within seconds: follows the commit log."""
    from models.service import run_watch

    _serve(run_watch, None, is_supervised=supervised)


def score(supervised: Supervised = False) -> None:
    """Recompute features of touched days and sessions and predict failures."""
    from models.service import run_score

    _serve(run_score, None, is_supervised=supervised, gives_way=True)


def route(supervised: Supervised = False) -> None:
    """Turn predictions into alerts and repair orders."""
    from alerts.service import run_route

    _serve(run_route, None, is_supervised=supervised)


def notify(supervised: Supervised = False) -> None:
    """Deliver the outbox to owners and vehicles."""
    from alerts.service import run_notify

    _serve(run_notify, "notify", is_supervised=supervised)


def api(supervised: Supervised = False) -> None:
    """Serve the HTTP API and the pages."""
    from api.service import run

    _serve(run, None, is_supervised=supervised)


def gateway(supervised: Supervised = False) -> None:
    """Let GB/T 32960 vehicles and platforms in over TCP and pass their frames on to the broker."""
    from ingest.gateway.service import run

    _serve(run, "gateway", is_supervised=supervised)


def maintain(supervised: Supervised = False) -> None:
    """Keep rollups up to date and delete what is past its retention; any number agree on one."""
    from data.service import run_maintain

    _serve(run_maintain, None, is_supervised=supervised, gives_way=True)


def up(
    home: Annotated[Path | None, typer.Option(help="Where servers, keys and logs live.")] = None,
    port: Port = None,
) -> None:
    """Run everything on this machine: embedded servers unless URLs are given, all services supervised."""
    from data.installation import Installation
    from ingest.adapters.files import load_adapters

    settings = read_settings()
    settings = replace(
        settings,
        home=str((home or settings.home_path).absolute()),
        http_port=port or settings.http_port,
    )
    stop = stop_on_signal()
    foreign = [pattern for adapter in load_adapters(settings.adapters) for pattern in adapter.filters]
    with Installation(settings, os.environ, foreign=foreign) as installation:
        endpoints = installation.start_servers()
        logins = prepare(endpoints.database_url)
        installation.start_services()
        console.print(f"Anxin runs at {settings.base_url}")
        for login, password in logins.items():
            console.print(f"  login {login}  password {password}")
        while not stop.wait(0.5):
            installation.tend()
