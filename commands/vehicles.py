"""Vehicles and their models: registered, retired, transferred, checked."""

from __future__ import annotations

import io
import secrets
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from commands.options import Json, parse_place
from commands.printing import console, print_json, progress_bar
from commands.running import TENANT, connect_running, own_deed, read_settings, running_settings
from data.errors import FleetError, SettingsError

vehicles_app = typer.Typer(no_args_is_help=True, help="Register, retire and transfer vehicles.")
models_app = typer.Typer(no_args_is_help=True, help="Vehicle models: checked against DBC and catalogue.")


Vin17 = Annotated[str, typer.Argument(help="The vehicle.", show_default=False)]
JsonLines = Annotated[bool, typer.Option("--jsonl", help="JSON, one vehicle a line, instead of CSV.")]


@vehicles_app.command("import")
def vehicles_import(
    file: Annotated[Path, typer.Argument(help="CSV with a header, or - for standard input.")],
    jsonl: JsonLines = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and tell, write nothing.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Write nothing if any line is wrong.")] = False,
    correct_owners: Annotated[
        bool, typer.Option("--correct-owners", help="Names of owners that differ are corrected in place.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Register vehicles from a file, or bring them up to date; exit 1 if a line is wrong."""
    from data.fleet_file import read_fleet
    from data.fleet_import import fetch_models, import_fleet
    from ingest.service import retry_rejects

    settings = running_settings()
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{str(file)!r}: cannot be read as UTF-8 ({error})") from error
    with connect_running() as connection, progress_bar() as progress:
        task = progress.add_task("lines", total=text.count("\n"))
        read = read_fleet(
            io.StringIO(text),
            is_json=jsonl,
            models=fetch_models(connection),
            on_line=partial(progress.advance, task),
        )
        report = import_fleet(
            connection, read, tenant=TENANT, deed=own_deed(), is_strict=strict, corrects_owners=correct_owners
        )
        if dry_run:
            connection.rollback()
    retried = (
        None if dry_run or not report.added else retry_rejects(settings, vins=report.added, tenant=TENANT)
    )
    for problem in report.problems:
        console.print(str(problem))
    counts = {"added": len(report.added), "changed": len(report.changed), "unchanged": report.unchanged}
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    console.print(f"{'would be: ' if dry_run else ''}{told}, {len(report.problems):,} wrong")
    if retried and retried.stored:
        console.print(f"{retried.stored:,} messages that they had sent before are stored")
    if as_json:
        more = {"owners_added": report.owners_added, "problems": [asdict(p) for p in report.problems]}
        more |= {"dry_run": dry_run, "retried": asdict(retried) if retried else None}
        print_json(counts | more)
    raise typer.Exit(1 if report.problems else 0)


@vehicles_app.command("export")
def vehicles_export(jsonl: JsonLines = False) -> None:
    """Write the vehicles in service to standard output, as import reads them."""
    from data.fleet_file import write_fleet
    from data.fleet_import import export_fleet

    with connect_running() as connection:
        write_fleet(export_fleet(connection, tenant=TENANT), sys.stdout, is_json=jsonl)


@vehicles_app.command("retire")
def vehicles_retire(
    vin: Vin17,
    reason: Annotated[str, typer.Option(help="For the audit.")] = "end of life",
    undo: Annotated[bool, typer.Option("--undo", help="Take it back into service.")] = False,
    as_json: Json = False,
) -> None:
    """Take a vehicle out of service: nothing is taken from it any more, its history stays."""
    from data.fleet import retire

    with connect_running() as connection:
        orders = retire(connection, tenant=TENANT, vin=vin, deed=own_deed(), reason=reason, is_undone=undo)
    console.print(f"{vin} is {'in service again' if undo else 'retired'}")
    if orders:
        console.print(f"orders still open: {', '.join(map(str, orders))}")
    if as_json:
        print_json({"vin": vin, "retired": not undo, "open_orders": list(orders)})


@vehicles_app.command("transfer")
def vehicles_transfer(
    vin: Vin17,
    owner: Annotated[str, typer.Option("--owner", help="Name of the new owner.")],
    ref: Annotated[str | None, typer.Option(help="Your own name of the owner, such as a number.")] = None,
    locale: Annotated[str | None, typer.Option(help="zh or en.")] = None,
    home: Annotated[
        str | None, typer.Option(metavar="LAT,LON", help="Where the owner lives, WGS-84.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Give a vehicle to another owner, who sees nothing from before; the old one sees nothing any more."""
    from data.fleet import NewOwner, transfer

    new = NewOwner(name=owner, reference=ref, locale=locale, home=parse_place(home, option="--home"))
    with connect_running() as connection:
        done = transfer(connection, tenant=TENANT, vin=vin, owner=new, deed=own_deed())
    console.print(f"{vin} belongs to {owner} from now on")
    if done.open_orders:
        orders = ", ".join(map(str, done.open_orders))
        console.print(f"made for the former owner and still open, for operations to settle: orders {orders}")
    if as_json:
        print_json({"vin": vin, **asdict(done)})


@vehicles_app.command("credentials")
def vehicles_credentials(
    vin: Vin17,
    password_file: Annotated[
        Path | None, typer.Option(help="A Mosquitto password file; by default the broker of anxin up.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Give a vehicle a password at the broker, shown once; certificates need none: common name tenant/VIN."""
    from data.broker import hash_password
    from data.records import parse_vin
    from data.reference import fetch_model_of
    from data.vehicle_accounts import issue_account, put_into_password_file

    vehicle = parse_vin(vin)
    with connect_running() as connection:
        if fetch_model_of(connection, tenant=TENANT, vin=vehicle) is None:
            raise FleetError(f"vehicle {vehicle}: is not registered")
    if password_file is None:
        user, password = issue_account(read_settings().home_path / "broker", tenant=TENANT, vin=vehicle)
    else:
        secret = secrets.token_urlsafe(24)
        user, password = put_into_password_file(
            password_file, tenant=TENANT, vin=vehicle, hashed=hash_password(secret), password=secret
        )
    if as_json:
        print_json({"user": user, "password": password, "topics": f"anxin/v1/{user}/up/#"})
    else:
        sys.stdout.write(f"{user}\n{password}\n")
    console.print("not shown again: give it to the vehicle now")


@models_app.command("import")
def models_import(
    file: Annotated[Path, typer.Argument(help="TOML as data/reference/vehicle_models.toml, DBC beside it.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and tell, write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Check vehicle models against their DBC and the catalogue and store them, all or none."""
    from data.vehicle_models import load_models, store_models
    from ingest.model_check import check_model
    from ingest.service import retry_rejects

    models = load_models(file)
    checks = {
        m.row.model_id: check_model(m.dbc, m.row.signal_map, array_lengths=m.array_lengths) for m in models
    }
    is_ok = not any(check.errors for check in checks.values())
    for model_id, found in checks.items():
        mapped = ", ".join(f"{a} {n} of {all_}" if all_ > 1 else a for a, (n, all_) in found.yields.items())
        console.print(f"{model_id}: yields {mapped or 'nothing of the catalogue'}")
        if found.unmapped:
            some = ", ".join(found.unmapped[:5]) + (" …" if len(found.unmapped) > 5 else "")
            console.print(f"  {len(found.unmapped)} signals are stored as they are: {some}")
        for warning in found.warnings:
            console.print(f"  warning: {warning}")
        for error in found.errors:
            console.print(f"  wrong: {error}")
    retried = None
    if is_ok and not dry_run:
        settings = running_settings()
        with connect_running() as connection:
            store_models(connection, models, tenant=TENANT, deed=own_deed())
        retried = retry_rejects(settings)
    if as_json:
        told = {model_id: asdict(found) for model_id, found in checks.items()}
        print_json({"ok": is_ok, "models": told, "retried": asdict(retried) if retried else None})
    raise typer.Exit(0 if is_ok else 1)
