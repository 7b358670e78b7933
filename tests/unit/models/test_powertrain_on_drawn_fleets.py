"""Predictors of the drive on drawn fleets: physics and decoys that know nothing of the predictors."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from data.records import BoolArray
from models.evaluation.drawn import drawn_panel
from models.features.registry import feature_sets
from models.predictors.base import Predictor
from models.predictors.brake_drag import BrakeDragPredictor
from models.predictors.cooling_loss import CoolingLossPredictor
from models.predictors.dcdc_fault import DcdcFaultPredictor
from models.predictors.inverter_thermal import InverterThermalPredictor
from models.predictors.lv_battery import LvBatteryPredictor
from models.predictors.motor_thermal import MotorThermalPredictor
from models.predictors.sensor_fault import DriveSensorFaultPredictor
from simulators.day_level import draw_fleet
from simulators.day_level.fleet import DayPart

PREDICTORS: tuple[Predictor, ...] = (
    CoolingLossPredictor(),
    MotorThermalPredictor(),
    InverterThermalPredictor(),
    LvBatteryPredictor(),
    DcdcFaultPredictor(),
    BrakeDragPredictor(),
    DriveSensorFaultPredictor(),
)
SETS = {one.name: one for one in feature_sets()}
DAYS = 170
EVERY = 17


@cache
def parts(mode: str, n: int, seed: int) -> tuple[DayPart, ...]:
    faults = [p.failure_mode.value for p in PREDICTORS[:-1]] if mode == "enriched" else "all"
    return tuple(draw_fleet(n, DAYS, seed=seed, mode=mode, faults=faults).parts())


def raised(predictor: Predictor, part: DayPart) -> BoolArray:
    """Return when each component was raised, (vehicles, looks, components)."""
    panel = drawn_panel(
        SETS[predictor.feature_set],
        part.spec,
        vehicle_id=part.vehicle,
        day=part.day,
        first_us=part.first_us,
        last_us=part.last_us,
        values=part.sets[predictor.feature_set],
    )
    value = panel.extra[predictor.main]
    panel = replace(panel, value=value, weight=np.isfinite(value) * 1.0)
    risk = predictor.predict(panel, np.arange(EVERY - 1, DAYS, EVERY))
    return np.asarray(np.nan_to_num(risk.probability) > 0.7)


def test_faults_are_found_in_their_own_parts() -> None:
    hits: dict[str, list[bool]] = {}
    for part in parts("enriched", 60, 1010):
        for predictor in PREDICTORS[:-1]:
            looks, kind = raised(predictor, part), predictor.failure_mode.value
            names = [predictor.component_name(part.spec, i) for i in range(looks.shape[2])]
            for truth in part.truths:
                limit = truth.threshold_at or truth.failure_at
                has_come = limit is not None and limit.timestamp() / 86400 < part.day[-1]
                if truth.kind == kind and has_come:
                    mine = looks[part.vins.index(truth.vin), :, names.index(truth.component)]
                    hits.setdefault(kind, []).append(bool(mine.any()))

    assert set(hits) == {p.failure_mode.value for p in PREDICTORS[:-1]}
    for kind, answers in hits.items():
        assert np.mean(answers) >= 0.6, (kind, answers)
    assert np.mean([hit for answers in hits.values() for hit in answers]) >= 0.85


def test_decoys_and_healthy_vehicles_stay_quiet() -> None:
    episodes = {
        type(predictor).__name__: sum(
            int(raised(predictor, part).any((1, 2)).sum()) for part in parts("healthy", 90, 1011)
        )
        for predictor in PREDICTORS
    }

    # 15,000 vehicle-days, three of five vehicles with a decoy
    assert sum(episodes.values()) <= 4, episodes
    assert max(episodes.values()) <= 2, episodes
