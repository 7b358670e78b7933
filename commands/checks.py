"""Whether an installation is well: schema, health, what could not be read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from commands.first_start import prepare
from commands.options import Json
from commands.printing import console, print_json
from commands.running import running_settings


def migrate(
    reference: Annotated[
        bool,
        typer.Option(
            "--reference",
            help="Also load the shipped vehicle models and stations, and make the first logins.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the database schema up to date."""
    from data.migrate import migrate as apply

    settings = running_settings()
    url = settings.database_url
    applied = apply(url, settings)
    logins = prepare(url) if reference else {}
    console.print(f"applied: {', '.join(applied)}" if applied else "the schema is up to date")
    for login, password in logins.items():
        console.print(f"  login {login}  password {password}")
    if as_json:
        print_json({"applied": applied, "logins": list(logins)})


def check(
    storage: Annotated[bool, typer.Option("--storage", help="Instead: what is stored and its cost.")] = False,
    as_json: Json = False,
) -> None:
    """Tell whether this installation is healthy; exit 1 when an operator should act."""
    if storage:
        _check_storage(as_json=as_json)
        return
    from data.db import connect
    from data.health import check_broker, check_database, check_disk
    from data.health_disk import check_growth
    from data.health_sessions import ask_broker, check_sessions

    settings = running_settings("ingest")
    with connect(settings.database_url, name="anxin-check") as connection:
        checks = check_database(connection, score_every_s=settings.score_every_s)
        if all(c.is_ok for c in checks if c.name == "schema"):
            checks.append(check_sessions(connection, ask_broker(settings.mqtt_url)))
            checks.append(check_growth(connection, settings))
    checks.append(check_broker(settings.mqtt_url))
    checks.append(check_disk(settings.home_path))
    is_ok = all(c.is_ok for c in checks)
    for item in checks:
        mark = Text("ok ", "green") if item.is_ok else Text("ACT", "red")
        console.print(mark, f"{item.name}: {item.detail}", highlight=False)
    if as_json:
        print_json({"ok": is_ok, "checks": [asdict(c) for c in checks]})
    raise typer.Exit(0 if is_ok else 1)


def _check_storage(*, as_json: bool) -> None:
    """Print what the telemetry takes: bytes by table, row and value, and where it leads."""
    from data.db import connect, wrap_errors
    from data.storage import describe_table, measure_storage

    with connect(running_settings().database_url, name="anxin-storage") as connection, wrap_errors():
        found = measure_storage(connection)
    for table in found.tables:
        console.print(describe_table(table), highlight=False)
    console.print(
        f"{found.vehicles:,} vehicles, {found.total_bytes / 1e9:.3f} GB, {found.edition}:"
        f" {found.gb_per_1000_vehicles_day:.3f} GB per 1,000 vehicles and day, as stored now"
    )
    if as_json:
        print_json(asdict(found))


def rejects(
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Read again what can be retried.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many to list.")] = 20,
    as_json: Json = False,
) -> None:
    """List what could not be read, newest first, or read it again after its cause went away."""
    from data.db import open_pool
    from ingest.rejects import count_rejects, list_rejects
    from ingest.service import retry_rejects

    settings = running_settings()
    retried = retry_rejects(settings) if retry else None
    with open_pool(settings.database_url, size=1, name="anxin-rejects") as pool:
        counts, found = count_rejects(pool), list_rejects(pool, reason=reason, limit=limit)
    if retried is not None:
        console.print(f"retried: {retried.stored} stored, {retried.still_rejected} still rejected")
    for item in found:
        times = f", seen {item['seen_count']} times" if item["seen_count"] > 1 else ""
        console.print(f"{item['received']:%F %T} {item['reason']}: {item['detail']} ({item['topic']}{times})")
    if not found:
        console.print("no rejects")
    if as_json:
        outcome = {"retried": asdict(retried)} if retried is not None else {}
        print_json({"counts": counts, "rejects": found, **outcome})
