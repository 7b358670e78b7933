"""Benchmarks: JSON with units and a ratio to a stated baseline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from commands.options import Json
from commands.printing import console, print_json, progress_bar
from data.errors import SettingsError

bench = typer.Typer(no_args_is_help=True, help="Measure: JSON with units and a ratio to a stated baseline.")


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
        print_json(result)


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
        print_json(result)


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
        print_json(result)


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

    with progress_bar() as progress:
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
        print_json(result)


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
        print_json(result)
    raise typer.Exit(1 if any(result[name] for name in names) else 0)


@bench.command("latency")
def bench_latency(
    rate: Annotated[int, typer.Option(min=10, max=20_000, help="Messages a second, one a vehicle.")] = 1000,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long hazards come.")] = 60.0,
    hazards: Annotated[float, typer.Option(min=0.1, help="Hazards a second.")] = 4.0,
    warm_up: Annotated[float, typer.Option(min=1.0, help="Seconds of stream without hazards before.")] = 65.0,
    as_json: Json = False,
) -> None:
    """From a published reading to the decrypted push, in a steady stream; exit 1 if any is lost."""
    from commands.latency import bench_latency as measure
    from commands.running import read_settings

    result = measure(
        read_settings(least_level=30),
        rate=rate,
        seconds=seconds,
        hazards_per_s=hazards,
        warm_up_s=warm_up,
        tell=console.print,
    )
    console.print(
        f"{result['hazards']} hazards in {result['rate_messages_per_s']:,.0f} messages/s:"
        f" p50 {result['p50_ms']} ms, p95 {result['p95_ms']} ms, p99 {result['p99_ms']} ms"
    )
    for name, stage in result["stages"].items():
        console.print(f"  {name}: p50 {stage['p50_ms']} ms, p99 {stage['p99_ms']} ms")
    console.print(f"missed: {result['missed']}, extra: {result['extra']}")
    if as_json:
        print_json(result)
    raise typer.Exit(1 if result["missed"] or result["extra"] else 0)
