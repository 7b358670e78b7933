"""Daily features of a whole pack: capacity, the agreement of its sensors, its heat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np

from data.records import Family, FamilyRows, FloatArray, IntArray, VehicleSpec
from models.features.align import as_of, column
from models.features.capacity import Swing, best_swing, full_discharge
from models.features.day_grid import flat
from models.features.days import day_bounds_us, local_day
from models.features.pack import pack_rows, plausible, rows_of
from models.features.sets import DayFeatures, Feature

#: Features of the set ``battery_days``.
BATTERY_DAY_FEATURES: Final = (
    Feature(
        name="capacity_ah",
        unit="Ah",
        window="the charge (or the drive) of the local day that changed the state of charge the most",
        least_evidence="a change of 40 % or more (30 % at a resolution of 0.1 %) without a gap over 5 min",
        missing_when="no such swing; state of charge stepped against the current",
    ),
    Feature(
        name="capacity_error_ah",
        unit="Ah",
        window="as for capacity_ah",
        least_evidence="as for capacity_ah",
        missing_when="as for capacity_ah; one standard error",
    ),
    Feature(
        name="soh_percent",
        unit="%",
        window="readings of the local day",
        least_evidence="one reading",
        missing_when="the vehicle tells none",
    ),
    Feature(
        name="soc_jump_percent",
        unit="%",
        window="successive readings of the local day, 5 min apart or less",
        least_evidence="sixty readings with a state of charge and a current",
        missing_when="fewer readings",
    ),
    Feature(
        name="current_offset_a",
        unit="A",
        window="readings of the local day in which the vehicle is off and not charging",
        least_evidence="ten readings",
        missing_when="the vehicle does not report while it is off",
    ),
    Feature(
        name="voltage_offset_v",
        unit="V",
        window="readings of the local day with all cells and the pack voltage within 1 s",
        least_evidence="sixty readings of a pack whose cells are all reported",
        missing_when="fewer readings, a pack in several strings, or no pack voltage",
    ),
    Feature(
        name="series_mohm",
        unit="mΩ",
        window="as for voltage_offset_v",
        least_evidence="as for voltage_offset_v with the current spread over 0.2 C or more",
        missing_when="as for voltage_offset_v, or parked all day",
    ),
    Feature(
        name="temperature_max_degc",
        unit="°C",
        window="readings of the local day; the second hottest probe where there are three or more",
        least_evidence="ten readings",
        missing_when="no probe was heard",
    ),
    Feature(
        name="temperature_spread_k",
        unit="K",
        window="readings of the local day; 95 % quantile of hottest less coldest probe",
        least_evidence="ten readings with two probes or more",
        missing_when="fewer than two probes",
    ),
)

CONTEXT_US: Final = 12 * 3600 * 1_000_000
_COLUMNS: Final = {
    Family.DRIVE: (
        "soc",
        "soh",
        "pack.current",
        "pack.voltage",
        "speed",
        "charging",
        "vehicle.state",
    ),
    Family.CELL: ("cell.voltage", "cell.temperature"),
}
_GAP_US: Final = 300_000_000
_TOGETHER_US: Final = 1_000_000
_LEAST_ROWS: Final = 60
_LEAST_PROBE_ROWS: Final = 10
_LEAST_OFF_ROWS: Final = 10
#: Offset of the current sensor, when it has been seen at zero and when it has not, A.
_OFFSET_KNOWN_A, _OFFSET_UNKNOWN_A = 0.05, 0.3
_OFF_A: Final = 3.0
_STEADY_A: Final = 10.0
_SPREAD_C: Final = 0.2
_SERIES_ERROR_MOHM: Final = 0.3


@dataclass(frozen=True, slots=True)
class BatteryDays:
    """What the whole pack did on a day: how much charge it takes, whether its sensors agree, how hot it was.

    Capacity is the counted charge over the change of the state of charge, between the first and the last
    change of its reading (so that a resolution of 1 % costs no accuracy), less the current sensor's reading
    while the vehicle was off. Without a state of charge a full discharge to the cut-off voltage is counted.
    """

    name: str = "battery_days"
    version: int = 2
    columns: Mapping[Family, tuple[str, ...]] = field(default_factory=lambda: dict(_COLUMNS))
    context_us: int = CONTEXT_US
    features: tuple[Feature, ...] = BATTERY_DAY_FEATURES

    def compute(self, rows: Mapping[Family, FamilyRows], spec: VehicleSpec) -> DayFeatures:
        """Return the features of one vehicle, one row a local day with readings of the pack."""
        drive, cell = rows.get(Family.DRIVE), rows.get(Family.CELL)
        drive_us = np.zeros(0, dtype=np.int64) if drive is None else drive.time_us
        cell_us = np.zeros(0, dtype=np.int64) if cell is None else cell.time_us
        drive_day, cell_day = (local_day(t, spec.time_zone) for t in (drive_us, cell_us))
        days = np.unique(np.concatenate((drive_day, cell_day)))
        value = {f.name: np.full((len(days), 1), np.nan) for f in self.features}
        bounds = [
            tuple(np.searchsorted(d, (day, day + 1)).tolist() for d in (drive_day, cell_day)) for day in days
        ]
        for i, (of_drive, of_cell) in enumerate(bounds):
            if drive is not None and of_drive[1] > of_drive[0]:
                begin_us = day_bounds_us(int(days[i]), spec.time_zone)[0] - self.context_us
                begin = int(np.searchsorted(drive_us, begin_us))
                _charge(drive, begin, slice(*of_drive), spec, value=value, i=i)
            if cell is not None and of_cell[1] > of_cell[0]:
                _pack(cell, slice(*of_cell), drive, spec, value=value, i=i)
        times = [
            [t[k[0]] for t, k in zip((drive_us, cell_us), pair, strict=True) if k[1] > k[0]]
            for pair in bounds
        ]
        ends = [
            [t[k[1] - 1] for t, k in zip((drive_us, cell_us), pair, strict=True) if k[1] > k[0]]
            for pair in bounds
        ]
        return DayFeatures(
            day=days,
            first_us=np.array([min(t) for t in times], dtype=np.int64),
            last_us=np.array([max(t) for t in ends], dtype=np.int64),
            value=flat(value, self.features),
        )


def _charge(
    drive: FamilyRows, begin: int, today: slice, spec: VehicleSpec, *, value: dict[str, FloatArray], i: int
) -> None:
    """Write what state of charge and current say; rows from ``begin`` on are looked at."""
    part = slice(begin, today.stop)
    count = today.stop - begin
    named = {a: column(drive.columns, a, len(drive))[part] for a in _COLUMNS[Family.DRIVE]}
    time_us = drive.time_us[part]
    is_today = np.arange(count) >= today.start - begin
    soh = named["soh"][is_today]
    if np.isfinite(soh).any():
        value["soh_percent"][i] = np.median(soh[np.isfinite(soh)])
    is_charging = (named["charging"] == 1) | (named["charging"] == 2)
    flow, soc = named["pack.current"], named["soc"]
    is_off = (named["vehicle.state"] == 2) & ~is_charging & (np.abs(flow) < _OFF_A)
    offset, offset_error = 0.0, _OFFSET_UNKNOWN_A
    if np.count_nonzero(is_off) >= _LEAST_OFF_ROWS:
        offset, offset_error = float(np.median(flow[is_off])), _OFFSET_KNOWN_A
    if np.count_nonzero(is_off & is_today) >= _LEAST_OFF_ROWS:
        value["current_offset_a"][i] = np.median(flow[is_off & is_today])
    if not np.isfinite(soc).any():
        _discharge(named, time_us, spec, value=value, i=i)
        return
    known = np.isfinite(flow) & np.isfinite(soc)
    time_us, flow, soc, is_today = time_us[known], flow[known], soc[known], is_today[known]
    if not is_today.any():
        return
    in_charge = is_charging[known] | ((flow > _OFF_A) & ~(named["speed"][known] > 1.0))
    joined = np.diff(time_us) <= _GAP_US
    now = is_today[1:] & joined
    if np.count_nonzero(now) >= _LEAST_ROWS and spec.capacity_ah > 0:
        counted = (flow[1:] + flow[:-1]) / 2 * np.diff(time_us) / 3.6e7 / spec.capacity_ah
        value["soc_jump_percent"][i] = np.round(np.abs(np.diff(soc) - counted)[now].max(), 4)
    cut = np.flatnonzero(~joined | (np.diff(in_charge.astype(np.int8)) != 0)) + 1
    found: list[Swing] = []
    for first, last in pairwise([0, *cut.tolist(), len(time_us)]):
        if is_today[last - 1]:
            run = slice(first, last)
            swing = best_swing(
                time_us[run], flow[run], soc[run], offset_a=offset, offset_error_a=offset_error
            )
            found += [swing] if swing is not None else []
    if found:
        best = min(found, key=lambda s: s.error_ah)
        value["capacity_ah"][i] = np.round(best.capacity_ah, 4)
        value["capacity_error_ah"][i] = np.round(best.error_ah, 4)


def _discharge(
    named: Mapping[str, FloatArray],
    time_us: IntArray,
    spec: VehicleSpec,
    *,
    value: dict[str, FloatArray],
    i: int,
) -> None:
    """Write the capacity of a cell on a bench, which is discharged from full to its cut-off."""
    known = np.isfinite(named["pack.current"]) & np.isfinite(named["pack.voltage"])
    cell_v = named["pack.voltage"][known] / max(spec.cell_count, 1)
    found = full_discharge(
        time_us[known], named["pack.current"][known], cell_v, spec.chemistry, gap_us=_GAP_US
    )
    if found is not None:
        value["capacity_ah"][i] = np.round(found.capacity_ah, 6)
        value["capacity_error_ah"][i] = np.round(found.error_ah, 6)


def _pack(
    cell: FamilyRows,
    today: slice,
    drive: FamilyRows | None,
    spec: VehicleSpec,
    *,
    value: dict[str, FloatArray],
    i: int,
) -> None:
    """Write temperatures, and how the sum of the cells compares with the pack voltage."""
    part = pack_rows(rows_of(cell, today), None, cell_count=spec.cell_count)
    probe = part.probe_degc[np.isfinite(part.probe_degc).any(1)]
    if len(probe) >= _LEAST_PROBE_ROWS:
        ranked = np.sort(np.where(np.isfinite(probe), probe, -np.inf), axis=1)
        heard = np.isfinite(probe).sum(1)
        second = ranked[:, -2] if probe.shape[1] > 1 else ranked[:, -1]
        value["temperature_max_degc"][i] = np.where(heard >= 3, second, ranked[:, -1]).max()
        several = probe[heard >= 2]
        if len(several) >= _LEAST_PROBE_ROWS:
            spread = np.nanmax(several, axis=1) - np.nanmin(several, axis=1)
            value["temperature_spread_k"][i] = np.quantile(spread, 0.95)
    if drive is None or not len(drive):
        return
    volts = plausible(part.voltage_v)
    total = volts.sum(1)
    named = {
        a: as_of(part.time_us, drive.time_us, column(drive.columns, a, len(drive)), within_us=_TOGETHER_US)
        for a in ("pack.voltage", "pack.current")
    }
    flow, gap = named["pack.current"], named["pack.voltage"] - total
    steady = np.zeros(len(flow), dtype=np.bool_)
    change = np.abs(np.diff(flow)) < _STEADY_A
    steady[1:-1] = change[1:] & change[:-1]
    usable = np.isfinite(gap) & steady
    if np.count_nonzero(usable) < _LEAST_ROWS:
        return
    flow, gap, total = flow[usable], gap[usable], total[usable]
    if abs(float(np.median(gap))) > 0.05 * float(np.median(total)):
        return
    value["voltage_offset_v"][i] = np.round(np.median(gap), 4)
    centred = flow - flow.mean()
    power = float((centred**2).sum())
    if np.sqrt(power / len(flow)) * 2 < _SPREAD_C * spec.capacity_ah:
        return
    slope = float((centred * gap).sum()) / power
    rest = gap - gap.mean() - slope * centred
    error_mohm = 1000 * np.sqrt(float((rest**2).sum()) / len(flow) / power)
    if error_mohm <= _SERIES_ERROR_MOHM:
        value["series_mohm"][i] = np.round(1000 * slope, 4)
