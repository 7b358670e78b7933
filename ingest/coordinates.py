"""Chinese map coordinates (GCJ-02) back to WGS-84, which is what Anxin stores.

GCJ-02 shifts positions in China by 50-700 m. The forward shift is public knowledge (the "eviltransform"
polynomials on the Krasovsky 1940 ellipsoid); the inverse is found by fixed-point iteration.
"""

from __future__ import annotations

import math

_AXIS_M = 6_378_245.0
_ECCENTRICITY_SQUARED = 0.006_693_421_622_965_943


def gcj02_to_wgs84(longitude: float, latitude: float) -> tuple[float, float]:
    """Return longitude and latitude in WGS-84, degrees; outside China the two systems agree."""
    if not (72.004 <= longitude <= 137.8347 and 0.8293 <= latitude <= 55.8271):
        return longitude, latitude
    lon, lat = longitude, latitude
    for _ in range(5):  # converges to below 1 mm in three steps
        shift_lon, shift_lat = _shift(lon, lat)
        lon, lat = longitude - shift_lon, latitude - shift_lat
    return lon, lat


def _shift(longitude: float, latitude: float) -> tuple[float, float]:
    """Return how far GCJ-02 lies from a WGS-84 position, degrees of longitude and latitude."""
    x, y = longitude - 105.0, latitude - 35.0
    waves = (20 * math.sin(6 * x * math.pi) + 20 * math.sin(2 * x * math.pi)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + waves
    north += (20 * math.sin(y * math.pi) + 40 * math.sin(y / 3 * math.pi)) * 2 / 3
    north += (160 * math.sin(y / 12 * math.pi) + 320 * math.sin(y * math.pi / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + waves
    east += (20 * math.sin(x * math.pi) + 40 * math.sin(x / 3 * math.pi)) * 2 / 3
    east += (150 * math.sin(x / 12 * math.pi) + 300 * math.sin(x / 30 * math.pi)) * 2 / 3
    phi = math.radians(latitude)
    bulge = 1 - _ECCENTRICITY_SQUARED * math.sin(phi) ** 2
    meridian_m = _AXIS_M * (1 - _ECCENTRICITY_SQUARED) / bulge**1.5
    parallel_m = _AXIS_M / math.sqrt(bulge) * math.cos(phi)
    return math.degrees(east / parallel_m), math.degrees(north / meridian_m)
