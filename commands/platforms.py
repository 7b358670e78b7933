"""Platforms that forward their vehicles' frames to the gateway."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from commands.options import Json
from commands.printing import console, print_json
from commands.running import TENANT, connect_running

platforms = typer.Typer(
    no_args_is_help=True, help="Platforms that forward their vehicles' frames to the gateway."
)


PlatformName = Annotated[str, typer.Argument(help="1-12 letters, digits, '-' and '_'.", show_default=False)]


@platforms.command("add")
def platforms_add(name: PlatformName) -> None:
    """Let a platform in; prints its password, once."""
    from ingest.gateway.store import add_platform

    with connect_running() as connection:
        password = add_platform(connection, name, tenant=TENANT, now=datetime.now(UTC))
    sys.stdout.write(f"{password}\n")


@platforms.command("revoke")
def platforms_revoke(name: PlatformName) -> None:
    """Keep a platform out from its next login on."""
    from ingest.gateway.store import revoke_platform

    with connect_running() as connection:
        revoke_platform(connection, name, tenant=TENANT, now=datetime.now(UTC))


@platforms.command("list")
def platforms_list(as_json: Json = False) -> None:
    """List the platforms."""
    from ingest.gateway.store import list_platforms

    with connect_running() as connection:
        found = list_platforms(connection, tenant=TENANT)
    for item in found:
        until = f", revoked {item['revoked_at']:%F %T}" if item["revoked_at"] else ""
        console.print(f"{item['name']} since {item['created_at']:%F %T}{until}")
    if as_json:
        print_json({"platforms": found})
