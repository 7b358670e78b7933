"""Rows of one vehicle with every signal that a feature set may read: not physics, but all kinds of days."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.catalogue import Signal, load_catalogue
from data.records import Family, FamilyRows, FloatArray, IntArray, VehicleSpec
from models.features.sets import FeatureSet
from tests.unit.models.factories import DAY_US, HOUR_US

#: Typical value and step of signals whose range says too little.
_TYPICAL = {
    "tire.pressure": (240.0, 1.0),
    "tire.age": (300.0, 200.0),
    "cell.voltage": (3.85, 0.002),
    "pack.voltage": (370.0, 1.0),
    "lv.voltage": (13.2, 0.3),
    "insulation": (3000.0, 400.0),
    "altitude": (30.0, 5.0),
    "barometer": (101.0, 0.2),
}


def make_vehicle_rows(
    rng: np.random.Generator, sets: Sequence[FeatureSet], spec: VehicleSpec, *, start_us: int, n_days: int
) -> dict[Family, FamilyRows]:
    """Return rows of all families that some sets read: drives, charges, rests, silences, missing values."""
    wanted: dict[Family, set[str]] = {}
    for one in sets:
        for family, aliases in one.columns.items():
            wanted.setdefault(family, set()).update(aliases)
    sample_us = _samples(rng, start_us, n_days)
    phase = (sample_us // (3 * HOUR_US)) % 8  # 0-1 driving, 2 charging, else at rest
    out = {}
    for family, every in ((Family.DRIVE, 1), (Family.TIRE, 3), (Family.CELL, 2)):
        if family not in wanted:
            continue
        time_us, now = sample_us[::every], phase[::every]
        columns = {
            alias: _column(rng, load_catalogue().signals[alias], now, spec)
            for alias in sorted(wanted[family])
        }
        n = len(time_us)
        out[family] = FamilyRows(
            family=family,
            vehicle_id=np.ones(n, dtype=np.int32),
            time_us=time_us,
            sent_us=time_us,
            received_us=time_us,
            is_hist=np.zeros(n, dtype=np.bool_),
            columns=columns,
        )
    return out


def cut(rows: FamilyRows, begin_us: int, end_us: int) -> FamilyRows:
    """Return the rows of a span."""
    return take(rows, np.flatnonzero((rows.time_us >= begin_us) & (rows.time_us < end_us)))


def take(rows: FamilyRows, at: IntArray) -> FamilyRows:
    """Return some rows in the order given."""
    return FamilyRows(
        family=rows.family,
        vehicle_id=rows.vehicle_id[at],
        time_us=rows.time_us[at],
        sent_us=rows.sent_us[at],
        received_us=rows.received_us[at],
        is_hist=rows.is_hist[at],
        columns={alias: values[at] for alias, values in rows.columns.items()},
        sub_pack=None if rows.sub_pack is None else rows.sub_pack[at],
        first_cell=None if rows.first_cell is None else rows.first_cell[at],
    )


def _samples(rng: np.random.Generator, start_us: int, n_days: int) -> IntArray:
    """One sample a minute or so, denser while driving, with silences of hours and one of more than a day."""
    step_us = np.where(rng.random(n_days * 2000) < 0.5, 20_000_000, 70_000_000)
    step_us[rng.random(len(step_us)) < 0.002] = 2 * HOUR_US
    step_us[rng.integers(len(step_us) // 4, len(step_us) // 2)] = DAY_US + 5 * HOUR_US
    time_us = start_us + np.cumsum(step_us)
    return np.asarray(time_us[time_us < start_us + n_days * DAY_US], dtype=np.int64)


def _column(rng: np.random.Generator, signal: Signal, phase: IntArray, spec: VehicleSpec) -> FloatArray:
    n = len(phase)
    width = {"wheel": len(spec.wheels), "cell": spec.cell_count, "probe": max(1, spec.probe_count)}
    shape = (n,) if signal.shape == "scalar" else (n, width[signal.shape])
    driving, charging = phase < 2, phase == 2
    if signal.alias == "speed":
        values = np.where(driving, rng.uniform(0, 110, n), 0.0)
    elif signal.alias == "pack.current":
        values = np.where(driving, rng.normal(-40, 60, n), np.where(charging, 60.0, rng.normal(0, 0.3, n)))
    elif signal.alias == "soc":
        values = 20.0 + 60.0 * np.abs(np.sin(np.arange(n) / 400.0))
    elif signal.alias == "charging":
        values = np.where(charging, 1.0, 3.0)
    elif signal.sql_type == "smallint" and signal.shape == "scalar":
        values = rng.integers(int(signal.low), int(min(signal.high, signal.low + 3)) + 1, n).astype(float)
    else:
        low, high = max(signal.low, -20.0), min(signal.high, 90.0)
        middle, step = _TYPICAL.get(signal.alias, ((low + high) / 2, (high - low) / 40))
        drift = np.cumsum(rng.normal(0, step / 10, (n, *([1] * (len(shape) - 1)))), axis=0)
        values = middle + np.broadcast_to(drift, shape) + rng.normal(0, step, shape)
        values = np.clip(values, signal.low, signal.high)
    values = np.asarray(values, dtype=np.float32).astype(np.float64)
    if signal.sql_type == "smallint":
        values = np.round(values * signal.scale) / signal.scale
    values[rng.random(n) < 0.03] = np.nan
    return values
