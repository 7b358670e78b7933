"""Every feature set there is, and which predictors take its panel."""

from __future__ import annotations

from collections.abc import Sequence

from models.errors import RegistryError
from models.features.battery_days import BatteryDays
from models.features.brakes import BrakeDays
from models.features.cell_days import CellDays
from models.features.cell_sensor_days import CellSensorDays
from models.features.cooling import CoolingDays
from models.features.insulation_days import InsulationDays
from models.features.lv import LvDays
from models.features.sensors import SensorDays
from models.features.sets import FeatureSet
from models.features.thermal import ThermalDays
from models.features.tire_days import TireDaySet
from models.predictors.base import Predictor


def feature_sets() -> tuple[FeatureSet, ...]:
    """Return the sets that are worked out and stored for every vehicle."""
    return (
        TireDaySet(),
        CellDays(),
        CellSensorDays(),
        BatteryDays(),
        InsulationDays(),
        ThermalDays(),
        CoolingDays(),
        LvDays(),
        BrakeDays(),
        SensorDays(),
    )


def pair(
    sets: Sequence[FeatureSet], predictors: Sequence[Predictor]
) -> list[tuple[FeatureSet, tuple[Predictor, ...]]]:
    """Return each set with the predictors that take its panel, in the order of the sets.

    Raises:
        RegistryError: Two sets or two predictors have one name, or a predictor names a set or a main feature
            that there is none of.
    """
    by_name = {one.name: one for one in sets}
    if len(by_name) < len(sets):
        raise RegistryError(f"feature sets {sorted(s.name for s in sets)}: each name must occur once")
    versions = [p.model_version for p in predictors]
    if len(set(versions)) < len(versions):
        raise RegistryError(f"predictors {sorted(versions)}: each model version must occur once")
    for predictor in predictors:
        where = f"predictor {predictor.model_version}"
        if predictor.feature_set not in by_name:
            raise RegistryError(
                f"{where}: feature_set {predictor.feature_set!r}: must be one of {sorted(by_name)}"
            )
        names = [f.name for f in by_name[predictor.feature_set].features]
        if predictor.main not in names:
            raise RegistryError(f"{where}: main {predictor.main!r}: must be one of {names}")
    return [(one, tuple(p for p in predictors if p.feature_set == one.name)) for one in sets]
