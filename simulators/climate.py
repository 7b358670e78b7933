"""Cities and their weather: temperature, cold fronts, air pressure over height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DAY_S = 86_400.0
HOUR_S = 3600.0
CHINA_OFFSET_S = 8 * 3600.0


@dataclass(frozen=True, slots=True)
class City:
    """A city of the demo; coordinates are WGS-84."""

    name: str
    lat: float
    lon: float
    altitude_m: float
    mean_degc: float
    yearly_degc: float  #: half the swing from January to July
    daily_degc: float  #: half the swing from night to afternoon
    plate: str


CITIES = (
    City("Shanghai", 31.2304, 121.4737, 5.0, 17.0, 12.0, 3.5, "沪A"),
    City("Beijing", 39.9042, 116.4074, 45.0, 13.0, 14.0, 5.5, "京A"),
    City("Shenzhen", 22.5431, 114.0579, 20.0, 23.0, 7.0, 3.2, "粤B"),
    City("Chengdu", 30.5728, 104.0668, 500.0, 16.5, 10.0, 4.0, "川A"),
)


def air_pressure(height_m: npt.ArrayLike) -> Floats:
    """Return the pressure of the standard atmosphere in kPa (ICAO Doc 7488)."""
    return np.asarray(101.325 * (1.0 - 2.25577e-5 * np.asarray(height_m, np.float64)) ** 5.2559)


class Climate:
    """Weather of every city over the simulated days, as a table of hours.

    Temperature: yearly and daily sines, a first-order autoregression from day to day, cold fronts (one in
    every second city whatever the season; in winter one or two a month everywhere). Air pressure wanders
    slowly. Rain falls on 15-35 % of the days, for some hours. Goes on for two months past the last day.
    """

    def __init__(self, seed: int, *, start_s: float, days: int) -> None:
        """Draw the weather from ``start_s`` (seconds since 1970 UTC) on."""
        rng = np.random.default_rng(np.random.SeedSequence([seed, 0x5EA]))
        span, n = days + 60, len(CITIES)
        self._start_s = start_s - 2 * DAY_S
        noise, baro = np.zeros((n, span)), np.zeros((n, span))
        for day in range(1, span):
            noise[:, day] = 0.75 * noise[:, day - 1] + 2.2 * np.sqrt(1 - 0.75**2) * rng.standard_normal(n)
            baro[:, day] = 0.8 * baro[:, day - 1] + 0.5 * 0.6 * rng.standard_normal(n)
        depth = rng.uniform(9.0, 14.0, n)
        self.front_depth_degc = np.where(np.arange(n) % 2 == 1, depth, 0.0)  #: (cities,) of the first front
        self.front_at_s = start_s + rng.uniform(0.55, 0.75, n) * days * DAY_S  #: (cities,)
        time_s = self._start_s + HOUR_S * np.arange(24.0 * span)
        self._degc = self._sines(time_s) + self._fronts(rng, time_s) + _hourly(noise)
        self._baro_kpa = _hourly(baro)
        self._rain = _rain(rng, n, span)

    def _sines(self, time_s: Floats) -> Floats:
        local = time_s + CHINA_OFFSET_S
        day_of_year, hour = (local / DAY_S) % 365.2425, (local % DAY_S) / HOUR_S
        yearly = np.sin(2 * np.pi * (day_of_year - 105.0) / 365.0)
        daily = np.sin(2 * np.pi * (hour - 9.0) / 24.0)
        rows = [c.mean_degc + c.yearly_degc * yearly + c.daily_degc * daily for c in CITIES]
        return np.stack(rows)

    def _fronts(self, rng: np.random.Generator, time_s: Floats) -> Floats:
        out = np.zeros((len(CITIES), time_s.size))
        for city in range(len(CITIES)):
            fronts = [(float(self.front_at_s[city]), float(self.front_depth_degc[city]))]
            at_s = float(time_s[0]) + rng.exponential(20.0) * DAY_S
            while at_s < time_s[-1]:
                depth = float(rng.uniform(8.0, 15.0))
                day_of_year = ((at_s + CHINA_OFFSET_S) / DAY_S) % 365.2425
                if day_of_year < 80 or day_of_year > 305:
                    fronts.append((at_s, depth))
                at_s += (8.0 + rng.exponential(14.0)) * DAY_S
            for begin_s, depth in fronts:
                since_h = (time_s - begin_s) / HOUR_S
                course = np.clip(since_h / 12.0, 0.0, 1.0) - np.clip((since_h - 96.0) / 72.0, 0.0, 1.0)
                out[city] = np.minimum(out[city], -depth * course)
        return out

    def first_front_s(self, city: int) -> float | None:
        """Return when the first cold front of a city arrives, None where there is none."""
        return float(self.front_at_s[city]) if self.front_depth_degc[city] > 0 else None

    def _look_up(self, table: Floats, city: npt.NDArray[np.int64], time_s: Floats) -> Floats:
        position = np.clip((time_s - self._start_s) / HOUR_S, 0.0, table.shape[1] - 1.001)
        low = position.astype(np.int64)
        part = position - low
        return np.asarray(table[city, low] * (1 - part) + table[city, low + 1] * part)

    def at(
        self, city: npt.NDArray[np.int64], height_m: Floats, time_s: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Return temperature at the city's height (°C), air pressure (kPa) and rain (%); arguments (F,)."""
        position = np.clip((time_s - self._start_s) / HOUR_S, 0.0, self._degc.shape[1] - 1.001)
        low = position.astype(np.int64)
        part, rest = position - low, 1.0 - (position - low)
        high = low + 1
        found = [t[city, low] * rest + t[city, high] * part for t in (self._degc, self._baro_kpa, self._rain)]
        return found[0], air_pressure(height_m) + found[1], found[2]

    def temperature(self, city: npt.NDArray[np.int64], time_s: Floats) -> Floats:
        """Return the air temperature at the city's own height in °C; arguments broadcast."""
        city, time_s = np.broadcast_arrays(city, time_s)
        return self._look_up(self._degc, city, time_s)

    def barometer(self, city: npt.NDArray[np.int64], height_m: Floats, time_s: Floats) -> Floats:
        """Return the air pressure at a height in kPa; arguments broadcast."""
        city, height_m, time_s = np.broadcast_arrays(city, height_m, time_s)
        return np.asarray(air_pressure(height_m) + self._look_up(self._baro_kpa, city, time_s))

    def rain(self, city: npt.NDArray[np.int64], time_s: Floats) -> Floats:
        """Return how wet the windscreen gets, 0-100 %; arguments broadcast."""
        city, time_s = np.broadcast_arrays(city, time_s)
        return self._look_up(self._rain, city, time_s)


def _hourly(daily: Floats) -> Floats:
    """Return a table of days, linear between them, as a table of hours."""
    days = np.arange(daily.shape[1], dtype=np.float64)
    hours = np.arange(24.0 * daily.shape[1]) / 24.0
    return np.stack([np.interp(hours, days, row) for row in daily])


def _rain(rng: np.random.Generator, cities: int, days: int) -> Floats:
    is_wet = rng.random((cities, days)) < rng.uniform(0.15, 0.35, (cities, 1))
    begin, lasts = rng.uniform(0.0, 20.0, (cities, days)), rng.uniform(2.0, 14.0, (cities, days))
    strength = rng.uniform(15.0, 90.0, (cities, days))
    hour = np.arange(24.0)
    inside = (hour >= begin[..., None]) & (hour < (begin + lasts)[..., None])
    return np.where(is_wet[..., None] & inside, strength[..., None], 0.0).reshape(cities, -1)
