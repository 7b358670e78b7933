"""What the road asks of the motor: mass, air, tires, hills, traffic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.chance import Floats, Ints
from simulators.fleet import Fleet
from simulators.physics.powertrain import GEAR, RATIO, WHEEL_M

GRAVITY = 9.81
#: Traffic within a step: acceleration about its mean, m/s², in town and on a fast road.
TOWN_ACCEL, ROAD_ACCEL = 0.6, 0.2

Mask = npt.NDArray[np.bool_]


@dataclass(slots=True, kw_only=True)
class Inputs:
    """Where a step ends and what the vehicle does there; (F,) unless said otherwise."""

    time_s: Floats
    is_valid: Mask
    activity: Ints
    step: Ints
    speed_mps: Floats
    position: Floats  #: (F, 2)
    heading_deg: Floats
    altitude_m: Floats
    charge_to: Floats
    charge_w: Floats  #: of the charger
    sun_degc: Floats  #: what the sun may warm one side by
    hazard_s: Floats  #: instant of this day's hazard, infinite: none


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of every vehicle and its surroundings; (F,)."""

    to: Inputs
    dt_s: Floats
    is_driving: Mask
    is_charging: Mask
    ambient_degc: Floats
    air_kpa: Floats


class Road:
    """Mass and resistances of every vehicle, its speed and height at the last instant."""

    def __init__(self, fleet: Fleet, own: Floats) -> None:
        """Begin at home; ``own`` (F, 11) are the numbers that a vehicle has drawn, 0-1."""
        self.mass_kg = 1500.0 + 800.0 * own[:, 0]
        self.drag_m2 = 0.55 + 0.2 * own[:, 1]
        self.rolling = 0.008 + 0.003 * own[:, 2]
        self.temper = 0.7 + 0.6 * own[:, 10]  #: of the driver
        self.placard_kpa = np.array([v.placard_kpa for v in fleet.vehicles]).mean(axis=1)
        self.speed_mps = np.zeros(len(fleet))
        self.altitude_m = fleet.home_altitude_m.copy()

    def arrive(self, to: Inputs) -> None:
        """Remember speed and height of the instant that a step has ended at."""
        self.speed_mps, self.altitude_m = to.speed_mps.copy(), to.altitude_m.copy()

    def drive(
        self, step: Step, amount_kpa: Floats, drag_n: Floats, tows_kg: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Return power at the wheels in W, torque and speed of the motor, mean speed of the step; (F,).

        Args:
            step: The step and its surroundings.
            amount_kpa: (F, 4) gas in the tires: soft ones roll harder.
            drag_n: (F,) of brakes and bearings.
            tows_kg: (F,) mass of a trailer.
        """
        to, is_driving, ambient = step.to, step.is_driving, step.ambient_degc
        safe_dt = np.maximum(step.dt_s, 1e-3)
        mean = np.where(is_driving, 0.5 * (self.speed_mps + to.speed_mps), 0.0)
        push = np.where(is_driving, (to.speed_mps - self.speed_mps) / safe_dt, 0.0)
        climb = np.where(is_driving, (to.altitude_m - self.altitude_m) / safe_dt, 0.0)
        mass = self.mass_kg + tows_kg
        density = step.air_kpa * 1000.0 / (287.0 * (ambient + 273.15))
        gauge = np.maximum(amount_kpa.mean(axis=1) - 101.325, 50.0)
        rolling = self.rolling * np.sqrt(self.placard_kpa / gauge)
        area = self.drag_m2 * np.where(mass > self.mass_kg, 1.7, 1.0)
        force = mass * GRAVITY * rolling + 0.5 * density * area * mean**2
        force += drag_n
        wheel_w = np.where(is_driving, mean * (1.05 * mass * push + force) + mass * GRAVITY * climb, 0.0)
        wheel_w = np.clip(wheel_w, -150_000.0, 160_000.0)
        torque = np.where(mean > 0.5, wheel_w / np.maximum(mean, 1.0) * WHEEL_M / RATIO, 0.0)
        torque = np.clip(np.where(torque >= 0, torque / GEAR, torque * GEAR * 0.8), -300.0, 300.0)
        return wheel_w, torque, mean / WHEEL_M * RATIO, mean

    def swing(self, step: Step, mean_mps: Floats, tows_kg: Floats) -> Floats:
        """Return (F,) by how much, root mean square, the torque swings about the step's mean."""
        fast = np.clip((mean_mps - 8.0) / 20.0, 0.0, 1.0)
        accel = (TOWN_ACCEL + (ROAD_ACCEL - TOWN_ACCEL) * fast) * self.temper
        mass = self.mass_kg + tows_kg
        return np.where(step.is_driving & (mean_mps > 0.5), 1.05 * mass * accel * WHEEL_M / RATIO, 0.0)
