"""How fast daily features become risks: whole fleets in arrays, against pandas group by group."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from data.records import WHEELS, FloatArray, IntArray, VehicleSpec
from models.errors import ModelError
from models.features.cells import charge_deficit
from models.features.sets import Feature, FeatureSet
from models.panels import FleetDays, panels_of, rows_of, with_main
from models.predictors.base import DayPanel, Predictor
from models.predictors.cell_internal_short import CellInternalShortPredictor
from models.predictors.tire_slow_leak import TireSlowLeakPredictor

_TIRE_DAYS, _CELL_DAYS = 14, 90
_CELLS = 96
#: Vehicles in memory at once: the panel of 96 cells and 90 days is 140 kB a vehicle and feature.
_BLOCK = {"tire": 1000, "cell": 250}
_FIRST_DAY = 20_454
_DAY_US = 86_400_000_000
_UNITS = {
    "vehicles": "vehicles scored",
    "seconds": "s, from stored features to the risk of every component as of the last day, one process",
    "cpu_seconds": "s of processor time of the same",
    "vehicles_per_s": "vehicles/s",
    "pandas_vehicles_per_s": "vehicles/s of pandas groupby().apply() with the same formula on each group",
    "ratio": "vehicles_per_s / pandas_vehicles_per_s",
    "likely": "vehicles with a component at or above probability 0.5",
    "peak_rss_mb": "MB (10^6 bytes), most memory the process has held, the made-up features included",
}


@dataclass(frozen=True, slots=True)
class _Case:
    """One kind of features and the predictor that takes them."""

    predictor: Predictor
    spec: VehicleSpec
    features: tuple[Feature, ...]
    make: Callable[[np.random.Generator, int], dict[str, FloatArray]]
    #: what is worked out of what is stored before it is a panel; timed
    derive: Callable[[dict[str, FloatArray]], dict[str, FloatArray]]
    n_days: int


def bench_score(
    sets: tuple[FeatureSet, ...],
    *,
    tire_vehicles: int = 100_000,
    cell_vehicles: int = 10_000,
    pandas_vehicles: int = 200,
    seed: int = 1,
    tell: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Score made-up fleets: tires over 14 days, cells over 90 sessions of 96 cells, one a day.

    The peer is what one would write with pandas: a frame of days, ``groupby("vehicle").apply`` of the same
    predictor to each group. It runs on a sample of the same vehicles, and both must agree to the last bit.

    Args:
        sets: The registered feature sets.
        tire_vehicles: Vehicles of the first case.
        cell_vehicles: Vehicles of the second.
        pandas_vehicles: Vehicles of each case that pandas scores.
        seed: Of the made-up features.
        tell: Takes a line on each case when it is done.

    Raises:
        ModelError: pandas is not installed, or the two ways disagree.
    """
    by_name = {one.name: one.features for one in sets}
    result: dict[str, Any] = {"units": _UNITS, "seed": seed}
    for name, case, count in (
        ("tire", _tires(by_name["tire_days"]), tire_vehicles),
        ("cell", _cells(by_name["cell_days"]), cell_vehicles),
    ):
        result[name] = _measure(case, count, _BLOCK[name], min(pandas_vehicles, count), seed)
        tell(
            f"{name}: {count:,} vehicles in {result[name]['seconds']:.1f} s,"
            f" {result[name]['vehicles_per_s']:,.0f}/s, {result[name]['ratio']:.0f} times pandas"
        )
    result["peak_rss_mb"] = round(_peak_rss_mb(), 1)
    return result


def _measure(case: _Case, count: int, block: int, sampled: int, seed: int) -> dict[str, Any]:
    seconds = cpu_seconds = 0.0
    likely = 0
    pandas_per_s = 0.0
    for number, size in enumerate(_sizes(count, block)):
        stored = case.make(np.random.default_rng([seed, number]), size)
        wall, cpu = time.perf_counter(), time.process_time()
        (panel,) = _panels(case, stored, size)
        probability = case.predictor.predict(panel, np.array([case.n_days - 1])).probability
        likely += int((np.nan_to_num(probability) >= 0.5).any(axis=(1, 2)).sum())
        seconds += time.perf_counter() - wall
        cpu_seconds += time.process_time() - cpu
        if number == 0:
            sampled = min(sampled, size)
            pandas_per_s = _pandas(case, rows_of(panel, range(sampled)), probability[:sampled])
    per_s = count / seconds
    return {
        "vehicles": count,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "vehicles_per_s": round(per_s, 1),
        "pandas_vehicles_per_s": round(pandas_per_s, 2),
        "ratio": round(per_s / pandas_per_s, 1),
        "likely": likely,
        "peak_rss_mb": round(_peak_rss_mb(), 1),
    }


def _sizes(count: int, block: int) -> Iterator[int]:
    for begin in range(0, count, block):
        yield min(block, count - begin)


def _panels(case: _Case, stored: dict[str, FloatArray], count: int) -> list[DayPanel]:
    """Return the panel of features as the table gives them: one row a vehicle and day."""
    value = case.derive(stored)
    day = np.tile(_FIRST_DAY + np.arange(case.n_days, dtype=np.int64), count)
    n_rows = len(day)
    days = FleetDays(
        vehicle_id=np.repeat(np.arange(count, dtype=np.int64), case.n_days),
        day=day,
        first_us=day * _DAY_US,
        last_us=day * _DAY_US + _DAY_US // 2,
        value=np.concatenate([value[f.name].reshape(n_rows, -1) for f in case.features], axis=1),
    )
    return [with_main(panel, case.predictor.main) for panel in panels_of(days, case.features, case.spec)]


def _pandas(case: _Case, panel: DayPanel, wanted: FloatArray) -> float:
    """Score the vehicles of a panel with pandas, compare, and return vehicles per second."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ModelError("bench score: the peer needs pandas (pip install pandas)") from error
    n_vehicles, n_days = len(panel.vehicle_id), len(panel.day)
    # features that are not known at all would only make the frame wide
    told = {name: values for name, values in panel.extra.items() if np.isfinite(values).any()}
    columns = {
        f"{name} {i}": values[:, :, i].ravel()
        for name, values in told.items()
        for i in range(values.shape[2])
    }
    frame = pd.DataFrame(
        {"vehicle": np.repeat(panel.vehicle_id, n_days), "day": np.tile(panel.day, n_vehicles), **columns}
    )
    nothing = {name: np.full((1, n_days, v.shape[2]), np.nan) for name, v in panel.extra.items()}

    def score(group: pd.DataFrame) -> FloatArray:
        extra = nothing | {
            name: group[[f"{name} {i}" for i in range(values.shape[2])]].to_numpy()[None]
            for name, values in told.items()
        }
        day: IntArray = group["day"].to_numpy()
        alone = DayPanel(
            spec=panel.spec,
            vehicle_id=np.zeros(1, dtype=np.int64),
            day=day,
            value=extra[case.predictor.main],
            weight=np.ones_like(extra[case.predictor.main]),
            first_us=(day * _DAY_US)[None],
            last_us=(day * _DAY_US + _DAY_US // 2)[None],
            extra=extra,
        )
        alone = with_main(alone, case.predictor.main)
        risk = case.predictor.predict(alone, np.array([len(day) - 1]))
        return np.asarray(risk.probability[0])

    began = time.perf_counter()
    found: Any = frame.groupby("vehicle", sort=True)[frame.columns.to_list()].apply(cast("Any", score))
    took = time.perf_counter() - began
    if np.stack(found.to_list()).tobytes() != np.ascontiguousarray(wanted).tobytes():
        raise ModelError("bench score: pandas and arrays disagree")
    return n_vehicles / took


def _tires(features: tuple[Feature, ...]) -> _Case:
    """Four wheels with their bias, permeation, a day's noise and refills; one in 50 leaks 1-8 kPa a day."""

    def make(rng: np.random.Generator, count: int) -> dict[str, FloatArray]:
        shape = (count, _TIRE_DAYS, 4)
        gas = 341 + rng.normal(0, 3, (count, 1, 4)) + rng.normal(0, 0.8, shape)
        gas -= rng.uniform(0.05, 0.3, (count, 1, 4)) * np.arange(_TIRE_DAYS)[None, :, None]
        refill = rng.integers(0, 120, (count, 1, 1))
        gas += 15.0 * (np.arange(_TIRE_DAYS)[None, :, None] >= refill)
        leak = np.where(rng.random((count, 1)) < 0.02, rng.uniform(1, 8, (count, 1)), 0.0)
        gas[:, :, 2] -= leak * np.arange(_TIRE_DAYS)
        others = np.stack([np.median(np.delete(gas, i, axis=2), axis=2) for i in range(4)], axis=2)
        known = {"gas_kpa": gas, "contrast_kpa": gas - others, "weight": np.ones(shape)}
        return {**_missing(features, shape), **known}

    return _Case(TireSlowLeakPredictor(), _spec("NCM"), features, make, lambda stored: stored, _TIRE_DAYS)


def _cells(features: tuple[Feature, ...]) -> _Case:
    """Rested deviations of 96 cells; one in 50 has a cell that loses 0.2-0.6 % a day over the last weeks."""
    spec = _spec("NCM")

    def make(rng: np.random.Generator, count: int) -> dict[str, FloatArray]:
        shape = (count, _CELL_DAYS, _CELLS)
        loss = rng.normal(0, 0.5, (count, 1, _CELLS)) + rng.normal(0, 0.1, shape)
        is_short = rng.random((count, 1)) < 0.02
        course = np.maximum(np.arange(_CELL_DAYS) - 60, 0)
        loss[:, :, 7] += np.where(is_short, rng.uniform(0.2, 0.6, (count, 1)), 0.0) * course
        voltage = rng.uniform(3.8, 4.1, shape[:2])
        slope_mv = -charge_deficit(np.ones((voltage.size, 1)), voltage.ravel(), spec.chemistry)[0]
        deviation = -loss / slope_mv.reshape(*shape[:2], 1)
        return {**_missing(features, shape), "deviation_mv": deviation, "voltage_v": voltage}

    def derive(stored: dict[str, FloatArray]) -> dict[str, FloatArray]:
        deviation = stored["deviation_mv"]
        deficit, trust = charge_deficit(
            deviation.reshape(-1, _CELLS), stored["voltage_v"].ravel(), spec.chemistry
        )
        return {**stored, "deficit_percent": deficit, "weight": trust}

    return _Case(CellInternalShortPredictor(), spec, features, make, derive, _CELL_DAYS)


def _missing(features: tuple[Feature, ...], shape: tuple[int, int, int]) -> dict[str, FloatArray]:
    """Return features that are not known: predictors look at them and make do without."""
    return {
        f.name: np.full((shape[0], shape[1], 1 if f.axis.value == "vehicle" else shape[2]), np.nan)
        for f in features
    }


def _spec(chemistry: str) -> VehicleSpec:
    return VehicleSpec(
        model_id="bench",
        chemistry=chemistry,
        cell_count=_CELLS,
        probe_count=24,
        capacity_ah=150.0,
        wheels=WHEELS,
        placard_kpa=(240.0,) * 4,
    )


def _peak_rss_mb() -> float:
    """Return the most memory that this process has held, MB; Linux counts in kibibytes, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
