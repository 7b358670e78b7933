"""Daily features of cells: charge missing at rest, charge behind at the top of a charge, resistance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from data.records import BoolArray, Family, FamilyRows, FloatArray, VehicleSpec
from models.features.align import first_in_grid
from models.features.cells import CONTEXT_US, REST, CellSessions, charge_deficit, sessions_of
from models.features.day_grid import flat, no_days, row_median
from models.features.days import local_day
from models.features.pack import (
    BREAK_US,
    PACK_COLUMNS,
    PackRows,
    pack_rows,
    plausible,
    quiet_current_a,
)
from models.features.sets import Axis, DayFeatures, Feature, width
from models.features.trend import weighted_median

#: Features of the set ``cell_days``.
CELL_DAY_FEATURES: Final = (
    Feature(
        name="deficit_percent",
        unit="%",
        window="rested readings of the local day",
        least_evidence="one reading an hour after the last larger current, or three quiet pairs of readings",
        missing_when="the pack was never at rest, or the cell's reading is implausible or frozen",
        axis=Axis.CELL,
    ),
    Feature(
        name="deviation_mv",
        unit="mV",
        window="rested readings of the local day",
        least_evidence="as for deficit_percent",
        missing_when="as for deficit_percent",
        axis=Axis.CELL,
    ),
    Feature(
        name="weight",
        unit="",
        window="rested readings of the local day",
        least_evidence="as for deficit_percent",
        missing_when="as for deficit_percent; low where the open-circuit voltage is flat",
    ),
    Feature(
        name="rest_soc_percent",
        unit="%",
        window="rested readings of the local day",
        least_evidence="as for deficit_percent",
        missing_when="no state of charge was reported",
    ),
    Feature(
        name="rest_spread_mv",
        unit="mV",
        window="rested readings of the local day",
        least_evidence="as for deficit_percent",
        missing_when="as for deficit_percent",
    ),
    Feature(
        name="lag_percent",
        unit="%",
        window="last hour of the charge of the local day that ended highest",
        least_evidence="LFP: the median cell was charged past 3.38 V by six readings or more",
        missing_when="NCM; no charge reached the steep end of the curve",
        axis=Axis.CELL,
    ),
    Feature(
        name="resistance_ratio",
        unit="",
        window="steps of current above 0.3 C between readings of the local day",
        least_evidence="twelve such steps within 65 s each, explaining half of the steps of voltage",
        missing_when="parked, charged only, or the cells are not sampled together with the current",
        axis=Axis.CELL,
    ),
    Feature(
        name="resistance_mohm",
        unit="mΩ",
        window="steps of current above 0.3 C between readings of the local day",
        least_evidence="as for resistance_ratio",
        missing_when="as for resistance_ratio",
    ),
)

#: An hour of the relaxed pack before midnight, the charge that ends after it: as far as sessions look back.
_LAG_US: Final = 2 * 3600 * 1_000_000
_STEP_GRID_US: Final = 10_000_000
_STEP_US: Final = 65_000_000
_STEP_C: Final = 0.3
_LEAST_STEPS: Final = 12
#: Share of the variance of the voltage steps that those of the current must explain: a pack that scans its
#: cells at other instants than the current, or one by one, tells no resistance.
_COHERENCE: Final = 0.5
_LEAST_LAG_ROWS: Final = 6
_STEEP_V: Final = 3.38
#: Resistance of one cell by its capacity, Ω·Ah, to take the fall of voltage out of a charging curve. Cells of
#: automotive size lie between 0.08 and 0.15; it matters only while the charger tapers.
_RESISTANCE_OHM_AH: Final = 0.12
_FULL_ROWS: Final = 20


@dataclass(frozen=True, slots=True)
class CellDays:
    """What each cell of a pack did on a day, against the pack's median cell.

    ``deficit_percent`` and ``deviation_mv`` are the weighted median of the day's rested sessions
    (``cell_sessions``). ``lag_percent`` reads a charge into the steep end of LFP: by how much charge the
    median cell had been at the cell's last voltage before. ``resistance_ratio`` is the slope of the cell's
    voltage on the median cell's over steps of current.
    """

    name: str = "cell_days"
    version: int = 2
    columns: Mapping[Family, tuple[str, ...]] = field(default_factory=lambda: dict(PACK_COLUMNS))
    context_us: int = CONTEXT_US
    features: tuple[Feature, ...] = CELL_DAY_FEATURES

    def compute(self, rows: Mapping[Family, FamilyRows], spec: VehicleSpec) -> DayFeatures:
        """Return the features of one vehicle, one row a local day with cell readings."""
        cell = rows.get(Family.CELL)
        if cell is None or not len(cell) or "cell.voltage" not in cell.columns:
            return no_days(self.features, spec)
        pack = pack_rows(cell, rows.get(Family.DRIVE), cell_count=spec.cell_count)
        sessions = sessions_of(pack, time_zone=spec.time_zone, capacity_ah=spec.capacity_ah)
        row_day = local_day(pack.time_us, spec.time_zone)
        days, first = np.unique(row_day, return_index=True)
        bounds = np.append(first, len(row_day))
        value = {f.name: np.full((len(days), width(f, spec)), np.nan) for f in self.features}
        for i in range(len(days)):
            today = slice(int(bounds[i]), int(bounds[i + 1]))
            _rested(sessions, sessions.day == days[i], spec, value, i)
            _resistance(pack.part(today), spec, value, i)
            if spec.chemistry == "LFP":
                value["lag_percent"][i] = _charge_lag(pack, today, spec)
        return DayFeatures(
            day=days,
            first_us=pack.time_us[bounds[:-1]],
            last_us=pack.time_us[bounds[1:] - 1],
            value=flat(value, self.features),
        )


def _rested(
    found: CellSessions, here: BoolArray, spec: VehicleSpec, value: dict[str, FloatArray], i: int
) -> None:
    """Write what the rested sessions of a day say."""
    if not here.any():
        return
    deviation = found.deviation_mv[here]
    deficit, trust = charge_deficit(deviation, found.voltage_v[here], spec.chemistry)
    # trust in its voltage, its rested rows, twice for a resting car
    rows = np.minimum(found.rested_count[here], _FULL_ROWS) * np.where(found.kind[here] == REST, 2.0, 1.0)
    weight = trust * rows
    value["deficit_percent"][i] = weighted_median(np.ascontiguousarray(deficit.T), weight[None, :])
    value["deviation_mv"][i] = weighted_median(np.ascontiguousarray(deviation.T), weight[None, :])
    value["weight"][i] = trust[weight > 0].max() if (weight > 0).any() else 0.0
    soc, spread = found.soc_percent[here], found.spread_mv[here]
    value["rest_soc_percent"][i] = weighted_median(soc, np.where(weight > 0, weight, 1e-9))
    value["rest_spread_mv"][i] = weighted_median(spread, np.ones(len(spread)))


def _resistance(day: PackRows, spec: VehicleSpec, value: dict[str, FloatArray], i: int) -> None:
    """Write the slope of each cell's voltage on the median cell's over steps of current."""
    day = day.part(first_in_grid(day.time_us, _STEP_GRID_US))
    step_a = np.diff(day.current_a)
    is_step = (np.diff(day.time_us) <= _STEP_US) & (np.abs(step_a) >= _STEP_C * max(spec.capacity_ah, 1.0))
    if np.count_nonzero(is_step) < _LEAST_STEPS:
        return
    at = np.flatnonzero(is_step)
    needed = np.unique(np.concatenate((at, at + 1)))
    volts = plausible(day.voltage_v[needed])
    change = volts[np.searchsorted(needed, at + 1)] - volts[np.searchsorted(needed, at)]
    middle = row_median(change)
    usable = np.isfinite(middle)
    if np.count_nonzero(usable) < _LEAST_STEPS:
        return
    change, middle, step_a = change[usable], middle[usable], step_a[at][usable]
    together = (middle * step_a).sum()
    if together <= 0 or together**2 < _COHERENCE * (middle**2).sum() * (step_a**2).sum():
        return
    known = np.isfinite(change)
    energy = np.where(known, middle[:, None] ** 2, 0.0).sum(0)
    both = np.where(known, middle[:, None] * change, 0.0).sum(0)
    enough = (known.sum(0) >= _LEAST_STEPS) & (energy > 0)
    value["resistance_ratio"][i] = np.round(np.where(enough, both / np.where(enough, energy, 1.0), np.nan), 6)
    value["resistance_mohm"][i] = np.round(1000.0 * together / (step_a**2).sum(), 6)


def _charge_lag(pack: PackRows, today: slice, spec: VehicleSpec) -> FloatArray:
    """Return how much charge each cell is behind the median one at the top of a charge, % of capacity."""
    out = np.full(spec.cell_count, np.nan)
    is_charge = (pack.current_a > quiet_current_a(spec.capacity_ah) / 2) & ~(pack.speed_kmh > 1.0)
    rows = np.flatnonzero(is_charge[today]) + today.start
    if not len(rows) or spec.capacity_ah <= 0:
        return out
    middle = row_median(plausible(pack.voltage_v[rows]))
    if not np.isfinite(middle).any():
        return out
    end = int(rows[int(np.nanargmax(middle))])
    begin = int(np.searchsorted(pack.time_us, pack.time_us[end] - _LAG_US))
    part = pack.part(slice(begin, end + 1))
    # the charge that leads up to the top: nothing but charging rows without a gap
    flowing = is_charge[begin : end + 1]
    breaks = np.flatnonzero(~flowing[1:] | (np.diff(part.time_us) > BREAK_US // 6))
    part = part.part(slice(int(breaks[-1]) + 1 if len(breaks) else 0, None))
    volts = plausible(part.voltage_v)
    fall = part.current_a * _RESISTANCE_OHM_AH / spec.capacity_ah
    level = np.maximum.accumulate(np.nan_to_num(row_median(volts) - fall, nan=0.0))
    if len(part) < _LEAST_LAG_ROWS or row_median(volts[-3:]).max() < _STEEP_V:
        return out
    charge = np.concatenate(
        ([0.0], np.cumsum((part.current_a[1:] + part.current_a[:-1]) / 2 * np.diff(part.time_us) / 3.6e9))
    )
    charge = charge / spec.capacity_ah * 100.0
    top = slice(len(part) - 3, None)
    last = np.sort(volts[top] - fall[top, None], axis=0)[1]
    steep = level >= level[-2] - 0.03
    rise = (level[-2] - level[steep][0]) / max(charge[-2] - charge[steep][0], 1e-6)
    if not rise > 0:
        return out
    inside = charge[-2] - np.interp(last, level, charge)
    beyond = -(last - level[-2]) / rise
    found = np.where(last > level[-2], np.maximum(beyond, -5.0), np.maximum(inside, 0.0))
    return np.asarray(np.round(np.where(np.isfinite(last), found, np.nan), 4))
