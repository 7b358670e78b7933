"""Tell the database, every few seconds, that this service process is alive and whether it is ready."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from data.db import connect, load_queries, wrap_errors
from data.errors import DatabaseError

BEAT_EVERY_S = 5.0
_READY_POLL_S = 0.25
_ANSWER_S = 10.0
logger = structlog.get_logger()


class Heartbeat:
    """A thread that writes a row of ``service_beats`` while the service runs and removes it at a clean end.

    Args:
        url: The database; a connection of a moment per beat, so that a busy pool delays nothing.
        service: ``ingest``, ``watch``, …
        slot: Tells processes of one service apart; the machine's name by default.
        is_ready: Asked at every beat; a change to ready is written at once.
    """

    def __init__(
        self, url: str, service: str, *, slot: str = "", is_ready: Callable[[], bool] = lambda: True
    ) -> None:
        self._url = url
        self._row = {"service": service, "slot": slot or socket.gethostname(), "pid": os.getpid()}
        self._is_ready = is_ready
        self._stop = threading.Event()
        self._queries = load_queries("data")
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5.0)
        self._write("forget_beat")

    def _run(self) -> None:
        was_ready: bool | None = None
        waited_s = BEAT_EVERY_S
        while not self._stop.is_set():
            ready = self._is_ready()
            if waited_s >= BEAT_EVERY_S or ready != was_ready:
                self._row["is_ready"] = ready
                if self._write("beat"):
                    was_ready = ready
                waited_s = 0.0
            self._stop.wait(_READY_POLL_S)
            waited_s += _READY_POLL_S

    def _write(self, query: str) -> bool:
        try:
            with connect(self._url, name="anxin-beat", answer_s=_ANSWER_S) as connection, wrap_errors():
                connection.execute(self._queries[query], self._row)
        except DatabaseError as error:
            logger.debug("no beat", action="beat", error=str(error))
            return False
        return True
