"""What the vehicles do on one day: trips, stops, charging, and the instants at which they report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.chance import Floats, Ints, VehicleChance
from simulators.climate import CHINA_OFFSET_S, DAY_S, HOUR_S
from simulators.faults.injection import NEVER
from simulators.fleet import Fleet
from simulators.habits import Habits
from simulators.occasions import dense_instants, find_dense, place_hazard
from simulators.trips import (
    DAY_BEGIN_S,
    DRAWS,
    DRIVE_STEP_S,
    DRIVE_STEPS,
    TRIPS,
    Trips,
    choose_trips,
    drive_trips,
    time_trips,
)

PARKED, DRIVING, CHARGING = 0, 1, 2
CHARGE_STEP_S = 60.0
CHARGER_W = 6600.0
#: A charger above this is a fast one: it heats the pack and tapers.
DC_W = 20_000.0
#: Share of the charges at a fast charger, and its power over the pack's energy, W/Wh.
DC_SHARE, DC_C = 0.15, 1.1
_CHARGE_STEPS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of a fleet; F vehicles, K report instants, at most ``TRIPS`` trips."""

    time_s: Floats  #: (F, K) ascending, seconds since 1970; the last valid one repeats to the end
    is_valid: npt.NDArray[np.bool_]  #: (F, K)
    activity: Ints  #: (F, K) PARKED, DRIVING or CHARGING
    speed_mps: Floats  #: (F, K)
    fraction: Floats  #: (F, K) of the trip's way behind the vehicle; 1 once arrived
    trip: Ints  #: (F, K) newest trip begun; -1 before the first
    step: Ints  #: (F, K) number of the sample within its trip or charge
    origin: Floats  #: (F, TRIPS, 2) latitude and longitude
    target: Floats  #: (F, TRIPS, 2)
    rise_m: Floats  #: (F, TRIPS + 1) height above home at the trips' ends; first element before the first
    length_m: Floats  #: (F, TRIPS) metres driven
    charge_to: Floats  #: (F,) state of charge to stop at, 0-1
    charge_w: Floats  #: (F,) of the charger
    sun_degc: Floats  #: (F,) what the sun may warm one side by
    hazard_s: Floats  #: (F,) instant of the hazard of this day, infinite where there is none
    is_dense: npt.NDArray[np.bool_]  #: (F, K) sampled by the second around a hazard


def day_begin(time_s: float) -> float:
    """Return the beginning of the simulated day that holds an instant."""
    shift = CHINA_OFFSET_S - DAY_BEGIN_S
    return (time_s + shift) // DAY_S * DAY_S - shift


def plan_day(
    fleet: Fleet,
    habits: Habits,
    chance: VehicleChance,
    begin_s: float,
    soc: Floats,
    *,
    is_over: npt.NDArray[np.bool_],
) -> Day:
    """Return one day from 04:00 to 04:00.

    Commuting on weekdays, errands at weekends and on some evenings, charging at home at night when the
    battery is low, now and then at a fast charger. A vehicle whose decoy is an altitude trip or a hot stop
    makes it on the day planned; a hazard comes on the first day after its time that offers the occasion.

    Args:
        fleet: The vehicles.
        habits: Of the same fleet.
        chance: One stream a vehicle.
        begin_s: Of the day.
        soc: (F,) at its beginning, 0-1.
        is_over: (F,) whose hazard has been already.
    """
    at_s = np.array([NEVER if h is None else h.at_s for h in habits.hazard])
    is_due = (at_s < begin_s + DAY_S) & ~is_over
    trips = choose_trips(fleet, habits, chance.uniform(DRAWS), begin_s, soc=soc, is_due=is_due)
    speed, way, steps = drive_trips(chance, trips.distance_m, trips.mean_mps)
    begin, end = time_trips(trips, steps, begin_s)
    charge_begin, charge_end, charge_to, charge_w = _plan_charge(fleet, trips, end, begin_s, soc)
    hazard_s = place_hazard(habits, is_due, trips, (begin, end), charge_end)
    dense = dense_instants(habits, hazard_s, begin_s)
    time_s, is_valid = _report_instants(
        trips, (begin, end, steps), (charge_begin, charge_end), begin_s, dense
    )

    rows = np.arange(len(fleet))[:, None]
    order = np.where(begin[:, None, :] <= time_s[..., None], np.arange(TRIPS), -1).max(axis=-1)
    trip = np.maximum(order, 0)
    since = time_s - np.where(trips.makes, begin, 0.0)[rows, trip]
    place = np.clip(np.round(since / DRIVE_STEP_S, 6), 0.0, DRIVE_STEPS - 1.001)
    count = steps[rows, trip]
    is_driving = (order >= 0) & (since >= -1e-6) & (place <= count) & (count > 0)
    low = place.astype(np.int64)
    part = place - low
    here, there = speed[rows, trip, low], speed[rows, trip, low + 1]
    gone = way[rows, trip, low] + DRIVE_STEP_S * (here * part + 0.5 * (there - here) * part**2)
    total = np.take_along_axis(way, steps[..., None], axis=-1)[..., 0]
    length = np.maximum(total[rows, trip], 1.0)
    is_charging = (time_s >= charge_begin[:, None]) & (time_s <= charge_end[:, None])
    plugged_s = np.where(is_charging, time_s - np.where(is_charging, charge_begin[:, None], 0.0), 0.0)
    rise = np.zeros((len(fleet), TRIPS + 1))
    rise[:, 1] = trips.climb_m
    return Day(
        time_s=time_s,
        is_valid=is_valid,
        activity=np.where(is_driving, DRIVING, np.where(is_charging, CHARGING, PARKED)),
        speed_mps=np.where(is_driving, here + (there - here) * part, 0.0),
        fraction=np.where(is_driving, np.minimum(gone / length, 1.0), np.where(order >= 0, 1.0, 0.0)),
        trip=order,
        step=np.where(is_driving, np.ceil(place), np.ceil(np.round(plugged_s / CHARGE_STEP_S, 6))).astype(
            np.int64
        ),
        origin=trips.origin,
        target=trips.target,
        rise_m=rise,
        length_m=total,
        charge_to=charge_to,
        charge_w=charge_w,
        sun_degc=np.where(trips.draw[:, 16] < 0.3, 8.0 * trips.draw[:, 17], 0.0),
        hazard_s=hazard_s,
        is_dense=find_dense(hazard_s, time_s),
    )


def _plan_charge(
    fleet: Fleet, trips: Trips, end: Floats, begin_s: float, soc: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return beginning, end, aim and power of the night's charge, (F,); infinite where there is none.

    Lithium iron phosphate is charged to the top, as its makers ask, so that its charge can be told.
    """
    draw = trips.draw
    home_at = np.maximum(end.max(axis=1), begin_s + 12 * HOUR_S)
    energy_wh = np.array([fleet.models[i].energy_kwh for i in fleet.model_index]) * 1000.0
    expected = soc - trips.distance_m.sum(axis=1) / 1000.0 * 200.0 / energy_wh
    is_lfp = np.array([fleet.model_of(row).chemistry == "LFP" for row in range(len(fleet))])
    aim = np.where(trips.prepares, 0.96, 0.8 + 0.15 * draw[:, 12])
    aim = np.where(is_lfp, 0.995, aim)
    needs = (expected < 0.5 + 0.15 * draw[:, 13]) | trips.prepares
    is_fast = draw[:, 14] < DC_SHARE
    power = np.where(is_fast, DC_C * energy_wh, CHARGER_W)
    begin = np.where(needs, np.round(home_at + (0.3 + 1.2 * draw[:, 14]) * HOUR_S, 1), np.inf)
    mean_w = np.where(is_fast, 0.55 * power, 0.93 * power)
    slow_end = np.where(aim > 0.96, 0.6, 0.0)
    takes_s = np.clip((aim - expected + 0.06) * energy_wh / mean_w + slow_end, 0.2, 9.0) * HOUR_S
    end_s = np.where(needs, np.maximum(np.minimum(begin + takes_s, begin_s + DAY_S - 1200.0), begin), -np.inf)
    return begin, end_s, aim, power


def _report_instants(
    trips: Trips,
    drives: tuple[Floats, Floats, Ints],
    charge: tuple[Floats, Floats],
    begin_s: float,
    dense: Floats,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return when each vehicle reports, (F, K) ascending, and which of the instants are real.

    Every 30 s under way, every 60 s charging, hourly while parked, denser in the first half hour and once
    more after a little over three hours of rest.
    """
    (begin, end, steps), (charge_begin, charge_end) = drives, charge
    n = begin.shape[0]
    after = np.array([60.0, 300.0, 900.0, 1800.0, 11_100.0])
    starts = np.concatenate([begin, charge_begin[:, None]], axis=1)
    stops = np.concatenate([end, charge_end[:, None]], axis=1)
    hourly = begin_s + np.round(HOUR_S * trips.draw[:, 15:16], 1) + HOUR_S * np.arange(24.0)
    parked = np.concatenate([hourly, (stops[..., None] + after).reshape(n, -1)], axis=1)
    inside = (parked[..., None] >= starts[:, None, :]) & (parked[..., None] <= stops[:, None, :])
    is_out = inside.any(axis=-1) | (parked < begin_s) | (parked >= begin_s + DAY_S)
    index = np.arange(DRIVE_STEPS)
    driving = np.where(
        trips.makes[..., None] & (index <= steps[..., None]),
        np.where(trips.makes, begin, 0.0)[..., None] + DRIVE_STEP_S * index,
        np.inf,
    ).reshape(n, -1)
    charging = charge_begin[:, None] + CHARGE_STEP_S * np.arange(_CHARGE_STEPS)
    charging = np.where(charging <= charge_end[:, None], charging, np.inf)
    time_s = np.sort(
        np.concatenate([np.where(is_out, np.inf, parked), driving, charging, dense], axis=1), axis=1
    )
    is_twice = time_s[:, 1:] < time_s[:, :-1] + 0.05
    time_s[:, 1:] = np.where(is_twice, np.inf, time_s[:, 1:])
    time_s = np.sort(time_s, axis=1)
    is_valid = np.isfinite(time_s)
    width = int(is_valid.sum(axis=1).max())
    time_s, is_valid = time_s[:, :width], is_valid[:, :width]
    last = np.max(time_s, axis=1, where=is_valid, initial=begin_s)
    return np.where(is_valid, time_s, last[:, None]), is_valid
