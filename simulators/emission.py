"""From the state of the fleet to what its sensors say, with noise and resolution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data.records import Family, FamilyRows
from simulators.battery import open_circuit_v, resistance_factor
from simulators.chance import Floats, VehicleChance
from simulators.faults import short_charge_ah
from simulators.schedule import CHARGING, DRIVING, PARKED
from simulators.vehicle import Trace, VehicleState

Mask = npt.NDArray[np.bool_]


def emit(
    state: VehicleState, trace: Trace, chance: VehicleChance, rows: Mask, cell_rows: Mask
) -> list[FamilyRows]:
    """Return drive, tire and cell rows of the instants chosen.

    Args:
        state: The fleet, for its constants.
        trace: What the sensors could see, F vehicles at K instants.
        chance: Noise.
        rows: (F, K) instants at which drive and tires are reported.
        cell_rows: (F, K) instants at which cells and probes are reported.

    Returns:
        Rows in vehicle order; ``vehicle_id`` is the index in the fleet, ``sent_us`` and ``received_us`` the
        sample time.
    """
    return [
        drive_rows(state, trace, chance, rows),
        tire_rows(trace, rows),
        cell_readings(state, trace, chance, cell_rows),
    ]


def _family(
    family: Family,
    trace: Trace,
    at: tuple[npt.NDArray[np.int64], ...],
    columns: dict[str, Floats],
    *,
    wide: bool = False,
) -> FamilyRows:
    time_us = np.rint(trace.time_s[at] * 1000.0).astype(np.int64) * 1000
    ones = np.ones(time_us.size, np.int16) if wide else None
    return FamilyRows(
        family=family,
        vehicle_id=at[0].astype(np.int32),
        time_us=time_us,
        sent_us=time_us,
        received_us=time_us,
        is_hist=np.zeros(time_us.size, np.bool_),
        columns=columns,
        sub_pack=ones,
        first_cell=ones,
    )


def drive_rows(state: VehicleState, trace: Trace, chance: VehicleChance, rows: Mask) -> FamilyRows:
    """Return the drive family; pack current positive into the battery."""
    at = np.nonzero(rows)
    who = at[0]
    noise = chance.normal(rows.shape[1], 4)[at].astype(np.float64)
    activity, speed = trace.activity[at], trace.speed_mps[at]
    is_driving, is_charging = activity == DRIVING, activity == CHARGING
    is_awake = is_driving | is_charging
    wheel_w, pack_v = trace.wheel_w[at], trace.pack_v[at]
    torque = np.clip(
        np.where(speed > 1.0, wheel_w / np.maximum(speed, 1.0) * 0.33 / 9.0 * 0.96, 0.0), -300.0, 300.0
    )
    motor_w = np.where(wheel_w >= 0, wheel_w / 0.9, wheel_w * 0.7)
    position = trace.position[at]
    columns = {
        "speed": np.round(speed * 3.6, 1),
        "odometer": np.round(trace.odometer_km[at], 1),
        "soc": np.round(np.clip(trace.soc[at] + state.soc_bias[who], 0.0, 1.0) * 200.0) / 2.0,
        "soh": np.round(state.soh_percent[who], 1),
        "pack.voltage": np.round(pack_v + 0.1 * noise[:, 0], 1),
        "pack.current": np.round(trace.current_a[at] + state.current_offset_a[who] + 0.1 * noise[:, 1], 1),
        "insulation": np.round(state.insulation_kohm[who] * (1.0 + 0.03 * noise[:, 2]), -1),
        "charging": np.where(is_charging, np.where(trace.is_full[at] > 0, 4.0, 1.0), 3.0),
        "vehicle.state": np.where(is_driving, 1.0, 2.0),
        "gear": np.where(is_driving & (speed > 0), 127.0, 126.0),
        "accelerator": np.round(np.clip(torque / 3.0, 0.0, 100.0)),
        "brake": np.round(np.clip(-torque / 3.0, 0.0, 100.0)),
        "ambient": np.round(trace.ambient_degc[at] + 0.3 * noise[:, 3], 1),
        "barometer": np.round(trace.air_kpa[at], 2),
        "coolant": np.round(trace.coolant_degc[at], 1),
        "motor.temperature": np.round(trace.motor_degc[at]),
        "inverter.temperature": np.round(trace.inverter_degc[at]),
        "motor.speed": np.round(speed / 0.33 * 9.0 * 30.0 / np.pi),
        "motor.torque": np.round(torque, 1),
        "motor.voltage": np.round(pack_v, 1),
        "motor.current": np.round(motor_w / np.maximum(pack_v, 1.0), 1),
        "dcdc.state": np.where(is_awake, 1.0, 2.0),
        "lv.voltage": np.round(np.where(is_awake, 14.1, 12.75) + 0.02 * noise[:, 0], 2),
        "lv.current": np.round(np.where(is_awake, 2.0 + 0.5 * noise[:, 1], -0.05), 2),
        "latitude": np.round(position[:, 0], 6),
        "longitude": np.round(position[:, 1], 6),
        "altitude": np.round(trace.altitude_m[at], 1),
        "heading": np.round(trace.heading_deg[at], 1) % 360.0,
    }
    return _family(Family.DRIVE, trace, at, columns)


def tire_rows(trace: Trace, rows: Mask) -> FamilyRows:
    """Return the tire family: what the receiver holds, and for how long."""
    at = np.nonzero(rows)
    columns = {
        "tire.pressure": np.round(trace.tire_kpa[at], 2),
        "tire.temperature": trace.tire_degc[at],
        "tire.age": np.round(trace.tire_age_s[at]),
    }
    return _family(Family.TIRE, trace, at, columns)


def cell_readings(state: VehicleState, trace: Trace, chance: VehicleChance, rows: Mask) -> FamilyRows:
    """Return the cell family: voltages to 1 mV with channel errors, probes to 1 °C; NaN where there is none.

    Every cell is its open-circuit voltage and two RC pairs; its charge follows the pack's in proportion to
    its own capacity, less self-discharge and, for the faulty cell, the internal short.
    """
    at = np.nonzero(rows)
    who, cells, fleet = at[0], state.cells, state.fleet
    width, probes = cells.is_real.shape[1], cells.is_probe.shape[1]
    noise = chance.normal(rows.shape[1], width)[at]
    probe_noise = chance.normal(rows.shape[1], probes)[at]
    capacity = cells.capacity_ah[who][:, None] * cells.capacity_factor[who]
    lost = cells.self_discharge_per_s[who] * (trace.time_s[at] - fleet.start_s)[:, None]
    soc = (
        state.first_soc[who][:, None] + cells.soc_offset[who] + trace.charge_ah[at][:, None] / capacity - lost
    )
    short = short_charge_ah(fleet.plan, trace.time_s)[at]
    has_short = np.flatnonzero(fleet.plan.short_cell[who] >= 0)
    faulty = fleet.plan.short_cell[who[has_short]]
    soc[has_short, faulty] -= short[has_short] / capacity[has_short, faulty]
    open_v = open_circuit_v(soc, cells.is_lfp[who][:, None])
    drive_a = trace.current_a[at] + 0.6 * (trace.fast_a[at] + 0.3 * trace.slow_a[at])
    ohm = cells.resistance_ohm[who] * resistance_factor(trace.soc[at], trace.pack_degc[at])
    sag = (ohm * drive_a)[:, None] * cells.resistance_part[who]
    volts = open_v + sag + cells.channel_error_v[who] + 0.0006 * noise
    heat = 0.002 * np.abs(trace.current_a[at])[:, None] * np.sin(np.arange(probes))
    degc = trace.pack_degc[at][:, None] + cells.probe_offset_degc[who] + heat + 0.1 * probe_noise
    columns = {
        "cell.voltage": np.where(cells.is_real[who], np.round(np.clip(volts, 0.0, 6.0), 3), np.nan),
        "cell.temperature": np.where(cells.is_probe[who], np.round(degc), np.nan),
    }
    return _family(Family.CELL, trace, at, columns, wide=True)


def report_masks(trace: Trace) -> tuple[Mask, Mask]:
    """Return which instants report drive and tires, and which report cells: every second one under way."""
    rows = trace.is_valid
    return rows, rows & ((trace.activity == PARKED) | (trace.step % 2 == 0))
