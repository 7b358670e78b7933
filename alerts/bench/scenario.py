"""Where stations and vehicles of the dispatch benchmark are, and what the vehicles have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from data.records import BoolArray, FailureMode, FloatArray, Severity


@dataclass(frozen=True, slots=True)
class Fault:
    """What one vehicle has."""

    component: str
    failure_mode: FailureMode
    severity: Severity


_FAULTS: Final = (
    (0.35, Fault("tire rear-left", FailureMode.TIRE_SLOW_LEAK, Severity.S3)),
    (0.10, Fault("tire front-left", FailureMode.TIRE_PUNCTURE, Severity.S2)),
    (0.20, Fault("lv_battery", FailureMode.LV_BATTERY, Severity.S3)),
    (0.10, Fault("brakes", FailureMode.BRAKE_DRAG, Severity.S2)),
    (0.15, Fault("cell 17", FailureMode.CELL_INTERNAL_SHORT, Severity.S3)),
    (0.10, Fault("battery", FailureMode.COOLING_LOSS, Severity.S2)),
)
_KM_PER_DEGREE = 111.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A region: stations and vehicles around towns of different size; one fault for each vehicle."""

    station_lats: FloatArray  #: degrees, WGS-84, shape (stations,)
    station_lons: FloatArray
    has_hv_certificate: BoolArray
    stock: int  #: of each part at each station
    vehicle_lats: FloatArray  #: shape (vehicles,)
    vehicle_lons: FloatArray
    faults: tuple[Fault, ...]


def make_scenario(*, alerts: int, stations: int, seed: int) -> Scenario:
    """Return a region of about 300 km x 300 km; the same seed gives the same."""
    rng = np.random.default_rng(seed)
    towns = rng.uniform(-1.2, 1.2, (max(3, stations // 8), 2))
    weights = rng.pareto(1.5, len(towns)) + 0.3
    weights /= weights.sum()

    def around(count: int, spread_km: float) -> tuple[FloatArray, FloatArray]:
        town = rng.choice(len(towns), count, p=weights)
        places = towns[town] + rng.normal(0.0, spread_km / _KM_PER_DEGREE, (count, 2))
        return 31.0 + places[:, 0], 119.0 + places[:, 1]

    station_lats, station_lons = around(stations, 18.0)
    vehicle_lats, vehicle_lons = around(alerts, 14.0)
    has_hv = rng.random(stations) < 0.5
    has_hv[0] = True
    kinds = rng.choice(len(_FAULTS), alerts, p=[share for share, _ in _FAULTS])
    return Scenario(
        station_lats=station_lats,
        station_lons=station_lons,
        has_hv_certificate=has_hv,
        stock=max(4, 3 * alerts // stations),
        vehicle_lats=vehicle_lats,
        vehicle_lons=vehicle_lons,
        faults=tuple(_FAULTS[kind][1] for kind in kinds.tolist()),
    )
