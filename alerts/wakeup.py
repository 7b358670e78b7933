"""Wait for NOTIFY, or for time to pass."""

from __future__ import annotations

import threading
import time
from typing import LiteralString

import psycopg

from data.db import Connection, connect
from data.errors import DatabaseAway

_SLICE_S = 0.5


class Wakeup:
    """Listens on its own connection; without a database it only waits."""

    def __init__(self, url: str, channels: tuple[LiteralString, ...], *, name: str) -> None:
        self._url = url
        self._channels = channels
        self._name = name
        self._connection: Connection | None = None

    def wait(self, timeout_s: float, stop: threading.Event) -> None:
        """Return at a notification, after ``timeout_s``, or soon after ``stop`` is set."""
        until = time.monotonic() + timeout_s
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            try:
                if self._listen(min(left, _SLICE_S)):
                    return
            except (DatabaseAway, psycopg.Error):
                self.close()
                stop.wait(min(left, _SLICE_S))

    def _listen(self, timeout_s: float) -> bool:
        if self._connection is None:
            self._connection = connect(self._url, name=self._name, is_autocommit=True)
            for channel in self._channels:
                self._connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
            return True  # what was announced before is found by looking
        return any(True for _ in self._connection.notifies(timeout=timeout_s, stop_after=1))

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
