"""Weather of the regions: daily temperatures, cold fronts, rain; shared by all vehicles of a region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.day_level.chance import Flags, Floats, Ints

REGIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Weather of every region and day; (R, D)."""

    mean_degc: Floats
    swing_degc: Floats  #: half the way from night to afternoon
    is_wet: Flags  #: it rains, or the roads are wet from it
    air_shift_kpa: Floats  #: weather's part of the air pressure
    day_of_year: Floats  #: (D,)

    def take(self, region: Ints) -> Weather:
        """Return the weather of vehicles that live in the given regions; (F, D)."""
        return Weather(
            mean_degc=self.mean_degc[region],
            swing_degc=self.swing_degc[region],
            is_wet=self.is_wet[region],
            air_shift_kpa=self.air_shift_kpa[region],
            day_of_year=self.day_of_year,
        )


def draw_weather(seed: int, first_day: int, days: int) -> Weather:
    """Return the weather of ``REGIONS`` regions from ``first_day`` (days since 1970-01-01) on.

    Yearly sine (mean 8-24 °C, swing 6-14 K), first-order autoregression from day to day (0.75, 2.2 K), cold
    fronts of 8-15 K one to two a month in the cold half of the year, wet spells on 15-35 % of the days.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0xDA7]))
    day_of_year = (np.arange(first_day, first_day + days) % 365.2425).astype(np.float64)
    yearly_mean = rng.uniform(8.0, 24.0, REGIONS)[:, None]
    # warm regions have the smaller swing, as towards the equator
    yearly_swing = 14.0 - 8.0 * (yearly_mean - 8.0) / 16.0
    noise = np.zeros((REGIONS, days))
    air = np.zeros((REGIONS, days))
    drawn = rng.standard_normal((2, REGIONS, days))
    for day in range(days):
        before = (noise[:, day - 1], air[:, day - 1]) if day else (drawn[0, :, 0], drawn[1, :, 0])
        noise[:, day] = 0.75 * before[0] + 2.2 * np.sqrt(1 - 0.75**2) * drawn[0, :, day]
        air[:, day] = 0.8 * before[1] + 0.5 * 0.6 * drawn[1, :, day]
    season = np.cos(2 * np.pi * (day_of_year - 15.0) / 365.0)  # 1 in January, -1 in July
    front = rng.random((REGIONS, days)) < np.clip(0.05 * season, 0.006, None)
    depth = np.where(front, rng.uniform(8.0, 15.0, (REGIONS, days)), 0.0)
    cold = np.zeros((REGIONS, days))
    for day in range(days):
        cold[:, day] = np.maximum(depth[:, day], 0.7 * cold[:, day - 1] if day else 0.0)
    wet_share = rng.uniform(0.15, 0.35, REGIONS)[:, None]
    stays_wet = 0.6
    starts_wet = wet_share * (1 - stays_wet) / (1 - wet_share)
    luck = rng.random((REGIONS, days))
    is_wet = np.zeros((REGIONS, days), np.bool_)
    for day in range(days):
        was = is_wet[:, day - 1] if day else luck[:, 0] < wet_share[:, 0]
        is_wet[:, day] = luck[:, day] < np.where(was, stays_wet, starts_wet[:, 0])
    mean = yearly_mean + yearly_swing * np.sin(2 * np.pi * (day_of_year - 105.0) / 365.0) + noise - cold
    swing = rng.uniform(3.0, 7.0, REGIONS)[:, None] * np.where(is_wet, 0.5, 1.0)
    return Weather(
        mean_degc=mean - np.where(is_wet, 1.5, 0.0),
        swing_degc=swing,
        is_wet=is_wet,
        air_shift_kpa=air,
        day_of_year=day_of_year,
    )
