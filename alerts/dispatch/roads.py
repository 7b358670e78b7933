"""How far it is on the road: asked of a routing engine where one is set, else great circles and a factor."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import requests
import structlog

from alerts.dispatch.ways import distance_km
from data.records import FloatArray

_log = structlog.get_logger("alerts")
#: Stations asked about, the nearest; OSRM's server takes 100 places by default.
_MOST: Final = 60
#: A decision waits no longer than this, and an engine that failed is left alone for so long.
_TIMEOUT_S: Final = 1.0
_REST_S: Final = 60.0
#: Where the engine knows no way: beyond any reach.
NO_WAY_KM: Final = 99_999.0


@dataclass(slots=True)
class Roads:
    """Distances on the road from a vehicle to stations.

    The engine is OSRM's HTTP table service (project-osrm.org, API v1, ``/table/v1/driving``). One that is
    away, slow or answers nonsense is rested for a minute; distances are then great circles times the factor,
    as they always are for stations beyond the nearest sixty.
    """

    road_factor: float  #: road distance over great-circle distance
    routing_url: str = ""  #: of OSRM; empty: none
    clock_s: Callable[[], float] = time.monotonic
    _rests_until_s: float = float("-inf")
    _session: threading.local = field(default_factory=threading.local)

    def estimate(self, lat: float, lon: float, lats: FloatArray, lons: FloatArray) -> FloatArray:
        """Return great-circle distances times the factor; shape (n,), km."""
        return distance_km(lat, lon, lats, lons) * self.road_factor

    def measure(self, lat: float, lon: float, lats: FloatArray, lons: FloatArray) -> FloatArray:
        """Return distances on the road.

        Args:
            lat: Of the vehicle, degrees, WGS-84.
            lon: Degrees.
            lats: Of the stations, shape (n,), degrees.
            lons: Shape (n,), degrees.

        Returns:
            Shape (n,), km; ``NO_WAY_KM`` where the engine knows no way.
        """
        km = self.estimate(lat, lon, lats, lons)
        if not self.routing_url or not km.size or self.clock_s() < self._rests_until_s:
            return km
        near = np.argsort(km, kind="stable")[:_MOST]
        try:
            km[near] = self._ask(lat, lon, lats[near], lons[near])
        except (requests.RequestException, ValueError, TypeError, KeyError) as error:
            self._rests_until_s = self.clock_s() + _REST_S
            _log.warning(
                "routing engine left alone for a minute", url=self.routing_url, error=str(error)[:200]
            )
        return km

    def _ask(self, lat: float, lon: float, lats: FloatArray, lons: FloatArray) -> FloatArray:
        if not hasattr(self._session, "http"):
            self._session.http = requests.Session()
        places = [(lon, lat), *zip(lons.tolist(), lats.tolist(), strict=True)]
        path = ";".join(f"{x:.6f},{y:.6f}" for x, y in places)
        answer = self._session.http.get(
            f"{self.routing_url.rstrip('/')}/table/v1/driving/{path}",
            params={"sources": "0", "annotations": "distance"},
            timeout=_TIMEOUT_S,
        )
        told = answer.json()
        if told["code"] != "Ok":
            raise ValueError(f"routing engine says {told['code']!r}")
        metres = np.array([np.nan if m is None else float(m) for m in told["distances"][0][1:]])
        if metres.shape != lats.shape or (metres < 0).any():
            raise ValueError(f"routing engine: distances must be {lats.size} numbers of 0 or more")
        km: FloatArray = np.where(np.isnan(metres), NO_WAY_KM, metres / 1000)
        return km
