"""Chinese map coordinates (GCJ-02) back to WGS-84, which is what Anxin stores.

GCJ-02 shifts positions in China by 50-700 m. The forward shift is public knowledge (the "eviltransform"
polynomials on the Krasovsky 1940 ellipsoid); the inverse is found by fixed-point iteration.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from data.records import FloatArray

_AXIS_M = 6_378_245.0
_ECCENTRICITY_SQUARED = 0.006_693_421_622_965_943
_STEPS = 5  # converges to below 1 mm in three


def gcj02_to_wgs84(longitude: float, latitude: float) -> tuple[float, float]:
    """Return longitude and latitude in WGS-84, degrees; outside China the two systems agree."""
    if not (72.004 <= longitude <= 137.8347 and 0.8293 <= latitude <= 55.8271):
        return longitude, latitude
    lon, lat = _unshift(longitude, latitude, math)
    return float(lon), float(lat)


def positions_to_wgs84(
    longitude: npt.NDArray[np.floating], latitude: npt.NDArray[np.floating]
) -> tuple[FloatArray, FloatArray]:
    """Return GCJ-02 positions in WGS-84, degrees, each of shape (n,); half a position becomes NaN."""
    is_here = np.isfinite(longitude) & np.isfinite(latitude)
    is_china = is_here & (longitude >= 72.004) & (longitude <= 137.8347)
    is_china &= (latitude >= 0.8293) & (latitude <= 55.8271)
    lon, lat = np.where(is_here, longitude, np.nan), np.where(is_here, latitude, np.nan)
    lon[is_china], lat[is_china] = _unshift(lon[is_china], lat[is_china], np)
    return lon, lat


def _unshift(longitude: Any, latitude: Any, xp: ModuleType) -> tuple[Any, Any]:
    """Return where a shifted position was; of numbers with ``math``, of arrays with ``numpy``."""
    lon, lat = longitude, latitude
    for _ in range(_STEPS):
        shift_lon, shift_lat = _shift(lon, lat, xp)
        lon, lat = longitude - shift_lon, latitude - shift_lat
    return lon, lat


def _shift(longitude: Any, latitude: Any, xp: ModuleType) -> tuple[Any, Any]:
    """Return how far GCJ-02 lies from a WGS-84 position, degrees of longitude and latitude."""
    x, y = longitude - 105.0, latitude - 35.0
    waves = (20 * xp.sin(6 * x * math.pi) + 20 * xp.sin(2 * x * math.pi)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * xp.sqrt(abs(x)) + waves
    north += (20 * xp.sin(y * math.pi) + 40 * xp.sin(y / 3 * math.pi)) * 2 / 3
    north += (160 * xp.sin(y / 12 * math.pi) + 320 * xp.sin(y * math.pi / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * xp.sqrt(abs(x)) + waves
    east += (20 * xp.sin(x * math.pi) + 40 * xp.sin(x / 3 * math.pi)) * 2 / 3
    east += (150 * xp.sin(x / 12 * math.pi) + 300 * xp.sin(x / 30 * math.pi)) * 2 / 3
    phi = xp.radians(latitude)
    bulge = 1 - _ECCENTRICITY_SQUARED * xp.sin(phi) ** 2
    meridian_m = _AXIS_M * (1 - _ECCENTRICITY_SQUARED) / bulge**1.5
    parallel_m = _AXIS_M / xp.sqrt(bulge) * xp.cos(phi)
    return xp.degrees(east / parallel_m), xp.degrees(north / meridian_m)
