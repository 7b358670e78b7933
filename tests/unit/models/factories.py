"""Panels and rows for the tests of models."""

from __future__ import annotations

from typing import Any

import numpy as np

from data.records import WHEELS, Family, FamilyRows, FloatArray, IntArray, VehicleSpec
from models.features.tires import contrast
from models.predictors.base import DayPanel

START_US = 1_767_225_600_000_000  # 2026-01-01 00:00 UTC
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


def make_spec(**overrides: Any) -> VehicleSpec:
    values: dict[str, Any] = {
        "model_id": "test",
        "chemistry": "NCM",
        "cell_count": 24,
        "probe_count": 1,
        "capacity_ah": 150.0,
        "wheels": WHEELS,
        "placard_kpa": (240.0,) * 4,
        "time_zone": "UTC",
    }
    return VehicleSpec(**{**values, **overrides})


def make_rows(family: Family, time_us: IntArray, columns: dict[str, FloatArray]) -> FamilyRows:
    n = len(time_us)
    return FamilyRows(
        family=family,
        vehicle_id=np.zeros(n, dtype=np.int32),
        time_us=time_us,
        sent_us=time_us,
        received_us=time_us,
        is_hist=np.zeros(n, dtype=np.bool_),
        columns=columns,
    )


def make_tire_panel(gas: FloatArray) -> DayPanel:
    """Gas of shape (n_vehicles, n_days, 4), kPa absolute at 20 °C."""
    return make_panel(contrast(gas), {"gas_kpa": gas}, make_spec())


def make_cell_panel(deficit: FloatArray) -> DayPanel:
    """Deficit of shape (n_vehicles, n_days, n_cells), %; rested at 70 % charge, resistances all equal."""
    one = np.ones((*deficit.shape[:2], 1))
    extra = {
        "deficit_percent": deficit,
        "deviation_mv": -9.0 * deficit,
        "weight": one,
        "rest_soc_percent": 70.0 * one,
        "rest_spread_mv": 10.0 * one,
        "lag_percent": np.full_like(deficit, np.nan),
        "resistance_ratio": np.ones_like(deficit),
        "resistance_mohm": 0.8 * one,
    }
    return make_panel(deficit, extra, make_spec(cell_count=deficit.shape[2]))


def make_panel(value: FloatArray, extra: dict[str, FloatArray], spec: VehicleSpec) -> DayPanel:
    n_vehicles, n_days = value.shape[:2]
    day = 20_454 + np.arange(n_days, dtype=np.int64)
    last = np.broadcast_to(day * DAY_US + 20 * HOUR_US, (n_vehicles, n_days))
    return DayPanel(
        spec=spec,
        vehicle_id=np.arange(n_vehicles, dtype=np.int64),
        day=day,
        value=value,
        weight=np.ones(value.shape),
        first_us=last - 12 * HOUR_US,
        last_us=last,
        extra=extra,
    )


def healthy_gas(rng: np.random.Generator, n_vehicles: int, n_days: int, noise_kpa: float = 1.0) -> FloatArray:
    """Four wheels with their own bias, a shared day effect, and normal permeation."""
    bias = rng.normal(0, 3, (n_vehicles, 1, 4))
    permeation = rng.uniform(0.05, 0.3, (n_vehicles, 1, 4)) * np.arange(n_days)[None, :, None]
    shared = rng.normal(0, 2, (n_vehicles, n_days, 1))
    return 341 + bias - permeation + shared + rng.normal(0, noise_kpa, (n_vehicles, n_days, 4))


def healthy_deficit(rng: np.random.Generator, n_vehicles: int, n_days: int, n_cells: int = 24) -> FloatArray:
    return rng.normal(0, 0.7, (n_vehicles, 1, n_cells)) + rng.normal(0, 0.12, (n_vehicles, n_days, n_cells))
