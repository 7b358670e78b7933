"""Keep service processes running on this machine: start, restart after a crash, stop by process id."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import structlog

logger = structlog.get_logger()

_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
#: A service that has run this long is healthy again: its next crash restarts it at once.
_HEALTHY_AFTER_S = 60.0
#: A log that has grown so long begins anew; the one before is kept as ``.log.1``.
_LOG_LIMIT_BYTES = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """One process to keep running."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]


@dataclass(slots=True)
class _Child:
    spec: ServiceSpec
    log: BinaryIO
    log_path: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    next_start_at: float = 0.0
    crashes: int = 0
    restarts: int = field(default=0)


class Supervisor:
    """Run services until stopped.

    Each child gets a pipe as its standard input and ends when that pipe closes, so that no child outlives a
    supervisor that was killed.
    """

    def __init__(
        self, specs: Sequence[ServiceSpec], *, log_dir: Path, log_limit_bytes: int = _LOG_LIMIT_BYTES
    ) -> None:
        log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        paths = [log_dir / f"{spec.name}.log" for spec in specs]
        self._children = [_Child(s, path.open("ab"), path) for s, path in zip(specs, paths, strict=True)]
        self._log_limit_bytes = log_limit_bytes
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start every service and the thread that watches them."""
        with self._lock:
            for child in self._children:
                self._launch(child)
        self._thread.start()

    def pids(self) -> dict[str, int]:
        """Return the process id of each running service."""
        with self._lock:
            return {
                c.spec.name: c.process.pid for c in self._children if c.process and c.process.poll() is None
            }

    def restarts(self) -> dict[str, int]:
        """Return how often each service was started again after a crash."""
        with self._lock:
            return {c.spec.name: c.restarts for c in self._children}

    def stop(self, *, grace_s: float = 10.0) -> None:
        """Ask every service to end, wait, and kill what does not."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            running = [c.process for c in self._children if c.process]
            for process in running:
                if process.stdin:
                    process.stdin.close()
                process.terminate()
            deadline = time.monotonic() + grace_s
            for process in running:
                try:
                    process.wait(timeout=max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            for child in self._children:
                child.log.close()

    def _launch(self, child: _Child) -> None:
        child.process = subprocess.Popen(  # noqa: S603 - the command is our own
            list(child.spec.command),
            env=dict(child.spec.environ),
            stdin=subprocess.PIPE,
            stdout=child.log,
            stderr=child.log,
            start_new_session=True,
        )
        child.started_at = time.monotonic()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            with self._lock:
                for child in self._children:
                    self._shorten_log(child)
                    self._tend(child)

    def _shorten_log(self, child: _Child) -> None:
        """Copy and empty a long log: the service goes on writing to the file that it has open."""
        if os.fstat(child.log.fileno()).st_size <= self._log_limit_bytes:
            return
        earlier = child.log_path.with_suffix(".log.1")
        try:
            shutil.copyfile(child.log_path, earlier)
        except OSError:  # the disk is full: room counts more than what was said
            earlier.unlink(missing_ok=True)
        os.ftruncate(child.log.fileno(), 0)

    def _tend(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is not None:
            if child.process.poll() is None:
                return
            ran_s = now - child.started_at
            child.crashes = 0 if ran_s > _HEALTHY_AFTER_S else child.crashes
            pause_s = _BACKOFF_S[min(child.crashes, len(_BACKOFF_S) - 1)]
            child.crashes += 1
            child.next_start_at = now + pause_s
            logger.warning(
                "service ended",
                action="restart",
                service=child.spec.name,
                exit_code=child.process.returncode,
                ran_s=round(ran_s, 1),
                restart_in_s=pause_s,
            )
            if child.process.stdin:
                child.process.stdin.close()
            child.process = None
        elif now >= child.next_start_at:
            try:
                self._launch(child)
            except OSError as error:  # no memory or no process left: later there may be
                child.next_start_at = now + _BACKOFF_S[min(child.crashes, len(_BACKOFF_S) - 1)]
                child.crashes += 1
                logger.warning(
                    "service not started", action="restart", service=child.spec.name, error=str(error)
                )
                return
            child.restarts += 1
