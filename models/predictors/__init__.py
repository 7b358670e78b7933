"""One failure mode a file; here is the list of those that look at days."""

from models.predictors.base import Predictor
from models.predictors.battery_capacity_fade import BatteryCapacityFadePredictor
from models.predictors.brake_drag import BrakeDragPredictor
from models.predictors.cell_imbalance import CellImbalancePredictor
from models.predictors.cell_internal_short import CellInternalShortPredictor
from models.predictors.cell_resistance import CellResistancePredictor
from models.predictors.cell_sensor_fault import CellSensorFaultPredictor
from models.predictors.cell_weak import CellWeakPredictor
from models.predictors.cooling_loss import CoolingLossPredictor
from models.predictors.dcdc_fault import DcdcFaultPredictor
from models.predictors.insulation_loss import InsulationLossPredictor
from models.predictors.inverter_thermal import InverterThermalPredictor
from models.predictors.lv_battery import LvBatteryPredictor
from models.predictors.motor_thermal import MotorThermalPredictor
from models.predictors.pack_sensor_fault import pack_sensor_predictors
from models.predictors.probe_sensor_fault import ProbeSensorFaultPredictor
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
        CellWeakPredictor(),
        CellImbalancePredictor(),
        CellResistancePredictor(),
        CellSensorFaultPredictor(),
        ProbeSensorFaultPredictor(),
        BatteryCapacityFadePredictor(),
        InsulationLossPredictor(),
        *pack_sensor_predictors(),
        MotorThermalPredictor(),
        InverterThermalPredictor(),
        CoolingLossPredictor(),
        DcdcFaultPredictor(),
        LvBatteryPredictor(),
        BrakeDragPredictor(),
        DriveSensorFaultPredictor(),
    )


__all__ = ["day_predictors"]
