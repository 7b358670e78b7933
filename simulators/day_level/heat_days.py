"""Daily features of motor, inverter and cooling loop."""

from __future__ import annotations

import numpy as np

from simulators.day_level.chance import Flags, Floats, Singles
from simulators.day_level.drive_sensors import DriveSensors
from simulators.day_level.loads import Loads
from simulators.day_level.plan import Course
from simulators.day_level.scene import Scene
from simulators.day_level.wear import Wear, motor_courses


def thermal_features(
    scene: Scene, loads: Loads, wear: Wear, sensors: DriveSensors
) -> tuple[dict[str, Singles], dict[str, Singles], list[Course]]:
    """Return the features of the sets ``thermal_days`` and ``cooling_days``, (F, D), and the motors' courses.

    Rises follow from the balance of losses, warming and heat carried away over the driving of the day, as
    the readings would give them.
    """
    days = scene.shape[1]
    usage, who = scene.usage, scene.who
    topic = scene.chance.topic("heat")
    own = np.exp(0.12 * np.clip(topic.normal(8), -2.5, 2.5).astype(np.float64))
    noise = topic.normal(14, days).astype(np.float64)
    error = sensors.error
    hot = np.where(scene.has("heat_wave")[:, None] & (np.abs(scene.since - 10.0) <= 10.0), 8.0, 0.0)
    outside = usage.degc + hot
    heavy = np.where(scene.has("towing")[:, None] & (scene.since >= 0) & (scene.since < 7), 1.6, 1.0)

    torque_square = loads.torque_square * heavy
    motor_rise, warm_k_h, courses = _motor(scene, loads, wear, own, torque_square)
    inverter_w = own[:, 3:4] * (120.0 + 2.2 * loads.torque_nm * np.sqrt(heavy) + 25.0 * loads.krpm)
    inverter_rise = inverter_w * 0.028 * own[:, 4:5] * wear.inverter_ohm / np.maximum(wear.flow, 0.05) ** 0.3
    inverter_warm = inverter_rise * -np.expm1(-loads.trip_h * 20.0) / np.maximum(loads.trip_h, 0.05) * 0.6

    ohm = 0.12 / scene.spec.capacity_ah * scene.spec.cell_count
    cold = np.exp(2646.0 * (1.0 / np.clip(outside + 280.0, 260.0, 320.0) - 1.0 / 298.15))
    current_square = loads.current_square * heavy
    pack_w = current_square * ohm * cold
    h_a = 90.0 * own[:, 5:6] * wear.plate
    capacity_wh = 2700.0 * scene.spec.capacity_ah / 150.0 * scene.spec.cell_count / 3600.0
    share = -np.expm1(-loads.load_h * h_a / capacity_wh)
    pack_warm = pack_w / capacity_wh * share / np.maximum(loads.load_h * h_a / capacity_wh, 1e-3)
    pack_rise = (pack_w - capacity_wh * pack_warm) / h_a
    loss_w = 60.0 * loads.power_kw * np.sqrt(heavy) + 0.7 * pack_w
    u_a = (45.0 + 1.1 * loads.speed_kmh) * own[:, 6:7] * wear.radiator
    coolant_warm = loss_w / u_a * -np.expm1(-loads.trip_h * 4.0) / np.maximum(loads.trip_h * 4.0, 0.2)
    coolant_rise = (loss_w - 3.4 * coolant_warm) / u_a
    rpm = np.clip(
        1800.0 + 45.0 * (outside - 10.0) + 60.0 * coolant_rise + 120.0 * noise[:, 0], 1200.0, 4800.0
    )
    amps = 3.2 * own[:, 7:8] * (rpm / 3000.0) ** 2.5 * wear.pump_draw * np.exp(0.015 * noise[:, 1])

    known = usage.is_heard & usage.drives & (usage.drive_h >= 0.25)
    loaded = usage.is_heard & (loads.load_h >= 0.25)
    stands = usage.is_heard & (usage.rest_h >= 6.5)
    has_pump = who.has_pump_signals[:, None]
    is_warm = (outside + coolant_rise > 35.0) | (outside + pack_rise + coolant_rise > 35.0)
    coolant, ambient = error["coolant"], error["ambient"]
    motor, inverter = error["motor.temperature"], error["inverter.temperature"]
    stuck = {name: sensors.is_stuck[..., place] for place, name in enumerate(error)}
    rounding = 0.3 / np.sqrt(np.maximum(60.0 * loads.load_h, 1.0))
    soaked_k = 1.0 + 0.6 * pack_rise / (1.0 + usage.rest_h)
    motor_lives, inverter_lives = known & ~stuck["motor.temperature"], known & ~stuck["inverter.temperature"]
    coolant_lives = loaded & ~stuck["coolant"]
    thermal = {
        "motor_rise_k": (motor_rise * (1.0 + 0.03 * noise[:, 2]) + motor - coolant, motor_lives),
        "motor_warming_k_per_h": (warm_k_h * (1.0 + 0.05 * noise[:, 3]), motor_lives),
        "inverter_rise_k": (
            inverter_rise * (1.0 + 0.02 * noise[:, 4]) + inverter - coolant,
            inverter_lives,
        ),
        "inverter_warming_k_per_h": (inverter_warm * (1.0 + 0.08 * noise[:, 5]), inverter_lives),
        "torque_square_n2m2": (torque_square, known),
        "torque_nm": (loads.torque_nm * np.sqrt(heavy), known),
        "speed_square_krpm2": (loads.krpm_square * (1.0 + error["motor.speed"]) ** 2, known),
        "speed_krpm": (loads.krpm * (1.0 + error["motor.speed"]), known),
        "motor_soak_k": (np.round(0.8 + motor - coolant + 0.4 * noise[:, 6]), stands),
        "inverter_soak_k": (np.round(0.3 + inverter - coolant + 0.4 * noise[:, 7]), stands),
        "coolant_rise_k": (
            coolant_rise * (1.0 + 0.04 * noise[:, 11])
            + error["coolant"]
            - error["ambient"]
            + 0.5 * noise[:, 9],
            known & ~stuck["coolant"],
        ),
        "drive_h": (usage.drive_h, usage.is_heard & usage.drives),
    }
    cooling = {
        "pack_rise_k": (
            pack_rise * (1.0 + 0.05 * noise[:, 8]) - coolant + rounding * noise[:, 9],
            coolant_lives,
        ),
        "pack_warming_k_per_h": (pack_warm * (1.0 + 0.04 * noise[:, 10]), loaded),
        "current_square_a2": (current_square, loaded),
        "coolant_rise_k": (
            coolant_rise * (1.0 + 0.04 * noise[:, 11]) + coolant - ambient + 0.5 * noise[:, 9],
            coolant_lives,
        ),
        "coolant_warming_k_per_h": (coolant_warm * (1.0 + 0.06 * noise[:, 12]), loaded),
        "power_kw": (loads.power_kw * np.sqrt(heavy), loaded),
        "speed_km_per_h": (loads.speed_kmh, loaded),
        "outside_degc": (outside + ambient, loaded),
        "pump_speed_rpm": (rpm, loaded & has_pump & (wear.pump_stands < 1.0)),
        "pump_current_a": (amps, loaded & has_pump & (wear.pump_stands < 1.0)),
        "pump_idle_share": (wear.pump_stands, loaded & has_pump & is_warm),
        "pack_soak_k": (np.round(soaked_k - coolant + 0.4 * noise[:, 13]), stands),
        "coolant_soak_k": (np.round(coolant - ambient + 0.8 * noise[:, 5] + 0.5), stands),
        "load_h": (loads.load_h, usage.is_heard & (loads.load_h > 1 / 60)),
    }
    return _masked(thermal), _masked(cooling), courses


def _motor(
    scene: Scene, loads: Loads, wear: Wear, own: Floats, torque_square: Floats
) -> tuple[Floats, Floats, list[Course]]:
    """Return the motor's mean rise above the coolant, its warming a driven hour, and the courses."""
    motor_w = own[:, :1] * (0.20 * torque_square + 22.0 * loads.krpm_square + 45.0 * loads.krpm)
    warms = -np.expm1(-loads.trip_h * 3.0) / loads.trip_h
    carry = 30.0 * own[:, 1:2]
    held = 1.0 - np.minimum(own[:, 2:3] * 10.0 / carry * warms, 0.95)
    spun = (loads.krpm / 3.0) ** 1.5
    flow = np.maximum(wear.flow, 0.05) ** 0.6
    full_k = (motor_w + wear.friction_w * spun) / (carry * wear.jacket * flow)
    usual_k = np.median(motor_w / carry * held, axis=1, keepdims=True)
    extra = wear.friction_w * np.median(spun / carry * held, axis=1, keepdims=True)
    courses = motor_courses(scene, (usual_k + extra) / wear.jacket - usual_k)
    return full_k * held, full_k * warms, courses


def _masked(values: dict[str, tuple[Floats, Flags]]) -> dict[str, Singles]:
    return {
        name: np.where(known, found, np.nan).astype(np.float32) for name, (found, known) in values.items()
    }
