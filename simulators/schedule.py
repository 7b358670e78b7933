"""What the vehicles do on one day: trips, stops, charging, and the instants at which they report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.chance import Floats, VehicleChance
from simulators.climate import CHINA_OFFSET_S, DAY_S
from simulators.fleet import Fleet, offset_position

PARKED, DRIVING, CHARGING = 0, 1, 2
TRIPS = 4
DRIVE_STEP_S = 30.0
CHARGE_STEP_S = 60.0
CHARGER_W = 6600.0
_DRIVE_STEPS = 200
_CHARGE_STEPS = 600
#: A simulated day runs from 04:00 to 04:00 China time, when nobody drives.
DAY_BEGIN_S = 4 * 3600.0

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


def plan_day(fleet: Fleet, chance: VehicleChance, begin_s: float, soc: Floats) -> Day:
    """Return one day from 04:00 to 04:00.

    Commuting on weekdays, errands at weekends and on some evenings, charging at home at night when the
    battery is low. A vehicle whose decoy is an altitude trip or a hot stop makes it on the day planned.
    """
    n = len(fleet)
    local_noon = begin_s + CHINA_OFFSET_S + 8 * 3600.0
    is_weekend = (int(local_noon // DAY_S) + 3) % 7 >= 5
    draw = chance.uniform(16)
    decoy_at = np.where(np.isfinite(fleet.plan.decoy_at_s), fleet.plan.decoy_at_s, 0.0)
    decoy_day = (decoy_at - begin_s) // DAY_S
    climbs = np.array([d == "altitude_trip" for d in fleet.plan.decoy]) & (decoy_day == 0)
    heats = np.array([d == "hot_stop" for d in fleet.plan.decoy]) & np.isin(decoy_day, (0, -1, -2))
    stays = (draw[:, 0] < 0.05) & ~climbs & ~heats

    shop = offset_position(fleet.home, 2.0 + 5.0 * draw[:, 1], 2 * np.pi * draw[:, 2])
    hill = offset_position(fleet.home, 45.0 + 15.0 * draw[:, 1], 2 * np.pi * draw[:, 2])
    road = offset_position(fleet.home, 26.0 + 6.0 * draw[:, 3], 2 * np.pi * draw[:, 4])
    day_place = np.where(climbs[:, None], hill, shop if is_weekend else fleet.work)
    evening_place = np.where(heats[:, None], road, shop)
    goes_out = heats | ((draw[:, 5] < 0.35) & ~climbs)
    origin = np.stack([fleet.home, day_place, fleet.home, evening_place], axis=1)
    target = np.stack([day_place, fleet.home, evening_place, fleet.home], axis=1)
    apart = np.hypot(
        (target - origin)[..., 0] * 111_195.0,
        (target - origin)[..., 1] * 111_195.0 * np.cos(np.radians(origin[..., 0])),
    )
    makes = np.stack([~stays, ~stays, goes_out & ~stays, goes_out & ~stays], axis=1)
    distance = np.where(makes, apart * (1.2 + 0.2 * draw[:, 6:7]), 0.0)
    mean = np.where(apart > 20_000, 27.0, np.where(apart > 7_000, 14.0, 9.0)) * (0.9 + 0.2 * draw[:, 7:8])
    speed, way, steps = drive_trips(chance, distance, mean)

    hour = 3600.0
    first = (10.0 if is_weekend else 7.3) + 1.4 * draw[:, 8]
    wanted = np.stack(
        [
            first,
            first + (3.0 if is_weekend else 9.5) + 1.2 * draw[:, 9],
            20.1 + 0.3 * draw[:, 10],
            20 + 0 * first,
        ],
        axis=1,
    )
    wanted[climbs, 1] = first[climbs] + 6.5
    begin = begin_s - DAY_BEGIN_S + wanted * hour
    end = np.zeros_like(begin)
    for trip in range(TRIPS):
        if trip:
            pause = np.where(heats, 11.0, 25.0 + 30.0 * draw[:, 11]) * 60.0 if trip == 3 else 600.0
            begin[:, trip] = np.maximum(begin[:, trip], end[:, trip - 1] + pause)
            if trip == 3:
                begin[:, trip] = end[:, trip - 1] + pause
        end[:, trip] = begin[:, trip] + steps[:, trip] * DRIVE_STEP_S
    begin = np.round(np.where(makes, begin, np.inf), 1)
    end = np.where(makes, begin + steps * DRIVE_STEP_S, -np.inf)

    home_at = np.maximum(end.max(axis=1), begin_s + 12 * hour)
    energy_wh = np.array([fleet.models[i].energy_kwh for i in fleet.model_index]) * 1000.0
    expected = soc - distance.sum(axis=1) / 1000.0 * 200.0 / energy_wh
    charge_to = 0.8 + 0.15 * draw[:, 12]
    travels = np.array([d in ("altitude_trip", "hot_stop") for d in fleet.plan.decoy])
    prepares = travels & np.isin(decoy_day, (2, 1, 0, -1))
    charge_to = np.where(prepares, 0.96, charge_to)
    needs = (expected < 0.5 + 0.15 * draw[:, 13]) | prepares
    charge_begin = np.where(needs, np.round(home_at + (0.3 + 1.2 * draw[:, 14]) * hour, 1), np.inf)
    takes = np.clip((charge_to - expected + 0.06) * energy_wh / (0.93 * CHARGER_W), 0.2, 9.0) * hour
    charge_end = np.minimum(charge_begin + takes, begin_s + DAY_S - 1200.0)
    charge_end = np.where(needs, np.maximum(charge_end, charge_begin), -np.inf)

    phase = np.round(3600.0 * draw[:, 15:16], 1)
    after = np.array([60.0, 300.0, 900.0, 1800.0, 11_100.0])
    stops = np.concatenate([end, charge_end[:, None]], axis=1)
    parked = np.concatenate(
        [begin_s + phase + hour * np.arange(24.0), (stops[..., None] + after).reshape(n, -1)], axis=1
    )
    starts = np.concatenate([begin, charge_begin[:, None]], axis=1)
    inside = (parked[..., None] >= starts[:, None, :]) & (parked[..., None] <= stops[:, None, :])
    parked = np.where(inside.any(axis=-1) | (parked < begin_s) | (parked >= begin_s + DAY_S), np.inf, parked)
    index = np.arange(_DRIVE_STEPS)
    driving = np.where(
        makes[..., None] & (index <= steps[..., None]),
        np.where(makes, begin, 0.0)[..., None] + DRIVE_STEP_S * index,
        np.inf,
    ).reshape(n, -1)
    charging = np.where(needs, charge_begin, 0.0)[:, None] + CHARGE_STEP_S * np.arange(_CHARGE_STEPS)
    charging = np.where(needs[:, None] & (charging <= charge_end[:, None]), charging, np.inf)
    time_s = np.sort(np.concatenate([parked, driving, charging], axis=1), axis=1)
    is_valid = np.isfinite(time_s)
    width = int(is_valid.sum(axis=1).max())
    time_s, is_valid = time_s[:, :width], is_valid[:, :width]
    time_s = np.where(is_valid, time_s, np.max(time_s, axis=1, where=is_valid, initial=begin_s)[:, None])

    begun = np.where(makes, begin, np.inf)[:, None, :] <= time_s[..., None]
    order = np.where(begun, np.arange(TRIPS), -1).max(axis=-1)
    trip = np.maximum(order, 0)
    since = time_s - np.take_along_axis(np.where(makes, begin, 0.0), trip, axis=1)
    step = np.rint(since / DRIVE_STEP_S).astype(np.int64)
    count = np.take_along_axis(steps, trip, axis=1)
    is_driving = (order >= 0) & (step >= 0) & (step <= count) & (count > 0)
    rows = np.arange(n)[:, None]
    at = np.clip(step, 0, _DRIVE_STEPS - 1)
    total = np.take_along_axis(way, steps[..., None], axis=-1)[..., 0]
    length = np.maximum(np.take_along_axis(total, trip, axis=1), 1.0)
    is_charging = (time_s >= charge_begin[:, None]) & (time_s <= charge_end[:, None])
    charge_step = np.where(
        needs[:, None], (time_s - np.where(needs, charge_begin, 0.0)[:, None]) / CHARGE_STEP_S, 0.0
    )
    rise = np.zeros((n, TRIPS + 1))
    rise[:, 1] = np.where(climbs, 1200.0 + 600.0 * draw[:, 3], 0.0)
    return Day(
        time_s=time_s,
        is_valid=is_valid,
        activity=np.where(is_driving, DRIVING, np.where(is_charging, CHARGING, PARKED)),
        speed_mps=np.where(is_driving, speed[rows, trip, at], 0.0),
        fraction=np.where(is_driving, way[rows, trip, at] / length, np.where(order >= 0, 1.0, 0.0)),
        trip=order,
        step=np.where(is_driving, step, np.where(is_charging, np.rint(charge_step).astype(np.int64), 0)),
        origin=origin,
        target=target,
        rise_m=rise,
        length_m=total,
        charge_to=charge_to,
    )
