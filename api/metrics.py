"""Numbers for Prometheus: requests as they happen, the state of the chain when asked."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Meters:
    """The meters of one API process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "anxin_http_requests",
            "HTTP requests by route, method and status",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self.duration_s = Histogram(
            "anxin_http_request_duration_seconds",
            "Seconds until the answer began, by route",
            ["route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self.registry,
        )
        self._totals: dict[str, Gauge] = {}

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request; ``route`` is the template, never the path with a VIN in it."""
        self.requests.labels(route, method, str(status)).inc()
        self.duration_s.labels(route).observe(seconds)

    def render(self, totals: Mapping[str, int]) -> bytes:
        """Return the exposition text with the gauges set to ``totals``."""
        for name, value in totals.items():
            if name not in self._totals:
                self._totals[name] = Gauge(
                    f"anxin_{name}", f"{name.replace('_', ' ')} in the database", registry=self.registry
                )
            self._totals[name].set(value)
        return generate_latest(self.registry)
