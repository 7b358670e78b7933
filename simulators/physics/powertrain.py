"""Motor, inverter and the coolant loop: first-order nodes that exchange heat, in steps of any length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode
from simulators.chance import Floats, VehicleChance
from simulators.faults.injection import NEVER, Plan, gather

COOLANT_J_PER_K = 12_000.0
MOTOR_J_PER_K = 26_000.0
INVERTER_TAU_S = 40.0
CHILLER_FROM_DEGC, CHILLER_W_PER_K, CHILLER_W = 35.0, 800.0, 4000.0
PUMP_LEAST_RPM, PUMP_MOST_RPM = 1800.0, 4500.0
WHEEL_M, RATIO, GEAR = 0.33, 9.0, 0.96

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowertrainConstants:
    """Constants of the drive and its faults; (F,)."""

    copper_w: Floats  #: W per (N·m)²
    iron_w: Floats  #: W per (rad/s)²
    friction_nm: Floats
    motor_w_per_k: Floats  #: motor to coolant at full flow
    inverter_k_per_w: Floats  #: controller to coolant
    switching_w: Floats  #: controller losses at no load
    radiator_w_per_k: Floats
    rub_at_s: Floats  #: bearing
    rub_per_s: Floats
    jacket_at_s: Floats
    jacket_takes_s: Floats
    solder_at_s: Floats
    solder_takes_s: Floats
    pump_at_s: Floats
    pump_takes_s: Floats
    coolant_at_s: Floats
    coolant_per_s: Floats
    plate_at_s: Floats
    plate_takes_s: Floats
    pump_a: Floats  #: current at full speed

    @classmethod
    def draw(cls, plan: Plan, chance: VehicleChance) -> PowertrainConstants:
        """Draw the constants of each vehicle, some 10 % apart, and read its faults."""
        own = chance.uniform(8)
        spread = 0.9 + 0.2 * own
        shape = (plan.count,)
        motor, cooling = FailureMode.MOTOR_THERMAL, FailureMode.COOLING_LOSS
        rub, jacket = list(plan.of(motor, "bearing")), list(plan.of(motor, "jacket"))
        pump, coolant = list(plan.of(cooling, "pump_wear")), list(plan.of(cooling, "coolant_leak"))
        plate, solder = list(plan.of(cooling, "blocked_plate")), list(plan.of(FailureMode.INVERTER_THERMAL))
        return cls(
            copper_w=0.085 * spread[:, 0],
            iron_w=1.6e-3 * spread[:, 1],
            friction_nm=0.7 * spread[:, 2],
            motor_w_per_k=22.0 * spread[:, 3],
            inverter_k_per_w=0.05 * spread[:, 4],
            switching_w=90.0 * spread[:, 5],
            radiator_w_per_k=200.0 + 300.0 * own[:, 6],
            rub_at_s=gather(rub, "at_s", shape, NEVER),
            rub_per_s=gather(rub, "grows_per_s", shape, 0.0),
            jacket_at_s=gather(jacket, "at_s", shape, NEVER),
            jacket_takes_s=gather(jacket, "takes_s", shape, 1.0),
            solder_at_s=gather(solder, "at_s", shape, NEVER),
            solder_takes_s=gather(solder, "takes_s", shape, 1.0),
            pump_at_s=gather(pump, "at_s", shape, NEVER),
            pump_takes_s=gather(pump, "takes_s", shape, 1.0),
            coolant_at_s=gather(coolant, "at_s", shape, NEVER),
            coolant_per_s=gather(coolant, "per_s", shape, 0.0),
            plate_at_s=gather(plate, "at_s", shape, NEVER),
            plate_takes_s=gather(plate, "takes_s", shape, 1.0),
            pump_a=3.2 * spread[:, 7],
        )

    def rub_nm(self, time_s: Floats) -> Floats:
        """Return (F,) friction of a failing bearing at the motor, N·m: 0.05 (e^(rt) - 1)."""
        since = np.maximum(time_s - self.rub_at_s, 0.0)
        return np.asarray(0.05 * np.expm1(np.minimum(self.rub_per_s * since, 6.0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooling:
    """State of the hardware that sheds heat at one instant; (F,), 1 is as new."""

    flow: Floats
    pump_speed: Floats
    pump_current: Floats
    plate: Floats  #: heat transfer of the cell cooling
    jacket: Floats  #: heat transfer of the motor's
    solder: Floats  #: thermal resistance of the inverter


def cooling_health(c: PowertrainConstants, time_s: Floats) -> Cooling:
    """Return what wear, leaks, dirt and fatigue have left of the cooling.

    Pump: speed 1 - 0.5 x³ over its course, current +40 % at two thirds, then both nothing. Coolant: below
    nine tenths of the filling the pump takes in air, flow -30 % (and current -40 %) at three quarters.
    Plate: flow halves, current +40 %, heat transfer down to three tenths.
    """
    pump = np.maximum((time_s - c.pump_at_s) / c.pump_takes_s, 0.0)
    runs = pump < 1.0
    speed = np.where(runs, 1.0 - 0.5 * np.minimum(pump, 1.0) ** 3, 0.0)
    worn = np.where(runs, 1.0 + 0.6 * np.minimum(pump, 1.0), 0.0)
    level = 1.0 - c.coolant_per_s * np.maximum(
        time_s - np.where(np.isfinite(c.coolant_at_s), c.coolant_at_s, time_s), 0.0
    )
    wet = np.clip(1.0 - 2.0 * np.maximum(0.9 - level, 0.0), 0.0, 1.0)
    blocked = np.clip((time_s - c.plate_at_s) / c.plate_takes_s, 0.0, 1.0)
    jacket = np.clip((time_s - c.jacket_at_s) / c.jacket_takes_s, 0.0, 1.0)
    solder = np.maximum((time_s - c.solder_at_s) / c.solder_takes_s, 0.0)
    return Cooling(
        flow=speed * wet * (1.0 - 0.5 * blocked),
        pump_speed=speed,
        pump_current=worn * np.maximum(1.0 - 0.4 * (1.0 - wet) / 0.3, 0.2) * (1.0 + 0.4 * blocked),
        plate=1.0 - 0.7 * blocked,
        jacket=1.0 - 0.4 * jacket,
        solder=np.minimum(1.0 + 0.2 * solder**1.5, 3.0),
    )


@dataclass(slots=True, kw_only=True)
class PowertrainState:
    """Temperatures in °C and what the pump does; (F,)."""

    motor_degc: Floats
    inverter_degc: Floats
    coolant_degc: Floats
    pump_rpm: Floats
    pump_a: Floats

    @classmethod
    def at_rest(cls, ambient_degc: Floats) -> PowertrainState:
        """Return everything at the temperature of the air."""
        zero = np.zeros_like(ambient_degc)
        return cls(
            motor_degc=ambient_degc.copy(),
            inverter_degc=ambient_degc.copy(),
            coolant_degc=ambient_degc.copy(),
            pump_rpm=zero,
            pump_a=zero.copy(),
        )


def motor_loss(c: PowertrainConstants, torque_nm: Floats, omega: Floats, rub_nm: Floats) -> Floats:
    """Return the heat in the motor in W: copper, iron, friction; torque in N·m, speed in rad/s."""
    return np.asarray(c.copper_w * torque_nm**2 + c.iron_w * omega**2 + (c.friction_nm + rub_nm) * omega)


def advance_powertrain(
    state: PowertrainState,
    c: PowertrainConstants,
    cooling: Cooling,
    *,
    dt_s: Floats,
    rub_nm: Floats,
    solder: Floats,
    torque_nm: Floats,
    omega: Floats,
    speed_mps: Floats,
    ambient_degc: Floats,
    pack_degc: Floats,
    pack_w_per_k: Floats,
    needs_pump: Mask,
) -> None:
    """Move motor, inverter and coolant on by ``dt_s``; every argument (F,).

    Each node relaxes exponentially to its balance with the others, so that a step may be a second or an hour.
    The radiator sheds 200-500 W/K at full flow, the chiller up to 4 kW above 35 °C.
    """
    warm = np.clip((np.maximum(state.coolant_degc, pack_degc) - 20.0) / 25.0, 0.0, 1.0)
    wanted = np.where(needs_pump, PUMP_LEAST_RPM + (PUMP_MOST_RPM - PUMP_LEAST_RPM) * warm, 0.0)
    state.pump_rpm = wanted * cooling.pump_speed
    state.pump_a = np.where(
        needs_pump, c.pump_a * (0.25 + 0.75 * (wanted / PUMP_MOST_RPM) ** 2) * cooling.pump_current, 0.0
    )
    moves = cooling.flow * (wanted / PUMP_MOST_RPM) ** 0.5
    share = moves**0.6

    loss = motor_loss(c, torque_nm, omega, rub_nm)
    to_coolant, to_air = c.motor_w_per_k * cooling.jacket * share, 2.5 + 0.08 * speed_mps
    ua = to_coolant + to_air
    level = (to_coolant * state.coolant_degc + to_air * ambient_degc + loss) / ua
    motor_before = state.motor_degc.copy()
    state.motor_degc += (level - state.motor_degc) * -np.expm1(-dt_s * ua / MOTOR_J_PER_K)

    switched = np.where(omega > 0, c.switching_w + 1.2 * np.abs(torque_nm) + 0.016 * torque_nm**2, 0.0)
    stands = np.where(moves > 0.02, 1.0, 4.0)
    base = np.where(moves > 0.02, state.coolant_degc, 0.5 * (ambient_degc + state.coolant_degc))
    level = base + switched * c.inverter_k_per_w * solder * stands
    state.inverter_degc += (level - state.inverter_degc) * -np.expm1(-dt_s / INVERTER_TAU_S)

    radiator = c.radiator_w_per_k * share * np.minimum(0.45 + 0.025 * speed_mps, 1.2) + 1.5
    hot = state.coolant_degc > CHILLER_FROM_DEGC
    most = CHILLER_W / np.maximum(state.coolant_degc - CHILLER_FROM_DEGC + 1.0, 1.0)
    chiller = np.where(hot & (moves > 0.05), np.minimum(CHILLER_W_PER_K, most), 0.0)
    motor_mean = 0.5 * (motor_before + state.motor_degc)
    ua = pack_w_per_k + to_coolant + radiator + chiller
    heat = pack_w_per_k * pack_degc + to_coolant * motor_mean + radiator * ambient_degc
    heat += chiller * (CHILLER_FROM_DEGC - 1.0) + np.where(moves > 0.02, switched, 0.3 * switched)
    state.coolant_degc += (heat / ua - state.coolant_degc) * -np.expm1(-dt_s * ua / COOLANT_J_PER_K)
