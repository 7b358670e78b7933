"""The service network as planning sees it: what seldom changes is kept, what always does is asked for."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

import numpy as np

from alerts.dispatch.jobs import Job
from alerts.dispatch.stations import Station
from alerts.dispatch.worktimes import WorkTimes
from data.records import FailureMode, FloatArray

_MOST_TENANTS = 64


class Network:
    """Stations with bays, technicians and hours, and what each failure mode needs; never changed."""

    def __init__(self, stations: tuple[Station, ...], jobs: Mapping[FailureMode, Job]) -> None:
        self.stations = stations
        self.jobs = jobs
        self.lats: FloatArray = np.array([s.lat for s in stations], dtype=np.float64)
        self.lons: FloatArray = np.array([s.lon for s in stations], dtype=np.float64)
        self.work_times = WorkTimes()
        self._by_id = {s.station_id: s for s in stations}

    def station(self, station_id: int) -> Station | None:
        """Return an active station, None where it is not one."""
        return self._by_id.get(station_id)


class NetworkSource(Protocol):
    """Where a network is read from."""

    def fetch_version(self) -> UUID:
        """Return what is another as soon as any network has changed."""
        ...

    def fetch_network(self, tenant_id: int, *, least_ratings: int) -> Network:
        """Return the network of a tenant."""
        ...


class NetworkCache:
    """Networks read once for each version; any number of threads may ask."""

    def __init__(self, least_ratings: int = 5) -> None:
        self._least_ratings = least_ratings
        self._lock = threading.Lock()
        self._kept: dict[int, tuple[UUID, Network]] = {}

    def fetch(self, source: NetworkSource, tenant_id: int) -> Network:
        """Return the network of a tenant as of now.

        The version is read before the network: a change in between makes the next call read again.
        """
        version = source.fetch_version()
        with self._lock:
            kept = self._kept.get(tenant_id)
        if kept is not None and kept[0] == version:
            return kept[1]
        network = source.fetch_network(tenant_id, least_ratings=self._least_ratings)
        with self._lock:
            if len(self._kept) >= _MOST_TENANTS:
                self._kept.clear()
            self._kept[tenant_id] = (version, network)
        return network
