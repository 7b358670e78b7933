"""From the state of the fleet to what its sensors say, with noise and resolution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data.catalogue import load_catalogue
from data.records import Family, FamilyRows
from simulators.chance import Floats, VehicleChance
from simulators.emission_cells import cell_columns
from simulators.physics.powertrain import RATIO, WHEEL_M
from simulators.physics.runaway import Runaway
from simulators.physics.trace import Trace
from simulators.physics.vehicle import VehicleState
from simulators.schedule import CHARGING, DRIVING, PARKED
from simulators.sensors import SensorFaults

Mask = npt.NDArray[np.bool_]


def emit(
    state: VehicleState,
    trace: Trace,
    chance: VehicleChance,
    rows: Mask,
    cell_rows: Mask,
    *,
    sensors: SensorFaults | None = None,
    runaways: tuple[Runaway, ...] = (),
) -> list[FamilyRows]:
    """Return drive, tire and cell rows of the instants chosen.

    Args:
        state: The fleet, for its constants.
        trace: What the sensors could see, F vehicles at K instants.
        chance: Noise.
        rows: (F, K) instants at which drive and tires are reported.
        cell_rows: (F, K) instants at which cells and probes are reported.
        sensors: What is wrong with the sensors; remembers what stands still.
        runaways: Packs on fire, and until when they are heard.

    Returns:
        Rows in vehicle order; ``vehicle_id`` is the index in the fleet, ``sent_us`` and ``received_us`` the
        sample time.
    """
    for fire in runaways:
        is_heard = trace.time_s[fire.vehicle] < fire.silent_s
        rows[fire.vehicle] &= is_heard
        cell_rows[fire.vehicle] &= is_heard
    out = []
    for family, chosen in ((Family.DRIVE, rows), (Family.TIRE, rows), (Family.CELL, cell_rows)):
        at = np.nonzero(chosen)
        if family is Family.DRIVE:
            columns = drive_columns(state, trace, chance, at, runaways)
        elif family is Family.TIRE:
            columns = tire_columns(trace, at)
        else:
            columns = cell_columns(state, trace, chance, at, runaways)
        if sensors is not None:
            sensors.distort(
                columns,
                chance,
                vehicle=at[0],
                time_s=trace.take("time_s", at),
                speed_mps=trace.take("speed_mps", at),
            )
        out.append(_family(family, trace, at, columns))
    return out


def _family(
    family: Family, trace: Trace, at: tuple[npt.NDArray[np.int64], ...], columns: dict[str, Floats]
) -> FamilyRows:
    time_us = np.rint(trace.take("time_s", at) * 1000.0).astype(np.int64) * 1000
    ones = np.ones(time_us.size, np.int16) if family is Family.CELL else None
    known = load_catalogue().signals
    return FamilyRows(
        family=family,
        vehicle_id=at[0].astype(np.int32),
        time_us=time_us,
        sent_us=time_us,
        received_us=time_us,
        is_hist=np.zeros(time_us.size, np.bool_),
        columns={alias: values for alias, values in columns.items() if alias in known},
        sub_pack=ones,
        first_cell=ones,
    )


def drive_columns(
    state: VehicleState,
    trace: Trace,
    chance: VehicleChance,
    at: tuple[npt.NDArray[np.int64], ...],
    runaways: tuple[Runaway, ...],
) -> dict[str, Floats]:
    """Return the drive family; pack current positive into the battery."""
    who = at[0]
    noise = chance.normal_rows(np.bincount(who, minlength=len(state.fleet)), 6).astype(np.float64)
    activity, speed = trace.activity[at], trace.take("speed_mps", at)
    is_driving, is_charging = activity == DRIVING, activity == CHARGING
    is_awake = trace.is_awake[at]
    wheel_w, pack_v = trace.take("wheel_w", at), trace.take("pack_v", at) + trace.take("contact_v", at)
    insulation = trace.take("insulation_kohm", at)
    for fire in runaways:
        mine = np.flatnonzero((who == fire.vehicle) & (trace.take("time_s", at) >= fire.begin_s))
        row = fire.index(trace.take("time_s", at)[mine])
        pack_v[mine] *= fire.cell_share[row].mean(axis=1)
        insulation[mine] *= fire.insulation[row]
    torque = trace.take("torque_nm", at)
    motor_w = np.where(wheel_w >= 0, wheel_w / 0.9, wheel_w * 0.7)
    position = trace.take("position", at)
    soh: Floats = np.asarray(np.clip(100.0 * state.cells.soh[who] + state.soh_error_percent[who], 0.0, 100.0))
    pump_rpm: Floats = np.asarray(np.maximum(trace.take("pump_rpm", at) * (1.0 + 0.01 * noise[:, 4]), 0.0))
    pump_a: Floats = np.asarray(np.maximum(trace.take("pump_a", at) * (1.0 + 0.03 * noise[:, 5]), 0.0))
    lv_v: Floats = np.asarray(np.maximum(trace.take("lv_v", at) + 0.02 * noise[:, 0], 0.0))
    return {
        "speed": np.round(speed * 3.6, 1),
        "odometer": np.round(trace.take("odometer_km", at), 1),
        "soc": np.rint(np.clip(trace.take("shown_soc", at), 0.0, 1.0) * 200.0) / 2.0,
        "soh": np.round(soh, 1),
        "pack.voltage": np.round(pack_v + 0.1 * noise[:, 0], 1),
        "pack.current": np.round(
            trace.take("current_a", at) + state.current_offset_a[who] + 0.1 * noise[:, 1], 1
        ),
        "insulation": np.rint(insulation * np.clip(1.0 + 0.03 * noise[:, 2], 0.8, 1.2)),
        "charging": np.where(is_charging, np.where(trace.take("is_full", at) > 0, 4.0, 1.0), 3.0),
        "vehicle.state": np.where(is_driving, 1.0, 2.0),
        "gear": np.where(is_driving & (speed > 0), 127.0, 126.0),
        "accelerator": np.rint(np.clip(torque / 3.0, 0.0, 100.0)),
        "brake": np.rint(np.clip(-torque / 3.0, 0.0, 100.0)),
        "ambient": np.round(trace.take("ambient_degc", at) + 0.3 * noise[:, 3], 1),
        "barometer": np.round(trace.take("air_kpa", at), 2),
        "rain": np.rint(np.clip(trace.take("rain", at), 0.0, 100.0)),
        "coolant": np.round(trace.take("coolant_degc", at) + 0.2 * noise[:, 4], 1),
        "coolant.pump.speed": np.round(pump_rpm, -1),
        "coolant.pump.current": np.round(pump_a, 2),
        "motor.temperature": np.rint(trace.take("motor_degc", at) + 0.3 * noise[:, 5]),
        "inverter.temperature": np.rint(trace.take("inverter_degc", at) + 0.3 * noise[:, 3]),
        "motor.speed": np.rint(speed / WHEEL_M * RATIO * 30.0 / np.pi),
        "motor.torque": np.round(torque, 1),
        "motor.voltage": np.round(pack_v, 1),
        "motor.current": np.round(motor_w / np.maximum(pack_v, 1.0), 1),
        "dcdc.state": np.where(is_awake, 1.0, 2.0),
        "dcdc.temperature": np.rint(trace.take("dcdc_degc", at) + 0.3 * noise[:, 1]),
        "hv.interlock": np.ones(len(who)),
        "lv.voltage": np.round(lv_v, 2),
        "lv.current": np.round(
            trace.take("lv_a", at) + 0.02 * noise[:, 1] * np.where(is_awake, 10.0, 1.0), 2
        ),
        "latitude": np.round(position[:, 0], 6),
        "longitude": np.round(position[:, 1], 6),
        "altitude": np.round(trace.take("altitude_m", at), 1),
        "heading": np.round(trace.take("heading_deg", at), 1) % 360.0,
    }


def tire_columns(trace: Trace, at: tuple[npt.NDArray[np.int64], ...]) -> dict[str, Floats]:
    """Return the tire family: what the receiver holds, and for how long."""
    return {
        "tire.pressure": np.round(trace.take("tire_kpa", at), 2),
        "tire.temperature": trace.take("tire_degc", at),
        "tire.age": np.rint(trace.take("tire_age_s", at)),
    }


def report_masks(trace: Trace) -> tuple[Mask, Mask]:
    """Return which instants report drive and tires, and which report cells: every second one under way."""
    rows = trace.is_valid.copy()
    return rows, rows & ((trace.activity == PARKED) | (trace.step % 2 == 0) | trace.is_dense)
