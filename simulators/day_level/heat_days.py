"""Daily features of motor, inverter and cooling loop."""

from __future__ import annotations

import numpy as np

from simulators.day_level.chance import Flags, Floats, Singles
from simulators.day_level.drive_sensors import DriveSensors
from simulators.day_level.heat import Heat
from simulators.day_level.loads import Loads
from simulators.day_level.scene import Scene

#: Trips are not all alike: what the balance over a day's means leaves unexplained, as a part of the rise of
#: motor and inverter (a benchmark holds it to what it leaves of readings), in K of pack and coolant.
_MOTOR, _INVERTER, _PACK, _COOLANT = 0.025, 0.01, 0.25, 0.35
#: What a thermometer of 1 °C makes of the warming from the beginning of a trip to its end, K.
_GAIN_K = 0.5


def thermal_features(
    scene: Scene, loads: Loads, heat: Heat, sensors: DriveSensors
) -> tuple[dict[str, Singles], dict[str, Singles]]:
    """Return the features of the sets ``thermal_days`` and ``cooling_days``, (F, D), as they are measured."""
    usage, who, error = scene.usage, scene.who, sensors.error
    noise = scene.chance.topic("heat days").normal(15, scene.shape[1]).astype(np.float64)
    soak = scene.chance.topic("soak").normal(4)[:, :, None].astype(np.float64)
    known = usage.is_heard & usage.drives & (usage.drive_h >= 0.25)
    loaded = usage.is_heard & (loads.load_h >= 0.25)
    stands = usage.is_heard & (usage.rest_h >= 6.5)
    pumps = loaded & who.has_pump_signals[:, None]
    coolant, ambient = error["coolant"], error["ambient"]
    motor, inverter = error["motor.temperature"], error["inverter.temperature"]
    stuck = {name: sensors.is_stuck[..., place] for place, name in enumerate(error)}
    motor_lives, inverter_lives = known & ~stuck["motor.temperature"], known & ~stuck["inverter.temperature"]
    coolant_lives = ~stuck["coolant"]
    heavy, krpm = heat.heavy, 1.0 + error["motor.speed"]
    # after a night the loop is a little warmer than the air, and machines a little cooler than the loop
    loop_k = 0.9 + 0.3 * soak[:, 0] + 0.7 * noise[:, 6]
    gain_k_per_h = _GAIN_K * np.sqrt(np.maximum(usage.trips, 1)) / np.maximum(usage.drive_h, 0.25)
    machine = {
        "motor_rise_k": (heat.motor_rise * (1.0 + _MOTOR * noise[:, 2]) + motor - coolant, motor_lives),
        "motor_warming_k_per_h": (heat.motor_warming + gain_k_per_h * noise[:, 3], motor_lives),
        "motor_soak_k": (0.1 - loop_k + 0.2 * soak[:, 1] + 0.3 * noise[:, 8] + motor - coolant, stands),
        "torque_square_n2m2": (loads.torque_square * heavy, known),
        "torque_nm": (loads.torque_nm * np.sqrt(heavy), known),
        "speed_square_krpm2": (loads.krpm_square * krpm**2, known),
        "speed_krpm": (loads.krpm * krpm, known),
        "coolant_degc": (heat.outside_degc + heat.driven_coolant_rise + coolant, known & coolant_lives),
        "drive_h": (usage.drive_h, usage.is_heard & usage.drives),
    }
    thermal = machine | {
        "inverter_rise_k": (
            heat.inverter_rise * (1.0 + _INVERTER * noise[:, 4]) + inverter - coolant,
            inverter_lives,
        ),
        "inverter_warming_k_per_h": (heat.inverter_warming * (1.0 + 0.15 * noise[:, 5]), inverter_lives),
        "inverter_soak_k": (0.4 - loop_k + 0.1 * soak[:, 2] + 0.3 * noise[:, 7] + inverter - coolant, stands),
        "coolant_rise_k": (
            heat.driven_coolant_rise + _COOLANT * noise[:, 9] + coolant - ambient,
            known & coolant_lives,
        ),
        "pump_speed_rpm": (
            heat.pump_rpm * (1.0 + 0.003 * noise[:, 0]),
            known & pumps & (heat.pump_rpm > 0),
        ),
        "pump_current_a": (heat.pump_a * (1.0 + 0.006 * noise[:, 1]), known & pumps & (heat.pump_a > 0)),
    }
    cooling = machine | {
        "pack_rise_k": (heat.pack_rise + _PACK * noise[:, 10] - coolant, loaded & coolant_lives),
        "pack_warming_k_per_h": (heat.pack_warming * (1.0 + 0.08 * noise[:, 11]), loaded),
        "current_square_a2": (loads.current_square * heavy, loaded),
        "coolant_rise_k": (
            heat.coolant_rise + _COOLANT * noise[:, 9] + coolant - ambient,
            loaded & coolant_lives,
        ),
        "coolant_warming_k_per_h": (heat.coolant_warming * (1.0 + 0.15 * noise[:, 12]), loaded),
        "power_kw": (loads.power_kw * np.sqrt(heavy), loaded),
        "speed_km_per_h": (loads.speed_kmh, loaded),
        "outside_degc": (heat.outside_degc + ambient, loaded),
        "pump_speed_rpm": (heat.pump_rpm * (1.0 + 0.003 * noise[:, 0]), pumps & (heat.pump_rpm > 0)),
        "pump_current_a": (heat.pump_a * (1.0 + 0.006 * noise[:, 1]), pumps & (heat.pump_a > 0)),
        "pump_idle_share": (np.where(heat.pump_rpm <= 0, 1.0, 0.0), pumps & (heat.is_hot > 0)),
        "pack_soak_k": (0.2 + 0.2 * soak[:, 3] + 0.2 * noise[:, 13] - coolant, stands),
        "coolant_soak_k": (loop_k + 0.2 * noise[:, 14] + coolant - ambient, stands),
        "load_h": (loads.load_h, usage.is_heard & (loads.load_h > 1 / 60)),
    }
    return _masked(thermal), _masked(cooling)


def _masked(values: dict[str, tuple[Floats, Flags]]) -> dict[str, Singles]:
    return {
        name: np.where(known, found, np.nan).astype(np.float32) for name, (found, known) in values.items()
    }
