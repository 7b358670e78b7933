"""Cities and their weather: temperature, cold fronts, air pressure over height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DAY_S = 86_400.0
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
    """Weather of every city over the simulated days.

    Yearly and daily sines, a first-order autoregression from day to day, one cold front in every second
    city, and a slow wandering of the air pressure. Continues without a break past the last day.
    """

    def __init__(self, seed: int, *, start_s: float, days: int) -> None:
        """Draw the weather from ``start_s`` (seconds since 1970 UTC) on."""
        rng = np.random.default_rng(np.random.SeedSequence([seed, 0x5EA]))
        span = days + 60
        self._start_s = start_s - 2 * DAY_S
        noise = np.zeros((len(CITIES), span))
        baro = np.zeros((len(CITIES), span))
        for day in range(1, span):
            noise[:, day] = 0.75 * noise[:, day - 1] + 2.2 * np.sqrt(1 - 0.75**2) * rng.standard_normal(
                len(CITIES)
            )
            baro[:, day] = 0.8 * baro[:, day - 1] + 0.5 * 0.6 * rng.standard_normal(len(CITIES))
        self._noise, self._baro = noise, baro
        depth = rng.uniform(9.0, 14.0, len(CITIES))
        self.front_depth_degc = np.where(np.arange(len(CITIES)) % 2 == 1, depth, 0.0)
        self.front_at_s = start_s + rng.uniform(0.55, 0.75, len(CITIES)) * days * DAY_S
        self._mean = np.array([c.mean_degc for c in CITIES])
        self._yearly = np.array([c.yearly_degc for c in CITIES])
        self._daily = np.array([c.daily_degc for c in CITIES])

    def _daily_value(self, table: Floats, city: npt.NDArray[np.int64], time_s: Floats) -> Floats:
        position = np.clip((time_s - self._start_s) / DAY_S, 0.0, table.shape[1] - 1.001)
        low = position.astype(np.int64)
        part = position - low
        return np.asarray(table[city, low] * (1 - part) + table[city, low + 1] * part)

    def temperature(self, city: npt.NDArray[np.int64], time_s: Floats) -> Floats:
        """Return the air temperature at the city's own height in °C; arguments broadcast."""
        city, time_s = np.broadcast_arrays(city, time_s)
        local = time_s + CHINA_OFFSET_S
        day_of_year = (local / DAY_S) % 365.2425
        hour = (local % DAY_S) / 3600.0
        yearly = self._yearly[city] * np.sin(2 * np.pi * (day_of_year - 105.0) / 365.0)
        daily = self._daily[city] * np.sin(2 * np.pi * (hour - 9.0) / 24.0)
        since_front = (time_s - self.front_at_s[city]) / 3600.0
        front = self.front_depth_degc[city] * (
            np.clip(since_front / 12.0, 0.0, 1.0) - np.clip((since_front - 96.0) / 72.0, 0.0, 1.0)
        )
        return np.asarray(
            self._mean[city] + yearly + daily + self._daily_value(self._noise, city, time_s) - front
        )

    def barometer(self, city: npt.NDArray[np.int64], height_m: Floats, time_s: Floats) -> Floats:
        """Return the air pressure at a height in kPa; arguments broadcast."""
        city, height_m, time_s = np.broadcast_arrays(city, height_m, time_s)
        return np.asarray(air_pressure(height_m) + self._daily_value(self._baro, city, time_s))
