"""What the vehicles do on one day: trips, stops, charging, and the instants at which they report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.records import FailureMode
from simulators.chance import Floats, VehicleChance
from simulators.climate import CHINA_OFFSET_S, DAY_S
from simulators.faults.injection import NEVER, Injection
from simulators.fleet import Fleet, distance_between, offset_position

PARKED, DRIVING, CHARGING = 0, 1, 2
TRIPS = 4
DRIVE_STEP_S = 30.0
CHARGE_STEP_S = 60.0
CHARGER_W = 6600.0
#: A charger above this is a fast one: it heats the pack and tapers.
DC_W = 20_000.0
#: Share of the charges at a fast charger, and its power over the pack's energy, W/Wh.
DC_SHARE, DC_C = 0.15, 1.1
HOUR_S = 3600.0
#: A climb of 500-2500 m on so many days.
CLIMB_SHARE = 0.02
_DRIVE_STEPS = 200
DRAWS = 20
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
    charge_w: Floats  #: (F,) of the charger
    sun_degc: Floats  #: (F,) what the sun may warm one side by
    hazard_s: Floats  #: (F,) instant of the hazard of this day, infinite where there is none
    is_dense: npt.NDArray[np.bool_]  #: (F, K) sampled by the second around a hazard


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the plan makes vehicles do; (F,)."""

    climbs_at_s: Floats
    hot_at_s: Floats
    parks_from_s: Floats
    parks_until_s: Floats
    hurries_from_s: Floats  #: heat and hard driving
    hurries_until_s: Floats
    hazard: tuple[Injection | None, ...]
    is_belt: npt.NDArray[np.bool_]
    is_charged: npt.NDArray[np.bool_]  #: its runaway follows a charge

    @classmethod
    def of(cls, fleet: Fleet) -> Habits:
        """Read the habits out of a fleet's plan."""
        plan, n = fleet.plan, len(fleet)
        hazard: list[Injection | None] = [None] * n
        for one in plan.injections:
            if one.is_hazard:
                hazard[one.vehicle] = one
        until = {kind: np.zeros(n) for kind in ("long_parking", "heat_wave")}
        for kind, out in until.items():
            for one in plan.of(kind):
                out[one.vehicle] = one.p["until_s"]
        charged = np.zeros(n, np.bool_)
        charged[[i.vehicle for i in plan.of(FailureMode.BATTERY_THERMAL_EVENT, "charged")]] = True
        return cls(
            climbs_at_s=plan.onset("altitude_trip"),
            hot_at_s=plan.onset("hot_stop"),
            parks_from_s=plan.onset("long_parking"),
            parks_until_s=until["long_parking"],
            hurries_from_s=plan.onset("heat_wave"),
            hurries_until_s=until["heat_wave"],
            hazard=tuple(hazard),
            is_belt=plan.mask(FailureMode.TIRE_BLOWOUT_RISK),
            is_charged=charged,
        )


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
    trips = _choose_trips(fleet, habits, chance.uniform(DRAWS), begin_s, soc=soc, is_due=is_due)
    speed, way, steps = drive_trips(chance, trips.distance_m, trips.mean_mps)
    begin, end = _time_trips(trips, steps, begin_s)
    charge_begin, charge_end, charge_to, charge_w = _plan_charge(fleet, trips, end, begin_s, soc)
    hazard_s = _place_hazard(habits, is_due, trips, (begin, end), charge_end)
    dense = _dense_instants(habits, hazard_s, begin_s)
    time_s, is_valid = _report_instants(
        trips, (begin, end, steps), (charge_begin, charge_end), begin_s, dense
    )

    rows = np.arange(len(fleet))[:, None]
    order = np.where(begin[:, None, :] <= time_s[..., None], np.arange(TRIPS), -1).max(axis=-1)
    trip = np.maximum(order, 0)
    since = time_s - np.where(trips.makes, begin, 0.0)[rows, trip]
    place = np.clip(np.round(since / DRIVE_STEP_S, 6), 0.0, _DRIVE_STEPS - 1.001)
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
        is_dense=_is_dense(hazard_s, time_s),
    )


def _choose_trips(
    fleet: Fleet,
    habits: Habits,
    draw: Floats,
    begin_s: float,
    *,
    soc: Floats,
    is_due: npt.NDArray[np.bool_],
) -> _Trips:
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
    return _Trips(
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


def _place_hazard(
    habits: Habits,
    is_due: npt.NDArray[np.bool_],
    trips: _Trips,
    drives: tuple[Floats, Floats],
    charge_end: Floats,
) -> Floats:
    """Return (F,) when the hazard of this day begins: on the way, on the fast road, after the charge."""
    begin, end = drives
    out = np.full(len(is_due), NEVER)
    for row in np.flatnonzero(is_due).tolist():
        at_s = NEVER
        trip = 2 if habits.is_belt[row] else 0
        if habits.is_charged[row]:
            at_s = charge_end[row] + 120.0
        elif trips.makes[row, trip] and end[row, trip] - begin[row, trip] > 240.0:
            share = 0.35 if habits.is_belt[row] else 0.3 + 0.3 * trips.draw[row, 11]
            at_s = begin[row, trip] + share * (end[row, trip] - begin[row, trip])
        one = habits.hazard[row]
        if one is not None and np.isfinite(at_s) and at_s >= one.at_s:
            out[row] = np.round(at_s)
    return out


#: Around a hazard a vehicle samples by the second: from, to (s after it begins) and step, by its kind.
_DENSE = {
    FailureMode.BATTERY_THERMAL_EVENT: (-60.0, 1500.0, 1.0),
    FailureMode.TIRE_PUNCTURE: (-120.0, 900.0, 4.0),
    FailureMode.TIRE_BLOWOUT_RISK: (-600.0, 1500.0, 5.0),
}


def _dense_instants(habits: Habits, hazard_s: Floats, begin_s: float) -> Floats:
    """Return (F, D) further instants around the hazards, infinite where there are none."""
    rows = np.flatnonzero(np.isfinite(hazard_s)).tolist()
    grids = {row: np.arange(*_DENSE[FailureMode(one.kind)]) for row in rows if (one := habits.hazard[row])}
    out = np.full((len(hazard_s), max((g.size for g in grids.values()), default=0)), np.inf)
    for row, grid in grids.items():
        at = hazard_s[row] + grid
        out[row, : grid.size] = np.where((at >= begin_s) & (at < begin_s + DAY_S), at, np.inf)
    return out


def _is_dense(hazard_s: Floats, time_s: Floats) -> npt.NDArray[np.bool_]:
    since = time_s - np.where(np.isfinite(hazard_s), hazard_s, -np.inf)[:, None]
    return np.asarray((since >= -600.0) & (since <= 1500.0))


def _time_trips(trips: _Trips, steps: Ints, begin_s: float) -> tuple[Floats, Floats]:
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


def _plan_charge(
    fleet: Fleet, trips: _Trips, end: Floats, begin_s: float, soc: Floats
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
    trips: _Trips,
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
    index = np.arange(_DRIVE_STEPS)
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
