"""A panel for any predictor: features of made-up rows, continued with noise and a drift."""

from __future__ import annotations

from functools import cache

import numpy as np

from data.records import VehicleSpec
from models.features.registry import feature_sets
from models.features.rows import thinned
from models.features.sets import DayFeatures
from models.panels import feature_panel, with_main
from models.predictors.base import DayPanel, Predictor
from tests.unit.models import factories as make
from tests.unit.models.feature_rows import make_vehicle_rows

_N_VEHICLES, _N_ROW_DAYS, _REPEATS = 3, 6, 6


def panel_for(predictor: Predictor) -> DayPanel:
    """Return three vehicles and 36 days; components of the first drift, some days are missing."""
    return with_main(_panel(predictor.feature_set), predictor.main)


@cache
def _panel(name: str) -> DayPanel:
    rng = np.random.default_rng(1003)
    spec = make.make_spec(cell_count=12, probe_count=3)
    one = next(s for s in feature_sets() if s.name == name)
    found = [_days(rng, spec, name) for _ in range(_N_VEHICLES)]
    first_day = min(int(f.day[0]) for f in found)
    short = feature_panel(
        spec,
        range(_N_VEHICLES),
        found,
        features=one.features,
        main=one.features[0].name,
        first_day=first_day,
        last_day=first_day + _N_ROW_DAYS - 1,
    )
    n_days = _N_ROW_DAYS * _REPEATS
    drift = np.zeros((_N_VEHICLES, n_days, 1))
    drift[0] = np.linspace(0.0, 0.3, n_days)[:, None]
    extra = {}
    for feature, values in short.extra.items():
        long = np.tile(values, (1, _REPEATS, 1))
        noisy = long * (1 + rng.normal(0, 0.02, long.shape) - drift * (np.arange(long.shape[2]) == 0))
        noisy[rng.random(noisy.shape) < 0.05] = np.nan
        extra[feature] = np.clip(noisy, 0, 1) if feature == "weight" or feature.endswith("share") else noisy
    day = first_day + np.arange(n_days, dtype=np.int64)
    last_us = np.broadcast_to(day * make.DAY_US + 20 * make.HOUR_US, (_N_VEHICLES, n_days))
    return with_main(
        DayPanel(
            spec=spec,
            vehicle_id=np.arange(_N_VEHICLES, dtype=np.int64),
            day=day,
            value=extra[one.features[0].name],
            weight=np.ones_like(extra[one.features[0].name]),
            first_us=last_us - 12 * make.HOUR_US,
            last_us=last_us,
            extra=extra,
        ),
        one.features[0].name,
    )


def _days(rng: np.random.Generator, spec: VehicleSpec, name: str) -> DayFeatures:
    one = next(s for s in feature_sets() if s.name == name)
    rows = make_vehicle_rows(rng, [one], spec, start_us=make.START_US, n_days=_N_ROW_DAYS)
    return one.compute({family: thinned(r) for family, r in rows.items()}, spec)
