"""What the predictors would have said of what is stored."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from commands.evaluate import write_evaluation
from commands.evaluation_work import alert_levels
from commands.options import Json
from commands.printing import console, progress_bar
from commands.running import running_settings
from data.errors import SettingsError

_VEHICLES_PER_PART = 25


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

    settings = running_settings()
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
    levels, ids = alert_levels(), sorted(known)
    work = [
        BacktestWork(
            url=settings.database_url,
            vehicle_ids=tuple(ids[at : at + _VEHICLES_PER_PART]),
            first_day=first,
            last_day=last,
            levels=levels,
            truths=truths,
            baselines=baselines(),
        )
        for at in range(0, len(ids), _VEHICLES_PER_PART)
    ]
    result = BacktestResult()
    with progress_bar() as progress:
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
    write_evaluation(report, out, as_json=as_json)
