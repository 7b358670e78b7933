"""The trips of a day: where to, how far, how fast, when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.chance import Floats, Ints, VehicleChance
from simulators.climate import CHINA_OFFSET_S, DAY_S, HOUR_S
from simulators.fleet import Fleet, distance_between, offset_position
from simulators.habits import Habits

TRIPS = 4
DRIVE_STEP_S = 30.0
DRIVE_STEPS = 200
#: Numbers that a vehicle draws for a day.
DRAWS = 20
#: A climb of 500-2500 m on so many days.
CLIMB_SHARE = 0.02
#: A simulated day runs from 04:00 to 04:00 China time, when nobody drives.
DAY_BEGIN_S = 4 * HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Trips:
    """The trips of one day; (F, TRIPS) unless said otherwise."""

    draw: Floats  #: (F, DRAWS) the day's chance, 0-1
    is_weekend: bool
    climb_m: Floats  #: (F,) of the altitude trip, 0: none
    heats: npt.NDArray[np.bool_]  #: (F,) makes the hot stop
    prepares: npt.NDArray[np.bool_]  #: (F,) charges for a long trip
    makes: npt.NDArray[np.bool_]
    origin: Floats  #: (F, TRIPS, 2)
    target: Floats  #: (F, TRIPS, 2)
    distance_m: Floats
    mean_mps: Floats


def drive_trips(chance: VehicleChance, distance_m: Floats, mean_mps: Floats) -> tuple[Floats, Floats, Ints]:
    """Return speed and way of every trip on a 30 s grid, and its number of steps.

    An Ornstein-Uhlenbeck process around the mean speed (0.06 1/s, 1.2 m/s per root second), from standstill
    to standstill. Arguments have the shape (F, TRIPS); results (F, TRIPS, steps) and (F, TRIPS).
    """
    keep = np.exp(-0.06 * DRIVE_STEP_S)
    spread = 1.2 / np.sqrt(2 * 0.06) * np.sqrt(1 - keep**2)
    noise = chance.normal(distance_m.shape[1], DRIVE_STEPS)
    speed = np.zeros((*distance_m.shape, DRIVE_STEPS))
    for step in range(1, DRIVE_STEPS):
        drawn = mean_mps + (speed[..., step - 1] - mean_mps) * keep + spread * noise[..., step]
        speed[..., step] = np.clip(drawn, np.maximum(2.0, speed[..., step - 1] - 14.0), mean_mps * 1.5 + 3.0)
    way = np.zeros_like(speed)
    way[..., 1:] = np.cumsum(0.5 * (speed[..., 1:] + speed[..., :-1]) * DRIVE_STEP_S, axis=-1)
    steps = np.minimum((way < distance_m[..., None]).sum(axis=-1), DRIVE_STEPS - 2) + 1
    np.put_along_axis(speed, steps[..., None], 0.0, axis=-1)
    before = np.take_along_axis(way, steps[..., None] - 1, axis=-1)
    before_speed = np.take_along_axis(speed, steps[..., None] - 1, axis=-1)
    np.put_along_axis(way, steps[..., None], before + 0.5 * before_speed * DRIVE_STEP_S, axis=-1)
    return speed, way, np.where(distance_m > 0, steps, 0)


def choose_trips(
    fleet: Fleet,
    habits: Habits,
    draw: Floats,
    begin_s: float,
    *,
    soc: Floats,
    is_due: npt.NDArray[np.bool_],
) -> Trips:
    """Return where every vehicle goes on the day that begins at ``begin_s``.

    Args:
        fleet: The vehicles.
        habits: Of the same fleet.
        draw: (F, DRAWS) the day's chance, 0-1.
        begin_s: Of the day, seconds since 1970 UTC.
        soc: (F,) at its beginning, 0-1.
        is_due: (F,) who waits for the occasion of a hazard.
    """
    is_weekend = (int((begin_s + CHINA_OFFSET_S + 8 * HOUR_S) // DAY_S) + 3) % 7 >= 5
    climb_day, heat_day = (np.floor((at - begin_s) / DAY_S) for at in (habits.climbs_at_s, habits.hot_at_s))
    told = climb_day == 0
    climbs = told | ((draw[:, 18] < CLIMB_SHARE) & (soc > 0.75))
    heats = np.isin(heat_day, (0, -1, -2)) | (is_due & habits.is_belt)
    parks = (begin_s + DAY_S > habits.parks_from_s) & (begin_s < habits.parks_until_s)
    stays = ((draw[:, 0] < 0.05) & ~climbs & ~heats & ~is_due) | parks
    hurries = (begin_s + DAY_S > habits.hurries_from_s) & (begin_s < habits.hurries_until_s)
    shop = offset_position(fleet.home, 2.0 + 5.0 * draw[:, 1], 2 * np.pi * draw[:, 2])
    hill = offset_position(fleet.home, 45.0 + 15.0 * draw[:, 1], 2 * np.pi * draw[:, 2])
    far = np.where(is_due & habits.is_belt, 26.0, 0.0)
    road = offset_position(fleet.home, 26.0 + 6.0 * draw[:, 3] + far, 2 * np.pi * draw[:, 4])
    day_place = np.where(climbs[:, None], hill, shop if is_weekend else fleet.work)
    evening_place = np.where(heats[:, None], road, shop)
    origin = np.stack([fleet.home, day_place, fleet.home, evening_place], axis=1)
    target = np.stack([day_place, fleet.home, evening_place, fleet.home], axis=1)
    apart = distance_between(origin, target)
    goes_out = (heats | ((draw[:, 5] < 0.35) & ~climbs)) & ~stays
    makes = np.stack([~stays, ~stays, goes_out, goes_out], axis=1)
    pace = np.where(apart > 20_000, 27.0, np.where(apart > 7_000, 14.0, 9.0))
    pace = pace * np.where(hurries | (is_due & habits.is_belt), 1.22, 1.0)[:, None]
    return Trips(
        draw=draw,
        is_weekend=is_weekend,
        climb_m=np.where(
            told, 1200.0 + 600.0 * draw[:, 3], np.where(climbs, 500.0 + 2000.0 * draw[:, 19], 0.0)
        )
        * ~stays,
        heats=heats,
        prepares=np.isin(climb_day, (2, 1, 0, -1))
        | np.isin(heat_day, (2, 1, 0, -1))
        | (is_due & (habits.is_charged | habits.is_belt)),
        makes=makes,
        origin=origin,
        target=target,
        distance_m=np.where(makes, apart * (1.2 + 0.2 * draw[:, 6:7]), 0.0),
        mean_mps=pace * (0.9 + 0.2 * draw[:, 7:8]),
    )


def time_trips(trips: Trips, steps: Ints, begin_s: float) -> tuple[Floats, Floats]:
    """Return beginning and end of every trip, (F, TRIPS); infinite and minus infinite where there is none."""
    draw = trips.draw
    first = (10.0 if trips.is_weekend else 7.3) + 1.4 * draw[:, 8]
    back = np.where(
        trips.climb_m > 0, first + 6.5, first + (3.0 if trips.is_weekend else 9.5) + 1.2 * draw[:, 9]
    )
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
