"""What a service tells its operators over HTTP: numbers for Prometheus, is it alive, is it ready.

Alive: the loops of the service have moved lately; else it should be killed. Ready: it is connected to what it
needs and its work goes on; else somebody may look, but killing it would not help.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from data.errors import ExpositionError
from data.settings import Settings

#: A loop that has not moved for this long is stuck: longer than any statement and any pause between attempts.
STUCK_AFTER_S = 120.0

logger = structlog.get_logger()


class Vitals:
    """Is the service alive and ready; told by its loops, asked by whoever watches. Safe among threads.

    Args:
        is_ready: Asked beside what ``become`` said last.
        clock_s: Monotonic seconds.
    """

    def __init__(
        self, is_ready: Callable[[], bool] = lambda: True, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = is_ready
        self._clock_s = clock_s
        self._ill: set[str] = set()
        self._moved_s: dict[str, float] = {}
        self._lock = threading.Lock()

    def move(self, loop: str = "main") -> None:
        """Say that a loop has moved; a loop counts from its first move on."""
        with self._lock:
            self._moved_s[loop] = self._clock_s()

    def rest(self, loop: str = "main") -> None:
        """Say that a loop has ended and is not waited for any more."""
        with self._lock:
            self._moved_s.pop(loop, None)

    def become(self, loop: str = "main", *, is_well: bool) -> None:
        """Say whether the work of a loop goes on."""
        with self._lock:
            (self._ill.discard if is_well else self._ill.add)(loop)

    @property
    def is_ready(self) -> bool:
        """Tell whether the service is connected to what it needs and works."""
        return not self._ill and self._ask()

    def stuck_loops(self) -> dict[str, float]:
        """Return the loops that have not moved for too long, and for how many seconds."""
        now_s = self._clock_s()
        with self._lock:
            silent = [(name, now_s - moved_s) for name, moved_s in self._moved_s.items()]
        return {name: round(age_s, 1) for name, age_s in silent if age_s > STUCK_AFTER_S}


class Exposition:
    """Serves ``/metrics``, ``/health/live`` and ``/health/ready`` while the service runs; port 0: nothing.

    Args:
        settings: ``metrics_host`` and ``metrics_port``.
        service: ``ingest``, ``watch``, …
        vitals: Of the service.
        collectors: Numbers beside those of the process.
    """

    def __init__(
        self, settings: Settings, service: str, vitals: Vitals, collectors: tuple[Collector, ...] = ()
    ) -> None:
        self._host, self._wanted_port = settings.metrics_host, settings.metrics_port
        self._service = service
        self._vitals = vitals
        self.registry = CollectorRegistry()
        for collector in (_VitalsCollector(service, vitals), *collectors):
            self.registry.register(collector)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        """Return the port it listens on; 0: none."""
        return int(self._server.server_address[1]) if self._server else 0

    def __enter__(self) -> Self:
        """Begin to serve.

        Raises:
            ExpositionError: The address is taken or not of this machine; names the setting.
        """
        if not self._wanted_port:
            return self
        try:
            self._server = ThreadingHTTPServer((self._host, self._wanted_port), self._handler())
        except OSError as error:
            raise ExpositionError(
                f"ANXIN_METRICS_PORT={self._wanted_port}: cannot listen on {self._host} ({error.strerror})"
            ) from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="exposition", daemon=True).start()
        logger.info("metrics served", action="metrics", service=self._service, port=self.port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        """Return status, content type and body for a path."""
        if path == "/metrics":
            return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self.registry)
        if path == "/health/live":
            stuck = self._vitals.stuck_loops()
            return self._health(is_ok=not stuck, word="stuck", more={"stuck_s": stuck} if stuck else {})
        if path == "/health/ready":
            return self._health(is_ok=self._vitals.is_ready, word="unready", more={})
        return HTTPStatus.NOT_FOUND, "text/plain", b"/metrics, /health/live, /health/ready\n"

    def _health(self, *, is_ok: bool, word: str, more: dict[str, Any]) -> tuple[HTTPStatus, str, bytes]:
        told = {"status": "ok" if is_ok else word, "service": self._service, **more}
        status = HTTPStatus.OK if is_ok else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "application/json", json.dumps(told).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        exposition = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10  # a client that says nothing keeps no thread

            def do_GET(self) -> None:
                status, kind, body = exposition.answer(self.path.partition("?")[0])
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing: a question every few seconds is no event."""

        return Handler


class _VitalsCollector(Collector):
    def __init__(self, service: str, vitals: Vitals) -> None:
        self._service = service
        self._vitals = vitals

    def collect(self) -> Any:
        from prometheus_client.core import GaugeMetricFamily

        for name, text, value in (
            ("anxin_service_ready", "1 while connected to what it needs and working", self._vitals.is_ready),
            ("anxin_service_alive", "1 while its loops move", not self._vitals.stuck_loops()),
        ):
            family = GaugeMetricFamily(name, text, labels=["service"])
            family.add_metric([self._service], float(value))
            yield family
