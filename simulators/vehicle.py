"""The state of a fleet between two instants: driving, pack, motor, wheels, all vehicles at once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from simulators.battery import FAST_S, SLOW_S, Cells, build_cells, open_circuit_v, resistance_factor
from simulators.chance import Floats, Singles, VehicleChance
from simulators.climate import CHINA_OFFSET_S, DAY_S
from simulators.fleet import Fleet
from simulators.schedule import CHARGER_W, CHARGING, DRIVING, PARKED, Ints
from simulators.tires import TireConstants, TireState, advance_tires, build_tires

GRAVITY = 9.81
LAPSE_K_PER_M = 0.0065


@dataclass(slots=True, kw_only=True)
class Trace:
    """What the sensors of F vehicles could see at K instants; (F, K) or (F, K, 4)."""

    time_s: Floats
    is_valid: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    activity: Ints
    step: Ints
    position: Floats  #: (F, K, 2) latitude, longitude
    heading_deg: Floats
    altitude_m: Floats
    speed_mps: Floats
    odometer_km: Floats
    soc: Floats  #: 0-1, of the mean cell
    charge_ah: Floats  #: into the battery since the beginning of the fleet
    current_a: Floats  #: into the battery
    fast_a: Floats
    slow_a: Floats
    pack_v: Floats
    pack_degc: Floats
    coolant_degc: Floats
    motor_degc: Floats
    inverter_degc: Floats
    wheel_w: Floats
    ambient_degc: Floats
    air_kpa: Floats
    is_full: Floats  #: 1 once a charge is complete
    tire_kpa: Floats  #: (F, K, 4) as held by the receiver
    tire_degc: Floats
    tire_age_s: Floats
    tire_amount_kpa: Floats  #: (F, K, 4) truth: absolute at 20 °C, never emitted

    @classmethod
    def empty(cls, n: int, k: int) -> Trace:
        """Return an unfilled trace of ``k`` instants."""
        wide = {"position": 2, "tire_kpa": 4, "tire_degc": 4, "tire_age_s": 4, "tire_amount_kpa": 4}
        kinds: dict[str, type] = {"is_valid": np.bool_, "activity": np.int64, "step": np.int64}
        arrays: dict[str, Any] = {
            f.name: np.zeros(
                (n, k, wide[f.name]) if f.name in wide else (n, k), kinds.get(f.name, np.float64)
            )
            for f in fields(cls)
        }
        return cls(**arrays)


@dataclass(slots=True, kw_only=True)
class Inputs:
    """Where a step ends and what the vehicle does there; (F,) unless said otherwise."""

    time_s: Floats
    is_valid: np.ndarray[tuple[int], np.dtype[np.bool_]]
    activity: Ints
    step: Ints
    speed_mps: Floats
    position: Floats  #: (F, 2)
    heading_deg: Floats
    altitude_m: Floats
    charge_to: Floats


class VehicleState:
    """The fleet at one instant; :meth:`advance` moves it on by a step of any length."""

    def __init__(self, fleet: Fleet, chance: VehicleChance) -> None:
        """Begin at ``fleet.start_s``, everybody parked at home."""
        n = len(fleet)
        self.fleet = fleet
        self.cells: Cells = build_cells(fleet, chance)
        own = chance.uniform(10)
        self.mass_kg = 1600.0 + 600.0 * own[:, 0]
        self.drag_m2 = 0.55 + 0.2 * own[:, 1]
        self.rolling = 0.008 + 0.003 * own[:, 2]
        self.insulation_kohm = 2500.0 + 5500.0 * own[:, 3]
        self.soh_percent = 100.0 - 12.0 * own[:, 4]
        self.current_offset_a = 0.4 * (own[:, 5] - 0.5)
        self.soc_bias = 0.01 * (own[:, 6] - 0.5)
        self.time_s = np.full(n, fleet.start_s)
        self.odometer_km = 5_000.0 + 70_000.0 * own[:, 7]
        self.first_soc = 0.65 + 0.25 * own[:, 8]
        self.soc = self.first_soc.copy()
        self.charge_ah = np.zeros(n)
        self.current_a, self.fast_a, self.slow_a = np.zeros(n), np.zeros(n), np.zeros(n)
        self.speed_mps = np.zeros(n)
        self.altitude_m = fleet.home_altitude_m.copy()
        ambient = fleet.climate.temperature(fleet.city_index, self.time_s)
        self.pack_degc = ambient + 1.0
        self.coolant_degc, self.motor_degc, self.inverter_degc = (
            ambient.copy(),
            ambient.copy(),
            ambient.copy(),
        )
        self.is_full = np.zeros(n)
        self.tire_constants: TireConstants
        self.tires: TireState
        self.tire_constants, self.tires = build_tires(fleet, chance, ambient)
        self._city_altitude_m = fleet.home_altitude_m.copy()

    def advance(self, to: Inputs, noise: Singles, trace: Trace, k: int) -> None:
        """Move every vehicle to its next instant and write column ``k`` of the trace.

        ``noise`` is (F, 2, 4) standard normal. Vehicles whose input is not valid stand still in time.
        """
        fleet, n_cells = self.fleet, self.cells.count
        dt = np.maximum(to.time_s - self.time_s, 0.0)
        safe_dt = np.maximum(dt, 1e-3)
        # The first sample of a trip or charge ends a rest: its step is still a parked one.
        is_driving = (to.activity == DRIVING) & (to.step > 0)
        is_charging = (to.activity == CHARGING) & (to.step > 0)
        city_degc = fleet.climate.temperature(fleet.city_index, to.time_s)
        ambient = city_degc - LAPSE_K_PER_M * (to.altitude_m - self._city_altitude_m)
        air = fleet.climate.barometer(fleet.city_index, to.altitude_m, to.time_s)

        mean = np.where(is_driving, 0.5 * (self.speed_mps + to.speed_mps), 0.0)
        push = np.where(is_driving, (to.speed_mps - self.speed_mps) / safe_dt, 0.0)
        climb = np.where(is_driving, (to.altitude_m - self.altitude_m) / safe_dt, 0.0)
        density = air * 1000.0 / (287.0 * (ambient + 273.15))
        drag = self.mass_kg * GRAVITY * self.rolling + 0.5 * density * self.drag_m2 * mean**2
        wheel_w = np.where(
            is_driving, mean * (1.05 * self.mass_kg * push + drag) + self.mass_kg * GRAVITY * climb, 0.0
        )
        driven_w = np.where(wheel_w >= 0, wheel_w / 0.88, np.maximum(wheel_w * 0.65, -60_000.0))
        comfort_w = 300.0 + np.minimum(4000.0, 120.0 * np.abs(ambient - 21.0))
        self.is_full = np.where(is_charging, np.where(self.soc >= to.charge_to, 1.0, self.is_full), 0.0)
        charge_w = np.where(is_charging & (self.is_full == 0), 0.93 * CHARGER_W, 0.0)
        battery_w = np.where(is_driving, driven_w + comfort_w, -charge_w)
        open_v = n_cells * open_circuit_v(self.soc, self.cells.is_lfp)
        factor = resistance_factor(self.soc, self.pack_degc)
        ohm = n_cells * self.cells.resistance_ohm * factor
        root = np.sqrt(np.maximum(open_v**2 - 4.0 * ohm * battery_w, 0.0))
        current = -(open_v - root) / (2.0 * ohm)

        moved_ah = current * dt / 3600.0
        self.charge_ah += moved_ah
        self.soc = np.clip(self.soc + moved_ah / self.cells.capacity_ah, 0.0, 1.0)
        self.fast_a = current + (self.fast_a - current) * np.exp(-dt / FAST_S)
        self.slow_a = current + (self.slow_a - current) * np.exp(-dt / SLOW_S)
        heat_w = 1.6 * current**2 * ohm
        capacity_j = n_cells * 2700.0 * self.cells.capacity_ah / 150.0
        loss_w = np.where(is_driving | is_charging, 60.0, 6.0)
        level = ambient + heat_w / loss_w
        self.pack_degc += (level - self.pack_degc) * -np.expm1(-dt * loss_w / capacity_j)
        self.coolant_degc += (ambient + 0.5 * (self.pack_degc - ambient) - self.coolant_degc) * -np.expm1(
            -dt / 600.0
        )
        motor_level = ambient + 0.0025 * np.abs(wheel_w)
        self.motor_degc += (motor_level - self.motor_degc) * -np.expm1(-dt / 900.0)
        inverter_level = ambient + 0.0012 * np.abs(wheel_w) + np.where(is_driving, 8.0, 0.0)
        self.inverter_degc += (inverter_level - self.inverter_degc) * -np.expm1(-dt / 180.0)
        self.odometer_km += mean * dt / 1000.0
        hour = ((to.time_s + CHINA_OFFSET_S) % DAY_S) / 3600.0
        sun = np.where(
            to.activity == PARKED, 8.0 * np.clip(np.sin(np.pi * (hour - 8.0) / 9.0), 0.0, 1.0), 0.0
        )
        sun = np.where((hour > 8) & (hour < 17), sun, 0.0)
        advance_tires(
            self.tires,
            self.tire_constants,
            fleet.plan,
            time_s=to.time_s,
            dt_s=dt,
            speed_mps=np.where(dt > 0, to.speed_mps, 0.0),
            is_parked=to.activity == PARKED,
            ambient_degc=ambient,
            air_kpa=air,
            sun_degc=sun,
            noise=noise,
        )
        self.time_s, self.current_a = to.time_s.copy(), current
        self.speed_mps, self.altitude_m = to.speed_mps.copy(), to.altitude_m.copy()
        trace.pack_v[:, k] = open_v + ohm * (current + 0.6 * (self.fast_a + 0.3 * self.slow_a))
        trace.wheel_w[:, k], trace.ambient_degc[:, k], trace.air_kpa[:, k] = wheel_w, ambient, air
        self._write(to, trace, k)

    def _write(self, to: Inputs, trace: Trace, k: int) -> None:
        for name in (
            "time_s",
            "is_valid",
            "activity",
            "step",
            "speed_mps",
            "position",
            "heading_deg",
            "altitude_m",
        ):
            getattr(trace, name)[:, k] = getattr(to, name)
        for name in (
            "odometer_km", "soc", "charge_ah", "current_a", "fast_a", "slow_a", "pack_degc", "coolant_degc",
            "motor_degc", "inverter_degc", "is_full",
        ):  # fmt: skip
            getattr(trace, name)[:, k] = getattr(self, name)
        trace.tire_kpa[:, k], trace.tire_degc[:, k] = self.tires.held_kpa, self.tires.held_degc
        trace.tire_age_s[:, k] = to.time_s[:, None] - self.tires.held_at_s
        trace.tire_amount_kpa[:, k] = self.tires.amount_kpa
