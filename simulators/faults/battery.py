"""Faults of the traction battery: cells, capacity, resistance, runaway, insulation, contactor."""

from __future__ import annotations

import math
from collections.abc import Callable

from data.records import FailureMode, Severity
from simulators.climate import DAY_S
from simulators.faults.injection import NEVER, Injection
from simulators.faults.setting import Setting

LIMIT_OHM = 10.0
_CELL_V = {"NCM": 3.75, "LFP": 3.3}


def _cell(s: Setting, mode: FailureMode, variant: str, cell: int, **rest: object) -> Injection:
    return Injection(
        vehicle=s.vehicle,
        kind=mode,
        variant=variant,
        is_fault=True,
        component=f"cell {cell + 1}",
        element=cell,
        **rest,  # type: ignore[arg-type] # fields of Injection, checked where they are written
    )


def draw_short(s: Setting, variant: str) -> Injection:
    """Return an internal short: resistance log-linear 10 kΩ to 10 Ω over 20-90 days.

    ``collapsing`` shorts fall on to 0.3 Ω within hours; ``healing`` ones, a dendrite that melts, open again.
    ``ahead`` begins where a demo can show it: at some 900 Ω, to end at 35-50 Ω.
    """
    cell = int(s.rng.integers(s.model.cell_count))
    volts = _CELL_V[s.model.chemistry]
    if s.timing == "ahead":
        scale = 150.0 / s.model.capacity_ah
        at_s = s.start_s + s.between(0.04, 0.12) * s.span_s
        ohm, last = s.between(700.0, 1100.0) * scale, s.between(35.0, 50.0) * scale
        decades_per_s = math.log10(ohm / last) / (s.end_s - at_s)
    else:
        ohm = 10_000.0
        takes = s.between(20.0, 90.0) * DAY_S
        decades_per_s = 3.0 / takes
        at_s = s.onset(takes, may_precede=True)
    to_limit = math.log10(ohm / LIMIT_OHM) / decades_per_s
    heals_s = at_s + s.between(0.55, 0.95) * to_limit if variant == "healing" else NEVER
    collapse_s = at_s + to_limit if variant == "collapsing" else NEVER
    collapse_takes = s.log_between(1.0, 48.0) * 3600.0
    return _cell(
        s,
        FailureMode.CELL_INTERNAL_SHORT,
        variant,
        cell,
        at_s=at_s,
        magnitude=ohm,
        unit="Ω",
        threshold_s=NEVER if variant == "healing" else at_s + to_limit,
        failure_s=collapse_s + collapse_takes if variant == "collapsing" else NEVER,
        severity=Severity.S3 if variant == "healing" else Severity.S2,
        p={
            "ohm": ohm,
            "decades_per_s": decades_per_s,
            "volts": volts,
            "heals_s": heals_s,
            "collapse_s": collapse_s,
            "collapse_decades_per_s": math.log10(LIMIT_OHM / 0.3) / collapse_takes,
        },
    )


def draw_weak_cell(s: Setting, variant: str) -> Injection:
    """Return a cell that loses 5-15 % of its capacity over 40-120 days."""
    cell = int(s.rng.integers(s.model.cell_count))
    loss, takes = s.between(0.05, 0.15), s.between(40.0, 120.0) * DAY_S
    at_s = s.onset(takes, may_precede=True)
    return _cell(
        s,
        FailureMode.CELL_WEAK,
        variant,
        cell,
        at_s=at_s,
        magnitude=100.0 * loss,
        unit="% of capacity",
        threshold_s=at_s + takes,
        severity=Severity.S3,
        p={"loss": loss, "takes_s": takes},
    )


def draw_resistance(s: Setting, variant: str) -> Injection:
    """Return a cell whose resistance grows by 30-100 % over 40-120 days; the act limit is +25 %."""
    cell = int(s.rng.integers(s.model.cell_count))
    rise, takes = s.between(0.3, 1.0), s.between(40.0, 120.0) * DAY_S
    to_limit = takes * 0.25 / rise
    at_s = s.onset(to_limit, may_precede=True)
    return _cell(
        s,
        FailureMode.CELL_RESISTANCE,
        variant,
        cell,
        at_s=at_s,
        magnitude=100.0 * rise,
        unit="% of resistance",
        threshold_s=at_s + to_limit,
        failure_s=at_s + takes,
        severity=Severity.S3,
        p={"rise": rise, "takes_s": takes},
    )


def draw_imbalance(s: Setting, variant: str) -> Injection:
    """Return a cell with 2-6 % less charge than the others and no leak: a module that was replaced."""
    cell = int(s.rng.integers(s.model.cell_count))
    missing = s.between(0.02, 0.06)
    at_s = s.start_s - DAY_S if s.rng.random() < 0.7 else s.moment()
    return _cell(
        s,
        FailureMode.CELL_IMBALANCE,
        variant,
        cell,
        at_s=at_s,
        magnitude=100.0 * missing,
        unit="% of charge",
        threshold_s=at_s,
        severity=Severity.S4,
        p={"missing": missing},
    )


def _battery(s: Setting, kind: str, variant: str, **rest: object) -> Injection:
    return Injection(
        vehicle=s.vehicle,
        kind=kind,
        variant=variant,
        is_fault=True,
        component="battery",
        element=-1,
        **rest,  # type: ignore[arg-type] # fields of Injection, checked where they are written
    )


def draw_fade(s: Setting, variant: str) -> Injection:
    """Return a pack past its knee: 0.04-0.12 points of capacity a day, from 84-90 % on; limit 80 %."""
    per_day, first = s.between(0.04, 0.12), s.between(84.0, 90.0)
    takes = (first - 80.0) / per_day * DAY_S
    at_s = s.onset(takes, may_precede=True)
    return _battery(
        s,
        FailureMode.BATTERY_CAPACITY_FADE,
        variant,
        at_s=at_s,
        magnitude=per_day,
        unit="% of capacity/day",
        threshold_s=at_s + takes,
        failure_s=at_s + takes + 10.0 / per_day * DAY_S,
        severity=Severity.S4,
        p={"per_s": per_day / DAY_S, "first_percent": first},
    )


def draw_thermal_event(s: Setting, variant: str) -> Injection:
    """Return a runaway of one cell, set off by a hard short of 0.012-0.025 Ω; ``variant`` says when."""
    return _battery(
        s,
        FailureMode.BATTERY_THERMAL_EVENT,
        variant,
        at_s=s.hazard_s(),
        magnitude=s.between(0.012, 0.025),
        unit="Ω",
        severity=Severity.S0,
        p={"hazard": 1.0, "cell": float(s.rng.integers(s.model.cell_count))},
    )


def draw_insulation(s: Setting, variant: str) -> Injection:
    """Return insulation that falls exponentially from 5 MΩ to 50 kΩ over 10-60 days, a fifth in rain.

    The limits are those of UN R100: 500 Ω/V, 100 Ω/V, on the dry value.
    """
    volts = s.model.nominal_v
    takes_all = s.between(10.0, 60.0) * DAY_S
    decades_per_s = 2.0 / takes_all
    to_limit = math.log10(5000.0 / (0.5 * volts)) / decades_per_s
    at_s = s.onset(to_limit)
    return _battery(
        s,
        FailureMode.INSULATION_LOSS,
        variant,
        at_s=at_s,
        magnitude=decades_per_s * DAY_S,
        unit="decades/day",
        threshold_s=at_s + to_limit,
        failure_s=at_s + math.log10(5000.0 / (0.1 * volts)) / decades_per_s,
        severity=Severity.S2,
        p={"decades_per_s": decades_per_s},
    )


def draw_contactor(s: Setting, variant: str) -> Injection:
    """Return a main contactor whose contacts burn: +0.3 to +3 mΩ over 30-90 days; limit 0.5 mΩ."""
    rise, takes = s.log_between(0.6, 3.0), s.between(30.0, 90.0) * DAY_S
    at_s = s.onset(takes * 0.5 / rise, may_precede=True)
    return _battery(
        s,
        "contactor",
        variant,
        at_s=at_s,
        magnitude=rise,
        unit="mΩ",
        threshold_s=at_s + takes * 0.5 / rise,
        severity=Severity.S3,
        p={"ohm": rise / 1000.0, "takes_s": takes},
    )


DRAWS: dict[str, Callable[[Setting, str], Injection]] = {
    FailureMode.CELL_INTERNAL_SHORT: draw_short,
    FailureMode.CELL_WEAK: draw_weak_cell,
    FailureMode.CELL_RESISTANCE: draw_resistance,
    FailureMode.CELL_IMBALANCE: draw_imbalance,
    FailureMode.BATTERY_CAPACITY_FADE: draw_fade,
    FailureMode.BATTERY_THERMAL_EVENT: draw_thermal_event,
    FailureMode.INSULATION_LOSS: draw_insulation,
    "contactor": draw_contactor,
}
