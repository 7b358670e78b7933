"""Heat of motor, inverter, pack and coolant over a day's driving and charging."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.day_level.chance import Floats
from simulators.day_level.loads import Loads
from simulators.day_level.scene import Scene
from simulators.day_level.wear import Wear

_MOTOR_WH_PER_K, _COOLANT_WH_PER_K = 26_000.0 / 3600.0, 12_000.0 / 3600.0
_CHILLER_DEGC = 35.0
_PUMP_RPM, _PUMP_SPAN_RPM = 1800.0, 2700.0
_RAD_PER_KRPM = 1000.0 * np.pi / 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """Daily means as they truly were; (F, D)."""

    outside_degc: Floats
    heavy: Floats  #: what a trailer makes of the loads
    motor_rise: Floats  #: K above the coolant, over the driving
    motor_warming: Floats  #: K/h
    inverter_rise: Floats
    inverter_warming: Floats
    pack_rise: Floats  #: K above the coolant, over driving and charging
    pack_warming: Floats
    driven_coolant_rise: Floats  #: K above the air, over the driving
    coolant_rise: Floats  #: over driving and charging
    coolant_warming: Floats
    pump_rpm: Floats
    pump_a: Floats
    is_hot: Floats  #: coolant or pack above 35 °C, 0 or 1


def run_heat(scene: Scene, loads: Loads, wear: Wear) -> Heat:
    """Return the heat of a part.

    Every node keeps C dT/dt = losses - UA (T - Tc) in the means of the day. Motor: copper, iron and
    friction, 24 W/K to the coolant at full flow and some to the air; inverter: switching, resistance;
    radiator 200-500 W/K; chiller above 35 °C; pump 1800-4500 rpm by the warmer of coolant and pack.
    """
    usage, spec = scene.usage, scene.spec
    topic = scene.chance.topic("heat")
    own = 1.0 + 0.06 * np.clip(topic.normal(8), -2.0, 2.0).astype(np.float64)
    noise = topic.normal(2, scene.shape[1]).astype(np.float64)
    radiator = 200.0 + 300.0 * topic.uniform()[:, None].astype(np.float64)
    hot = np.where(scene.has("heat_wave")[:, None] & (np.abs(scene.since - 10.0) <= 10.0), 8.0, 0.0)
    outside = usage.degc + hot
    heavy = np.where(scene.has("towing")[:, None] & (scene.since >= 0) & (scene.since < 7), 1.6, 1.0)
    mps = usage.speed_kmh / 3.6
    # the usual speed of the pump follows the weather; a bad flow is asked for in vain
    told = np.clip((outside + 4.0 - 20.0) / 25.0, 0.0, 1.0)
    wanted = _PUMP_RPM + _PUMP_SPAN_RPM * told
    moves = np.maximum(wear.flow, 0.01) * np.sqrt(wanted / (_PUMP_RPM + _PUMP_SPAN_RPM))
    share = moves**0.6

    torque_square = loads.torque_square * heavy
    omega = loads.krpm * _RAD_PER_KRPM
    motor_w = own[:, :1] * (0.085 * torque_square + 17.5 * loads.krpm_square)
    motor_w = motor_w + (0.7 * own[:, 1:2] + wear.rub_nm) * omega
    to_coolant, to_air = 24.0 * own[:, 2:3] * wear.jacket * share, 2.5 + 0.08 * mps
    switched = own[:, 3:4] * (90.0 + 1.2 * loads.torque_nm * np.sqrt(heavy) + 0.016 * torque_square)
    inverter_rise = switched * 0.05 * own[:, 4:5] * wear.inverter_ohm * np.where(moves > 0.02, 1.0, 4.0)

    sheds = radiator * share * wear.radiator * np.minimum(0.45 + 0.025 * mps, 1.2) + 1.5
    driven = to_coolant / (to_coolant + to_air) * motor_w * _held(loads.trip_h, 0.35) + switched
    driven_rise = _chilled(driven / (sheds + 60.0) * (1.0 + 0.12 * noise[:, 0]), outside)
    part = np.clip(usage.drive_h / np.maximum(loads.load_h, 1e-6), 0.0, 1.0)

    ohm = 1.6 * 0.12 / spec.capacity_ah * spec.cell_count
    cold = np.exp(2646.0 * (1.0 / np.clip(outside + 278.0, 253.0, 318.0) - 1.0 / 298.15))
    pack_w = loads.current_square * heavy * ohm * cold
    h_a = 1.4 * spec.cell_count * own[:, 5:6] * wear.plate * share
    capacity_wh = 2700.0 * spec.capacity_ah / 150.0 * spec.cell_count / 3600.0
    charge_rise = 0.6 * pack_w / (0.6 * sheds + h_a)
    coolant_rise = _chilled(part * driven_rise + (1.0 - part) * charge_rise, outside)
    # the coolant warms first and the pack after it
    settled = 1.0 - _held(loads.load_h, capacity_wh / h_a)
    pack_rise = pack_w / h_a * (1.0 - settled) - 0.7 * coolant_rise * settled + 0.3 * noise[:, 1]
    pack_warming = (pack_w - h_a * pack_rise) / capacity_wh
    coolant_warming = 2.0 * coolant_rise / np.maximum(loads.load_h, 0.4)

    full = (motor_w - to_air * driven_rise) / (to_coolant + to_air)
    constant_h = _MOTOR_WH_PER_K / (to_coolant + to_air)
    held = _held(loads.trip_h, constant_h)
    warming = (1.0 - held) * (to_coolant + to_air) * full / _MOTOR_WH_PER_K
    draws = 3.2 * own[:, 6:7] * (0.25 + 0.75 * (wanted / (_PUMP_RPM + _PUMP_SPAN_RPM)) ** 2)
    warmest = outside + coolant_rise + np.maximum(pack_rise, 0.0)
    return Heat(
        outside_degc=outside,
        heavy=heavy,
        motor_rise=full * held,
        motor_warming=warming,
        inverter_rise=inverter_rise,
        inverter_warming=(inverter_rise + driven_rise) / np.maximum(loads.trip_h, 0.1),
        pack_rise=pack_rise,
        pack_warming=pack_warming,
        driven_coolant_rise=driven_rise,
        coolant_rise=coolant_rise,
        coolant_warming=coolant_warming,
        pump_rpm=wanted * wear.pump_speed,
        pump_a=draws * wear.pump_draw,
        is_hot=(warmest > _CHILLER_DEGC).astype(np.float64),
    )


def _held(hours: Floats, constant_h: Floats | float) -> Floats:
    """Return the mean of a first-order rise from nothing over some hours, as a part of its end."""
    ratio = np.maximum(hours / constant_h, 1e-3)
    return np.asarray(1.0 + np.expm1(-ratio) / ratio)


def _chilled(rise_k: Floats, outside_degc: Floats) -> Floats:
    """Return the rise with the chiller at work above 35 °C: a third of what is beyond is left."""
    beyond = np.maximum(outside_degc + rise_k - _CHILLER_DEGC, 0.0)
    return np.asarray(rise_k - 0.67 * np.minimum(beyond, np.maximum(rise_k, 0.0)))
