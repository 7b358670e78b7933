"""Learning: probabilities, widths and learners from fleets with a known truth."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.evaluate import parse_seeds
from commands.evaluation_work import VEHICLES_PER_PART, drawn_part
from commands.options import Json
from commands.printing import console, print_json, progress_bar
from commands.running import connect_running, own_deed, read_settings
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

    settings = read_settings()
    chosen = _choose_predictors(predictors)
    numbers = parse_seeds(seeds)
    faults = [mode.value for mode in FAULTS if mode in {p.failure_mode for p in chosen}]
    fleets = []
    for seed in numbers:
        fleets.append(draw_fleet(vehicles, days, seed=seed, mode="enriched", faults=faults))
        fleets.append(draw_fleet(vehicles, days, seed=seed, mode="healthy"))
    work = [(fleet, block) for fleet in fleets for block in fleet.blocks(VEHICLES_PER_PART)]
    found = []
    with progress_bar() as progress:
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

        with connect_running() as connection:
            numbered = [(one, add(connection, one, deed=own_deed())) for one in artefacts]
        files = [write_file(folder, one, number) for one, number in numbered]
    else:
        files = [write_file(folder, one) for one in artefacts]
    console.print(f"{len(files)} artefacts in {folder}, learned on simulated vehicles")
    if as_json:
        print_json({"simulated": True, "folder": str(folder), "seeds": numbers, "predictors": results})


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
