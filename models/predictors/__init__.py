"""One failure mode a file; here is the list of those that look at days."""

from models.predictors.base import Predictor
from models.predictors.brake_drag import BrakeDragPredictor
from models.predictors.cell_internal_short import CellInternalShortPredictor
from models.predictors.cooling_loss import CoolingLossPredictor
from models.predictors.dcdc_fault import DcdcFaultPredictor
from models.predictors.inverter_thermal import InverterThermalPredictor
from models.predictors.lv_battery import LvBatteryPredictor
from models.predictors.motor_thermal import MotorThermalPredictor
from models.predictors.sensor_fault import DriveSensorFaultPredictor
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
        CoolingLossPredictor(),
        DcdcFaultPredictor(),
        LvBatteryPredictor(),
        BrakeDragPredictor(),
        DriveSensorFaultPredictor(),
    )


__all__ = ["day_predictors"]
