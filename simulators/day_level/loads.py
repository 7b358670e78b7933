"""What motor, inverter and pack had to give on a day's driving and charging."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.day_level.chance import Floats
from simulators.day_level.scene import Scene

_GRAVITY, _WHEEL_M, _GEAR = 9.81, 0.33, 9.0
_AC_KW = 6.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Loads:
    """Means over the driving of each day, or over driving and charging; (F, D)."""

    torque_nm: Floats  #: mean of the absolute value
    torque_square: Floats  #: (N·m)²
    krpm: Floats
    krpm_square: Floats
    drive_kw: Floats  #: absolute power of the pack under way
    trip_h: Floats  #: mean length of a trip, at least a minute
    charge_h: Floats
    charge_kw: Floats
    load_h: Floats  #: driving and charging
    power_kw: Floats  #: over both
    current_square: Floats  #: A², over both
    speed_kmh: Floats  #: over both
    is_warm_up: Floats  #: share of the driving in which things still warm up, time constant a quarter hour


def draw_loads(scene: Scene) -> Loads:
    """Return the loads of a part.

    Rolling and air resistance at the day's mean speed, acceleration of 0.3-0.5 m/s² root mean square in town
    and half of it on the highway; fast charging at a mean of 0.6 C.
    """
    usage, who = scene.usage, scene.who
    topic = scene.chance.topic("loads")
    style = 1.0 + 0.12 * topic.normal()[:, None].astype(np.float64)
    day = topic.normal(2, scene.shape[1]).astype(np.float64)
    mass = who.mass_kg[:, None] * usage.load
    mps = usage.speed_kmh / 3.6
    far = np.clip(usage.highway_h / np.maximum(usage.drive_h, 1e-6), 0.0, 1.0)
    accelerates = (0.42 - 0.22 * far) * style * np.exp(0.08 * day[:, 0])
    resist_n = mass * _GRAVITY * 0.0095 + 0.5 * 1.2 * 0.65 * mps**2 * (1.3 + 0.4 * far)
    to_motor = _WHEEL_M / _GEAR
    square = (resist_n * to_motor) ** 2 + (mass * 1.5 * accelerates * to_motor) ** 2
    square = square * np.exp(0.05 * day[:, 1])
    spread = 0.55 - 0.35 * far
    krpm = mps / _WHEEL_M * _GEAR * 30.0 / np.pi / 1000.0
    drive_kw = np.sqrt((resist_n * mps) ** 2 + (mass * accelerates * mps) ** 2) / 880.0 + 1.0
    gained = np.where(usage.is_charged, usage.charged_to - usage.charged_from, 0.0) * who.energy_kwh
    fast_kw = 0.6 * who.energy_kwh
    charge_kw = np.where(usage.is_fast, fast_kw, _AC_KW)
    charge_h = np.where(usage.is_charged, gained / charge_kw, 0.0)
    load_h = usage.drive_h + charge_h
    safe = np.maximum(load_h, 1e-6)
    volts = who.energy_kwh / scene.spec.capacity_ah * 1000.0
    drive_square = (1000.0 * drive_kw / volts) ** 2 * 1.6
    charge_square = (1000.0 * charge_kw / volts) ** 2
    trip_h = np.maximum(usage.drive_h / np.maximum(usage.trips, 1), 1.0 / 60.0)
    ratio = trip_h / 0.25
    return Loads(
        torque_nm=np.sqrt(square) * 0.75,
        torque_square=square,
        krpm=krpm,
        krpm_square=krpm**2 * (1.0 + spread**2),
        drive_kw=drive_kw,
        trip_h=trip_h,
        charge_h=charge_h,
        charge_kw=charge_kw,
        load_h=load_h,
        power_kw=(drive_kw * usage.drive_h + charge_kw * charge_h) / safe,
        current_square=(drive_square * usage.drive_h + charge_square * charge_h) / safe,
        speed_kmh=usage.speed_kmh * usage.drive_h / safe,
        is_warm_up=-np.expm1(-ratio) / ratio,
    )
