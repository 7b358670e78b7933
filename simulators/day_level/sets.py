"""All feature sets of one part, drawn from the same days."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulators.day_level.brake_days import brake_features
from simulators.day_level.cell_charge import run_cells
from simulators.day_level.cell_days import cell_features
from simulators.day_level.chance import Floats, Singles
from simulators.day_level.drive_sensors import draw_drive_sensors, sensor_features
from simulators.day_level.heat import run_heat
from simulators.day_level.heat_days import thermal_features
from simulators.day_level.loads import draw_loads
from simulators.day_level.low_voltage import run_low_voltage
from simulators.day_level.lv_days import lv_features
from simulators.day_level.pack_days import battery_features, insulation_features, run_ageing
from simulators.day_level.plan import Course
from simulators.day_level.scene import Scene
from simulators.day_level.tire_days import tire_features
from simulators.day_level.tire_gas import run_gas
from simulators.day_level.wear import run_wear


def draw_sets(scene: Scene) -> tuple[dict[str, dict[str, Singles]], list[Course], Floats]:
    """Return the features by set and name, the courses of the faults, and the true state of health (0-1)."""
    gas = run_gas(scene)
    tires, tire_sensor_courses = tire_features(scene, gas)
    cells = run_cells(scene)
    cell_days, cell_sensors = cell_features(scene, cells)
    loads, sensors = draw_loads(scene), draw_drive_sensors(scene)
    health, ageing_courses = run_ageing(scene)
    insulation, insulation_courses = insulation_features(scene)
    wear = run_wear(scene)
    thermal, cooling = thermal_features(scene, loads, run_heat(scene, loads, wear), sensors)
    low_voltage = run_low_voltage(scene)
    lv_days, volts = lv_features(scene, low_voltage, sensors)
    brakes, brake_courses = brake_features(scene, tires["gas_kpa"])
    swing = scene.usage.weather.swing_degc
    driven = np.minimum(scene.usage.drive_h, 2.0)
    spans = {
        "ambient": 0.5 * swing + 1.0,
        "coolant": 2.0 + 5.0 * driven,
        "motor.temperature": 10.0 + 12.0 * driven,
        "inverter.temperature": 8.0 + 6.0 * driven,
        "dcdc.temperature": 6.0 + 5.0 * driven,
        "lv.voltage": np.full(driven.shape, 0.12),
        "pack.current": 1.6 * np.sqrt(loads.current_square) + 20.0,
        "speed": 1.9 * scene.usage.speed_kmh,
        "motor.speed": 1900.0 * loads.krpm,
    }
    sets = {
        "tire_days": tires,
        "cell_days": cell_days,
        "cell_sensor_days": cell_sensors,
        "battery_days": battery_features(scene, loads, health, sensors),
        "insulation_days": insulation,
        "thermal_days": thermal,
        "cooling_days": cooling,
        "lv_days": lv_days,
        "brake_days": brakes,
        "sensor_days": sensor_features(scene, loads, sensors, spans, volts),
    }
    courses = [
        *gas.courses,
        *tire_sensor_courses,
        *cells.courses,
        *ageing_courses,
        *insulation_courses,
        *wear.courses,
        *low_voltage.courses,
        *brake_courses,
        *sensors.courses,
    ]
    return sets, courses, health


def end_of_use(courses: Sequence[Course], n: int) -> Floats:
    """Return the last day on which each of ``n`` vehicles is on the road: the one after its failure."""
    end = np.full(n, np.inf)
    for course in courses:
        end[course.row] = min(end[course.row], course.failure_day + 1.0)
    return end
