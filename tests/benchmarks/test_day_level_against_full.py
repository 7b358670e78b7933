"""Days that are drawn against days that are worked out from every simulated reading, feature by feature.

Healthy vehicles, days with an ordinary amount of driving (the drawn fleet has taxis and parked weeks on
purpose), by three numbers: where the middle lies, how far vehicles differ, how much a vehicle differs from
one day to the next.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache

import numpy as np
import pytest

from data.records import FloatArray
from models.features.registry import feature_sets
from simulators.day_level import draw_fleet
from simulators.fleet import build_fleet
from simulators.parts import simulate_parts

pytestmark = pytest.mark.benchmark

_DAYS, _SEED = 24, 1007
_FIRST = date(2026, 3, 1)
_LEAST = 40
_ORDINARY_H = (0.3, 1.2)
#: A middle may lie off by so much of the spread between the 10 % and 90 % quantiles.
_SHIFT = 0.6
#: Spread between vehicles and from day to day may differ by this factor.
_FACTOR = 3.0
#: Of the whole spread: what is below it counts as this much, resolution and rare weather aside.
_FLOOR = 0.2
#: What differs on purpose or for want of evidence, and why.
_EXEMPT: Mapping[str, str] = {
    "cell_days.weight": "drawn owners use more of the charge, and rest where the curve is flat",
    "cooling_days.pump_speed_rpm": "sixteen climates against four cities: some are warm enough for the pump",
    "thermal_days.pump_speed_rpm": "as above",
    "brake_days.warm_h": "drawn days differ more in the number of their trips",
}

#: What a predictor explains a rise with; what is left decides how soon it sees a fault.
_BALANCE = {
    "motor": ("torque_square_n2m2", "speed_square_krpm2", "speed_krpm", "motor_warming_k_per_h"),
    "inverter": ("torque_nm", "torque_square_n2m2", "speed_krpm", "inverter_warming_k_per_h"),
}
#: What is left of a drawn rise may be this many times what is left of a simulated one, or its inverse.
_LEFT_FACTOR = 1.5

Days = list[FloatArray]  #: by vehicle, (n_days, n_components)


@dataclass(frozen=True, slots=True)
class Look:
    """One feature in three numbers, and its spread."""

    count: int
    middle: float
    spread: float
    between: float
    daily: float


@cache
def _simulated() -> dict[str, Days]:
    start = datetime(2026, 2, 28, 16, 0, tzinfo=UTC)
    fleet = build_fleet(24, seed=_SEED, start=start, days=_DAYS, faults={}, decoys={})
    first = (_FIRST - date(1970, 1, 1)).days
    out: dict[str, Days] = {}
    for part in simulate_parts(fleet, vehicles_per_part=12):
        for vehicle in range(len(part)):
            rows = part.rows_of(vehicle)
            for one in feature_sets():
                found = one.compute(rows, part.specs[vehicle])
                at = found.day - first
                inside = (at >= 0) & (at < _DAYS)
                for feature in one.features:
                    values = found.value[feature.name]
                    grid = np.full((_DAYS, *values.shape[1:]), np.nan)
                    grid[at[inside]] = values[inside]
                    out.setdefault(f"{one.name}.{feature.name}", []).append(grid.reshape(_DAYS, -1))
    return out


@cache
def _drawn() -> dict[str, Days]:
    out: dict[str, Days] = {}
    for part in draw_fleet(120, 30, seed=_SEED, start=_FIRST, mode="healthy", decoy_share=0.0).parts(30):
        for name, features in part.sets.items():
            for feature, values in features.items():
                out.setdefault(f"{name}.{feature}", []).extend(values[:, :_DAYS].astype(np.float64))
    return out


def _look(days: Days, hours: Days) -> Look:
    kept, medians, steps = [], [], []
    for values, driven in zip(days, hours, strict=True):
        ordinary = (driven[:, 0] >= _ORDINARY_H[0]) & (driven[:, 0] <= _ORDINARY_H[1])
        own = np.where(ordinary[:, None], values, np.nan)[1:]
        known = np.isfinite(own)
        kept.append(own[known])
        some = known.sum(0) >= 5
        if some.any():
            medians.append(np.nanmedian(own[:, some], axis=0))
        change = np.abs(np.diff(own, axis=0))
        steps.append(change[np.isfinite(change)])
    whole, middle, step = (np.concatenate([*part, np.zeros(0)]) for part in (kept, medians, steps))
    if len(whole) < _LEAST or min(len(middle), len(step)) < 10:
        return Look(len(whole), np.nan, np.nan, np.nan, np.nan)
    low, centre, high = np.quantile(whole, [0.1, 0.5, 0.9])
    spread_of = np.quantile(middle, 0.85) - np.quantile(middle, 0.15)
    return Look(len(whole), centre, high - low, spread_of, float(np.quantile(step, 0.9)))


def _ratio(first: float, second: float, least: float) -> float:
    return max(first, least) / max(second, least)


def test_drawn_days_are_like_simulated_ones() -> None:
    """Prints every feature; fails on those that are out of tolerance and not exempt."""
    simulated, drawn = _simulated(), _drawn()
    hours = [simulated["tire_days.moving_h"], drawn["tire_days.moving_h"]]
    off, compared = [], 0
    sys.stdout.write("\n")
    for name in simulated:
        full, day = _look(simulated[name], hours[0]), _look(drawn[name], hours[1])
        if not np.isfinite(full.middle + day.middle):
            sys.stdout.write(f"{name:46s} too few values: {full.count} simulated, {day.count} drawn\n")
            continue
        compared += 1
        scale = max(full.spread, day.spread, 1e-6)
        shift = abs(full.middle - day.middle) / scale
        between = _ratio(day.between, full.between, _FLOOR * scale)
        daily = _ratio(day.daily, full.daily, _FLOOR * scale)
        is_off = shift > _SHIFT or not all(1 / _FACTOR <= r <= _FACTOR for r in (between, daily))
        sys.stdout.write(
            f"{name:46s} middle {full.middle:9.3f} {day.middle:9.3f}  shift {shift:4.2f}"
            f"  between x{between:4.2f}  daily x{daily:4.2f}{'  OFF' if is_off else ''}\n"
        )
        if is_off and name not in _EXEMPT:
            off.append(name)
    assert compared >= 60
    assert not off


def _left(days: dict[str, Days], part: str) -> float:
    """Return what the balance of a day's driving leaves of a part's rise, as a share; median of vehicles."""
    names = [
        f"thermal_days.{name}" for name in (f"{part}_rise_k", *_BALANCE[part], "coolant_rise_k", "drive_h")
    ]
    shares = []
    for columns in zip(*(days[name] for name in names), strict=True):
        rise, *causes, hours = (column[:, 0] for column in columns)
        table = np.stack([np.ones(len(rise)), *causes, causes[3] * hours], axis=1)
        known = np.isfinite(rise) & np.isfinite(table).all(1) & (hours <= _ORDINARY_H[1])
        freedom = int(known.sum()) - table.shape[1]
        if freedom >= 6:
            table = table[known] / np.abs(table[known]).max(0)
            left = rise[known] - table @ np.linalg.lstsq(table, rise[known], rcond=None)[0]
            shares.append(np.sqrt((left**2).sum() / freedom) / rise[known].mean())
    return float(np.median(shares))


@pytest.mark.parametrize("part", _BALANCE)
def test_balance_of_heat_leaves_as_much_of_drawn_days_as_of_simulated_ones(part: str) -> None:
    simulated, drawn = _left(_simulated(), part), _left(_drawn(), part)
    sys.stdout.write(f"\n{part}: {simulated:.3f} of the rise is left simulated, {drawn:.3f} drawn\n")

    assert 1 / _LEFT_FACTOR <= drawn / simulated <= _LEFT_FACTOR
