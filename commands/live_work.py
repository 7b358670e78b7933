"""The live rules' part of an evaluation: streams of hazards and of harmless days, made here, judged there."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, NamedTuple


class StreamWork(NamedTuple):
    """Vehicles of one kind of stream."""

    kind: str  #: signals, and the hazard, ``healthy`` or ``days``
    vehicles: int
    seed: int
    first: int  #: number of the first among those of the seed and kind
    model: str


#: Hazards as often as asked, harmless streams for each of them, how many at a time.
_STREAMS = (
    ("tires tire_puncture", 1.0, 200),
    ("tires tire_blowout_risk", 1.0, 200),
    ("tires healthy", 10.0, 500),
    ("cells battery_thermal_event", 0.5, 20),
    ("cells healthy", 1.0, 20),
    ("loop insulation_loss", 1.0, 200),
    ("loop onboard_alarm", 1.0, 200),
    ("loop healthy", 5.0, 500),
)
#: Harmless days, of which only what may move a rule is written.
_DAYS = (("cells days", 5000), ("loop days", 5000), ("tires days", 2000))
#: Seeds of the parts of one seed, half of them of days.
_PER_SEED = 10_000_000
#: Decoys of these days, and for how long a vehicle sends on one of them.
_DAY_MINUTES, _DECOY_SHARE = 72.0, 0.07


def stream_work(drives: int, seeds: list[int], live_days: int = 0) -> list[StreamWork]:
    """Return the parts of the streams.

    Args:
        drives: Hazards of each kind and seed.
        seeds: Of the streams.
        live_days: Harmless vehicle-days of each kind in all, spread over the seeds.
    """
    from data.reference_rows import read_reference

    models = [m.model_id for m in read_reference().models]
    asked = [(kind, round(share * drives), size) for kind, share, size in _STREAMS]
    work = []
    for place, seed in enumerate(seeds):
        of_seed = live_days * (place + 1) // len(seeds) - live_days * place // len(seeds)
        for kind, count, size in (*asked, *((kind, of_seed, size) for kind, size in _DAYS)):
            work += [
                StreamWork(kind, min(size, count - first), seed, first, models[number % len(models)])
                for number, first in enumerate(range(0, count, size))
            ]
    return work


def live_systems() -> dict[str, Any]:
    """Return the live rules and their baselines."""
    from models.evaluation.evaluate import ANXIN
    from models.evaluation.live import RuleDetector
    from models.evaluation.live_limits import live_baselines

    systems: dict[str, Any] = {ANXIN: [RuleDetector(rule) for rule in _rules().values()]}
    for rule in live_baselines():
        systems.setdefault(rule.name, []).append(rule)
    return systems


def judge_stream(work: StreamWork, *, systems: Any, levels: Any) -> Any:
    """Judge the live rules on the readings of some vehicles."""
    from data.records import FailureMode
    from models.evaluation.live import LivePart, judge_streams
    from models.evaluation.terms import TERMS

    signals, name = work.kind.split()
    is_hazard = name not in ("healthy", "days")
    stream = _make(signals, name, work)
    given = {f.name: getattr(stream, f.name) for f in fields(stream) if f.name not in ("kind", "seed")}
    part = LivePart(
        mode=FailureMode(name) if is_hazard else None,
        about=frozenset(_about(work.kind)),
        seed=work.seed,
        first=work.first,
        **given,
    )
    return judge_streams(part, systems, levels, {m: terms.act_h for m, terms in TERMS.items()})


def _rules() -> dict[Any, Any]:
    """Return the rules that are judged on streams; leaks of hours are judged on the readings behind days."""
    from models.watch import live_rules

    rules = {rule.failure_mode: rule for rule in live_rules()}
    return {mode: rule for mode, rule in rules.items() if mode in _about("all")}


def _about(kind: str) -> tuple[Any, ...]:
    """Return the hazards that a kind of stream judges; ``all``: any."""
    from data.records import FailureMode as Mode

    signals = kind.split(maxsplit=1)[0]
    tires = (Mode.TIRE_PUNCTURE, Mode.TIRE_BLOWOUT_RISK)
    by_signals: dict[str, tuple[Any, ...]] = {
        "tires": tires[1:] if kind == "tires days" else tires,
        "cells": (Mode.BATTERY_THERMAL_EVENT,),
        "loop": (Mode.INSULATION_LOSS, Mode.ONBOARD_ALARM),
    }
    return (
        by_signals[signals] if signals in by_signals else tuple(m for of in by_signals.values() for m in of)
    )


def _make(signals: str, name: str, work: StreamWork) -> Any:
    """Return the stream of one part of the work."""
    from data.records import FailureMode
    from data.vehicle_specs import find_spec
    from models.watch.thermal_window import KEPT, LEAST_K
    from simulators import hazards

    n, spec = work.vehicles, find_spec(work.model)
    seed = work.seed * _PER_SEED + work.first + (name == "days") * _PER_SEED // 2
    if name != "days":
        makers: dict[str, Any] = {
            "tires": hazards.tire_stream,
            "cells": hazards.battery_stream,
            "loop": hazards.high_voltage_stream,
        }
        return makers[signals](name, n, spec, seed=seed)
    day: dict[str, Any] = {"seed": seed, "minutes": _DAY_MINUTES, "decoy_share": _DECOY_SHARE}
    if signals == "tires":
        return hazards.tire_stream("healthy", n, spec, **day)
    rules = _rules()
    if signals == "loop":
        limit = rules[FailureMode.INSULATION_LOSS].inspect_ohm_per_v
        return hazards.high_voltage_days(n, spec, ohm_per_v=limit, **day)
    window_s = rules[FailureMode.BATTERY_THERMAL_EVENT].window_us // 1_000_000
    return hazards.battery_days(n, spec, rise_k=LEAST_K, within_s=float(KEPT), around_s=window_s, **day)
