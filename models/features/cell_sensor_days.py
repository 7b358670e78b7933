"""Daily features of the measurement of cells: what tells a broken sensor from a broken cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np

from data.records import BoolArray, Family, FamilyRows, FloatArray, IntArray, VehicleSpec
from models.features.align import first_in_grid
from models.features.day_grid import flat, no_days, row_median
from models.features.days import local_day
from models.features.pack import PACK_COLUMNS, PackRows, pack_rows, plausible, quiet_current_a
from models.features.sets import Axis, DayFeatures, Feature, width

#: Features of the set ``cell_sensor_days``: what tells a broken measurement from a broken cell.
CELL_SENSOR_FEATURES: Final = (
    Feature(
        name="wire_swing_mv",
        unit="mV",
        window="readings of the local day with the part that follows the current taken out",
        least_evidence="sixty readings",
        missing_when="fewer readings; of the last cell of the pack, which has no next one",
        axis=Axis.CELL,
    ),
    Feature(
        name="bad_share",
        unit="",
        window="readings of the local day",
        least_evidence="sixty readings",
        missing_when="fewer readings",
        axis=Axis.CELL,
    ),
    Feature(
        name="probe_offset_k",
        unit="K",
        window="readings of the local day after an hour without a larger current",
        least_evidence="six readings with three probes or more",
        missing_when="never at rest for an hour, or fewer than three probes",
        axis=Axis.PROBE,
    ),
    Feature(
        name="probe_still_share",
        unit="",
        window="hours of the local day in which the median probe moved by 2 K or more",
        least_evidence="one such hour",
        missing_when="the pack kept its temperature",
        axis=Axis.PROBE,
    ),
)

_GRID_US: Final = 10_000_000
_HOUR_US: Final = 3_600_000_000
_LEAST_ROWS: Final = 60
_LEAST_HOUR_ROWS: Final = 12
_LEAST_PROBES: Final = 3
_LEAST_PROBE_ROWS: Final = 6
_MOST: Final = 0.75
_MOVED_V: Final = 0.010
_MOVED_K: Final = 2.0


@dataclass(frozen=True, slots=True)
class CellSensorDays:
    """Whether the channels of cells and probes still measure.

    The tap between two cells belongs to both: a loose sense wire adds to one what it takes from the next, so
    ``wire_swing_mv`` is the root of the negative covariance of neighbours, hour by hour, with the part that
    follows the current taken out. A channel that stands still while the pack's median cell moves 10 mV in
    the hour, is out of 1.5-4.6 V, or is silent all day while the others speak, is bad.
    """

    name: str = "cell_sensor_days"
    version: int = 1
    columns: Mapping[Family, tuple[str, ...]] = field(default_factory=lambda: dict(PACK_COLUMNS))
    context_us: int = 2 * _HOUR_US
    features: tuple[Feature, ...] = CELL_SENSOR_FEATURES

    def compute(self, rows: Mapping[Family, FamilyRows], spec: VehicleSpec) -> DayFeatures:
        """Return the features of one vehicle, one row a local day with cell readings."""
        cell = rows.get(Family.CELL)
        if cell is None or not len(cell) or "cell.voltage" not in cell.columns:
            return no_days(self.features, spec)
        pack = pack_rows(cell, rows.get(Family.DRIVE), cell_count=spec.cell_count)
        pack = pack.part(first_in_grid(pack.time_us, _GRID_US))
        row_day = local_day(pack.time_us, spec.time_zone)
        days, first = np.unique(row_day, return_index=True)
        bounds = np.append(first, len(row_day))
        is_relaxed = _relaxed(pack, spec)
        value = {f.name: np.full((len(days), width(f, spec)), np.nan) for f in self.features}
        for i in range(len(days)):
            today = slice(int(bounds[i]), int(bounds[i + 1]))
            _channels(pack.part(today), value, i)
            _probes(pack.part(today), is_relaxed[today], value, i)
        return DayFeatures(
            day=days,
            first_us=pack.time_us[bounds[:-1]],
            last_us=pack.time_us[bounds[1:] - 1],
            value=flat(value, self.features),
        )


def _channels(day: PackRows, value: dict[str, FloatArray], i: int) -> None:
    """Write the mirrored swing of neighbours and the share of bad readings."""
    if len(day) < _LEAST_ROWS:
        return
    volts = plausible(day.voltage_v)
    middle = row_median(volts)
    is_heard = np.isfinite(middle)
    product, count = np.zeros(volts.shape[1]), np.zeros(volts.shape[1])
    bad = _unread(day.voltage_v[is_heard], volts[is_heard])
    for begin, end in _hours(day.time_us):
        kept = np.flatnonzero(is_heard[begin:end]) + begin
        if len(kept) < _LEAST_HOUR_ROWS:
            continue
        part = volts[kept]
        if np.ptp(middle[kept]) >= _MOVED_V:
            is_still = np.nanmax(np.nan_to_num(part, nan=-np.inf), axis=0) == np.nanmin(
                np.nan_to_num(part, nan=np.inf), axis=0
            )
            bad += np.where(is_still, np.isfinite(part).sum(0), 0)
        swing = _without_current((part - middle[kept, None]) * 1000.0, day.current_a[kept])
        mirrored = swing[:, :-1] * swing[:, 1:]
        known = np.isfinite(mirrored)
        product[:-1] += np.where(known, mirrored, 0.0).sum(0)
        count[:-1] += known.sum(0)
    value["bad_share"][i] = np.round(bad / max(int(is_heard.sum()), 1), 6)
    enough = count >= _LEAST_ROWS
    mean = np.where(enough, product / np.maximum(count, 1), np.nan)
    value["wire_swing_mv"][i] = np.round(np.sqrt(np.maximum(-mean, 0.0)), 4)


def _unread(reported: FloatArray, volts: FloatArray) -> FloatArray:
    """Return in how many rows each channel was implausible; a channel silent all day counts in all rows.

    Some loggers leave out cells by turns; that is no fault of a channel.
    """
    is_implausible = np.isfinite(reported) & ~np.isfinite(volts)
    is_most = np.isfinite(volts).sum(1) >= _MOST * volts.shape[1]
    is_silent = ~np.isfinite(reported).any(0)
    return np.asarray(
        np.where(is_silent, float(np.count_nonzero(is_most)), is_implausible.sum(0)), dtype=np.float64
    )


def _without_current(deviation: FloatArray, current: FloatArray) -> FloatArray:
    """Return deviations less their mean and less their regression on the current; NaN stays."""
    known = np.isfinite(deviation)
    count = np.maximum(known.sum(0), 1)
    centred = deviation - np.where(known, deviation, 0.0).sum(0) / count
    flow = np.nan_to_num(current - (np.nansum(current) / max(np.isfinite(current).sum(), 1)))
    power = np.where(known, flow[:, None] ** 2, 0.0).sum(0)
    slope = np.where(known, flow[:, None] * centred, 0.0).sum(0) / np.where(power > 0, power, 1.0)
    return np.asarray(centred - slope * flow[:, None])


def _probes(day: PackRows, is_relaxed: BoolArray, value: dict[str, FloatArray], i: int) -> None:
    """Write each probe's distance from the median one at rest, and how long it stood still."""
    probe = day.probe_degc
    width_known = min(probe.shape[1], value["probe_offset_k"].shape[1])
    probe = probe[:, :width_known]
    if np.isfinite(probe).any(0).sum() < _LEAST_PROBES:
        return
    middle = row_median(probe)
    if np.count_nonzero(is_relaxed & np.isfinite(middle)) >= _LEAST_PROBE_ROWS:
        offset = probe[is_relaxed] - middle[is_relaxed, None]
        value["probe_offset_k"][i, :width_known] = np.round(row_median(np.ascontiguousarray(offset.T)), 3)
    still, moved = np.zeros(width_known), 0.0
    for begin, end in _hours(day.time_us):
        part = probe[begin:end]
        if np.count_nonzero(np.isfinite(middle[begin:end])) < _LEAST_HOUR_ROWS:
            continue
        known = middle[begin:end][np.isfinite(middle[begin:end])]
        if np.ptp(known) < _MOVED_K:
            continue
        moved += 1
        high, low = np.nan_to_num(part, nan=-np.inf).max(0), np.nan_to_num(part, nan=np.inf).min(0)
        still += high == low
    if moved:
        value["probe_still_share"][i, :width_known] = np.round(still / moved, 6)


def _relaxed(pack: PackRows, spec: VehicleSpec) -> BoolArray:
    """Mark rows with no larger current in the hour before; what is not known before counts as none."""
    is_loaded = np.abs(np.nan_to_num(pack.current_a)) > quiet_current_a(spec.capacity_ah)
    loaded_us = np.where(is_loaded, pack.time_us, np.iinfo(np.int64).min // 2)
    latest = np.maximum.accumulate(loaded_us) if len(loaded_us) else loaded_us
    return np.asarray(pack.time_us - latest >= _HOUR_US)


def _hours(time_us: IntArray) -> list[tuple[int, int]]:
    """Return the rows of each hour as first and one past the last."""
    hour = time_us // _HOUR_US
    cut = np.flatnonzero(np.diff(hour)) + 1
    edges = [0, *cut.tolist(), len(hour)]
    return list(pairwise(edges))
