"""Learning: probabilities, widths and learners from fleets with a known truth, or from the history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.evaluate import parse_seeds
from commands.evaluation_work import VEHICLES_PER_PART, drawn_part
from commands.options import Json
from commands.printing import console, print_json, progress_bar
from commands.running import connect_running, own_deed, read_settings, running_settings
from data.errors import SettingsError


def train(
    predictors: Annotated[
        str, typer.Option(help="all, or model versions or failure modes by comma.")
    ] = "all",
    vehicles: Annotated[int, typer.Option(min=20, help="Of each fleet: one of faults, one healthy.")] = 600,
    days: Annotated[int, typer.Option(min=60, max=730, help="Of each fleet.")] = 360,
    seeds: Annotated[
        str, typer.Option(help="Fleets, by comma; the last is held out to check what was learned.")
    ] = "1101,1102,1103,1104,1105",
    stored: Annotated[
        bool,
        typer.Option(
            "--stored", help="In place of fleets, the database: stored days and what workshops found."
        ),
    ] = False,
    until: Annotated[
        datetime | None,
        typer.Option(help="With --stored: nothing decided or measured later is known; default: now."),
    ] = None,
    origin: Annotated[
        str, typer.Option(help="With --stored: of vehicles that are real, simulated or replayed.")
    ] = "real",
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
    """Learn probabilities, p-values, interval widths, learners where they earn it: of fleets or --stored."""
    from models.artefacts import write_file

    settings = read_settings()
    chosen = _choose_predictors(predictors)
    if until is not None and not stored:
        raise SettingsError("--until: needs --stored")
    spread = {"cluster": cluster, "workers": workers}
    if stored:
        learned, given = _learn_history(chosen, until, origin, with_examples=compare, spread=spread)
    else:
        asked = {"vehicles": vehicles, "days": days, "seeds": parse_seeds(seeds)}
        learned, given = _learn_fleets(chosen, asked, with_examples=compare, spread=spread)
    results, artefacts = _fit(chosen, learned, given, with_learners=compare)
    folder = out or settings.home_path / "models"
    if register:
        from models.store_artefacts import register as add

        with connect_running() as connection:
            numbered = [(one, add(connection, one, deed=own_deed())) for one in artefacts]
        files = [write_file(folder, one, number) for one, number in numbered]
    else:
        files = [write_file(folder, one) for one in artefacts]
    console.print(f"{len(files)} artefacts in {folder}, learned on {given['origin']} vehicles")
    if as_json:
        told = {"simulated": given["origin"] == "simulated", "folder": str(folder), "predictors": results}
        print_json({**told, **given["source"]})


def _learn_fleets(
    chosen: list[Any], asked: dict[str, Any], *, with_examples: bool, spread: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what simulated fleets teach, by model version, and where it comes from."""
    from models.learning.train import add_up
    from simulators.day_level import draw_fleet
    from simulators.day_level.plan import FAULTS

    faults = [mode.value for mode in FAULTS if mode in {p.failure_mode for p in chosen}]
    fleets = []
    for seed in asked["seeds"]:
        size = asked["vehicles"], asked["days"]
        fleets.append(draw_fleet(*size, seed=seed, mode="enriched", faults=faults))
        fleets.append(draw_fleet(*size, seed=seed, mode="healthy"))
    work = [(fleet, block) for fleet in fleets for block in fleet.blocks(VEHICLES_PER_PART)]
    learning = partial(_learn_drawn, versions=[p.model_version for p in chosen], with_examples=with_examples)
    found = _spread_out(learning, work, spread)
    return add_up(found), {"origin": "simulated", "source": {**asked, "level": "day"}}


def _learn_history(
    chosen: list[Any], until: datetime | None, origin: str, *, with_examples: bool, spread: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the stored history teaches, by model version, and where it comes from."""
    from data.db import connect
    from data.records import Origin
    from models.features.days import to_us
    from models.store_backtest import fetch_vehicles
    from models.stored_learning import FOLDS, LearningWork, StoredLearned, learn_stored

    if origin not in set(Origin):
        raise SettingsError(f"--origin {origin!r}: must be of {', '.join(Origin)}")
    cut = datetime.now(UTC) if until is None else until.replace(tzinfo=until.tzinfo or UTC)
    url = running_settings().database_url
    with connect(url, name="anxin-train") as connection:
        ids = sorted(fetch_vehicles(connection, None))
    work = [
        LearningWork(
            url=url,
            vehicle_ids=tuple(ids[at : at + VEHICLES_PER_PART]),
            versions=tuple(p.model_version for p in chosen),
            cut_us=to_us(cut),
            origin=Origin(origin),
            with_examples=with_examples,
        )
        for at in range(0, len(ids), VEHICLES_PER_PART)
    ]
    total = sum(_spread_out(learn_stored, work, spread), StoredLearned())
    if not total.vehicles:
        raise SettingsError(f"--origin {origin}: none of the {len(ids)} stored vehicles is {origin}")
    console.print(
        f"{total.vehicles:,} vehicles, {total.findings:,} findings decided until {cut:%Y-%m-%d %H:%M} UTC,"
        f" {total.undecided:,} components with an open order left out"
    )
    source = {
        "level": "stored",
        "vehicles": total.vehicles,
        "findings": total.findings,
        "undecided": total.undecided,
        "until": cut.isoformat(),
        "folds": FOLDS,
    }
    return dict(total.learned), {"origin": origin, "source": source}


def _spread_out(function: Any, work: list[Any], spread: dict[str, Any]) -> list[Any]:
    from models.spread import run_partitions

    found = []
    with progress_bar() as progress:
        task = progress.add_task("parts of the fleet", total=len(work))
        for one in run_partitions(function, work, **spread):
            found.append(one)
            progress.advance(task)
    return found


def _fit(
    chosen: list[Any], learned: Mapping[str, Any], given: Mapping[str, Any], *, with_learners: bool
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return what is told of each predictor, and the artefacts; of too little nothing is made."""
    from importlib.metadata import version

    from models.errors import LearningError
    from models.learning.train import train_learner, train_maps

    results, artefacts = [], []
    for predictor in chosen:
        name = predictor.model_version
        told: dict[str, Any] = {"model_version": name, "maps": None}
        results.append(told)
        source = {**given, "code_version": version("anxin")}
        if name not in learned:
            told["reason"] = f"there are no days of {predictor.feature_set}"
            console.print(f"{name} is left out: {told['reason']}")
            continue
        try:
            maps = train_maps(predictor, learned[name], **source)
        except LearningError as error:
            told["reason"] = str(error)
            console.print(f"left out: {error}")
            continue
        told["maps"] = dict(maps.metrics)
        artefacts.append(maps)
        if with_learners:
            try:
                verdict, learner = train_learner(predictor, learned[name], **source)
                told["learner"] = verdict.to_dict()
                artefacts += [learner] if learner else []
            except LearningError as error:
                told["learner"] = {"is_earned": False, "reason": str(error)}
        _tell_trained(told)
    return results, artefacts


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
    return learn_part(drawn_part(*work), chosen, every=3, with_examples=with_examples)


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
