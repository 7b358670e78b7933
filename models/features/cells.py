"""Cell features: how far each cell rests from its own pack, session by session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, FamilyRows, FloatArray, IntArray
from models.features.align import first_in_grid
from models.features.days import local_day
from models.features.pack import BREAK_US, PackRows, pack_rows, plausible, quiet_current_a

#: States of a vehicle; a session is a run of one of them within a local day.
DRIVE, REST, CHARGE = 0, 1, 2
KINDS: Final = ("drive", "rest", "charge")

#: How far features of a day look back beyond its beginning.
CONTEXT_US = 12 * 3600 * 1_000_000

_GRID_US = 30_000_000
_REST_US = 10 * 60 * 1_000_000
_RELAXED_US = 60 * 60 * 1_000_000
_PAIR_US = 150_000_000
_FROZEN_A = 8.0
#: Fewest rested rows of a session: one is enough of a resting car after an hour, a median needs more.
_LEAST_ROWS = 3


@dataclass(frozen=True, slots=True)
class CellSessions:
    """Features of one vehicle, one row a session that has at least one rested reading."""

    day: IntArray  #: shape (n_sessions,), local day
    kind: IntArray  #: shape (n_sessions,), index into ``KINDS``
    started_us: IntArray  #: shape (n_sessions,), ascending
    ended_us: IntArray
    row_count: IntArray  #: rows of the session on the 30 s grid
    rested_count: IntArray  #: rows that the deviation is the median of
    soc_percent: FloatArray
    voltage_v: FloatArray  #: median over rested rows of the pack's median cell
    current_a: FloatArray  #: median of the rested rows, positive into the battery
    temperature_degc: FloatArray  #: first probe
    spread_mv: FloatArray  #: largest less smallest rested deviation
    deviation_mv: FloatArray  #: shape (n_sessions, n_cells), rested, from the pack's median cell


def cell_sessions(
    cell: FamilyRows, drive: FamilyRows | None, *, time_zone: str, capacity_ah: float, cell_count: int
) -> CellSessions:
    """Return the sessions of one vehicle.

    A session is a run of driving, resting (small current, not moving, for at least 10 min) or charging
    within one local day; a silence of more than 30 min ends it, except at rest. Deviations come from rested
    rows only: those an hour or more after the last larger current where there are any, else those whose
    predecessor was quiet too (a pack scanned cell by cell under changing load shows differences that no cell
    has). Left out: implausible cells, and rows that repeat the one before to the millivolt while the current
    moved (frozen). Values are conditioned on nothing else here; see ``charge_deficit`` for what depends on
    the state of charge.

    Args:
        cell: Rows of one vehicle, ascending in time.
        drive: Rows of the same vehicle, ascending in time; without currents no row counts as rested.
        time_zone: IANA name of the vehicle's zone.
        capacity_ah: Of the pack, Ah.
        cell_count: Cells of the pack; frames of a larger pack are put together by first cell.
    """
    return sessions_of(
        pack_rows(cell, drive, cell_count=cell_count), time_zone=time_zone, capacity_ah=capacity_ah
    )


def sessions_of(rows: PackRows, *, time_zone: str, capacity_ah: float) -> CellSessions:
    """Return the sessions of rows that are put together already; see ``cell_sessions``."""
    rows = rows.part(first_in_grid(rows.time_us, _GRID_US))
    time_us, current, soc = rows.time_us, rows.current_a, rows.soc_percent
    speed, charging, temperature = rows.speed_kmh, rows.charging, rows.probe_degc[:, 0]
    voltage = plausible(rows.voltage_v)
    cell_count = voltage.shape[1]
    limit = quiet_current_a(capacity_ah)
    is_quiet = (np.abs(current) <= limit) & ~(speed > 1.0)
    is_low = np.abs(current) <= limit
    frozen = _frozen(voltage, current)
    usable = (np.isfinite(voltage).sum(1) >= max(4, cell_count // 2)) & ~frozen
    days = local_day(time_us, time_zone)
    state = _states(time_us, days, is_quiet, (charging == 1) | (charging == 2))
    relaxed = _since_load_us(time_us, is_low) >= _RELAXED_US
    paired = is_low.copy()
    paired[1:] &= is_low[:-1] & (np.diff(time_us) <= _PAIR_US)
    paired[:1] = False
    middle = np.full(len(time_us), np.nan)
    middle[usable & is_low] = _column_median(voltage[usable & is_low].T)
    rested = np.column_stack((soc, middle, current, temperature, (voltage - middle[:, None]) * 1000.0))
    start = _session_starts(time_us, state, days)
    stop = np.append(start[1:], len(time_us))[: len(start)]
    found: list[tuple[int, ...]] = []
    medians: list[FloatArray] = []
    for begin, end in zip(start.tolist(), stop.tolist(), strict=True):
        part = slice(begin, end)
        chosen = usable[part] & is_low[part] & relaxed[part]
        least = 1 if state[begin] == REST else _LEAST_ROWS
        count = int(np.count_nonzero(chosen))
        if count < least:
            chosen = usable[part] & paired[part]
            least, count = _LEAST_ROWS, int(np.count_nonzero(chosen))
        if count < least:
            continue
        medians.append(_column_median(rested[part][chosen]))
        found.append((days[begin], state[begin], time_us[begin], time_us[end - 1], end - begin, count))
    return _pack(found, medians, cell_count)


def charge_deficit(
    deviation_mv: FloatArray, voltage_v: FloatArray, chemistry: str
) -> tuple[FloatArray, FloatArray]:
    """Return how much less charge each cell holds than the pack's median cell, and the trust in it.

    The same missing charge shows as 10 mV where the open-circuit voltage is steep and as 4 mV where it is
    flat, so a deviation in mV follows the state of charge and its quotient by the slope does not. Slopes are
    typical of the chemistry, not of the maker; where they are flat or change fast the trust is low.

    Args:
        deviation_mv: Shape (n, n_cells), rested deviation from the pack's median cell.
        voltage_v: Shape (n,), the median cell.
        chemistry: ``NCM`` or ``LFP``.

    Returns:
        Deficit, % of capacity, positive when below the median, shape (n, n_cells); trust 0-1, shape (n,).
    """
    knots, slopes, trusts = _SLOPES[chemistry]
    slope = np.interp(voltage_v, knots, slopes)
    trust = np.interp(voltage_v, knots, trusts)
    return -deviation_mv / slope[:, None], np.where(np.isfinite(voltage_v), trust, 0.0)


#: Rested voltage of the median cell (V), slope of the open-circuit voltage there (mV per % of charge), trust.
#: NCM: steep above 3.75 V and below 3.5 V, flat between (layered oxide against graphite). LFP: flat almost
#: everywhere.
_SLOPES: dict[str, tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = {
    "NCM": (
        (3.00, 3.35, 3.45, 3.55, 3.60, 3.65, 3.70, 3.75, 3.80, 4.00, 4.12, 4.20),
        (60.0, 24.0, 13.0, 7.5, 5.0, 4.5, 6.0, 8.5, 9.5, 10.0, 10.0, 12.0),
        (0.0, 0.0, 0.05, 0.1, 0.1, 0.1, 0.2, 0.9, 1.0, 1.0, 1.0, 0.8),
    ),
    "LFP": (
        (2.50, 3.00, 3.15, 3.22, 3.25, 3.34, 3.36, 3.40, 3.60),
        (100.0, 20.0, 8.0, 4.0, 3.0, 3.0, 8.0, 15.0, 40.0),
        (0.0, 0.3, 1.0, 0.5, 0.0, 0.0, 0.2, 0.5, 0.1),
    ),
}


def _frozen(voltage: FloatArray, current: FloatArray) -> BoolArray:
    out = np.zeros(len(voltage), dtype=np.bool_)
    same = (voltage[1:] == voltage[:-1]) | (np.isnan(voltage[1:]) & np.isnan(voltage[:-1]))
    out[1:] = same.all(1) & (np.abs(np.diff(current)) > _FROZEN_A)
    return out


def _states(
    time_us: IntArray, days: IntArray, is_quiet: BoolArray, is_charging: BoolArray
) -> npt.NDArray[np.int64]:
    """Return the state of each row, from it and earlier rows of its run.

    A quiet run that lasts less than 10 min, the silence before it included, is a traffic light: part of the
    drive. Runs end with the day, so that tomorrow changes nothing about today.
    """
    state = np.where(is_charging, CHARGE, np.where(is_quiet, REST, DRIVE)).astype(np.int64)
    if not len(state):
        return state
    change = np.flatnonzero((np.diff(state) != 0) | (np.diff(days) != 0)) + 1
    begin = np.concatenate(([0], change))
    end = np.concatenate((change, [len(state)]))
    silent_from = time_us[np.maximum(begin - 1, 0)]
    length_us = time_us[end - 1] - silent_from
    length_us[0] = _REST_US  # nothing known before: silence
    is_short = (state[begin] == REST) & (length_us < _REST_US)
    return np.where(np.repeat(is_short, end - begin), DRIVE, state)


def _session_starts(time_us: IntArray, state: npt.NDArray[np.int64], days: IntArray) -> IntArray:
    if not len(time_us):
        return np.zeros(0, dtype=np.int64)
    silence = np.diff(time_us) > BREAK_US
    both_rest = (state[1:] == REST) & (state[:-1] == REST)
    cut = (state[1:] != state[:-1]) | (days[1:] != days[:-1]) | (silence & ~both_rest)
    return np.concatenate(([0], np.flatnonzero(cut) + 1)).astype(np.int64)


def _since_load_us(time_us: IntArray, is_low: BoolArray) -> IntArray:
    """Return the time since the last row with a larger current; ``_RELAXED_US`` where there was none."""
    loaded = np.where(is_low, np.int64(-1), np.arange(len(time_us), dtype=np.int64))
    latest = np.maximum.accumulate(loaded) if len(loaded) else loaded
    since = time_us - time_us[np.maximum(latest, 0)]
    return np.asarray(np.where(latest >= 0, since, _RELAXED_US), dtype=np.int64)


def _column_median(values: FloatArray) -> FloatArray:
    ranked = np.sort(values, axis=0)
    count = np.isfinite(ranked).sum(0)
    at = np.arange(ranked.shape[1])
    low, high = (
        ranked[np.maximum((count - 1) // 2, 0), at],
        ranked[np.minimum(count // 2, len(ranked) - 1), at],
    )
    return np.asarray(np.where(count > 0, (low + high) / 2, np.nan))


def _pack(rows: list[tuple[int, ...]], medians: list[FloatArray], cell_count: int) -> CellSessions:
    """Put sessions together; medians are those of charge, voltage, current, temperature and each cell."""
    whole = np.array(rows, dtype=np.int64).reshape(len(rows), 6)
    median = np.array(medians, dtype=np.float64).reshape(len(rows), 4 + cell_count)
    deviation = np.round(median[:, 4:], 3)
    return CellSessions(
        day=whole[:, 0],
        kind=whole[:, 1],
        started_us=whole[:, 2],
        ended_us=whole[:, 3],
        row_count=whole[:, 4],
        rested_count=whole[:, 5],
        soc_percent=np.round(median[:, 0], 4),
        voltage_v=np.round(median[:, 1], 6),
        current_a=np.round(median[:, 2], 4),
        temperature_degc=np.round(median[:, 3], 4),
        spread_mv=_spread(deviation),
        deviation_mv=deviation,
    )


def _spread(deviation: FloatArray) -> FloatArray:
    if not len(deviation):
        return np.zeros(0)
    high = np.where(np.isfinite(deviation), deviation, -np.inf).max(1)
    low = np.where(np.isfinite(deviation), deviation, np.inf).min(1)
    return np.asarray(np.where(np.isfinite(high - low), high - low, np.nan))
