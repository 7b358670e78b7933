"""The readings of tire sensors behind the days: what the live watch of the same vehicles would have seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data.records import VehicleSpec
from simulators.day_level.chance import Flags, Floats, Ints, Singles
from simulators.day_level.fleet import DayFleet
from simulators.day_level.scene import Scene
from simulators.day_level.sets import end_of_use
from simulators.day_level.tire_fitted import FittedSensors, fit_sensors
from simulators.day_level.tire_gas import Gas, run_gas
from simulators.day_level.tire_samples import REFERENCE_K
from simulators.day_level.tire_sensors import Misreadings, misread

#: Use of a day lies between these hours; more than that begins earlier.
_FROM_H, _TO_H = 7.5, 20.0
_DAY_US, _HOUR_US = 86_400_000_000, 3_600_000_000
_PERIOD_H = 62.0 / 3600.0
_WARM_UP_H = 0.3
#: Of a day; drawn for all vehicles alike, so that one is the same in parts of any size.
_MOST_TRIPS = 10
_NOISE_KPA, _NOISE_K = 0.8, 0.4
#: One reading in twenty is odd where some are.
_ODD_BELOW = -1.645
#: The middle third of a day's readings lies at these hours; what was done to a wheel was done after a share.
_CLOCK_AT, _CLOCK_PER_SHARE, _SHARE_AT = 0.38, 0.37 / 0.66, 0.17


@dataclass(frozen=True, slots=True, kw_only=True)
class TireReadings:
    """Readings of some vehicles in pieces of days, each with the days before it that a rule looks back on."""

    spec: VehicleSpec
    vehicle: Ints  #: (P,) of each piece, position among the vehicles asked for
    counts_from_us: Ints  #: (P,) what is found earlier belongs to the piece before
    row: Ints  #: (n,) piece of each reading, ascending; readings of a piece ascend in time
    time_us: Ints  #: (n,)
    columns: Mapping[str, Singles]  #: by alias, (n, W) or (n,)


def tire_readings(
    fleet: DayFleet, vehicle: Ints, *, piece_days: int = 20, look_back_days: int = 7
) -> TireReadings:
    """Return the readings of vehicles of one model over the whole run.

    Trips of equal length between 07:30 and 20:00; under way a reading of all wheels every 62 s, parked one an
    hour from those sensors that are awake. The gas follows the day's course hour by hour, and so does what is
    done to a wheel; rims that sun or brakes warm read a higher temperature than the gas has.

    Args:
        fleet: As ``draw_fleet`` returns it.
        vehicle: Shape (F,), indices in the fleet, of one model.
        piece_days: Days of a piece.
        look_back_days: Days before it that it has as well.

    Raises:
        FleetError: The vehicles are not of one model, or outside the fleet.
    """
    scene = fleet.scene(vehicle)
    gas = run_gas(scene)
    fitted = fit_sensors(scene, gas)
    wrong = misread(scene, fitted.luck, fitted.noise[:, 2])
    days = np.arange(fleet.days)
    is_heard = scene.usage.is_heard & (days <= end_of_use(gas.courses, len(vehicle))[:, None])
    moments = _moments(scene, fitted, is_heard)
    columns = _read(scene, gas, (fitted, wrong), moments)
    time_us = fleet.midnights_us()[moments.day] + np.rint(moments.clock_h * _HOUR_US).astype(np.int64)
    n_pieces = -(-fleet.days // piece_days)
    at: list[Ints] = []
    piece: list[Ints] = []
    for number in range(n_pieces):
        begin = number * piece_days
        inside = np.flatnonzero((moments.day >= begin - look_back_days) & (moments.day < begin + piece_days))
        at.append(inside)
        piece.append(moments.row[inside] * n_pieces + number)
    rows, pieces = np.concatenate(at), np.concatenate(piece)
    order = np.lexsort((time_us[rows], pieces))
    rows, pieces = rows[order], pieces[order]
    return TireReadings(
        spec=scene.spec,
        vehicle=np.repeat(np.arange(len(vehicle)), n_pieces),
        counts_from_us=np.tile(fleet.midnights_us()[: fleet.days : piece_days], len(vehicle)),
        row=pieces,
        time_us=time_us[rows],
        columns={name: values[rows] for name, values in columns.items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moments:
    """When readings are taken; (n,)."""

    row: Ints  #: vehicle
    day: Ints
    clock_h: Floats  #: since local midnight
    warm: Floats  #: 0-1, how far the tire has warmed up on its trip


def _moments(scene: Scene, fitted: FittedSensors, is_heard: Flags) -> _Moments:
    usage = scene.usage
    days = scene.shape[1]
    starts = np.sort(scene.chance.topic("tire trips").uniform(days, _MOST_TRIPS).astype(np.float64), axis=-1)
    drives = usage.drives & is_heard
    trips = np.where(drives, np.minimum(usage.trips, _MOST_TRIPS), 0)
    length = usage.drive_h / np.maximum(usage.trips, 1)
    span = np.maximum(_TO_H - _FROM_H, usage.drive_h + 0.5)
    begin = np.minimum(_FROM_H, 23.5 - span)
    number = np.arange(_MOST_TRIPS)
    # of the numbers that a day has too many of, the first ones are its trips, spread over the day
    places = starts / np.maximum(np.take_along_axis(starts, np.maximum(trips - 1, 0)[..., None], -1), 0.5)
    free = (span - usage.drive_h)[..., None]
    trip_h = begin[..., None] + number * length[..., None] + free * np.minimum(places, 1.0)
    row, day, which = np.nonzero(number < trips[..., None])
    count = np.maximum(np.floor(length[row, day] / _PERIOD_H).astype(np.int64), 1)
    of = np.repeat(np.arange(len(row)), count)
    into_h = (np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count) + 0.5) * _PERIOD_H
    moving = (row[of], day[of], trip_h[row, day, which][of] + into_h, -np.expm1(-into_h / _WARM_UP_H))
    awake_row, awake_day = np.nonzero(fitted.is_awake_parked & is_heard)
    hours = np.arange(24.0) + 0.37
    still = (
        np.repeat(awake_row, 24),
        np.repeat(awake_day, 24),
        np.tile(hours, len(awake_row)),
        np.zeros(24 * len(awake_row)),
    )
    end = trip_h + length[..., None]
    under_way = (
        (trip_h[still[0], still[1]] <= still[2][:, None])
        & (still[2][:, None] < end[still[0], still[1]])
        & (number < trips[still[0], still[1]][:, None])
    ).any(1)
    all_of = [np.concatenate((a, b[~under_way])) for a, b in zip(moving, still, strict=True)]
    order = np.lexsort((all_of[2], all_of[1], all_of[0]))
    row, day, clock, warm = (values[order] for values in all_of)
    return _Moments(row=row, day=day, clock_h=clock, warm=warm)


def _read(
    scene: Scene, gas: Gas, sensors: tuple[FittedSensors, Misreadings], at: _Moments
) -> dict[str, Singles]:
    fitted, wrong = sensors
    usage, place = scene.usage, (at.row, at.day)
    n_wheels = gas.amount_kpa.shape[2]
    shape = (len(at.row), n_wheels)
    counts = np.bincount(at.row, minlength=scene.shape[0])
    drawn = scene.chance.topic("tire noise").readings(counts, 3 * n_wheels)
    noise, noise_k, luck = (drawn[:, i * n_wheels : (i + 1) * n_wheels] for i in range(3))
    clock = at.clock_h[:, None] / 24.0
    amount = _amount(scene, gas, at)
    weather = usage.weather
    outside = weather.mean_degc[place] + weather.swing_degc[place] * np.sin(2 * np.pi * (at.clock_h - 9) / 24)
    outside -= 0.0065 * scene.who.altitude_m[at.row]
    is_out = at.warm > 0
    heat = 20.0 * usage.speed_kmh[place] / 100.0 * at.warm
    indoors = np.where(
        is_out, outside, np.where(scene.who.is_garaged[at.row], usage.night_degc[place], outside)
    )
    degc = (indoors + heat)[:, None]
    by_day = np.clip(np.sin(np.pi * (clock * 24.0 - 7.0) / 12.0), 0.0, 1.0)
    rim = wrong.warm_kpa[place] * np.where(is_out[:, None], at.warm[:, None], 0.7 * by_day)
    odd = np.where(luck < _ODD_BELOW, wrong.odd_kpa[place], 0.0)
    steady = (wrong.shift_kpa - wrong.warm_kpa - wrong.odd_kpa)[place]
    kelvin = degc + 273.15
    air = fitted.air_kpa[place][:, None]
    true = (amount + steady + odd) * kelvin / REFERENCE_K - air + fitted.bias_kpa[place]
    much = np.where(scene.has("noise"), 3.0, 1.0)[at.row, None] * _NOISE_KPA
    grid = fitted.grid_kpa[at.row, 0]
    kpa = np.rint((true + much * noise) / grid) * grid
    # a rim at T + x makes the gas look as if it had lost P x / T
    told = degc + fitted.bias_k[place] - rim * kelvin / np.maximum(amount, 60.0)
    told = np.rint(told + _NOISE_K * noise_k)
    is_lost, is_frozen = wrong.is_lost[place], wrong.is_frozen[place]
    for values in (kpa, told):
        values[is_lost] = np.nan
        _hold(values, is_frozen, at.row)
    has_air = scene.who.has_barometer[at.row]
    return {
        "tire.pressure": kpa.astype(np.float32),
        "tire.temperature": told.astype(np.float32),
        "tire.age": np.zeros(shape, np.float32),
        "ambient": outside.astype(np.float32),
        "barometer": np.where(has_air, fitted.air_kpa[place], np.nan).astype(np.float32),
        "altitude": np.where(has_air, scene.who.altitude_m[at.row], np.nan).astype(np.float32),
    }


def _amount(scene: Scene, gas: Gas, at: _Moments) -> Floats:
    """Return the gas at each moment: of the morning or after a service, less the day's loss so far."""
    place, clock = (at.row, at.day), at.clock_h / 24.0
    done_at = _CLOCK_AT + (gas.done[place] - _SHARE_AT) * _CLOCK_PER_SHARE
    is_done = (gas.done[place] >= 0) & (clock >= done_at)
    base = np.where(is_done[:, None], gas.filled_kpa[place], gas.morning_kpa[place])
    onset = scene.plan.onset_day[at.row]
    is_onset = np.floor(onset) == at.day
    since = np.where(is_onset, onset - np.floor(np.where(is_onset, onset, 0.0)), 0.0)
    part = np.clip((clock - since) / np.maximum(1.0 - since, 1e-6), 0.0, 1.0)
    return np.asarray(base + part[:, None] * (gas.evening_kpa[place] - gas.filled_kpa[place]))


def _hold(values: Floats, is_frozen: Flags, row: Ints) -> None:
    """Repeat the last value before a sensor froze, in place."""
    if not is_frozen.any():
        return
    at = np.arange(len(values))[:, None]
    source = np.maximum.accumulate(np.where(is_frozen, 0, at), axis=0)
    first = np.searchsorted(row, row)[:, None]
    values[:] = np.take_along_axis(values, np.maximum(source, first), axis=0)
