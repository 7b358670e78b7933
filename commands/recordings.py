"""Recordings: inspected offline, or replayed as a vehicle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from commands.evaluation_work import learned_predictors
from commands.options import Json, Maps, parse_place
from commands.printing import console, print_json, progress_bar
from commands.running import TENANT, read_settings, running_settings, stop_on_signal
from data.errors import SettingsError

if TYPE_CHECKING:
    from alerts.policy import Episode


FileArgument = Annotated[Path, typer.Argument(help="The recording.", show_default=False)]
Format = Annotated[
    str | None,
    typer.Option("--format", help="Name of the format; sniffed by default. An unknown one names them all."),
]
Unit = Annotated[
    str | None, typer.Option(help="The vehicle or test, of a file that holds several; all by default.")
]
Dbc = Annotated[Path | None, typer.Option(help="DBC file of a CAN recording.")]
SignalMap = Annotated[
    Path | None, typer.Option("--map", help="TOML or JSON: Message.Signal to catalogue alias.")
]
Model = Annotated[str | None, typer.Option(help="Vehicle model of the reference data.")]
Placard = Annotated[float | None, typer.Option(help="Placard pressure of all wheels, kPa gauge.")]


def inspect(
    file: FileArgument,
    format_: Format = None,
    unit: Unit = None,
    dbc: Dbc = None,
    signal_map: SignalMap = None,
    model: Model = None,
    placard: Placard = None,
    maps: Maps = None,
    as_json: Json = False,
) -> None:
    """Find failures in a recording, offline, with the code and the alert levels of the running system."""
    from alerts.policy import fold
    from data.vehicle_specs import find_spec
    from ingest.recordings import Recording, open_recordings
    from models.inspect import inspect_recording

    read_settings()
    read: list[Recording] = []
    findings: list[dict[str, object]] = []
    decoded: Counter[str] = Counter()
    with console.status(f"reading {escape(file.name)}") as status:
        for recording in open_recordings(
            file,
            format=format_,
            unit=unit,
            dbc_path=dbc,
            map_path=signal_map,
            spec=find_spec(model) if model else None,
            placard_kpa=placard,
        ):
            status.update(f"inspecting {recording.rows:,} rows {escape(recording.unit)}")
            told = inspect_recording(
                recording.batches, recording.events, recording.spec, predictors=learned_predictors(maps)
            )
            episodes = fold(told)
            _print_episodes(recording.notes if not read else (), recording.unit, episodes)
            named = {"unit": recording.unit} if recording.unit else {}
            findings += [named | _finding(episode) for episode in episodes]
            decoded.update(recording.decoded)
            read.append(replace(recording, batches=(), events=(), raw_frames=None))
    if not findings:
        console.print("nothing found")
    if as_json:
        skipped: Counter[str] = Counter()
        for recording in read:
            skipped.update(recording.skipped)
        units = {"units": [recording.unit for recording in read]} if read[0].unit else {}
        print_json(
            {
                "recording": {
                    "format": read[0].format,
                    "rows": sum(recording.rows for recording in read),
                    "vehicle_days": sum(recording.vehicle_days for recording in read),
                    "first": min(recording.first for recording in read),
                    "last": max(recording.last for recording in read),
                    "skipped": dict(skipped),
                }
                | units,
                "findings": findings,
                "decoded": {"signals": dict(decoded)},
            }
        )


def _print_episodes(notes: Sequence[str], unit: str, episodes: Sequence[Episode]) -> None:
    for note in notes:
        console.print(f"note: {note}")
    for episode in episodes:
        until = f" until {episode.cleared:%Y-%m-%d %H:%M}" if episode.cleared else ""
        console.print(
            f"{unit}{': ' if unit else ''}{episode.severity} {episode.component}:"
            f" {episode.failure_mode.replace('_', ' ')},"
            f" raised {episode.first_raised:%Y-%m-%d %H:%M} UTC{until}"
        )
        for reason in episode.reasons:
            console.print(f"   {reason.text_en}")


def _finding(episode: Episode) -> dict[str, object]:
    return {
        "component": episode.component,
        "failure_mode": episode.failure_mode,
        "severity": episode.severity,
        "first_raised": episode.first_raised,
        "cleared": episode.cleared,
        "probability": episode.probability,
        "reasons": [asdict(reason) for reason in episode.reasons],
    }


def replay(
    file: FileArgument,
    vin: Annotated[str, typer.Option(help="The vehicle it is replayed as; registered when unknown.")],
    format_: Format = None,
    unit: Annotated[
        str | None, typer.Option(help="The vehicle or test, of a file that holds several.")
    ] = None,
    dbc: Dbc = None,
    signal_map: SignalMap = None,
    model: Model = None,
    at: Annotated[
        str | None, typer.Option(metavar="LAT,LON", help="Where the vehicle is, WGS-84; becomes its home.")
    ] = None,
    speed: Annotated[
        str, typer.Option(help="Seconds of the recording that pass in one second, or max.")
    ] = "max",
    keep_time: Annotated[
        bool, typer.Option("--keep-time", help="Keep the recorded times; archives only, raises nothing.")
    ] = False,
    linger_s: Annotated[float, typer.Option(help="How long to go on answering resend requests.")] = 5.0,
    as_json: Json = False,
) -> None:
    """Publish a recording through the broker, shifted so that its last row is now, marked as replayed."""
    from data.db import connect
    from data.records import parse_vin
    from data.reference import (
        NEVER_QUIET,
        VehicleRegistration,
        fetch_model_of,
        fetch_model_specs,
        register_vehicles,
    )
    from data.vehicle_specs import check_fits, find_like, find_spec
    from ingest.recordings import CanLog, open_recording
    from simulators.replay import CanRecording, publish_recording

    settings = running_settings("simulator")
    vehicle = parse_vin(vin)
    place = parse_place(at)
    pace = None if speed == "max" else _parse_speed(speed)
    with connect(settings.database_url, name="anxin-replay") as connection:
        models = fetch_model_specs(connection)
        known = fetch_model_of(connection, tenant=TENANT, vin=vehicle)
    named = model or known
    with console.status(f"reading {escape(file.name)}"):
        recording = open_recording(
            file,
            format=format_,
            unit=unit,
            dbc_path=dbc,
            map_path=signal_map,
            spec=find_spec(model, models) if model else None,
        )
    with connect(settings.database_url, name="anxin-replay") as connection:
        spec = find_spec(named, models) if named else find_like(recording.spec, models)
        check_fits(spec, recording.spec)
        if known is None or model or place:
            registration = VehicleRegistration(
                vin=vehicle,
                model_id=spec.model_id,
                owner_name=f"owner of {vehicle[-6:]}",
                home_lat=place[0] if place else None,
                home_lon=place[1] if place else None,
                quiet=NEVER_QUIET,
            )
            register_vehicles(connection, tenant=TENANT, vehicles=[registration])
    shift_us = 0 if keep_time else int((datetime.now(UTC) - recording.last).total_seconds() * 1e6)
    # Raw frames go as they are when the vehicle's own model decodes them: not when a DBC was given, nor
    # when the model is but the most alike and standards told what the frames say.
    raw, can = recording.raw_frames, []
    is_own = dbc is None and (named is not None or not recording.batches)
    if is_own and isinstance(raw, CanLog):
        can = [
            CanRecording.of(name, bus.time_us, bus.can_id, bus.length, bus.data)
            for name, bus in raw.by_bus().items()
        ]
    with progress_bar() as progress:
        task = progress.add_task("publishing", total=None)
        counts = publish_recording(
            settings.mqtt_url,
            tenant=TENANT,
            vin=vehicle,
            batches=() if can else recording.batches,
            events=() if can else recording.events,
            can=can,
            shift_us=shift_us,
            store_dir=settings.home_path / "replayed",
            keep_time=keep_time,
            speed=pace,
            birth=(spec.model_id, "replay", recording.spec.time_zone),
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            stop=stop_on_signal(),
            linger_s=linger_s,
        )
    console.print(f"{counts.published:,} messages published, {counts.resent:,} sent again")
    if as_json:
        print_json({"vin": vehicle, "model": spec.model_id, "shift_s": shift_us / 1e6, **asdict(counts)})


def _parse_speed(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise SettingsError(f"--speed {text!r}: must be a number above 0, or max")
    return value
