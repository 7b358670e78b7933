"""Memory and processor time of the processes that a drain keeps busy."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from contextlib import suppress

import psutil

from ingest.errors import IngestError


class Watch:
    """Follows the ingest processes, and the servers where they are ours.

    Args:
        running: Ingest processes by slot.
        servers: Name -> process id, its children included.
    """

    def __init__(self, running: Mapping[str, subprocess.Popen[bytes]], servers: Mapping[str, int]) -> None:
        self._running = running
        self._processes = [psutil.Process(p.pid) for p in running.values()]
        self._servers = {name: psutil.Process(pid) for name, pid in servers.items()}
        self._begun: dict[str, float] = {}
        self._begun_at = 0
        self.peak_rss = 0

    def look(self) -> None:
        """Look once.

        Raises:
            IngestError: A process has ended.
        """
        for slot, process in self._running.items():
            if process.poll() is not None:
                raise IngestError(f"ingest {slot} ended with {process.returncode}")
        self.peak_rss = max(self.peak_rss, *(p.memory_info().rss for p in self._processes))

    def begin(self, received: int) -> None:
        """Count processor time from here on, where ``received`` messages are stored."""
        if not self._begun:
            self._begun, self._begun_at = self._cpu_s(), received

    def cpu_us_per_message(self, received: int) -> dict[str, float]:
        """Return microseconds of processor time a message since ``begin``, by kind of process."""
        begun, count = self._begun, max(1, received - self._begun_at)
        return {name: round((s - begun.get(name, 0.0)) * 1e6 / count, 1) for name, s in self._cpu_s().items()}

    def _cpu_s(self) -> dict[str, float]:
        found = {"ingest": sum(_cpu_s(p) for p in self._processes)}
        for name, server in self._servers.items():
            found[name] = sum(_cpu_s(p) for p in (server, *server.children(recursive=True)))
        return found


def _cpu_s(process: psutil.Process) -> float:
    with suppress(psutil.Error):  # a worker of the database that has ended
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0
