"""What one ingest process has done, as Prometheus reads it; costs the hot path two observations a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ingest.progress import Flush, Progress
from ingest.upkeep import UpkeepCounts

#: Values of one label; more are summed up as ``other``: what vehicles send must not grow the numbers.
_MOST_LABELS = 40
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_MESSAGES = (1, 5, 10, 50, 100, 500, 1000, 2500, 5000, 10_000)
#: name, help, attribute of ``Progress``
_COUNTERS = (
    ("messages", "Messages stored and acknowledged, rejects included", "messages"),
    ("payload_bytes", "Bytes of their payloads", "payload_bytes"),
    ("duplicates", "Messages whose number had been received before", "duplicates"),
    ("repaired", "Messages received after they had been missing", "repaired"),
    ("late_rows", "Rows that went through the staging table", "late_rows"),
    ("conflicts", "Values that contradict stored ones", "conflicts"),
    ("batches", "Committed batches", "batches"),
    ("store_failures", "Attempts to store that the database did not take", "store_failures"),
)
_GAUGES = (
    ("lag_seconds", "Newest batch: arrival minus newest live sample", "lag_s"),
    ("window_messages", "Messages received and not acknowledged", "waiting_messages"),
    ("window_bytes", "Payload bytes received and not acknowledged", "waiting_bytes"),
)
_UPKEEP_COUNTERS = (
    ("repair_asked_messages", "Missing messages that vehicles were asked for", "asked_messages"),
    (
        "repair_given_up_streams",
        "Streams with messages given up as too old",
        "given_up_streams",
    ),
    ("rejects_stored", "Rejects stored after all", "retried_messages"),
    ("transfers_joined", "Cut transfers put together after all", "joined_transfers"),
    ("upkeep_failures", "Rounds of gap repair that failed", "failures"),
)
_UPKEEP_GAUGES = (
    ("streams_with_holes", "Streams with missing messages, whole installation", "streams_with_holes"),
    ("missing_messages", "Missing messages, whole installation", "missing_messages"),
)


class IngestCollector(Collector):
    """Reads the counters when asked.

    Args:
        progress: Of the stream; its ``on_flush`` is taken.
        upkeep: Of gap repair and rejects.
        window_messages: The setting: the most that may be unacknowledged.
        window_bytes: The setting.
        connection: Returns (connections made so far, take-overs by another process, is connected).
        is_storing: Whether the database takes batches.
    """

    def __init__(
        self,
        progress: Progress,
        upkeep: UpkeepCounts,
        *,
        window_messages: int,
        window_bytes: int,
        connection: Callable[[], tuple[int, int, bool]],
        is_storing: Callable[[], bool],
    ) -> None:
        self._progress, self._upkeep = progress, upkeep
        self._limits = {"messages": window_messages, "bytes": window_bytes}
        self._connection, self._is_storing = connection, is_storing
        self._histograms = {
            name: Histogram(f"anxin_ingest_{name}", text, buckets=buckets, registry=None)
            for name, text, buckets in (
                ("flush_seconds", "Seconds from the first statement to the commit", _SECONDS),
                ("flush_messages", "Messages of a batch", _MESSAGES),
                (
                    "wait_seconds",
                    "Seconds from a batch's first arrival to its commit",
                    _SECONDS,
                ),
            )
        }
        progress.on_flush = self._observe

    def collect(self) -> Iterator[Any]:
        """Yield every metric."""
        for source, counters in ((self._progress, _COUNTERS), (self._upkeep, _UPKEEP_COUNTERS)):
            for name, text, attribute in counters:
                yield CounterMetricFamily(f"anxin_ingest_{name}", text, value=getattr(source, attribute))
        for source, gauges in ((self._progress, _GAUGES), (self._upkeep, _UPKEEP_GAUGES)):
            for name, text, attribute in gauges:
                yield GaugeMetricFamily(f"anxin_ingest_{name}", text, value=getattr(source, attribute))
        yield _labelled("rows", "Rows inserted or changed", "family", self._progress.rows)
        yield _labelled("rejects", "Messages put aside", "reason", self._progress.rejects)
        yield _labelled("masked", "Values masked as missing", "reason", self._progress.masked)
        for unit, limit in self._limits.items():
            yield GaugeMetricFamily(
                f"anxin_ingest_window_limit_{unit}",
                "Most that may be unacknowledged",
                value=limit,
            )
        connections, takeovers, is_connected = self._connection()
        for name, text, value in (
            ("connections", "Connections to the broker made so far", connections),
            ("takeovers", "Times another process took this slot's session over", takeovers),
        ):
            yield CounterMetricFamily(f"anxin_ingest_{name}", text, value=value)
        for name, text, is_so in (
            ("broker_connected", "1 while subscribed", is_connected),
            ("database_storing", "1 while the database takes batches", self._is_storing()),
        ):
            yield GaugeMetricFamily(f"anxin_ingest_{name}", text, value=float(is_so))
        for histogram in self._histograms.values():
            yield from histogram.collect()

    def _observe(self, flush: Flush) -> None:
        self._histograms["flush_seconds"].observe(flush.seconds)
        self._histograms["flush_messages"].observe(flush.messages)
        self._histograms["wait_seconds"].observe(flush.oldest_wait_s)


def _labelled(name: str, text: str, label: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"anxin_ingest_{name}", text, labels=[label])
    ordered = Counter(dict(list(counts.items()))).most_common()
    for value, count in ordered[:_MOST_LABELS]:
        family.add_metric([value], count)
    if len(ordered) > _MOST_LABELS:
        family.add_metric(["other"], sum(count for _, count in ordered[_MOST_LABELS:]))
    return family
