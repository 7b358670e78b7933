"""What the vehicles do day by day: trips, rests, charges, silence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.day_level.chance import Flags, Floats, Ints, PartChance
from simulators.day_level.population import Population
from simulators.day_level.weather import Weather

#: Longest run of days out of reach.
_GAP_DAYS = 6


@dataclass(slots=True, kw_only=True)
class Usage:
    """Days of the vehicles of one part, (F, D) unless said otherwise."""

    is_heard: Flags  #: readings of the day come in
    drives: Flags
    drive_h: Floats  #: under way, 0 without a trip
    speed_kmh: Floats  #: mean while under way
    highway_h: Floats  #: faster than 90 km/h
    trips: Ints
    climb_m: Floats  #: highest point above home
    degc: Floats  #: air while under way (at noon without a trip)
    night_degc: Floats  #: where it stands at night
    rest_soc: Floats  #: true state of charge of its longest rest, 0-1
    rest_h: Floats  #: longest rest
    is_charged: Flags
    charged_from: Floats  #: NaN without a charge
    charged_to: Floats
    is_fast: Flags  #: with direct current
    load: Floats  #: over the usual load; trailer, holiday
    weather: Weather

    @property
    def km(self) -> Floats:
        """Return the distance of the day."""
        return self.drive_h * self.speed_kmh


def draw_usage(chance: PartChance, who: Population, weather: Weather, first_day: int) -> Usage:
    """Return the days of a part.

    Trips a day follow a Poisson law around the vehicle's habit, fewer at weekends; the way sets the charge,
    and below its owner's mark the vehicle is plugged in at night.
    """
    days = weather.mean_degc.shape[1]
    shape = (len(who), days)
    here = weather.take(who.region)
    topic = chance.topic("usage")
    u = topic.uniform(9, days).astype(np.float64)
    normal = topic.normal(3, days).astype(np.float64)
    is_weekend = (np.arange(first_day, first_day + days) + 3) % 7 >= 5
    holiday = _spells(u[:, 0], rate=1 / 150.0, longest=10)
    drives = (u[:, 1] >= who.parked_share[:, None]) & ~holiday
    effort = np.exp(0.38 * normal[:, 0] - 0.07) * np.where(is_weekend, 0.8, 1.0)
    drive_h = np.where(drives, np.clip(who.drive_h[:, None] * effort, 0.12, 14.0), 0.0)
    goes_far = drives & (u[:, 2] < 0.10)
    highway_h = np.where(goes_far, drive_h * (0.3 + 0.5 * u[:, 3]), 0.0)
    pace = np.exp(0.15 * topic.normal()[:, None].astype(np.float64))  # of the roads it takes
    speed = np.where(goes_far, 52.0, 35.0) * pace * np.exp(0.12 * normal[:, 1])
    climbs = drives & (u[:, 4] < 0.02)
    noon = here.mean_degc + 0.35 * here.swing_degc
    night = here.mean_degc - 0.9 * here.swing_degc
    night = np.where(who.is_garaged[:, None], 0.5 * night + 0.5 * np.maximum(night, 12.0), night)
    lapse = 0.0065 * who.altitude_m[:, None]
    is_heard = ~_spells(u[:, 5], rate=who.gap_rate[:, None], longest=_GAP_DAYS)
    way_soc = drive_h * speed * who.consumption_kwh_per_km[:, None] / who.energy_kwh
    way_soc = np.clip(way_soc * (1 + 0.008 * np.clip(21.0 - noon, 0.0, 40.0)), 0.0, 1.6)
    charge = _charges(who, way_soc, u[:, 6:8], topic.uniform().astype(np.float64))
    return Usage(
        is_heard=is_heard,
        drives=drives,
        drive_h=drive_h,
        speed_kmh=np.clip(speed, 12.0, 110.0),
        highway_h=highway_h,
        trips=np.where(drives, np.maximum(1, np.rint(2.0 + 1.2 * normal[:, 2])), 0).astype(np.int64),
        climb_m=np.where(climbs, 500.0 + 2000.0 * u[:, 8], 0.0),
        degc=noon - lapse,
        night_degc=night - lapse,
        rest_soc=charge[0],
        rest_h=np.where(drives, np.clip(20.0 - 1.6 * drive_h, 2.5, 14.0), 24.0),
        is_charged=np.isfinite(charge[1]),
        charged_from=charge[1],
        charged_to=charge[2],
        is_fast=charge[3],
        load=np.ones(shape),
        weather=here,
    )


def _spells(luck: Floats, *, rate: Floats | float, longest: int) -> Flags:
    """Return runs of 1 to ``longest`` days that begin with the given rate per day; (F, D)."""
    begins = luck < rate
    length = 1 + np.floor(luck / np.maximum(rate, 1e-9) * longest).astype(np.int64)
    out = np.zeros(luck.shape, np.bool_)
    for shift in range(longest):
        inside = begins & (length > shift)
        out[:, shift:] |= inside[:, : luck.shape[1] - shift]
    return out


def _charges(
    who: Population, way_soc: Floats, u: Floats, first: Floats
) -> tuple[Floats, Floats, Floats, Flags]:
    """Return charge at rest, charged from and to (NaN: none) and whether fast; (F, D).

    Half of the rests lie before the charge of the day, half after it. A way longer than the pack lasts is
    charged for on the road.
    """
    shape = way_soc.shape
    rest, start, stop = np.zeros(shape), np.full(shape, np.nan), np.full(shape, np.nan)
    soc = who.charge_from + (who.charge_to - who.charge_from) * first
    aim = np.broadcast_to(who.charge_to[:, None], shape)
    for day in range(shape[1]):
        left = soc - way_soc[:, day]
        plugs = (left < who.charge_from) | (u[:, 1, day] < 0.08)
        begin = np.clip(left, 0.06, 0.97)
        end = np.where(u[:, 0, day] < 0.1, begin + 0.5 * (aim[:, day] - begin), aim[:, day])
        plugs &= end > begin + 0.05
        start[plugs, day], stop[plugs, day] = begin[plugs], end[plugs]
        soc = np.where(plugs, end, begin)
        rest[:, day] = np.where(plugs & (u[:, 0, day] < 0.5), begin, soc)
    is_fast = np.isfinite(start) & (u[:, 1] * 12.5 % 1.0 < who.fast_share[:, None])
    return rest, start, stop, is_fast
