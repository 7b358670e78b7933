"""What the vehicles do on one day: trips, stops, charging, and the instants at which they report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.chance import Floats, VehicleChance
from simulators.climate import CHINA_OFFSET_S, DAY_S
from simulators.fleet import Fleet, distance_between, offset_position

PARKED, DRIVING, CHARGING = 0, 1, 2
TRIPS = 4
DRIVE_STEP_S = 30.0
CHARGE_STEP_S = 60.0
CHARGER_W = 6600.0
HOUR_S = 3600.0
_DRIVE_STEPS = 200
_CHARGE_STEPS = 600
#: A simulated day runs from 04:00 to 04:00 China time, when nobody drives.
DAY_BEGIN_S = 4 * HOUR_S

Ints = npt.NDArray[np.int64]


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


def day_begin(time_s: float) -> float:
    """Return the beginning of the simulated day that holds an instant."""
    shift = CHINA_OFFSET_S - DAY_BEGIN_S
    return (time_s + shift) // DAY_S * DAY_S - shift


def drive_trips(chance: VehicleChance, distance_m: Floats, mean_mps: Floats) -> tuple[Floats, Floats, Ints]:
    """Return speed and way of every trip on a 30 s grid, and its number of steps.

    An Ornstein-Uhlenbeck process around the mean speed (0.06 1/s, 1.2 m/s per root second), from standstill
    to standstill. Arguments have the shape (F, TRIPS); results (F, TRIPS, steps) and (F, TRIPS).
    """
    keep = np.exp(-0.06 * DRIVE_STEP_S)
    spread = 1.2 / np.sqrt(2 * 0.06) * np.sqrt(1 - keep**2)
    noise = chance.normal(distance_m.shape[1], _DRIVE_STEPS)
    speed = np.zeros((*distance_m.shape, _DRIVE_STEPS))
    for step in range(1, _DRIVE_STEPS):
        drawn = mean_mps + (speed[..., step - 1] - mean_mps) * keep + spread * noise[..., step]
        speed[..., step] = np.clip(drawn, np.maximum(2.0, speed[..., step - 1] - 14.0), mean_mps * 1.5 + 3.0)
    way = np.zeros_like(speed)
    way[..., 1:] = np.cumsum(0.5 * (speed[..., 1:] + speed[..., :-1]) * DRIVE_STEP_S, axis=-1)
    steps = np.minimum((way < distance_m[..., None]).sum(axis=-1), _DRIVE_STEPS - 2) + 1
    np.put_along_axis(speed, steps[..., None], 0.0, axis=-1)
    before = np.take_along_axis(way, steps[..., None] - 1, axis=-1)
    before_speed = np.take_along_axis(speed, steps[..., None] - 1, axis=-1)
    np.put_along_axis(way, steps[..., None], before + 0.5 * before_speed * DRIVE_STEP_S, axis=-1)
    return speed, way, np.where(distance_m > 0, steps, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trips:
    """The trips of one day; (F, TRIPS) unless said otherwise."""

    draw: Floats  #: (F, 16) the day's chance, 0-1
    is_weekend: bool
    climbs: npt.NDArray[np.bool_]  #: (F,) makes the altitude trip
    heats: npt.NDArray[np.bool_]  #: (F,) makes the hot stop
    prepares: npt.NDArray[np.bool_]  #: (F,) charges for a long trip
    makes: npt.NDArray[np.bool_]
    origin: Floats  #: (F, TRIPS, 2)
    target: Floats  #: (F, TRIPS, 2)
    distance_m: Floats
    mean_mps: Floats


def plan_day(fleet: Fleet, chance: VehicleChance, begin_s: float, soc: Floats) -> Day:
    """Return one day from 04:00 to 04:00.

    Commuting on weekdays, errands at weekends and on some evenings, charging at home at night when the
    battery is low. A vehicle whose decoy is an altitude trip or a hot stop makes it on the day planned.
    """
    trips = _choose_trips(fleet, chance.uniform(16), begin_s)
    speed, way, steps = drive_trips(chance, trips.distance_m, trips.mean_mps)
    begin, end = _time_trips(trips, steps, begin_s)
    charge_begin, charge_end, charge_to = _plan_charge(fleet, trips, end, begin_s, soc)
    time_s, is_valid = _report_instants(trips, (begin, end, steps), (charge_begin, charge_end), begin_s)

    rows = np.arange(len(fleet))[:, None]
    order = np.where(begin[:, None, :] <= time_s[..., None], np.arange(TRIPS), -1).max(axis=-1)
    trip = np.maximum(order, 0)
    since = time_s - np.where(trips.makes, begin, 0.0)[rows, trip]
    step = np.rint(since / DRIVE_STEP_S).astype(np.int64)
    count = steps[rows, trip]
    is_driving = (order >= 0) & (step >= 0) & (step <= count) & (count > 0)
    at = np.clip(step, 0, _DRIVE_STEPS - 1)
    total = np.take_along_axis(way, steps[..., None], axis=-1)[..., 0]
    length = np.maximum(total[rows, trip], 1.0)
    is_charging = (time_s >= charge_begin[:, None]) & (time_s <= charge_end[:, None])
    plugged_s = np.where(is_charging, time_s - np.where(is_charging, charge_begin[:, None], 0.0), 0.0)
    charge_step = np.rint(plugged_s / CHARGE_STEP_S).astype(np.int64)
    rise = np.zeros((len(fleet), TRIPS + 1))
    rise[:, 1] = np.where(trips.climbs, 1200.0 + 600.0 * trips.draw[:, 3], 0.0)
    return Day(
        time_s=time_s,
        is_valid=is_valid,
        activity=np.where(is_driving, DRIVING, np.where(is_charging, CHARGING, PARKED)),
        speed_mps=np.where(is_driving, speed[rows, trip, at], 0.0),
        fraction=np.where(is_driving, way[rows, trip, at] / length, np.where(order >= 0, 1.0, 0.0)),
        trip=order,
        step=np.where(is_driving, step, charge_step),
        origin=trips.origin,
        target=trips.target,
        rise_m=rise,
        length_m=total,
        charge_to=charge_to,
    )


def _choose_trips(fleet: Fleet, draw: Floats, begin_s: float) -> _Trips:
    is_weekend = (int((begin_s + CHINA_OFFSET_S + 8 * HOUR_S) // DAY_S) + 3) % 7 >= 5
    decoy_at = np.where(np.isfinite(fleet.plan.decoy_at_s), fleet.plan.decoy_at_s, 0.0)
    decoy_day = (decoy_at - begin_s) // DAY_S
    can_climb = np.array([d == "altitude_trip" for d in fleet.plan.decoy])
    can_heat = np.array([d == "hot_stop" for d in fleet.plan.decoy])
    climbs, heats = can_climb & (decoy_day == 0), can_heat & np.isin(decoy_day, (0, -1, -2))
    stays = (draw[:, 0] < 0.05) & ~climbs & ~heats
    shop = offset_position(fleet.home, 2.0 + 5.0 * draw[:, 1], 2 * np.pi * draw[:, 2])
    hill = offset_position(fleet.home, 45.0 + 15.0 * draw[:, 1], 2 * np.pi * draw[:, 2])
    road = offset_position(fleet.home, 26.0 + 6.0 * draw[:, 3], 2 * np.pi * draw[:, 4])
    day_place = np.where(climbs[:, None], hill, shop if is_weekend else fleet.work)
    evening_place = np.where(heats[:, None], road, shop)
    origin = np.stack([fleet.home, day_place, fleet.home, evening_place], axis=1)
    target = np.stack([day_place, fleet.home, evening_place, fleet.home], axis=1)
    apart = distance_between(origin, target)
    goes_out = (heats | ((draw[:, 5] < 0.35) & ~climbs)) & ~stays
    makes = np.stack([~stays, ~stays, goes_out, goes_out], axis=1)
    pace = np.where(apart > 20_000, 27.0, np.where(apart > 7_000, 14.0, 9.0))
    return _Trips(
        draw=draw,
        is_weekend=is_weekend,
        climbs=climbs,
        heats=heats,
        prepares=(can_climb | can_heat) & np.isin(decoy_day, (2, 1, 0, -1)),
        makes=makes,
        origin=origin,
        target=target,
        distance_m=np.where(makes, apart * (1.2 + 0.2 * draw[:, 6:7]), 0.0),
        mean_mps=pace * (0.9 + 0.2 * draw[:, 7:8]),
    )


def _time_trips(trips: _Trips, steps: Ints, begin_s: float) -> tuple[Floats, Floats]:
    """Return beginning and end of every trip, (F, TRIPS); infinite and minus infinite where there is none."""
    draw = trips.draw
    first = (10.0 if trips.is_weekend else 7.3) + 1.4 * draw[:, 8]
    back = np.where(trips.climbs, first + 6.5, first + (3.0 if trips.is_weekend else 9.5) + 1.2 * draw[:, 9])
    wanted = np.stack([first, back, 20.1 + 0.3 * draw[:, 10]], axis=1)
    begin: Floats = np.zeros(steps.shape)
    begin[:, :3] = begin_s - DAY_BEGIN_S + wanted * HOUR_S
    end = np.zeros_like(begin)
    stop_s = np.where(trips.heats, 11.0, 25.0 + 30.0 * draw[:, 11]) * 60.0
    for trip in range(TRIPS):
        if trip:
            pause_s = stop_s if trip == TRIPS - 1 else np.full(len(stop_s), 600.0)
            begin[:, trip] = np.maximum(begin[:, trip], end[:, trip - 1] + pause_s)
        end[:, trip] = begin[:, trip] + steps[:, trip] * DRIVE_STEP_S
    rounded = np.where(trips.makes, np.rint(10.0 * begin) / 10.0, np.inf)
    return rounded, np.where(trips.makes, rounded + steps * DRIVE_STEP_S, -np.inf)


def _plan_charge(
    fleet: Fleet, trips: _Trips, end: Floats, begin_s: float, soc: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return beginning, end and aim of the night's charge, (F,); infinite where there is none."""
    draw = trips.draw
    home_at = np.maximum(end.max(axis=1), begin_s + 12 * HOUR_S)
    energy_wh = np.array([fleet.models[i].energy_kwh for i in fleet.model_index]) * 1000.0
    expected = soc - trips.distance_m.sum(axis=1) / 1000.0 * 200.0 / energy_wh
    aim = np.where(trips.prepares, 0.96, 0.8 + 0.15 * draw[:, 12])
    needs = (expected < 0.5 + 0.15 * draw[:, 13]) | trips.prepares
    begin = np.where(needs, np.round(home_at + (0.3 + 1.2 * draw[:, 14]) * HOUR_S, 1), np.inf)
    takes_s = np.clip((aim - expected + 0.06) * energy_wh / (0.93 * CHARGER_W), 0.2, 9.0) * HOUR_S
    end_s = np.where(needs, np.maximum(np.minimum(begin + takes_s, begin_s + DAY_S - 1200.0), begin), -np.inf)
    return begin, end_s, aim


def _report_instants(
    trips: _Trips, drives: tuple[Floats, Floats, Ints], charge: tuple[Floats, Floats], begin_s: float
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
    index = np.arange(_DRIVE_STEPS)
    driving = np.where(
        trips.makes[..., None] & (index <= steps[..., None]),
        np.where(trips.makes, begin, 0.0)[..., None] + DRIVE_STEP_S * index,
        np.inf,
    ).reshape(n, -1)
    charging = charge_begin[:, None] + CHARGE_STEP_S * np.arange(_CHARGE_STEPS)
    charging = np.where(charging <= charge_end[:, None], charging, np.inf)
    time_s = np.sort(np.concatenate([np.where(is_out, np.inf, parked), driving, charging], axis=1), axis=1)
    is_valid = np.isfinite(time_s)
    width = int(is_valid.sum(axis=1).max())
    time_s, is_valid = time_s[:, :width], is_valid[:, :width]
    last = np.max(time_s, axis=1, where=is_valid, initial=begin_s)
    return np.where(is_valid, time_s, last[:, None]), is_valid
