"""The service network: stations, technicians, parts, prices and labour."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from commands.options import Json
from commands.printing import console, print_json
from commands.running import TENANT, connect_running, own_deed
from data.errors import SettingsError

stations_app = typer.Typer(no_args_is_help=True, help="Stations, technicians, parts, prices and labour.")


@stations_app.command("import")
def stations_import(
    files: Annotated[list[Path], typer.Argument(help="TOML as in data/reference, or .json; read together.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and tell, write nothing.")] = False,
    partial_: Annotated[bool, typer.Option("--partial", help="Write the entries that are right.")] = False,
    as_json: Json = False,
) -> None:
    """Bring stations, parts, labour and jobs up to files, all or none; exit 1 if one is wrong."""
    from data.network_import import import_network

    texts: dict[str, str] = {}
    for file in files:
        try:
            texts[str(file)] = file.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{str(file)!r}: cannot be read as UTF-8 ({error})") from error
    with connect_running() as connection:
        report = import_network(connection, texts, tenant=TENANT, deed=own_deed(), is_partial=partial_)
        if dry_run or not report.is_written:
            connection.rollback()
    for problem in report.problems:
        console.print(str(problem))
    counts = {
        what: {kind: len(keys) for kind, keys in by_kind.items()}
        for what, by_kind in (("added", report.added), ("changed", report.changed))
    }
    is_written = report.is_written and not dry_run
    told = ", ".join(f"{sum(by_kind.values()):,} {what}" for what, by_kind in counts.items())
    console.print(
        f"{'' if is_written else 'nothing is written; would be: '}{told},"
        f" {report.unchanged:,} unchanged, {len(report.problems):,} wrong"
    )
    if as_json:
        problems = [asdict(problem) for problem in report.problems]
        more = {"unchanged": report.unchanged, "problems": problems, "written": is_written}
        print_json({**counts, **more})
    raise typer.Exit(1 if report.problems else 0)


@stations_app.command("export")
def stations_export(
    json_: Annotated[bool, typer.Option("--json", help="JSON instead of TOML.")] = False,
) -> None:
    """Write stations, parts, labour and jobs to standard output, as import reads them."""
    from data.network_file import write_network
    from data.network_import import export_network

    with connect_running() as connection:
        sys.stdout.write(write_network(export_network(connection, tenant=TENANT), is_json=json_))
