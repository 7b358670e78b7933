"""The gateway's counters as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ingest.gateway.progress import Progress
from ingest.gateway.uplink import Uplink


class GatewayCollector(Collector):
    """Reads the counters when asked.

    Args:
        progress: The gateway's.
        uplink: Its way to the broker.
    """

    def __init__(self, progress: Progress, uplink: Uplink) -> None:
        self._progress, self._uplink = progress, uplink

    def collect(self) -> Iterator[Metric]:
        """Yield one family per counter."""
        p = self._progress
        yield GaugeMetricFamily("anxin_gateway_connections", "Open connections", value=p.connections)
        yield GaugeMetricFamily(
            "anxin_gateway_in_flight", "Frames that wait for the broker", value=self._uplink.in_flight
        )
        for name, text, value in (
            ("accepted", "Connections let in", p.accepted),
            ("turned_away", "Connections above the limit", p.turned_away),
            ("logins", "Vehicles let in", p.logins),
            ("platform_logins", "Platforms let in", p.platform_logins),
            ("lookups_failed", "Logins not answered because the database was away", p.lookups_failed),
            ("frames", "Intact frames received", p.frames),
            ("answers", "Answers sent", p.answers),
            ("bad_checksums", "Frames with a wrong check code", p.bad_checksums),
            ("skipped_bytes", "Bytes outside any frame", p.skipped_bytes),
            ("broker_connections", "Connections made to the broker", self._uplink.connection_count),
            ("repeated", "Frames sent again to a broker that was away", self._uplink.repeated_count),
            ("not_taken", "Frames the broker refused", self._uplink.refused_count),
        ):
            yield CounterMetricFamily(f"anxin_gateway_{name}", text, value=value)
        for name, text, counts in (
            ("refused", "Logins and frames refused, by reason", p.refused),
            ("closed", "Connections closed by the gateway, by reason", p.closed),
        ):
            family = CounterMetricFamily(f"anxin_gateway_{name}", text, labels=["reason"])
            for reason, count in sorted(counts.items()):
                family.add_metric([reason], count)
            yield family
