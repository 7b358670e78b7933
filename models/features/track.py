"""One vehicle's drive rows as stretches: what it was doing, for how long, and sums of it by local day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import BoolArray, Family, FamilyRows, FloatArray, IntArray
from models.features.align import as_of, column
from models.features.days import local_day

_S_US: Final = 1_000_000
#: Longest pause between two rows that counts as time in between, and that a value is held over.
GAP_US: Final = 120 * _S_US
_HOLD_US: Final = 60 * _S_US
#: How far back a day may ask how long something has been going on; longer counts as this long.
CONTEXT_US: Final = 12 * 3600 * _S_US
_MOVING_KM_PER_H = 1.0
_TURNING_RPM = 30.0
_QUIET_A = 3.0


@dataclass(frozen=True, slots=True)
class Track:
    """Rows of one vehicle, ascending; every array has one element a row."""

    time_us: IntArray
    day: IntArray  #: local days that have rows, ascending
    at: IntArray  #: index of each row into ``day``
    before_h: FloatArray  #: time since the row before, h; 0 after a pause of more than ``GAP_US``
    is_moving: BoolArray
    is_charging: BoolArray
    is_standing: BoolArray  #: neither moving nor charging, and next to no current
    columns: Mapping[str, FloatArray]  #: held over pauses of a minute, for vehicles that send signals apart

    def __len__(self) -> int:
        return len(self.time_us)

    def held(self, alias: str) -> FloatArray:
        """Return a column; all NaN where the vehicle does not send it."""
        return self.columns.get(alias, np.full(len(self), np.nan))

    def since_us(self, is_it: BoolArray) -> IntArray:
        """Return the time since the last row that was it, ``CONTEXT_US`` at most and where there was none."""
        index = np.where(is_it, np.arange(len(self)), -1)
        latest = np.maximum.accumulate(index) if len(self) else index
        since = np.where(latest >= 0, self.time_us - self.time_us[np.maximum(latest, 0)], CONTEXT_US)
        return np.minimum(since, CONTEXT_US)

    def run_us(self, is_it: BoolArray) -> IntArray:
        """Return for how long each row's run has lasted; 0 where a row is not it.

        A run begins with its first row after another one or after a pause of more than ten minutes. As for
        ``since_us``, only comparisons with less than ``CONTEXT_US`` are the same whatever was read before.
        """
        begins = is_it.copy()
        begins[1:] &= ~is_it[:-1] | (np.diff(self.time_us) > 10 * 60 * _S_US)
        start = np.maximum.accumulate(np.where(begins, np.arange(len(self)), 0)) if len(self) else begins
        return np.where(is_it, np.minimum(self.time_us - self.time_us[start], CONTEXT_US), 0)

    def total(self, values: FloatArray, used: BoolArray) -> FloatArray:
        """Return the sum over each day's used rows, in the order of the rows."""
        total = np.bincount(self.at[used], weights=values[used], minlength=len(self.day))
        return np.asarray(total, dtype=np.float64)

    def count(self, used: BoolArray) -> FloatArray:
        """Return the number of used rows of each day."""
        return np.bincount(self.at[used], minlength=len(self.day)).astype(np.float64)

    def mean(self, values: FloatArray, used: BoolArray, least_h: float) -> FloatArray:
        """Return the time-weighted mean of each day; NaN below ``least_h`` of known values."""
        known = used & np.isfinite(values) & (self.before_h > 0)
        hours = self.total(self.before_h, known)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(hours >= least_h, self.total(self.before_h * values, known) / hours, np.nan)

    def plain_mean(self, values: FloatArray, used: BoolArray, least: int) -> FloatArray:
        """Return the mean over each day's used rows, however far apart; NaN below ``least`` of them."""
        known = used & np.isfinite(values)
        count = self.count(known)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(count >= max(least, 1), self.total(values, known) / count, np.nan)

    def quantile(self, values: FloatArray, used: BoolArray, share: float, least: int) -> FloatArray:
        """Return the value that ``share`` of each day's used rows do not exceed; NaN below ``least`` rows."""
        known = np.flatnonzero(used & np.isfinite(values))
        order = known[np.lexsort((values[known], self.at[known]))]
        count = np.bincount(self.at[order], minlength=len(self.day))
        first = np.concatenate(([0], np.cumsum(count)))[:-1]
        place = share * (count - 1)
        low, high = np.floor(place).astype(np.int64), np.ceil(place).astype(np.int64)
        enough = count >= max(least, 1)
        ranked = np.append(values[order], np.nan)
        safe = np.where(enough, first, len(order))
        below, above = ranked[np.where(enough, safe + low, -1)], ranked[np.where(enough, safe + high, -1)]
        return np.where(enough, (below + above) / 2, np.nan)

    def span(self, values: FloatArray, used: BoolArray, least: int) -> FloatArray:
        """Return largest less smallest value of each day's used rows; NaN below ``least`` rows."""
        return self.quantile(values, used, 1.0, least) - self.quantile(values, used, 0.0, least)

    def warming(self, values: FloatArray, used: BoolArray, least_h: float) -> FloatArray:
        """Return what a temperature gained while in use, per hour of it; NaN below ``least_h``."""
        gain = np.zeros(len(self))
        gain[1:] = np.diff(values)
        known = used & np.isfinite(gain) & (self.before_h > 0)
        hours = self.total(self.before_h, known)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(hours >= least_h, self.total(gain, known) / hours, np.nan)


def build_track(drive: FamilyRows, aliases: tuple[str, ...], time_zone: str) -> Track:
    """Return the track of one vehicle.

    Args:
        drive: Rows of one vehicle, ascending in time; may lack any column.
        aliases: Columns to hold; temperatures lose single readings that no heat explains.
        time_zone: IANA name of the vehicle's zone.
    """
    time_us = drive.time_us
    count = len(time_us)
    days = local_day(time_us, time_zone)

    def held(alias: str) -> FloatArray:
        values = column(drive.columns, alias, count)
        if alias.endswith("temperature") or alias in {"coolant", "ambient"}:
            values = despiked(values, days)
        return as_of(time_us, time_us, values, within_us=_HOLD_US)

    wanted = dict.fromkeys((*aliases, "speed", "motor.speed", "charging", "pack.current"))
    columns = {alias: held(alias) for alias in wanted if alias in drive.columns}
    none = np.full(count, np.nan)
    speed, turning = columns.get("speed", none), columns.get("motor.speed", none)
    charging, current = columns.get("charging", none), columns.get("pack.current", none)
    is_moving = np.where(np.isfinite(speed), speed > _MOVING_KM_PER_H, np.abs(turning) > _TURNING_RPM)
    is_charging = (charging == 1) | (charging == 2)
    day, at = np.unique(days, return_inverse=True)
    pause = np.diff(time_us)
    before = np.zeros(count)
    before[1:] = np.where(pause <= GAP_US, pause / 3.6e9, 0.0)
    return Track(
        time_us=time_us,
        day=day,
        at=at.astype(np.int64),
        before_h=before,
        is_moving=is_moving,
        is_charging=is_charging,
        is_standing=~is_moving & ~is_charging & ~(np.abs(current) > _QUIET_A),
        columns=columns,
    )


def despiked(values: FloatArray, days: IntArray, jump: float = 10.0) -> FloatArray:
    """Return a series without single readings that leave both neighbours by ``jump`` and come back.

    A reading's successor must be of the same day, so that no day changes with the next one.

    Args:
        values: Shape (n,), NaN is missing and passed over.
        days: Shape (n,), local day of each reading.
        jump: Smallest departure, in the unit of the values.
    """
    known = np.flatnonzero(np.isfinite(values))
    out = values.copy()
    if len(known) < 3:
        return out
    series = values[known]
    up, down = series[1:-1] - series[:-2], series[1:-1] - series[2:]
    is_spike = (np.minimum(np.abs(up), np.abs(down)) > jump) & (up * down > 0)
    is_spike &= days[known[1:-1]] == days[known[2:]]
    out[known[1:-1][is_spike]] = np.nan
    return out


def empty_track(time_zone: str) -> Track:
    """Return the track of a vehicle that has sent no drive rows."""
    nothing = np.zeros(0, dtype=np.int64)
    rows = FamilyRows(
        family=Family.DRIVE,
        vehicle_id=np.zeros(0, dtype=np.int32),
        time_us=nothing,
        sent_us=nothing,
        received_us=nothing,
        is_hist=np.zeros(0, dtype=np.bool_),
    )
    return build_track(rows, (), time_zone)
