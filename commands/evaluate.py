"""How good the predictions are: on fleets that nothing was tuned on, or on a labelled recording."""

from __future__ import annotations

import time
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from commands.evaluation_work import (
    DEVELOPMENT_SEED,
    DEVELOPMENT_VEHICLES,
    VEHICLES_PER_PART,
    alert_levels,
    day_systems,
    drawn_part,
    judge_work,
    simulated_parts,
)
from commands.live_work import live_systems, stream_work
from commands.options import Json, Maps
from commands.printing import console, print_json, progress_bar
from commands.running import read_settings
from data.errors import SettingsError


class Level(StrEnum):
    """How much of the chain is simulated."""

    DAY = "day"
    FULL = "full"
    LIVE = "live"


def evaluate(
    vehicles: Annotated[int, typer.Option(min=10, help="Of each fleet: one of faults, one healthy.")] = 500,
    days: Annotated[int, typer.Option(min=30, max=730, help="Of the healthy fleet; faults get 180.")] = 180,
    seeds: Annotated[
        str, typer.Option(help="Fleets, by comma. 1000 and above are for development.")
    ] = "1,2,3",
    level: Annotated[
        Level,
        typer.Option(
            help="day: features are drawn; full: every reading is simulated, half as faulty; live: the live"
            " rules alone."
        ),
    ] = Level.DAY,
    faults: Annotated[str, typer.Option(help="all, or failure modes by comma.")] = "all",
    drives: Annotated[
        int, typer.Option(min=0, help="Hazards of each kind, second by second, for the live rules; 0: none.")
    ] = 100,
    live_days: Annotated[
        int,
        typer.Option(min=0, help="Harmless vehicle-days for the live rules, in all; 1000000 takes a while."),
    ] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a CPU.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")] = None,
    recording: Annotated[
        Path | None, typer.Option(help="In place of fleets, a recording of tires with --labels.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Episodes as CSV: vehicle_id, tire_id, label, start.")
    ] = None,
    abuse_tests: Annotated[
        Path | None,
        typer.Option(help="Recorded abuse tests of cells, timed in the report; labels.csv beside is read."),
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

    read_settings()
    if (recording is None) != (labels is None):
        raise SettingsError("--recording and --labels: must come together")
    if recording is not None and labels is not None:
        compared = _evaluate_recording(recording, labels)
        if as_json:
            print_json(compared)
        return
    asked = "all" if faults == "all" else [name.strip() for name in faults.split(",")]
    numbers = parse_seeds(seeds)
    levels = alert_levels()
    work: list[tuple[str, Any]] = []
    for seed in numbers:
        if level is Level.DAY:
            fleets = (
                draw_fleet(vehicles, max(days, 180), seed=seed, mode="enriched", faults=asked),
                draw_fleet(vehicles, days, seed=seed, mode="healthy"),
            )
            work += [("day", (fleet, block)) for fleet in fleets for block in fleet.blocks(VEHICLES_PER_PART)]
        elif level is Level.FULL:
            work += [("full", part) for part in simulated_parts(vehicles, days, seed, asked)]
    work += [("live", part) for part in stream_work(drives, numbers, live_days)]
    if not work:
        raise SettingsError("--level live: needs --drives or --live-days")
    started = time.monotonic()
    with progress_bar() as progress:
        task = progress.add_task("training the forest", total=len(work))
        systems = {} if level is Level.LIVE else day_systems(_development_parts(), maps)
        progress.update(task, description="parts of fleets")
        results = []
        judging = partial(judge_work, systems=systems, live=live_systems(), levels=levels)
        for found in run_partitions(judging, work, cluster=cluster, workers=workers):
            results.append(found)
            progress.advance(task)
    of_days, of_streams = (
        add_up(found for (name, _), found in zip(work, results, strict=True) if (name == "live") is is_live)
        for is_live in (False, True)
    )
    result = figures(of_days, levels, level=level.value, rng=np.random.default_rng(0), live=of_streams)
    result["run"] = {
        "vehicles": vehicles,
        "days": days,
        "days_enriched": max(days, 180) if level is Level.DAY else days,
        "seeds": numbers,
        "faults": asked,
        "drives": drives,
        "live_days": live_days,
        "seconds": round(time.monotonic() - started, 1),
    }
    result["held_against"] = held_against(result)
    if abuse_tests:
        result["thermal_timing"] = _time_abuse_tests(abuse_tests)
    for line in (*table(result), *missed(result["held_against"])):
        console.print(line)
    write_evaluation(report, result, as_json=as_json)


def _development_parts() -> list[Any]:
    """Return the healthy vehicles that the isolation forest is trained on."""
    from simulators.day_level import draw_fleet

    healthy = draw_fleet(DEVELOPMENT_VEHICLES, 180, seed=DEVELOPMENT_SEED, mode="healthy")
    return [drawn_part(healthy, block) for block in healthy.blocks(VEHICLES_PER_PART)]


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
            results.append(judge_mixed(part, systems, alert_levels()))
    found = compare({system: tally for (system, _), tally in add_up(results).items()})
    for name, row in found.items():
        console.print(
            f"{name:<26}{row['found']} of {row['events']} leaks, {row['delay_h_p50']} h after their start;"
            f" {row['false_alerts']} false alerts in {row['vehicle_days']:,} vehicle-days"
        )
    return {"recording": path.name, "failure_mode": mode.value, "systems": found}


def _time_abuse_tests(path: Path) -> list[dict[str, Any]]:
    """Return when the thermal-event rule told of each recorded abuse test, and how severe it turned out."""
    import csv

    from data.records import Family
    from ingest.recordings import open_recordings
    from models.evaluation.thermal_timing import thermal_timing, timing_row
    from models.features.rows import joined

    labels, severity = path.with_name("labels.csv"), {}
    if labels.exists():
        with labels.open(encoding="utf-8") as file:
            severity = {row["test"]: row["observed_score"] for row in csv.DictReader(file)}
    tests = ((one, joined(one.batches, Family.CELL)) for one in open_recordings(path))
    return [
        timing_row(one.unit, severity.get(one.unit, ""), thermal_timing(cell, one.spec))
        for one, cell in tests
        if cell is not None
    ]


def write_evaluation(folder: Path | None, result: dict[str, Any], *, as_json: bool) -> None:
    """Write figures as a page with model cards into a folder, and as JSON to standard output, where asked."""
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
        print_json(result)


def parse_seeds(text: str) -> list[int]:
    """Return the seeds of fleets; the one that trains the forest is refused."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise SettingsError(f"--seeds {text!r}: must be whole numbers by comma") from error
    if len(set(numbers)) < len(numbers) or min(numbers) < 0:
        raise SettingsError(f"--seeds {text!r}: must be different and not negative")
    if set(numbers) & {DEVELOPMENT_SEED}:
        raise SettingsError(f"--seeds {text!r}: {DEVELOPMENT_SEED} trains the isolation forest")
    return numbers
