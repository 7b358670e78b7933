"""The state of a fleet between two instants: driving, pack, motor, wheels, all vehicles at once."""

from __future__ import annotations

import numpy as np

from data.records import FailureMode
from simulators.chance import Floats, Singles, VehicleChance
from simulators.climate import CHINA_OFFSET_S, DAY_S
from simulators.faults.injection import NEVER, gather
from simulators.fleet import Fleet
from simulators.physics.cells import Ageing, Cells, build_cells
from simulators.physics.chemistry import FAST_S, SLOW_S, open_circuit_v, resistance_factor
from simulators.physics.driving import Inputs, Mask, Road, Step
from simulators.physics.insulation import Insulation
from simulators.physics.low_voltage import LvConstants, LvState, advance_low_voltage, close_night
from simulators.physics.powertrain import (
    RATIO,
    WHEEL_M,
    PowertrainConstants,
    PowertrainState,
    advance_powertrain,
    cooling_health,
)
from simulators.physics.slow import SlowCourses
from simulators.physics.tire_sensors import Receiver, TireSensors, listen
from simulators.physics.tires import advance_tires, build_tires, repair_tires
from simulators.physics.trace import Trace
from simulators.schedule import CHARGING, DC_W, DRIVING, PARKED

LAPSE_K_PER_M = 0.0065
#: A rest of this length lets the battery management correct its count.
CORRECTS_S = 2.0 * 3600.0
#: Heat from one cell of 150 Ah to the plate with and without flow, W/K.
CELL_W_PER_K, CELL_STILL_W_PER_K = 1.4, 0.1


class VehicleState:
    """The fleet at one instant; :meth:`advance` moves it on by a step of any length."""

    def __init__(self, fleet: Fleet, chance: VehicleChance) -> None:
        """Begin at ``fleet.start_s``, everybody parked at home."""
        n, plan = len(fleet), fleet.plan
        self.fleet = fleet
        own = chance.uniform(11)
        self.current_offset_a = 0.6 * (own[:, 5] - 0.5)
        self.soh_error_percent = 3.0 * (own[:, 6] - 0.5)
        self.time_s = np.full(n, fleet.start_s)
        self.odometer_km = 5_000.0 + 70_000.0 * own[:, 7]
        first_soc = 0.65 + 0.25 * own[:, 8]
        fades = list(plan.of(FailureMode.BATTERY_CAPACITY_FADE))
        faded = gather(fades, "first_percent", (n,), NEVER)
        before = np.maximum(fleet.start_s - plan.onset(FailureMode.BATTERY_CAPACITY_FADE), 0.0)
        faded = faded - 100.0 * gather(fades, "per_s", (n,), 0.0) * before
        soh = np.where(np.isfinite(faded), faded, 100.0 - 12.0 * own[:, 4]) / 100.0
        self.cells: Cells = build_cells(fleet, chance, first_soc, soh)
        self.ageing = Ageing(fleet, chance)
        self.soc, self.soc_error = first_soc.copy(), 0.02 * (own[:, 9] - 0.5)
        self.charge_ah, self.moved_ah, self.rested_s = np.zeros(n), np.zeros(n), np.zeros(n)
        self.current_a, self.fast_a, self.slow_a = np.zeros(n), np.zeros(n), np.zeros(n)
        self.is_full = np.zeros(n)
        self.road = Road(fleet, own)
        self._city_altitude_m = fleet.home_altitude_m.copy()
        ambient = fleet.climate.temperature(fleet.city_index, self.time_s)
        self.pack_degc, self.pack_k, self.plate_k = ambient + 1.0, np.zeros(n), np.zeros(n)
        self.drive = PowertrainConstants.draw(plan, chance)
        self.powertrain = PowertrainState.at_rest(ambient)
        self.lv_constants = LvConstants.draw(plan, chance)
        self.lv = LvState.begin(self.lv_constants, ambient, chance)
        self.insulation = Insulation.draw(plan, chance)
        self.tire_constants, self.tires = build_tires(fleet, chance, ambient)
        self.tire_sensors, self.receiver = TireSensors.draw(fleet, chance), Receiver.empty(n)
        self._slow = SlowCourses(plan)
        self.begin_day(fleet.start_s)

    def begin_day(self, time_s: float) -> None:
        """Look up what changes over days: wear, drag, decoys; it stands until the next call."""
        now = np.full(len(self.fleet), time_s)
        self._today = self._slow.at(now)
        self._health = cooling_health(self.drive, now)
        self._rub_nm = self.drive.rub_nm(now)
        self._drag_nm = self.tire_constants.faults.drag_torque(now)
        self._drag_n = self._drag_nm.sum(axis=1) / WHEEL_M + self._rub_nm * RATIO / WHEEL_M

    def advance(self, to: Inputs, noise: Singles, trace: Trace, k: int) -> None:
        """Move every vehicle to its next instant and write column ``k`` of the trace.

        ``noise`` is (F, 2, 5) standard normal. Vehicles whose input is not valid stand still. Power is
        the step's mean; torque and current told at its end are those of an instant in traffic.
        """
        fleet, climate = self.fleet, self.fleet.climate
        dt = np.maximum(to.time_s - self.time_s, 0.0)
        # The first sample of a trip or charge ends a rest: its step is still a parked one.
        is_driving = (to.activity == DRIVING) & (to.step > 0)
        is_charging = (to.activity == CHARGING) & (to.step > 0)
        ambient, air, rain = climate.at(fleet.city_index, to.altitude_m, to.time_s)
        ambient = ambient - LAPSE_K_PER_M * (to.altitude_m - self._city_altitude_m) + self._today.heat_wave_k

        step = Step(
            to=to,
            dt_s=dt,
            is_driving=is_driving,
            is_charging=is_charging,
            ambient_degc=ambient,
            air_kpa=air,
        )
        wheel_w, torque, omega, mean = self.road.drive(
            step, self.tires.amount_kpa, self._drag_n, self._today.tows_kg
        )
        swing_nm = self.road.swing(step, mean, self._today.tows_kg)
        open_v, ohm, current = self._electrify(step, wheel_w)
        swing_a = swing_nm * omega / np.maximum(open_v, 1.0)
        self._heat(step, (current**2 + swing_a**2) * ohm, np.hypot(torque, swing_nm), omega)
        hour = ((to.time_s + CHINA_OFFSET_S) % DAY_S) / 3600.0
        advance_low_voltage(
            self.lv,
            self.lv_constants,
            time_s=to.time_s,
            dt_s=dt,
            is_awake=is_driving | is_charging,
            wakes=(to.activity != PARKED) & (to.step == 0),
            ambient_degc=ambient,
            coolant_degc=self.powertrain.coolant_degc,
            rain=rain,
            is_dark=(hour < 6.5) | (hour > 18.5),
        )
        leak_kohm = self.insulation.advance(
            time_s=to.time_s, dt_s=dt, rain=rain, is_driving=is_driving.astype(np.float64)
        )
        self.odometer_km += mean * dt / 1000.0
        height = np.sin(np.pi * np.clip((hour - 8.0) / 9.0, 0.0, 1.0))
        shines = height * np.where(self._today.sun_k > 0, self._today.sun_k, to.sun_degc)
        speed = np.where(dt > 0, to.speed_mps, 0.0)
        is_hurried = np.isfinite(to.hazard_s)
        advance_tires(
            self.tires,
            self.tire_constants,
            time_s=to.time_s,
            dt_s=dt,
            speed_mps=speed,
            is_parked=to.activity == PARKED,
            ambient_degc=ambient,
            air_kpa=air,
            sun_degc=np.where((to.activity == PARKED) & (rain <= 0), shines, 0.0),
            overload=np.where(is_hurried, self._today.overload, 1.0) * (1.0 + self._today.tows_kg / 6000.0),
            hazard_s=to.hazard_s,
            drag_nm=self._drag_nm,
            noise=noise[:, 0, :4],
        )
        listen(
            self.receiver,
            self.tire_sensors,
            self.tires,
            time_s=to.time_s,
            speed_mps=speed,
            air_kpa=air,
            noise=noise[:, :, :4],
        )
        told_nm = np.clip(torque + swing_nm * noise[:, 0, 4], -300.0, 300.0)
        told_a = current - (told_nm - torque) * omega / np.maximum(open_v, 1.0)
        wheel_w = wheel_w + (told_nm - torque) * omega
        self.time_s, self.current_a = to.time_s.copy(), told_a
        self.road.arrive(to)
        trace.pack_v[:, k] = open_v + ohm * (told_a + 0.6 * (self.fast_a + 0.3 * self.slow_a))
        trace.contact_v[:, k] = self._today.contact_ohm * told_a
        trace.wheel_w[:, k], trace.torque_nm[:, k] = wheel_w, told_nm
        trace.ambient_degc[:, k], trace.air_kpa[:, k], trace.rain[:, k] = ambient, air, rain
        trace.insulation_kohm[:, k] = leak_kohm
        trace.is_awake[:, k] = to.activity != PARKED
        self._write(to, trace, k)

    def _electrify(self, step: Step, wheel_w: Floats) -> tuple[Floats, Floats, Floats]:
        """Return open-circuit voltage and resistance of the pack and its current; counts the charge."""
        cells, to, dt = self.cells, step.to, step.dt_s
        is_driving, is_charging = step.is_driving, step.is_charging
        capacity = cells.capacity_ah
        taper = np.clip(np.minimum((self.pack_degc + 10.0) / 15.0, (1.02 - self.soc) / 0.1), 0.0, 1.0)
        regen = np.maximum(wheel_w * 0.65, -60_000.0 * taper)
        driven_w = np.where(wheel_w >= 0, wheel_w / 0.88, regen)
        comfort_w = 300.0 + np.minimum(4000.0, 120.0 * np.abs(step.ambient_degc - 21.0))
        aim = np.minimum(to.charge_to, 0.995)
        self.is_full = np.where(is_charging, np.where(self.soc >= aim, 1.0, self.is_full), 0.0)
        is_fast = to.charge_w > DC_W
        tapers = np.clip(1.3 - 1.45 * np.maximum(self.soc - 0.45, 0.0) / 0.5, 0.25, 1.0)
        charge_w = to.charge_w * np.where(
            is_fast, tapers * np.clip((self.pack_degc + 15.0) / 30.0, 0.3, 1.0), 1.0
        )
        charge_w = charge_w * np.clip((1.0 - self.soc) / 0.04, 0.1, 1.0)
        charge_w = np.where(is_charging & (self.is_full == 0), 0.93 * charge_w, 0.0)
        battery_w = np.where(is_driving, driven_w + comfort_w, -charge_w)
        open_v = cells.count * open_circuit_v(self.soc, cells.is_lfp)
        factor = resistance_factor(self.soc, self.pack_degc) * self.ageing.resistance_growth(cells)
        ohm = cells.count * cells.resistance_ohm * factor
        root = np.sqrt(np.maximum(open_v**2 - 4.0 * ohm * battery_w, 0.0))
        current = -(open_v - root) / (2.0 * ohm)

        moved_ah = current * dt / 3600.0
        self.charge_ah += moved_ah
        self.moved_ah += np.abs(moved_ah)
        self.soc = np.clip(self.soc + moved_ah / capacity, 0.0, 1.0)
        drift = self.current_offset_a + self._today.drift_a
        is_busy = is_driving | is_charging
        self.soc_error = self.soc_error + np.where(is_busy, drift * dt / 3600.0 / capacity, 0.0)
        self.rested_s = np.where(is_busy, 0.0, self.rested_s + dt)
        corrects = (self.rested_s > CORRECTS_S) & (~cells.is_lfp | (self.soc > 0.97) | (self.soc < 0.12))
        self.soc_error = np.where(corrects, 0.15 * self.soc_error, self.soc_error)
        self.fast_a = current + (self.fast_a - current) * np.exp(-dt / FAST_S)
        self.slow_a = current + (self.slow_a - current) * np.exp(-dt / SLOW_S)
        cells.balanced_s += np.where(is_charging & (self.soc > 0.7), dt, 0.0)
        return open_v, ohm, current

    def _heat(self, step: Step, joule_w: Floats, torque: Floats, omega: Floats) -> None:
        """Move pack, motor, inverter and coolant on: I²R into the cells, out through the plate."""
        to, dt, ambient = step.to, step.dt_s, step.ambient_degc
        is_driving, is_charging = step.is_driving, step.is_charging
        cells, health = self.cells, self._health
        size = cells.count * cells.nominal_ah / 150.0
        needs_pump = is_driving | (is_charging & ((to.charge_w > DC_W) | (self.pack_degc > 28.0)))
        flows = np.where(needs_pump, health.flow, 0.0)
        plate = size * np.maximum(CELL_W_PER_K * flows**0.8 * health.plate, CELL_STILL_W_PER_K)
        plate = np.where(needs_pump, plate, size * CELL_STILL_W_PER_K)
        heat_w = 1.6 * joule_w
        air = 4.0 + 0.02 * size
        level = (plate * self.powertrain.coolant_degc + air * ambient + heat_w) / (plate + air)
        pace = -np.expm1(-dt * (plate + air) / (size * 2700.0))
        self.pack_degc += (level - self.pack_degc) * pace
        even = -np.expm1(-dt / 1200.0)
        rise = np.minimum(heat_w / (600.0 * np.maximum(flows, 0.05)), 8.0) * needs_pump
        self.pack_k += (rise - self.pack_k) * even
        worse = np.minimum(heat_w / np.maximum(plate, 1.0) * (1.0 / health.plate - 1.0), 12.0) * needs_pump
        self.plate_k += (worse - self.plate_k) * even
        advance_powertrain(
            self.powertrain,
            self.drive,
            health,
            dt_s=dt,
            rub_nm=self._rub_nm,
            solder=self._health.solder,
            torque_nm=np.where(is_driving, torque, 0.0),
            omega=np.where(is_driving, omega, 0.0),
            speed_mps=np.where(is_driving, to.speed_mps, 0.0),
            ambient_degc=ambient,
            pack_degc=self.pack_degc,
            pack_w_per_k=plate,
            needs_pump=needs_pump,
        )

    def close_day(self, hazards: Mask) -> None:
        """End a simulated day: cells age and balance, the night's rest is judged, tires are repaired.

        ``hazards`` (F,) tells whose hazard of a tire has happened on this day.
        """
        self.ageing.close_day(
            self.cells,
            time_s=self.time_s,
            charge_ah=self.charge_ah,
            moved_ah=self.moved_ah,
            degc=self.pack_degc,
        )
        mean = np.mean(self.cells.base_soc, axis=1, where=self.cells.is_real)
        self.soc_error += self.soc - mean
        self.soc = np.clip(mean, 0.0, 1.0)
        close_night(self.lv, self.time_s)
        repair_tires(self.tires, self.tire_constants, hazards)

    @property
    def speed_mps(self) -> Floats:
        """Return (F,) the speed at the last instant."""
        return self.road.speed_mps

    @property
    def altitude_m(self) -> Floats:
        """Return (F,) the height at the last instant."""
        return self.road.altitude_m

    def _write(self, to: Inputs, trace: Trace, k: int) -> None:
        for name in (
            "time_s", "is_valid", "activity", "step", "speed_mps", "position", "heading_deg", "altitude_m",
        ):  # fmt: skip
            getattr(trace, name)[:, k] = getattr(to, name)
        for name in (
            "odometer_km", "soc", "charge_ah", "current_a", "fast_a", "slow_a", "pack_degc", "pack_k",
            "plate_k", "is_full",
        ):  # fmt: skip
            getattr(trace, name)[:, k] = getattr(self, name)
        for name in ("coolant_degc", "motor_degc", "inverter_degc", "pump_rpm", "pump_a"):
            getattr(trace, name)[:, k] = getattr(self.powertrain, name)
        trace.shown_soc[:, k] = self.soc + self.soc_error
        trace.dcdc_degc[:, k], trace.lv_v[:, k] = self.lv.dcdc_degc, self.lv.voltage_v
        trace.lv_a[:, k] = self.lv.current_a
        trace.tire_kpa[:, k], trace.tire_degc[:, k] = self.receiver.kpa, self.receiver.degc
        trace.tire_age_s[:, k] = to.time_s[:, None] - self.receiver.at_s
        trace.tire_amount_kpa[:, k] = self.tires.amount_kpa
