"""The one command: reads settings, builds the parts, runs them. The only module that knows all folders."""

from __future__ import annotations

import io
import json
import os
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from data.errors import AnxinError, DatabaseAway, FleetError, SettingsError
from data.settings import Settings

if TYPE_CHECKING:
    from alerts.policy import Episode

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Anxin: reads what vehicles say, knows which will fail, has the repair arranged.",
)
#: What is printed may hold what vehicles sent: brackets in it are brackets.
console = Console(stderr=True, soft_wrap=True, markup=False)

#: The tenant of an installation on one machine.
TENANT = "demo"

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")]
Port = Annotated[int | None, typer.Option(min=1, max=65_535, help="Port of the pages.")]
Supervised = Annotated[
    bool, typer.Option("--supervised", hidden=True, help="End when standard input closes.")
]


def main() -> None:
    """Run the command line; wrong input or settings end with one line on stderr and exit code 2."""
    try:
        app()
    except DatabaseAway as error:
        _fail(str(error), code=1)
    except AnxinError as error:
        _fail(str(error), code=2)


def _fail(message: str, *, code: int) -> None:
    sys.stderr.write(f"anxin: {' '.join(message.split())}\n")
    sys.exit(code)


def _settings(*, least_level: int = 0) -> Settings:
    from data.logs import configure_logs

    settings = Settings.from_env(os.environ)
    configure_logs(settings, least_level=least_level)
    return settings


def _stop_on_signal(*, is_supervised: bool = False) -> threading.Event:
    """Return an event that SIGTERM, SIGINT, a closed terminal or the end of a supervised input sets."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # ignored under nohup
            signal.signal(number, lambda *_: stop.set())
    if is_supervised:

        def watch() -> None:
            while os.read(
                0, 1024
            ):  # not sys.stdin: a thread that holds its lock aborts the interpreter's end
                continue
            stop.set()

        threading.Thread(target=watch, name="stdin", daemon=True).start()
    return stop


def _stop_when(condition: Callable[[], bool], stop: threading.Event) -> None:
    def watch() -> None:
        while not condition() and not stop.wait(0.1):
            continue
        stop.set()

    threading.Thread(target=watch, name="condition", daemon=True).start()


def _print_json(value: Mapping[str, Any]) -> None:
    def plain(item: Any) -> Any:
        if isinstance(item, datetime):
            return item.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if isinstance(item, (set, frozenset, tuple)):
            return list(item)
        return str(item)

    sys.stdout.write(json.dumps(value, default=plain, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _running(role: str | None = None) -> Settings:
    """Return the settings of the installation that runs: given URLs, else the one of ``anxin up``."""
    from data.installation import find_running

    settings = _settings()
    return find_running(settings).settings_for(settings, role)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


# ------------------------------------------------------------------ services


def _serve(run: Callable[..., None], role: str | None, *, is_supervised: bool) -> None:
    run(_running(role), stop=_stop_on_signal(is_supervised=is_supervised))


@app.command()
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


@app.command()
def watch(supervised: Supervised = False) -> None:
    """Find hazards within seconds: follows the commit log."""
    from models.service import run_watch

    _serve(run_watch, None, is_supervised=supervised)


@app.command()
def score(supervised: Supervised = False) -> None:
    """Recompute features of touched days and sessions and predict failures."""
    from models.service import run_score

    _serve(run_score, None, is_supervised=supervised)


@app.command()
def route(supervised: Supervised = False) -> None:
    """Turn predictions into alerts and repair orders."""
    from alerts.service import run_route

    _serve(run_route, None, is_supervised=supervised)


@app.command()
def notify(supervised: Supervised = False) -> None:
    """Deliver the outbox to owners and vehicles."""
    from alerts.service import run_notify

    _serve(run_notify, "notify", is_supervised=supervised)


@app.command()
def api(supervised: Supervised = False) -> None:
    """Serve the HTTP API and the pages."""
    from api.service import run

    _serve(run, None, is_supervised=supervised)


@app.command()
def gateway(supervised: Supervised = False) -> None:
    """Let GB/T 32960 vehicles and platforms in over TCP and pass their frames on to the broker."""
    from ingest.gateway.service import run

    _serve(run, "gateway", is_supervised=supervised)


@app.command()
def maintain(supervised: Supervised = False) -> None:
    """Keep rollups up to date and delete what is past its retention; any number agree on one."""
    from data.service import run_maintain

    _serve(run_maintain, None, is_supervised=supervised)


@app.command()
def up(
    home: Annotated[Path | None, typer.Option(help="Where servers, keys and logs live.")] = None,
    port: Port = None,
) -> None:
    """Run everything on this machine: embedded servers unless URLs are given, all services supervised."""
    from data.installation import Installation
    from ingest.adapters.files import load_adapters

    settings = _settings()
    settings = replace(
        settings,
        home=str((home or settings.home_path).absolute()),
        http_port=port or settings.http_port,
    )
    stop = _stop_on_signal()
    foreign = [pattern for adapter in load_adapters(settings.adapters) for pattern in adapter.filters]
    with Installation(settings, os.environ, foreign=foreign) as installation:
        endpoints = installation.start_servers()
        logins = _prepare(endpoints.database_url)
        installation.start_services()
        console.print(f"Anxin runs at {settings.base_url}")
        for login, password in logins.items():
            console.print(f"  login {login}  password {password}")
        while not stop.wait(0.5):
            installation.tend()


# ------------------------------------------------------------------ set-up


def _prepare(database_url: str) -> dict[str, str]:
    """Load the reference data; make the logins of a first start and return their passwords."""
    from api.account_store import has_users
    from data.db import connect
    from data.reference import load_reference

    with connect(database_url, name="anxin-setup") as connection:
        load_reference(connection, tenant=TENANT)
        if has_users(connection, TENANT):
            return {}
        return {role: _add_login(connection, role) for role in ("operations", "engineer")}


def _add_login(connection: Any, role: str, **bounds: int | None) -> str:
    """Make the login that is called like its role and return its password."""
    from api.access import create_user

    password = secrets.token_urlsafe(12)
    create_user(connection, tenant=TENANT, login=role, password=password, role=role, **bounds)
    return password


def _add_key(database_url: str) -> str:
    """Make an API key for operations and return it."""
    from api.access import create_api_key
    from data.db import connect

    with connect(database_url, name="anxin-setup") as connection:
        return create_api_key(
            connection, tenant=TENANT, role="operations", name="demo", now=datetime.now(UTC)
        )


@app.command()
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

    settings = _running()
    url = settings.database_url
    applied = apply(url, settings)
    logins = _prepare(url) if reference else {}
    console.print(f"applied: {', '.join(applied)}" if applied else "the schema is up to date")
    for login, password in logins.items():
        console.print(f"  login {login}  password {password}")
    if as_json:
        _print_json({"applied": applied, "logins": list(logins)})


@app.command()
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

    settings = _running("ingest")
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
        _print_json({"ok": is_ok, "checks": [asdict(c) for c in checks]})
    raise typer.Exit(0 if is_ok else 1)


def _check_storage(*, as_json: bool) -> None:
    """Print what the telemetry takes: bytes by table, row and value, and where it leads."""
    from data.db import connect, wrap_errors
    from data.storage import describe_table, measure_storage

    with connect(_running().database_url, name="anxin-storage") as connection, wrap_errors():
        found = measure_storage(connection)
    for table in found.tables:
        console.print(describe_table(table), highlight=False)
    console.print(
        f"{found.vehicles:,} vehicles, {found.total_bytes / 1e9:.3f} GB, {found.edition}:"
        f" {found.gb_per_1000_vehicles_day:.3f} GB per 1,000 vehicles and day, as stored now"
    )
    if as_json:
        _print_json(asdict(found))


@app.command()
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

    settings = _running()
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
        _print_json({"counts": counts, "rejects": found, **outcome})


# ------------------------------------------------------------------ recordings

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
Maps = Annotated[Path | None, typer.Option("--maps", help="Folder of artefacts to apply (anxin train).")]


@app.command()
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

    _settings()
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
                recording.batches, recording.events, recording.spec, predictors=_learned_predictors(maps)
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
        _print_json(
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


@app.command()
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
    from data.reference import VehicleRegistration, fetch_model_of, fetch_model_specs, register_vehicles
    from data.vehicle_specs import check_fits, find_like, find_spec
    from ingest.recordings import CanLog, open_recording
    from simulators.replay import CanRecording, publish_recording

    settings = _running("simulator")
    vehicle = parse_vin(vin)
    place = _parse_place(at)
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
    with _progress() as progress:
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
            stop=_stop_on_signal(),
            linger_s=linger_s,
        )
    console.print(f"{counts.published:,} messages published, {counts.resent:,} sent again")
    if as_json:
        _print_json({"vin": vehicle, "model": spec.model_id, "shift_s": shift_us / 1e6, **asdict(counts)})


def _parse_place(text: str | None, *, option: str = "--at") -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        lat, lon = (float(part) for part in text.split(","))
    except ValueError:
        raise SettingsError(f"{option} {text!r}: must be LAT,LON in degrees") from None
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise SettingsError(f"{option} {text!r}: latitude must be from -90 to 90, longitude from -180 to 180")
    return lat, lon


def _parse_speed(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise SettingsError(f"--speed {text!r}: must be a number above 0, or max")
    return value


# ------------------------------------------------------------------ simulated fleet

Vehicles = Annotated[int, typer.Option(min=1, max=20_000, help="How many vehicles.")]
Days = Annotated[int, typer.Option(min=1, max=365, help="Days of back-fill.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same fleet.")]


def _build_fleet(vehicles: int, days: int, seed: int, faults: list[str] | None = None) -> Any:
    from simulators.faults import parse_orders
    from simulators.fleet import build_fleet

    start = datetime.now(UTC) - timedelta(days=days)
    orders = parse_orders(faults or [])
    return build_fleet(vehicles, seed=seed, start=start, days=days, faults=orders, timing="ahead")


def _register_fleet(connection: Any, fleet: Any) -> None:
    from data.reference import VehicleRegistration, register_vehicles

    registrations = [
        VehicleRegistration(
            vin=v.vin,
            model_id=v.model_id,
            plate=v.plate,
            time_zone=v.time_zone,
            owner_name=v.owner_name,
            home_lat=v.home_lat,
            home_lon=v.home_lon,
        )
        for v in fleet.vehicles
    ]
    register_vehicles(connection, tenant=TENANT, vehicles=registrations)


@app.command()
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

    settings = _running("simulator")
    fleet = _build_fleet(vehicles, days, seed, fault)
    if truth:
        try:
            write_truth(fleet.truth, truth)
        except OSError as error:
            raise SettingsError(f"--truth {str(truth)!r}: cannot be written ({error.strerror})") from error
    with connect(settings.database_url, name="anxin-simulate") as connection:
        _register_fleet(connection, fleet)
    stop = _stop_on_signal()
    with _progress() as progress:
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
            _stop_when(lambda: run.is_backfill_done, stop)
        run.run(stop)
    if as_json:
        _print_json({"vehicles": vehicles, **asdict(run.counters)})


class _DemoWorkshop:
    """Gives the demo what it needs of the parts it must not know."""

    def register(self, connection: Any, fleet: Any) -> None:
        """Store vehicles and owners."""
        _register_fleet(connection, fleet)

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
        return _add_login(connection, role, owner_id=owner_id, station_id=station_id)


@app.command()
def demo(
    until_order: Annotated[
        bool, typer.Option("--until-order", help="End when an order's warning is delivered; 1 if it is not.")
    ] = False,
    vehicles: Vehicles = 60,
    days: Annotated[int, typer.Option(min=14, max=60, help="Days of back-fill.")] = 14,
    seed: Seed = 1,
    port: Port = None,
    timeout: Annotated[float, typer.Option(help="Seconds that --until-order waits.")] = 180.0,
    as_json: Json = False,
) -> None:
    """Show the whole chain: a simulated fleet on a fresh installation, until a repair order and beyond."""
    import tempfile

    from data.db import open_pool
    from data.installation import Installation
    from simulators.demo import Demo

    started_at = time.monotonic()
    settings = _settings(least_level=30)
    stop = _stop_on_signal()
    with tempfile.TemporaryDirectory(prefix="anxin-demo-", ignore_cleanup_errors=True) as home:
        settings = replace(
            settings,
            home=home,
            http_port=port or settings.http_port,
            push_allow_loopback=True,
        )
        with Installation(settings, os.environ) as installation:
            console.print("Starting PostgreSQL, the broker and the services …")
            endpoints = installation.start_servers()
            logins = _prepare(endpoints.database_url)
            if not logins:
                raise SettingsError("ANXIN_DATABASE_URL: is in use; the demo wants an empty database")
            installation.start_services()
            console.print(f"Pages: {settings.base_url}  (everything in them is simulated)")
            for login, password in logins.items():
                console.print(f"  login {login}  password {password}")
            console.print(
                f"  API key of operations {_add_key(endpoints.database_url)}  (Authorization: Bearer …)"
            )
            fleet = _build_fleet(vehicles, days, seed)
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
                missing = run.run(stop, is_until_order=until_order, timeout_s=timeout)
                for step in missing if until_order else ():
                    console.print(f"missing: {step}")
                if as_json:
                    _print_json(run.report() | ({"missing": missing} if until_order else {}))
    raise typer.Exit(1 if until_order and missing else 0)


# ------------------------------------------------------------------ platforms

platforms = typer.Typer(
    no_args_is_help=True, help="Platforms that forward their vehicles' frames to the gateway."
)
app.add_typer(platforms, name="platforms")
PlatformName = Annotated[str, typer.Argument(help="1-12 letters, digits, '-' and '_'.", show_default=False)]


@platforms.command("add")
def platforms_add(name: PlatformName) -> None:
    """Let a platform in; prints its password, once."""
    from data.db import connect
    from ingest.gateway.store import add_platform

    with connect(_running().database_url, name="anxin-platforms") as connection:
        password = add_platform(connection, name, tenant=TENANT, now=datetime.now(UTC))
    sys.stdout.write(f"{password}\n")


@platforms.command("revoke")
def platforms_revoke(name: PlatformName) -> None:
    """Keep a platform out from its next login on."""
    from data.db import connect
    from ingest.gateway.store import revoke_platform

    with connect(_running().database_url, name="anxin-platforms") as connection:
        revoke_platform(connection, name, tenant=TENANT, now=datetime.now(UTC))


@platforms.command("list")
def platforms_list(as_json: Json = False) -> None:
    """List the platforms."""
    from data.db import connect
    from ingest.gateway.store import list_platforms

    with connect(_running().database_url, name="anxin-platforms") as connection:
        found = list_platforms(connection, tenant=TENANT)
    for item in found:
        until = f", revoked {item['revoked_at']:%F %T}" if item["revoked_at"] else ""
        console.print(f"{item['name']} since {item['created_at']:%F %T}{until}")
    if as_json:
        _print_json({"platforms": found})


# ------------------------------------------------------------------ vehicles, models, logins, keys

vehicles_app = typer.Typer(no_args_is_help=True, help="Register, retire and transfer vehicles.")
models_app = typer.Typer(no_args_is_help=True, help="Vehicle models: checked against DBC and catalogue.")
stations_app = typer.Typer(no_args_is_help=True, help="Stations, technicians, parts, prices and labour.")
owners_app = typer.Typer(no_args_is_help=True, help="What is kept about one person.")
logins_app = typer.Typer(no_args_is_help=True, help="Logins of people.")
keys_app = typer.Typer(no_args_is_help=True, help="API keys of programs.")
for _group, _name in (
    (vehicles_app, "vehicles"),
    (models_app, "models"),
    (stations_app, "stations"),
    (owners_app, "owners"),
    (logins_app, "logins"),
    (keys_app, "keys"),
):
    app.add_typer(_group, name=_name)

Vin17 = Annotated[str, typer.Argument(help="The vehicle.", show_default=False)]
JsonLines = Annotated[bool, typer.Option("--jsonl", help="JSON, one vehicle a line, instead of CSV.")]
RoleOption = Annotated[
    str, typer.Option("--role", help="owner, station, operations, engineer; keys: gateway.")
]
OwnerOf = Annotated[str | None, typer.Option("--owner-of", help="Role owner: VIN of one of their vehicles.")]
StationOption = Annotated[str | None, typer.Option("--station", help="Role station: its code.")]


def _deed() -> Any:
    from getpass import getuser

    from data.audit import Deed

    return Deed(actor=f"command:{getuser()}", now=datetime.now(UTC))


def _connect() -> Any:
    from data.db import connect

    return connect(_running().database_url, name="anxin-command")


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

    settings = _running()
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{str(file)!r}: cannot be read as UTF-8 ({error})") from error
    with _connect() as connection, _progress() as progress:
        task = progress.add_task("lines", total=text.count("\n"))
        read = read_fleet(
            io.StringIO(text),
            is_json=jsonl,
            models=fetch_models(connection),
            on_line=partial(progress.advance, task),
        )
        report = import_fleet(
            connection, read, tenant=TENANT, deed=_deed(), is_strict=strict, corrects_owners=correct_owners
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
        _print_json(counts | more)
    raise typer.Exit(1 if report.problems else 0)


@vehicles_app.command("export")
def vehicles_export(jsonl: JsonLines = False) -> None:
    """Write the vehicles in service to standard output, as import reads them."""
    from data.fleet_file import write_fleet
    from data.fleet_import import export_fleet

    with _connect() as connection:
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

    with _connect() as connection:
        orders = retire(connection, tenant=TENANT, vin=vin, deed=_deed(), reason=reason, is_undone=undo)
    console.print(f"{vin} is {'in service again' if undo else 'retired'}")
    if orders:
        console.print(f"orders still open: {', '.join(map(str, orders))}")
    if as_json:
        _print_json({"vin": vin, "retired": not undo, "open_orders": list(orders)})


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

    new = NewOwner(name=owner, reference=ref, locale=locale, home=_parse_place(home, option="--home"))
    with _connect() as connection:
        done = transfer(connection, tenant=TENANT, vin=vin, owner=new, deed=_deed())
    console.print(f"{vin} belongs to {owner} from now on")
    if done.open_orders:
        orders = ", ".join(map(str, done.open_orders))
        console.print(f"made for the former owner and still open, for operations to settle: orders {orders}")
    if as_json:
        _print_json({"vin": vin, **asdict(done)})


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
    with _connect() as connection:
        if fetch_model_of(connection, tenant=TENANT, vin=vehicle) is None:
            raise FleetError(f"vehicle {vehicle}: is not registered")
    if password_file is None:
        user, password = issue_account(_settings().home_path / "broker", tenant=TENANT, vin=vehicle)
    else:
        secret = secrets.token_urlsafe(24)
        user, password = put_into_password_file(
            password_file, tenant=TENANT, vin=vehicle, hashed=hash_password(secret), password=secret
        )
    if as_json:
        _print_json({"user": user, "password": password, "topics": f"anxin/v1/{user}/up/#"})
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
        settings = _running()
        with _connect() as connection:
            store_models(connection, models, tenant=TENANT, deed=_deed())
        retried = retry_rejects(settings)
    if as_json:
        told = {model_id: asdict(found) for model_id, found in checks.items()}
        _print_json({"ok": is_ok, "models": told, "retried": asdict(retried) if retried else None})
    raise typer.Exit(0 if is_ok else 1)


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
    with _connect() as connection:
        report = import_network(connection, texts, tenant=TENANT, deed=_deed(), is_partial=partial_)
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
        _print_json({**counts, **more})
    raise typer.Exit(1 if report.problems else 0)


@stations_app.command("export")
def stations_export(
    json_: Annotated[bool, typer.Option("--json", help="JSON instead of TOML.")] = False,
) -> None:
    """Write stations, parts, labour and jobs to standard output, as import reads them."""
    from data.network_file import write_network
    from data.network_import import export_network

    with _connect() as connection:
        sys.stdout.write(write_network(export_network(connection, tenant=TENANT), is_json=json_))


@owners_app.command("export")
def owners_export(owner_id: Annotated[int, typer.Argument(help="The owner's number.")]) -> None:
    """Print everything that is kept about a person, as JSON."""
    from data.person import export_owner

    with _connect() as connection:
        _print_json(export_owner(connection, tenant=TENANT, owner_id=owner_id))


@owners_app.command("erase")
def owners_erase(
    owner_id: Annotated[int, typer.Argument(help="The owner's number.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Erase a person without a vehicle in service: name, home, logins, devices, where vehicles were."""
    from data.person import erase_owner

    if not yes:
        typer.confirm(f"Erase owner {owner_id} for good?", abort=True, err=True)
    with _connect() as connection:
        positions = erase_owner(connection, tenant=TENANT, owner_id=owner_id, deed=_deed())
    console.print(f"owner {owner_id} is erased, with {positions:,} positions")
    if as_json:
        _print_json({"owner_id": owner_id, "positions": positions})


def _ask_password() -> str:
    """Return a password: from standard input that is no terminal, else asked for twice; never from argv."""
    from getpass import getpass

    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("password: ")
    if password != getpass("once more: "):
        raise SettingsError("password: the two are not the same")
    return password


@logins_app.command("create")
def logins_create(
    login: Annotated[str, typer.Argument(help="1-64 of letters, digits and . _ @ + -")],
    role: RoleOption,
    owner_of: OwnerOf = None,
    station: StationOption = None,
) -> None:
    """Make a login, or give it another password, asked for or read from standard input."""
    from api.accounts import Bounds, add_login

    password = _ask_password()
    bounds = Bounds(role=role, owner_of=owner_of, station=station)
    with _connect() as connection:
        add_login(connection, tenant=TENANT, login=login, password=password, bounds=bounds, deed=_deed())
    console.print(f"login {login} may log in")


@logins_app.command("list")
def logins_list(as_json: Json = False) -> None:
    """List the logins."""
    from api.account_store import fetch_users

    with _connect() as connection:
        users = fetch_users(connection, TENANT)
    for user in users:
        whose = user["owner"] or user["station"] or ""
        console.print(f"{user['login']}  {user['role']} {whose}{'' if user['is_active'] else '  revoked'}")
    if as_json:
        _print_json({"logins": users})


@logins_app.command("revoke")
def logins_revoke(login: Annotated[str, typer.Argument(help="The login.")]) -> None:
    """End a login and its sessions at once."""
    from api.accounts import revoke_login

    with _connect() as connection:
        revoke_login(connection, tenant=TENANT, login=login, deed=_deed())
    console.print(f"login {login} is revoked")


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    role: RoleOption,
    owner_of: OwnerOf = None,
    station: StationOption = None,
    as_json: Json = False,
) -> None:
    """Make an API key; it is shown once, on standard output."""
    from api.accounts import Bounds, add_key

    bounds = Bounds(role=role, owner_of=owner_of, station=station)
    with _connect() as connection:
        key = add_key(connection, tenant=TENANT, name=name, bounds=bounds, deed=_deed())
    if as_json:
        _print_json({"key": key, "name": name, "role": role})
    else:
        sys.stdout.write(key + "\n")
    console.print("kept nowhere else: it cannot be shown again")


@keys_app.command("list")
def keys_list(as_json: Json = False) -> None:
    """List the API keys, without their secrets."""
    from api.account_store import fetch_keys

    with _connect() as connection:
        keys = fetch_keys(connection, TENANT)
    for key in keys:
        state = f"revoked {key['revoked_at']:%F}" if key["revoked_at"] else f"since {key['created_at']:%F}"
        console.print(f"anx_{key['key_id']}_…  {key['role']}  {key['name']}  {state}")
    if as_json:
        _print_json({"keys": keys})


@keys_app.command("revoke")
def keys_revoke(key: Annotated[str, typer.Argument(help="The key, or its anx_<id> part.")]) -> None:
    """End an API key; it is refused from the next call on."""
    from api.accounts import revoke_key

    with _connect() as connection:
        revoke_key(connection, tenant=TENANT, key=key, deed=_deed())
    console.print("the key is revoked")


# ------------------------------------------------------------------ evaluation


def _alert_levels() -> Any:
    """Return the levels of the alerts, as the evaluation takes them."""
    from alerts.rules import load_policy
    from models.evaluation.part import Levels

    return {
        mode: Levels(
            raise_level=rule.raise_level,
            clear_level=rule.clear_level,
            raise_dwell_h=rule.raise_dwell_h,
            urgent_dwell_h=rule.urgent_dwell_h,
            clear_dwell_h=rule.clear_dwell_h,
        )
        for mode, rule in load_policy().modes.items()
    }


def _drawn_part(fleet: Any, vehicles: Any) -> Any:
    """Return vehicles of a fleet drawn by the day, as the evaluation takes them."""
    from models.evaluation.drawn import drawn_panel
    from models.evaluation.part import EvaluationPart
    from models.features.registry import feature_sets

    drawn = fleet.part(vehicles)
    return EvaluationPart(
        spec=drawn.spec,
        panels={
            s.name: drawn_panel(
                s,
                drawn.spec,
                vehicle_id=drawn.vehicle,
                day=drawn.day,
                first_us=drawn.first_us,
                last_us=drawn.last_us,
                values=drawn.sets[s.name],
            )
            for s in feature_sets()
            if s.name in drawn.sets
        },
        truths=drawn.truths,
        seed=fleet.seed,
        is_enriched=fleet.mode == "enriched",
        states=drawn.states,
    )


def _judge_drawn(work: tuple[Any, Any], *, systems: Any, levels: Any) -> Any:
    from models.evaluation.evaluate import judge_part

    return judge_part(_drawn_part(*work), systems, levels)


def _judge_simulated(fleet: Any, *, systems: Any, levels: Any) -> Any:
    """Simulate vehicles reading by reading and judge them, model by model."""
    from models.evaluation.drawn import computed_panels
    from models.evaluation.evaluate import add_up, judge_mixed
    from models.evaluation.part import EvaluationPart
    from models.features.registry import feature_sets
    from simulators.parts import simulate_part

    part = simulate_part(fleet, 0, len(fleet))
    results = []
    for spec in dict.fromkeys(part.specs):
        rows = [row for row, own in enumerate(part.specs) if own == spec]
        numbers = [part.first + row for row in rows]
        panels = computed_panels(
            feature_sets(),
            spec,
            numbers,
            (part.rows_of(row) for row in rows),
            first_day=int(part.day[0]),
            last_day=int(part.day[-1]),
        )
        judged = EvaluationPart(
            spec=spec,
            panels=panels,
            truths=[t for t in part.truths if t.vehicle in set(numbers)],
            seed=fleet.seed,
            is_enriched=False,
            states={name: values[rows] for name, values in part.states.items()},
        )
        results.append(judge_mixed(judged, systems, levels))
    return add_up(results)


def _judge_stream(work: tuple[str, int, int, int, str], *, systems: Any, levels: Any) -> Any:
    """Judge the live rules on the readings of some vehicles: kind, number, seed, the first one's, model."""
    from data.records import FailureMode
    from data.vehicle_specs import find_spec
    from models.evaluation.live import LivePart, judge_streams
    from models.evaluation.terms import TERMS
    from simulators.hazards import battery_stream, tire_stream

    kind, vehicles, seed, first, model = work
    name = kind.removeprefix("tires ").removeprefix("cells ")
    make = battery_stream if kind.startswith("cells ") else tire_stream
    stream = make(name, vehicles, find_spec(model), seed=seed * 100_000 + first)
    given = {f.name: getattr(stream, f.name) for f in fields(stream) if f.name not in ("kind", "seed")}
    mode = None if name == "healthy" else FailureMode(name)
    part = LivePart(mode=mode, seed=seed, first=first, **given)
    return judge_streams(part, systems, levels, {m: terms.act_h for m, terms in TERMS.items()})


def _stream_work(drives: int, seeds: list[int]) -> list[tuple[str, int, int, int, str]]:
    """Return the parts of the streams: hazards as often as asked, ten harmless drives for each."""
    from data.reference_rows import read_reference

    kinds = (
        ("tires tire_puncture", 1.0, 200),
        ("tires tire_blowout_risk", 1.0, 200),
        ("tires healthy", 10.0, 500),
        ("cells battery_thermal_event", 0.5, 20),
        ("cells healthy", 1.0, 20),
    )
    models = [m.model_id for m in read_reference().models]
    return [
        (kind, min(size, round(share * drives) - first), seed, first, models[number % len(models)])
        for seed in seeds
        for kind, share, size in kinds
        for number, first in enumerate(range(0, round(share * drives), size))
    ]


def _live_systems() -> dict[str, Any]:
    from models.evaluation.evaluate import ANXIN
    from models.evaluation.live import RuleDetector, live_baselines
    from models.watch.thermal_event import BatteryThermalEventRule
    from models.watch.tire_blowout import TireBlowoutRule
    from models.watch.tire_puncture import TirePunctureRule

    rules = (TirePunctureRule(), TireBlowoutRule(), BatteryThermalEventRule())
    systems: dict[str, Any] = {ANXIN: [RuleDetector(rule) for rule in rules]}
    for rule in live_baselines():
        systems.setdefault(rule.name, []).append(rule)
    return systems


def _judge_work(work: tuple[str, Any], *, systems: Any, live: Any, levels: Any) -> Any:
    """Judge one part of a run; the level tells how it comes about."""
    level, what = work
    if level == "live":
        return _judge_stream(what, systems=live, levels=levels)
    if level == "full":
        return _judge_simulated(what, systems=systems, levels=levels)
    return _judge_drawn(what, systems=systems, levels=levels)


def _systems(development: list[Any], maps: Path | None = None) -> dict[str, Any]:
    """Return Anxin and the baselines; the forest is trained on healthy development vehicles."""
    import numpy as np

    from models.evaluation.baselines import baselines
    from models.evaluation.detectors import PredictorDetector
    from models.evaluation.evaluate import ANXIN
    from models.evaluation.forest import NAME, train_forest
    from models.evaluation.terms import TERMS

    predictors = _learned_predictors(maps)
    rng = np.random.default_rng(1000)
    forests = (
        train_forest(
            predictor,
            development,
            budget_per_1000=TERMS[predictor.failure_mode].target.false_per_1000 or 0.05,
            rng=rng,
        )
        for predictor in predictors
    )
    return {
        ANXIN: [PredictorDetector(predictor) for predictor in predictors],
        **baselines(),
        NAME: [forest for forest in forests if forest],
    }


def _learned_predictors(maps: Path | None) -> Any:
    """Return all predictors, with the maps of a folder where one is given."""
    from models.predictors import day_predictors

    if maps is None:
        return day_predictors()
    from models.artefacts import read_maps
    from models.learning.mapped import with_maps

    return with_maps(day_predictors(), read_maps(maps))


class Level(StrEnum):
    """How much of the chain is simulated."""

    DAY = "day"
    FULL = "full"


def _simulated_parts(vehicles: int, days: int, seed: int, faults: str | list[str]) -> list[Any]:
    """Return the parts of a fleet whose readings are simulated; nearly half of it faulty, a third decoys."""
    from simulators.fleet import build_fleet

    fleet = build_fleet(
        vehicles,
        seed=seed,
        start=datetime(2026, 1, 1, tzinfo=UTC),
        days=days,
        faults=faults if isinstance(faults, str) else {name: 0.45 / len(faults) for name in faults},
        models="all",
        timing="within",
    )
    return [
        fleet.part(at, min(at + _VEHICLES_PER_FULL, vehicles))
        for at in range(0, vehicles, _VEHICLES_PER_FULL)
    ]


@app.command()
def evaluate(
    vehicles: Annotated[int, typer.Option(min=10, help="Of each fleet: one of faults, one healthy.")] = 500,
    days: Annotated[int, typer.Option(min=30, max=730, help="Of the healthy fleet; faults get 180.")] = 180,
    seeds: Annotated[
        str, typer.Option(help="Fleets, by comma. 1000 and above are for development.")
    ] = "1,2,3",
    level: Annotated[
        Level, typer.Option(help="day: features are drawn; full: every reading is simulated, half as faulty.")
    ] = Level.DAY,
    faults: Annotated[str, typer.Option(help="all, or failure modes by comma.")] = "all",
    drives: Annotated[
        int, typer.Option(min=0, help="Hazards of each kind, second by second, for the live rules; 0: none.")
    ] = 100,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a CPU.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")] = None,
    recording: Annotated[
        Path | None, typer.Option(help="In place of fleets, a recording of tires with --labels.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Episodes as CSV: vehicle_id, tire_id, label, start.")
    ] = None,
    maps: Maps = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a page and model cards into this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """How good the predictions are, on simulated fleets that nothing was tuned on, beside baselines."""
    import numpy as np

    from models.evaluation.evaluate import add_up, figures
    from models.evaluation.targets import held_against, missed
    from models.evaluation.text import table
    from models.spread import run_partitions
    from simulators.day_level import draw_fleet

    _settings()
    if (recording is None) != (labels is None):
        raise SettingsError("--recording and --labels: must come together")
    if recording is not None and labels is not None:
        compared = _evaluate_recording(recording, labels)
        if as_json:
            _print_json(compared)
        return
    asked = "all" if faults == "all" else [name.strip() for name in faults.split(",")]
    numbers = _parse_seeds(seeds)
    levels = _alert_levels()
    work: list[tuple[str, Any]] = []
    for seed in numbers:
        if level is Level.DAY:
            fleets = (
                draw_fleet(vehicles, max(days, 180), seed=seed, mode="enriched", faults=asked),
                draw_fleet(vehicles, days, seed=seed, mode="healthy"),
            )
            work += [
                ("day", (fleet, block)) for fleet in fleets for block in fleet.blocks(_VEHICLES_PER_PART)
            ]
        else:
            work += [("full", part) for part in _simulated_parts(vehicles, days, seed, asked)]
    if drives:
        work += [("live", part) for part in _stream_work(drives, numbers)]
    started = time.monotonic()
    with _progress() as progress:
        task = progress.add_task("training the forest", total=len(work))
        healthy = draw_fleet(_DEVELOPMENT_VEHICLES, 180, seed=_DEVELOPMENT_SEED, mode="healthy")
        development = [_drawn_part(healthy, block) for block in healthy.blocks(_VEHICLES_PER_PART)]
        systems = _systems(development, maps)
        progress.update(task, description="parts of fleets")
        results = []
        judging = partial(_judge_work, systems=systems, live=_live_systems(), levels=levels)
        for found in run_partitions(judging, work, cluster=cluster, workers=workers):
            results.append(found)
            progress.advance(task)
    result = figures(add_up(results), levels, level=level.value, rng=np.random.default_rng(0))
    result["run"] = {
        "vehicles": vehicles,
        "days": days,
        "days_enriched": max(days, 180) if level is Level.DAY else days,
        "seeds": numbers,
        "faults": asked,
        "drives": drives,
        "seconds": round(time.monotonic() - started, 1),
    }
    result["held_against"] = held_against(result)
    for line in (*table(result), *missed(result["held_against"])):
        console.print(line)
    _write_evaluation(report, result, as_json=as_json)


def _evaluate_recording(path: Path, labels: Path) -> dict[str, Any]:
    """Judge the slow-leak predictor beside published rules on a recording with labelled episodes."""
    import numpy as np

    from data.records import FailureMode, Family
    from ingest.recordings import open_recordings
    from models.evaluation.baselines import baselines
    from models.evaluation.detectors import PredictorDetector
    from models.evaluation.drawn import computed_panels
    from models.evaluation.evaluate import ANXIN, add_up, judge_mixed
    from models.evaluation.part import EvaluationPart
    from models.evaluation.recorded import ReadingsDetector, aws_on_readings, compare, parse_labels
    from models.features.rows import joined
    from models.features.tire_days import TireDaySet
    from models.predictors import day_predictors

    mode = FailureMode.TIRE_SLOW_LEAK
    try:
        text = labels.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--labels {str(labels)!r}: cannot be read ({error})") from error
    results = []
    with console.status(f"reading {escape(path.name)}") as status:
        for number, recording in enumerate(open_recordings(path)):
            status.update(f"judging {escape(recording.unit)}")
            rows = {f: joined(recording.batches, f) for f in (Family.DRIVE, Family.TIRE)}
            tire = rows[Family.TIRE]
            if tire is None:
                continue
            first, last = (int(t.timestamp()) // 86_400 for t in (recording.first, recording.last))
            given = [{family: found for family, found in rows.items() if found is not None}]
            sets = (TireDaySet(),)
            panels = computed_panels(sets, recording.spec, [number], given, first_day=first, last_day=last)
            verdict = aws_on_readings(tire, np.arange(first, last + 1))
            part = EvaluationPart(
                spec=recording.spec,
                panels=panels,
                truths=parse_labels(text, {recording.unit: number}, recording.last),
                seed=0,
                is_enriched=False,
                origin="recorded",
            )
            systems: dict[str, Any] = {
                ANXIN: [PredictorDetector(p) for p in day_predictors() if p.failure_mode is mode],
                "aws_rules_every_reading": [ReadingsDetector("aws_rules_every_reading", {number: verdict})],
                **{
                    name: [d for d in found if d.failure_mode is mode]
                    for name, found in baselines().items()
                    if name in ("aws_rules", "legal_tire_threshold")
                },
            }
            results.append(judge_mixed(part, systems, _alert_levels()))
    found = compare({system: tally for (system, _), tally in add_up(results).items()})
    for name, row in found.items():
        console.print(
            f"{name:<26}{row['found']} of {row['events']} leaks, {row['delay_h_p50']} h after their start;"
            f" {row['false_alerts']} false alerts in {row['vehicle_days']:,} vehicle-days"
        )
    return {"recording": path.name, "failure_mode": mode.value, "systems": found}


@app.command()
def backtest(
    since: Annotated[datetime | None, typer.Option(help="First day; default: the first stored.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Last day; default: the newest stored.")] = None,
    vehicles: Annotated[str | None, typer.Option(help="VINs by comma; default: all with readings.")] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="What is really wrong, as `simulate --truth` writes it; else what workshops found."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a CPU.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a page and model cards into this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What the predictors would have said of the stored history, and whether live said the same."""
    import numpy as np

    from data.db import connect
    from data.records import Origin
    from models.backtest import BacktestResult, BacktestWork, backtest_vehicles
    from models.evaluation.baselines import baselines
    from models.evaluation.evaluate import figures
    from models.evaluation.text import table
    from models.evaluation.truths import parse_truths
    from models.spread import run_partitions
    from models.store_backtest import fetch_span, fetch_vehicles

    settings = _running()
    vins = [vin.strip() for vin in vehicles.split(",")] if vehicles else None
    with connect(settings.database_url, name="anxin-backtest") as connection:
        known = fetch_vehicles(connection, vins)
        span = fetch_span(connection, list(known))
    if missing := sorted(set(vins or ()) - set(known.values())):
        raise SettingsError(f"--vehicles {missing[0]!r}: has no readings")
    if span is None:
        raise SettingsError("nothing to test: no features are stored")
    first, last = (
        stored if asked is None else (asked.date() - date(1970, 1, 1)).days
        for asked, stored in ((since, span[0]), (until, span[1]))
    )
    if first > last:
        raise SettingsError(
            f"--since {since}, --until {until}: must be in order and not after the newest day"
        )
    truths = None
    if truth:
        try:
            text = truth.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"--truth {str(truth)!r}: cannot be read ({error})") from error
        truths = tuple(parse_truths(text, {vin: vehicle for vehicle, vin in known.items()}))
    levels, ids = _alert_levels(), sorted(known)
    work = [
        BacktestWork(
            url=settings.database_url,
            vehicle_ids=tuple(ids[at : at + _VEHICLES_PER_BACKTEST]),
            first_day=first,
            last_day=last,
            levels=levels,
            truths=truths,
            baselines=baselines(),
        )
        for at in range(0, len(ids), _VEHICLES_PER_BACKTEST)
    ]
    result = BacktestResult()
    with _progress() as progress:
        task = progress.add_task("parts of the fleet", total=len(work))
        for found in run_partitions(backtest_vehicles, work, cluster=cluster, workers=workers):
            result += found
            progress.advance(task)
    simulated = result.vehicles.get(Origin.SIMULATED, 0)
    out = figures(
        result.tallies,
        levels,
        level="stored",
        rng=np.random.default_rng(0),
        is_simulated=simulated > 0,
    )
    out["run"] = {
        "vehicles": {origin.value: count for origin, count in result.vehicles.items()},
        "first_day": date(1970, 1, 1) + timedelta(days=first),
        "last_day": date(1970, 1, 1) + timedelta(days=last),
        "truth": truth.name if truth else "outcomes of closed orders",
        "truths": result.truths,
    }
    out["agreement"] = asdict(result.agreement)
    for line in table(out):
        console.print(line)
    agreed = result.agreement
    console.print(
        f"stored features: {agreed.days:,} days compared, {agreed.days_different:,} differ;"
        f" live predictions: {agreed.predictions:,} compared, {agreed.predictions_different:,} differ,"
        f" {agreed.predictions_within_day:,} made within their day"
    )
    for example in agreed.examples:
        console.print(f"  {example}")
    _write_evaluation(report, out, as_json=as_json)


def _write_evaluation(folder: Path | None, result: dict[str, Any], *, as_json: bool) -> None:
    if folder:
        from models.evaluation.cards import cards_of, live_cards_of
        from models.evaluation.report import write_report
        from models.features.registry import feature_sets
        from models.predictors import day_predictors
        from models.watch import live_rules

        cards = [*cards_of(day_predictors(), feature_sets()), *live_cards_of(live_rules())]
        write_report(folder, result, cards)
        console.print(f"report: {folder / 'index.html'}")
    if as_json:
        _print_json(result)


_VEHICLES_PER_BACKTEST, _VEHICLES_PER_FULL = 25, 20
_VEHICLES_PER_PART = 100
_DEVELOPMENT_SEED, _DEVELOPMENT_VEHICLES = 1000, 200


def _parse_seeds(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise SettingsError(f"--seeds {text!r}: must be whole numbers by comma") from error
    if len(set(numbers)) < len(numbers) or min(numbers) < 0:
        raise SettingsError(f"--seeds {text!r}: must be different and not negative")
    if set(numbers) & {_DEVELOPMENT_SEED}:
        raise SettingsError(f"--seeds {text!r}: {_DEVELOPMENT_SEED} trains the isolation forest")
    return numbers


@app.command()
def train(
    predictors: Annotated[
        str, typer.Option(help="all, or model versions or failure modes by comma.")
    ] = "all",
    vehicles: Annotated[int, typer.Option(min=20, help="Of each fleet: one of faults, one healthy.")] = 600,
    days: Annotated[int, typer.Option(min=60, max=730, help="Of each fleet.")] = 360,
    seeds: Annotated[
        str, typer.Option(help="Fleets, by comma; the last is held out to check what was learned.")
    ] = "1101,1102,1103,1104,1105",
    compare: Annotated[
        bool, typer.Option("--compare", help="Also judge learners against the physical scores.")
    ] = False,
    register: Annotated[
        bool, typer.Option("--register", help="Write what was learned into the registry, as challengers.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the artefacts; default: models in ANXIN_HOME.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a CPU.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")] = None,
    as_json: Json = False,
) -> None:
    """Learn probabilities, p-values and interval widths on simulated fleets, learners where they earn it."""
    from importlib.metadata import version

    from models.artefacts import write_file
    from models.errors import LearningError
    from models.learning.train import add_up, train_learner, train_maps
    from models.spread import run_partitions
    from simulators.day_level import draw_fleet
    from simulators.day_level.plan import FAULTS

    settings = _settings()
    chosen = _choose_predictors(predictors)
    numbers = _parse_seeds(seeds)
    faults = [mode.value for mode in FAULTS if mode in {p.failure_mode for p in chosen}]
    fleets = []
    for seed in numbers:
        fleets.append(draw_fleet(vehicles, days, seed=seed, mode="enriched", faults=faults))
        fleets.append(draw_fleet(vehicles, days, seed=seed, mode="healthy"))
    work = [(fleet, block) for fleet in fleets for block in fleet.blocks(_VEHICLES_PER_PART)]
    found = []
    with _progress() as progress:
        task = progress.add_task("parts of fleets", total=len(work))
        learning = partial(_learn_drawn, versions=[p.model_version for p in chosen], with_examples=compare)
        for one in run_partitions(learning, work, cluster=cluster, workers=workers):
            found.append(one)
            progress.advance(task)
    learned = add_up(found)
    folder = out or settings.home_path / "models"
    given: dict[str, Any] = {
        "origin": "simulated",
        "source": {"vehicles": vehicles, "days": days, "level": "day"},
        "code_version": version("anxin"),
    }
    results, artefacts = [], []
    for predictor in chosen:
        told: dict[str, Any] = {"model_version": predictor.model_version}
        maps = train_maps(predictor, learned[predictor.model_version], **given)
        told["maps"] = dict(maps.metrics)
        artefacts.append(maps)
        if compare:
            try:
                verdict, learner = train_learner(predictor, learned[predictor.model_version], **given)
                told["learner"] = verdict.to_dict()
                artefacts += [learner] if learner else []
            except LearningError as error:
                told["learner"] = {"is_earned": False, "reason": str(error)}
        results.append(told)
        _tell_trained(told)
    if register:
        from models.store_artefacts import register as add

        with _connect() as connection:
            numbered = [(one, add(connection, one, deed=_deed())) for one in artefacts]
        files = [write_file(folder, one, number) for one, number in numbered]
    else:
        files = [write_file(folder, one) for one in artefacts]
    console.print(f"{len(files)} artefacts in {folder}, learned on simulated vehicles")
    if as_json:
        _print_json({"simulated": True, "folder": str(folder), "seeds": numbers, "predictors": results})


def _choose_predictors(text: str) -> list[Any]:
    from models.predictors import day_predictors

    every = day_predictors()
    if text == "all":
        return list(every)
    asked = [name.strip() for name in text.split(",")]
    known = {p.model_version for p in every} | {p.failure_mode.value for p in every}
    if strange := sorted(set(asked) - known):
        raise SettingsError(f"--predictors {strange[0]!r}: must be all or of {', '.join(sorted(known))}")
    return [p for p in every if p.model_version in asked or p.failure_mode.value in asked]


def _learn_drawn(work: tuple[Any, Any], *, versions: list[str], with_examples: bool) -> Any:
    from models.learning.train import learn_part
    from models.predictors import day_predictors

    chosen = [p for p in day_predictors() if p.model_version in versions]
    return learn_part(_drawn_part(*work), chosen, every=3, with_examples=with_examples)


def _tell_trained(told: Mapping[str, Any]) -> None:
    maps = told["maps"]
    held = maps["calibration"]
    shown = [f"{maps['faults']} faults"]
    shown.append("no curve" if held is None else f"seen/expected {held['ratio']:.2f}, ECE {held['ece']:.2g}")
    if maps["stretch"] is None:
        shown.append("interval as it is")
    elif maps["coverage_before"] is not None:
        shown.append(
            f"interval x{maps['stretch']:.2f}: {maps['coverage_before']:.0%} to {maps['coverage_after']:.0%}"
        )
    console.print(f"{told['model_version']}: " + "; ".join(shown))
    if "learner" in told and "physical" in told["learner"]:
        verdict = told["learner"]
        for name in ("physical", "learned"):
            recall = " ".join(f"{f['recall']:.3f}" for f in verdict[name])
            false = " ".join(f"{f['false_per_1000']:.3f}" for f in verdict[name])
            console.print(f"  {name}: recall {recall}; false per 1,000 vehicle-days {false}")
        word = "earns its place" if verdict["is_earned"] else "is left out"
        console.print(
            f"  {verdict['kind']} {word}: gain {verdict['gain']:+.3f}, spread {verdict['spread']:.3f}"
        )
    elif "learner" in told:
        console.print(f"  learner is left out: {told['learner']['reason']}")


artefacts_app = typer.Typer(no_args_is_help=True, help="What was learned: list, show, promote, roll back.")
app.add_typer(artefacts_app, name="artefacts")

ModelVersion = Annotated[str, typer.Argument(help="Of the predictor, as in its predictions.")]
ArtefactKind = Annotated[str, typer.Option("--kind", help="maps or learner.")]


@artefacts_app.command("list")
def artefacts_list(as_json: Json = False) -> None:
    """List all artefacts with their state."""
    from models.store_artefacts import fetch_all

    with _connect() as connection:
        rows = fetch_all(connection)
    for row in rows:
        console.print(
            f"{row['model_version']} {row['kind']} {row['number']}: {row['state']}, {row['origin']},"
            f" {row['span_from']} to {row['span_to']}, {row['sha256'][:12]}"
        )
    if as_json:
        _print_json({"artefacts": rows})


@artefacts_app.command("show")
def artefacts_show(model_version: ModelVersion, as_json: Json = False) -> None:
    """Show everything that is known of the artefacts of a predictor."""
    from models.errors import ArtefactError
    from models.store_artefacts import fetch_all

    with _connect() as connection:
        rows = [row for row in fetch_all(connection) if row["model_version"] == model_version]
    if not rows:
        raise ArtefactError(f"artefact {model_version}: there is none")
    for row in rows:
        for name, value in row.items():
            console.print(f"{name}: {value}")
    if as_json:
        _print_json({"artefacts": rows})


@artefacts_app.command("promote")
def artefacts_promote(
    model_version: ModelVersion,
    number: Annotated[int, typer.Argument(min=1, help="Of the artefact.")],
    kind: ArtefactKind = "maps",
) -> None:
    """Make an artefact the champion; score follows with its next vehicles."""
    from models.store_artefacts import promote

    with _connect() as connection:
        before = promote(connection, model_version, kind, number, deed=_deed())
    console.print(f"{model_version} {kind} {number} is the champion" + (f", was {before}" if before else ""))


@artefacts_app.command("rollback")
def artefacts_rollback(model_version: ModelVersion, kind: ArtefactKind = "maps") -> None:
    """Retire the champion; the one before it takes its place again, else the physics alone."""
    from models.store_artefacts import roll_back

    with _connect() as connection:
        now = roll_back(connection, model_version, kind, deed=_deed())
    console.print(f"{model_version} {kind}: " + (f"{now} is the champion" if now else "no champion"))


@app.command()
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
    with _connect() as connection:
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
        _print_json({"measured_at": now, "features": found, "precision": precision})


# ------------------------------------------------------------------ benchmarks

bench = typer.Typer(no_args_is_help=True, help="Measure: JSON with units and a ratio to a stated baseline.")
app.add_typer(bench, name="bench")


@bench.command("ingest")
def bench_ingest(
    messages: Annotated[
        int | None,
        typer.Option(min=2000, help="Messages of case a; b has an eighth. Default: ten seconds of them."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured; the median counts.")] = 3,
    prefill_rows: Annotated[int, typer.Option(min=0, help="Rows stored beforehand: is the cost flat?")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same contents.")] = 1,
    as_json: Json = False,
) -> None:
    """A filled broker queue to committed rows, against a naive peer in the same run; needs Mosquitto."""
    from ingest.bench.ingest import bench_ingest as measure

    url = os.environ.get("ANXIN_DATABASE_URL") or os.environ.get("ANXIN_TEST_DATABASE_URL") or ""
    result = measure(
        messages=messages,
        rounds=rounds,
        seed=seed,
        database_url=url,
        prefill_rows=prefill_rows,
        tell=console.print,
    )
    for name in ("a", "b", "b_typed", "two_processes"):
        case = result[name]
        ratio = f", speed-up {case['speed_up']:.2f}" if "speed_up" in case else f", ratio {case['ratio']:.2f}"
        rates = f"{case['messages_per_s']:,.0f} messages/s, {case['signals_per_s'] / 1e6:.2f} M signals/s"
        console.print(f"{name}: {rates}{ratio}")
    console.print(f"lost: {result['lost']}, duplicated: {result['duplicated']}")
    if as_json:
        _print_json(result)


@bench.command("decode")
def bench_decode(
    dbc: Annotated[Path | None, typer.Option(help="A bus database; the demo's by default.")] = None,
    messages: Annotated[
        int | None, typer.Option(min=1, max=500, help="In place of a file, one made up: so many messages.")
    ] = None,
    mf4: Annotated[
        Path | None, typer.Option(help="A bus logging, to measure against asammdf on it, with --dbc.")
    ] = None,
    frames: Annotated[int, typer.Option(min=1000, help="Frames in one batch.")] = 50_000,
    rounds: Annotated[int, typer.Option(min=1, help="The median of so many rounds counts.")] = 5,
    seed: Annotated[int, typer.Option(help="The same seed gives the same frames.")] = 1,
    as_json: Json = False,
) -> None:
    """CAN frames to signals, against cantools on the same frames in the same run."""
    from importlib import resources

    import numpy as np

    from ingest.bench.decode import bench_decode as measure
    from ingest.bench.mf4 import bench_mf4
    from ingest.bench.random_frames import made_up_dbc

    file = dbc or resources.files("data").joinpath("dbc", "anxin_demo.dbc")
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--dbc {str(file)!r}: cannot be read ({error})") from error
    if messages is not None:
        if dbc is not None:
            raise SettingsError("--messages and --dbc: only one of them can be the database")
        text = made_up_dbc(messages, np.random.default_rng(seed))
    if mf4 is not None and dbc is None:
        raise SettingsError("--mf4: must come with the --dbc of the logging")
    result = measure(text, frames=frames, seed=seed, rounds=rounds)
    for name in ("frames_per_s", "signals_per_s", "cantools_frames_per_s"):
        console.print(f"{name}: {result[name]:,.0f}")
    console.print(f"ratio: {result['ratio']:.2f}, equal: {result['equal']}")
    if mf4 is not None and dbc is not None:
        result["mf4"] = bench_mf4(mf4, dbc, rounds=rounds)
        found = result["mf4"]
        console.print(f"ratio to asammdf on {mf4.name}: {found['ratio']:.2f}, equal: {found['equal']}")
    if as_json:
        _print_json(result)


@bench.command("score")
def bench_score(
    tire_vehicles: Annotated[int, typer.Option(min=1, help="With 14 days of tires each.")] = 100_000,
    cell_vehicles: Annotated[int, typer.Option(min=1, help="With 90 sessions of 96 cells each.")] = 10_000,
    pandas_vehicles: Annotated[int, typer.Option(min=1, help="Of each case that pandas scores too.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed gives the same features.")] = 1,
    as_json: Json = False,
) -> None:
    """Daily features to risks, one process, against pandas group by group with the same formula."""
    from models.bench.score import bench_score as measure
    from models.features.registry import feature_sets

    result = measure(
        feature_sets(),
        tire_vehicles=tire_vehicles,
        cell_vehicles=cell_vehicles,
        pandas_vehicles=pandas_vehicles,
        seed=seed,
        tell=console.print,
    )
    if as_json:
        _print_json(result)


@bench.command("simulate")
def bench_simulate(
    vehicles: Annotated[int, typer.Option(min=1, max=90_000, help="With every fault and decoy.")] = 1000,
    days: Annotated[int, typer.Option(min=1, max=730, help="Of all their readings.")] = 30,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    part: Annotated[int, typer.Option(min=1, help="Vehicles simulated at once: speed against memory.")] = 125,
    seed: Annotated[int, typer.Option(help="The same seed gives the same fleet.")] = 1,
    as_json: Json = False,
) -> None:
    """The complete simulator: vehicle-days per second and peak memory, against what is promised."""
    from simulators.bench import bench_simulate as measure

    with _progress() as progress:
        task = progress.add_task("vehicles", total=vehicles)
        result = measure(
            vehicles=vehicles,
            days=days,
            seed=seed,
            workers=workers,
            vehicles_per_part=part,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    for name in ("vehicle_days_per_s", "minutes_for_30000_vehicle_days", "cpu_s", "peak_rss_mb"):
        console.print(f"{name}: {result[name]}")
    if as_json:
        _print_json(result)


@bench.command("dispatch")
def bench_dispatch(
    alerts: Annotated[int, typer.Option(min=1, help="One for each vehicle.")] = 10_000,
    stations: Annotated[int, typer.Option(min=1, help="Of the network.")] = 200,
    routers: Annotated[int, typer.Option(min=1, max=80, help="At the same time.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed gives the same region and alerts.")] = 1,
    as_json: Json = False,
) -> None:
    """Alerts to orders with appointments by many routers at once; exit 1 if a guarantee broke."""
    from alerts.bench.dispatch import bench_dispatch as measure

    url = os.environ.get("ANXIN_DATABASE_URL") or os.environ.get("ANXIN_TEST_DATABASE_URL") or ""
    result = measure(alerts=alerts, stations=stations, routers=routers, seed=seed, database_url=url)
    names = ("double_bookings", "negative_stock", "duplicate_orders", "orders_without_booking", "lost")
    waiting = sum(result["unserved"].values())
    console.print(f"{result['orders']:,} orders, {waiting:,} wait, {result['orders_per_s']:,.0f} orders/s")
    console.print(
        f"mean cost {result['mean_cost']}, lower bound {result['lower_bound']},"
        f" nearest station {result['greedy_cost']}"
    )
    console.print(", ".join(f"{name}: {result[name]}" for name in names))
    if as_json:
        _print_json(result)
    raise typer.Exit(1 if any(result[name] for name in names) else 0)


if __name__ == "__main__":
    main()
