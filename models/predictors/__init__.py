"""One failure mode a file; here is the list of those that look at days."""

from models.predictors.base import Predictor
from models.predictors.cell_internal_short import CellInternalShortPredictor
from models.predictors.inverter_thermal import InverterThermalPredictor
from models.predictors.motor_thermal import MotorThermalPredictor
from models.predictors.tire_sensor_fault import TireSensorFaultPredictor
from models.predictors.tire_slow_leak import TireSlowLeakPredictor
from models.predictors.tire_topped_up_leak import TireToppedUpLeakPredictor


def day_predictors() -> tuple[Predictor, ...]:
    """Return the predictors that score days."""
    return (
        TireSlowLeakPredictor(),
        TireToppedUpLeakPredictor(),
        TireSensorFaultPredictor(),
        CellInternalShortPredictor(),
        MotorThermalPredictor(),
        InverterThermalPredictor(),
    )


__all__ = ["day_predictors"]
