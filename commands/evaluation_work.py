"""The work of an evaluation: parts of fleets, simulated here and judged there."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commands.live_work import judge_stream

#: Vehicles that one process works on at a time: drawn by the day, simulated reading by reading.
VEHICLES_PER_PART, _VEHICLES_PER_FULL = 100, 20
#: The healthy fleet that trains the isolation forest; nothing is measured on it.
DEVELOPMENT_SEED, DEVELOPMENT_VEHICLES = 1000, 200


def alert_levels() -> Any:
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


def drawn_part(fleet: Any, vehicles: Any) -> Any:
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

    part = drawn_part(*work)
    return judge_part(part, systems, levels, watched=_watched(*work, part=part, levels=levels))


def _watched(fleet: Any, vehicles: Any, *, part: Any, levels: Any) -> Any:
    """Return what the live rule for leaks raises on the readings behind the days.

    Of an enriched fleet those with a fault of a tire or of its sensor are looked at, of a healthy one all.
    """
    import numpy as np

    from models.evaluation.watched import WatchedReadings, watch
    from models.watch.tire_fast_leak import TireFastLeakRule
    from simulators.day_level import tire_readings

    about = {truth.vehicle for truth in part.truths if "tire" in truth.component}
    rows = np.flatnonzero(np.isin(vehicles, sorted(about)) | (not part.is_enriched))
    if not len(rows):
        return {}
    rule = TireFastLeakRule()
    drawn = tire_readings(fleet, vehicles[rows])
    given = {f.name: getattr(drawn, f.name) for f in fields(drawn)} | {"vehicle": rows[drawn.vehicle]}
    mode = rule.failure_mode
    return {mode: watch(rule, WatchedReadings(**given), levels[mode], fleet.midnights_us())}


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


def judge_work(work: tuple[str, Any], *, systems: Any, live: Any, levels: Any) -> Any:
    """Judge one part of a run; the level tells how it comes about."""
    level, what = work
    if level == "live":
        return judge_stream(what, systems=live, levels=levels)
    if level == "full":
        return _judge_simulated(what, systems=systems, levels=levels)
    return _judge_drawn(what, systems=systems, levels=levels)


def day_systems(development: list[Any], maps: Path | None = None) -> dict[str, Any]:
    """Return Anxin and the baselines; the forest is trained on healthy development vehicles."""
    import numpy as np

    from models.evaluation.baselines import baselines
    from models.evaluation.detectors import PredictorDetector
    from models.evaluation.evaluate import ANXIN
    from models.evaluation.forest import NAME, train_forest
    from models.evaluation.terms import TERMS

    predictors = learned_predictors(maps)
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


def learned_predictors(maps: Path | None) -> Any:
    """Return all predictors, with the maps of a folder where one is given."""
    from models.predictors import day_predictors

    if maps is None:
        return day_predictors()
    from models.artefacts import read_maps
    from models.learning.mapped import with_maps

    return with_maps(day_predictors(), read_maps(maps))


def simulated_parts(vehicles: int, days: int, seed: int, faults: str | list[str]) -> list[Any]:
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
