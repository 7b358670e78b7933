"""Hands technicians' requests for readings to the broker (``down/read``); vehicles answer with an event."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

import msgspec
import structlog

from data.db import Pool, fetch_rows, load_queries, transaction
from data.errors import DatabaseError
from data.records import Vin
from data.topics import Down, down

_log = structlog.get_logger("ingest")
#: Between two looks for requests: a technician waits for the answer.
_PAUSE_S = 1.0


class Asker:
    """A thread that publishes requests; any number of processes share the work.

    Args:
        pool: The database.
        publish: (topic, payload) -> whether it could be tried.
        is_connected: Whether the broker can be reached.
        stop: Ends the thread.
        clock: Now, timezone-aware.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        publish: Callable[[str, bytes], bool],
        is_connected: Callable[[], bool],
        stop: threading.Event,
        clock: Callable[[], datetime],
    ) -> None:
        self._pool, self._publish, self._is_connected = pool, publish, is_connected
        self._stop, self._clock = stop, clock
        self._thread = threading.Thread(target=self._run, name="ingest-asker", daemon=True)

    def start(self) -> None:
        """Begin to look for requests."""
        self._thread.start()

    def join(self, *, timeout_s: float) -> None:
        """Wait for the end of the present look after ``stop``."""
        if self._thread.is_alive():
            self._thread.join(timeout=timeout_s)

    def run_round(self, now: datetime) -> int:
        """Publish what waits; return how many requests that were.

        A request is noted as sent after it was handed over: a process that dies between the two makes it come
        twice, and vehicles answer an id once.

        Raises:
            DatabaseError: The database is away; the next round tries again.
        """
        queries, sent = load_queries("ingest", "asking.sql"), []
        with transaction(self._pool) as connection:
            for row in fetch_rows(connection, queries["take_requests"], {"now": now}):
                payload = msgspec.json.encode(
                    {
                        "v": 1,
                        "id": str(row["request_id"]),
                        "s": row["signals"],
                        "until": int(row["expires_at"].timestamp() * 1000),
                    }
                )
                if self._publish(down(row["tenant"], Vin(row["vin"]), Down.READ), payload):
                    sent.append(row["request_id"])
            if sent:
                connection.execute(queries["mark_sent"], {"request_ids": sent, "now": now})
        return len(sent)

    def _run(self) -> None:
        while not self._stop.wait(_PAUSE_S):
            if not self._is_connected():
                continue
            try:
                self.run_round(self._clock())
            except DatabaseError as error:
                _log.warning("requests wait, trying again", action="ask", error=str(error)[:300])
            except Exception:
                # a thread that ended here would take remote diagnosis with it, unseen
                _log.exception("requests wait, trying again", action="ask")
