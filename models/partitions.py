"""Which vehicles are this process's: partitions held by advisory locks, batches followed by NOTIFY."""

from __future__ import annotations

import time
from typing import Self

from data.db import CHANNEL_BATCHES, Connection, connect, wrap_errors
from data.locks import LOCK_SCORE, LOCK_WATCH

COUNT = 8
#: First key of pg_try_advisory_lock(int, int), one for each service; the second is the partition.
LOCK_KEYS = {"score": LOCK_SCORE, "watch": LOCK_WATCH}
_RETRY_S = 3.0


def partition_of(vehicle_id: int) -> int:
    """Return the partition of a vehicle."""
    return vehicle_id % COUNT


class Partitions:
    """Holds partitions on a connection of its own; losing the connection loses them, and raises."""

    def __init__(self, url: str, service: str) -> None:
        self.url = url
        self.service = service
        self.owned: set[int] = set()
        self._connection: Connection | None = None
        self._next_try = 0.0

    def __enter__(self) -> Self:
        self._connection = connect(self.url, name=f"anxin-{self.service}-locks", is_autocommit=True)
        with wrap_errors():
            self._connection.execute(f"LISTEN {CHANNEL_BATCHES}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        self.owned.clear()

    def acquire(self) -> set[int]:
        """Take what is free, now and then; return what is new.

        Raises:
            DatabaseAway: The connection is gone, and with it every lock.
        """
        if time.monotonic() < self._next_try or len(self.owned) == COUNT:
            return set()
        self._next_try = time.monotonic() + _RETRY_S
        connection = self._held()
        new = set()
        with wrap_errors():
            for partition in set(range(COUNT)) - self.owned:
                row = connection.execute(
                    "SELECT pg_try_advisory_lock(%s, %s)", (LOCK_KEYS[self.service], partition)
                ).fetchone()
                if row is not None and row[0]:
                    new.add(partition)
        self.owned |= new
        return new

    def wait(self, timeout_s: float) -> bool:
        """Wait for a committed batch; tells whether there was one.

        Raises:
            DatabaseAway: The connection is gone.
        """
        connection = self._held()
        with wrap_errors():
            woken = any(True for _ in connection.notifies(timeout=timeout_s, stop_after=1))
            if not woken:
                connection.execute("SELECT 1")
        return woken

    def _held(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("partitions are used inside a with block")
        return self._connection
