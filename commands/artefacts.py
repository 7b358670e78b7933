"""What was learned, listed and promoted, and how it fares on live vehicles."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from commands.options import Json
from commands.printing import console, print_json
from commands.running import connect_running, own_deed

artefacts_app = typer.Typer(no_args_is_help=True, help="What was learned: list, show, promote, roll back.")


ModelVersion = Annotated[str, typer.Argument(help="Of the predictor, as in its predictions.")]
ArtefactKind = Annotated[str, typer.Option("--kind", help="maps or learner.")]


@artefacts_app.command("list")
def artefacts_list(as_json: Json = False) -> None:
    """List all artefacts with their state."""
    from models.store_artefacts import fetch_all

    with connect_running() as connection:
        rows = fetch_all(connection)
    for row in rows:
        console.print(
            f"{row['model_version']} {row['kind']} {row['number']}: {row['state']}, {row['origin']},"
            f" {row['span_from']} to {row['span_to']}, {row['sha256'][:12]}"
        )
    if as_json:
        print_json({"artefacts": rows})


@artefacts_app.command("show")
def artefacts_show(model_version: ModelVersion, as_json: Json = False) -> None:
    """Show everything that is known of the artefacts of a predictor."""
    from models.errors import ArtefactError
    from models.store_artefacts import fetch_all

    with connect_running() as connection:
        rows = [row for row in fetch_all(connection) if row["model_version"] == model_version]
    if not rows:
        raise ArtefactError(f"artefact {model_version}: there is none")
    for row in rows:
        for name, value in row.items():
            console.print(f"{name}: {value}")
    if as_json:
        print_json({"artefacts": rows})


@artefacts_app.command("promote")
def artefacts_promote(
    model_version: ModelVersion,
    number: Annotated[int, typer.Argument(min=1, help="Of the artefact.")],
    kind: ArtefactKind = "maps",
) -> None:
    """Make an artefact the champion; score follows with its next vehicles."""
    from models.store_artefacts import promote

    with connect_running() as connection:
        before = promote(connection, model_version, kind, number, deed=own_deed())
    console.print(f"{model_version} {kind} {number} is the champion" + (f", was {before}" if before else ""))


@artefacts_app.command("rollback")
def artefacts_rollback(model_version: ModelVersion, kind: ArtefactKind = "maps") -> None:
    """Retire the champion; the one before it takes its place again, else the physics alone."""
    from models.store_artefacts import roll_back

    with connect_running() as connection:
        now = roll_back(connection, model_version, kind, deed=own_deed())
    console.print(f"{model_version} {kind}: " + (f"{now} is the champion" if now else "no champion"))


def drift(
    live_days: Annotated[int, typer.Option(min=1, max=90, help="Newest days.")] = 14,
    reference_days: Annotated[int, typer.Option(min=7, max=365, help="Earlier days to compare with.")] = 60,
    gap_days: Annotated[int, typer.Option(min=0, max=180, help="Days between both.")] = 14,
    as_json: Json = False,
) -> None:
    """Tell which features have shifted, and how often workshops found what was predicted."""
    from models.drift import live_precision, measure_drift
    from models.features.registry import feature_sets

    now = datetime.now(UTC)
    with connect_running() as connection:
        found = measure_drift(
            connection,
            feature_sets(),
            live_days=live_days,
            reference_days=reference_days,
            gap_days=gap_days,
            now=now,
        )
        precision = live_precision(connection)
    drifted = [row for row in found if row["is_drifted"]]
    console.print(f"{len(drifted)} of {len(found)} features have shifted")
    for row in drifted:
        name = f"{row['model_id']} {row['feature_set']} {row['feature']}"
        console.print(f"{name}: PSI {row['psi']:.2f}, KS {row['ks']:.2f}, {row['live_count']} vehicles")
    for row in precision:
        console.print(
            f"{row['model_version']} ({row['origin']}): {row['confirmed']} of {row['total']} confirmed,"
            f" {row['low']:.0%} to {row['high']:.0%}" + (", too few" if row["is_low"] else "")
        )
    if as_json:
        print_json({"measured_at": now, "features": found, "precision": precision})
