"""Distances on the ground."""

from __future__ import annotations

from typing import Final

import numpy as np

from data.records import FloatArray

_EARTH_RADIUS_KM: Final = 6371.0088  # mean radius, IUGG


def distance_km(lat: float, lon: float, lats: FloatArray, lons: FloatArray) -> FloatArray:
    """Return great-circle distances (haversine).

    Args:
        lat: Degrees, WGS-84.
        lon: Degrees.
        lats: Shape (n,), degrees.
        lons: Shape (n,), degrees.

    Returns:
        Shape (n,), km.
    """
    phi, phis = np.radians(lat), np.radians(lats)
    half = np.sin((phis - phi) / 2) ** 2
    half = half + np.cos(phi) * np.cos(phis) * np.sin(np.radians(lons - lon) / 2) ** 2
    distances: FloatArray = 2 * _EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))
    return distances
