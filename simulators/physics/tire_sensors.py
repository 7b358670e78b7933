"""Tire sensors and their receiver: grid, bias, lost transmissions, values that stand still."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.chance import Floats, Singles, VehicleChance
from simulators.faults.injection import NEVER, gather
from simulators.fleet import Fleet
from simulators.physics.tires import TireState, gauge_pressure

#: Least time between two transmissions of a rolling sensor, and of one that has seen a fall.
REFRESH_S, ALERT_S = 55.0, 4.0
#: A change of so much makes a sensor transmit at once.
ALERT_KPA = 21.0
#: Resolutions met on the road: sensors of 8 bits, kPa and half-bar receivers, 4 kPa on the bus.
GRIDS_KPA = np.array([1.373, 2.5, 4.0])
STICKS_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TireSensors:
    """Constants; (F, 4) by wheel unless said otherwise."""

    bias_kpa: Floats  #: (F, 8) by sensor: four of the summer set, four of the winter set
    bias_degc: Floats  #: (F, 8)
    grid_kpa: Floats  #: (F, 1)
    parked_refresh_s: Floats  #: (F, 1) infinite: silent while parked
    step_kpa: Floats  #: decoy: bias from ``step_at_s`` on
    step_at_s: Floats
    weak_below_degc: Floats  #: decoy: a battery too weak to transmit in the cold
    weak_at_s: Floats
    sticks_at_s: Floats  #: decoy: the old value is told as new after ignition

    @classmethod
    def draw(cls, fleet: Fleet, chance: VehicleChance) -> TireSensors:
        """Draw bias 3 kPa and 1 K, and the resolution of each vehicle."""
        plan, shape = fleet.plan, (len(fleet), 4)
        normal = np.clip(chance.normal(2, 8), -2.5, 2.5).astype(np.float64)
        own = chance.uniform(2)
        steps = list(plan.of("tire_bias_step"))
        weak, sticky = list(plan.of("tire_sensor_battery")), list(plan.of("sticky_tire"))
        is_silent = (own[:, 0] < 0.6) | plan.mask("hot_stop")
        return cls(
            bias_kpa=3.0 * normal[:, 0],
            bias_degc=1.0 * normal[:, 1],
            grid_kpa=GRIDS_KPA[np.searchsorted([0.6, 0.85], own[:, 1])][:, None],
            parked_refresh_s=np.where(is_silent, np.inf, 900.0)[:, None],
            step_kpa=gather(steps, "magnitude", shape, 0.0),
            step_at_s=gather(steps, "at_s", shape, NEVER),
            weak_below_degc=gather(weak, "magnitude", shape, -NEVER),
            weak_at_s=gather(weak, "at_s", shape, NEVER),
            sticks_at_s=gather(sticky, "at_s", shape, NEVER),
        )


@dataclass(slots=True, kw_only=True)
class Receiver:
    """What the receiver holds; (F, 4), ``moves_since_s`` (F,)."""

    kpa: Floats
    degc: Floats
    at_s: Floats
    moves_since_s: Floats

    @classmethod
    def empty(cls, n: int) -> Receiver:
        """Return a receiver that has heard nothing yet."""
        unheard = np.full((n, 4), np.nan)
        return cls(
            kpa=unheard, degc=unheard.copy(), at_s=np.full((n, 4), -np.inf), moves_since_s=np.full(n, np.inf)
        )


def listen(
    receiver: Receiver,
    sensors: TireSensors,
    tires: TireState,
    *,
    time_s: Floats,
    speed_mps: Floats,
    air_kpa: Floats,
    noise: Singles,
) -> None:
    """Take what the sensors transmit at ``time_s`` (F,); ``noise`` is (F, 2, 4) standard normal.

    A rolling sensor transmits about every minute, at once after a change of 21 kPa; one transmission in
    twenty-five is lost. Parked, most are silent and the last value stands.
    """
    now = time_s[:, None]
    is_rolling = (speed_mps > 0.5)[:, None]
    receiver.moves_since_s = np.where(speed_mps > 0.5, np.minimum(receiver.moves_since_s, time_s), np.inf)
    true_kpa = gauge_pressure(tires.amount_kpa, tires.temperature_degc, air_kpa[:, None])
    bias = np.take_along_axis(sensors.bias_kpa, tires.wheel_set, axis=1)
    bias = bias + np.where(now > sensors.step_at_s, sensors.step_kpa, 0.0)
    read_kpa = np.round((true_kpa + bias + 0.8 * noise[:, 0]) / sensors.grid_kpa) * sensors.grid_kpa
    warm = np.take_along_axis(sensors.bias_degc, tires.wheel_set, axis=1)
    read_degc = np.round(tires.temperature_degc + warm + 0.4 * noise[:, 1])

    waits = now - receiver.at_s
    hears = np.where(is_rolling, waits >= REFRESH_S, waits >= sensors.parked_refresh_s)
    fell = np.abs(read_kpa - receiver.kpa) > ALERT_KPA  # comparisons with NaN, unheard, are false
    hears |= fell & (is_rolling | (true_kpa < 0.7 * receiver.kpa)) & (waits >= ALERT_S)
    is_first = ~np.isfinite(receiver.at_s)
    hears &= noise[:, 1] < 1.75
    hears &= ~((tires.temperature_degc < sensors.weak_below_degc) & (now > sensors.weak_at_s))
    sticks = (now > sensors.sticks_at_s) & is_rolling & (now - receiver.moves_since_s[:, None] < STICKS_S)
    hears = (hears & ~sticks) | is_first
    receiver.kpa = np.where(hears, np.maximum(read_kpa, 0.0), receiver.kpa)
    receiver.degc = np.where(hears, read_degc, receiver.degc)
    receiver.at_s = np.where(hears | sticks, now, receiver.at_s)
