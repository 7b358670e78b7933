"""The registry behind a cache: lookups of one moment go to the database together, in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from data.errors import DatabaseError
from ingest.gateway.logins import Registration

#: How long an answer is believed: a vehicle just registered gets in soon, a retired one not for long.
_KNOWN_S, _UNKNOWN_S = 30.0, 5.0
_MOST_CACHED = 200_000
_MOST_AT_ONCE = 1000

Fetch = Callable[[Sequence[str]], Mapping[str, Sequence[Registration]]]


class Registry:
    """Looks up VINs.

    Args:
        fetch: Asks the database; called in a thread.
        clock_s: Monotonic seconds.
    """

    def __init__(self, fetch: Fetch, *, clock_s: Callable[[], float]) -> None:
        self._fetch, self._clock_s = fetch, clock_s
        self._cache: dict[str, tuple[float, Sequence[Registration]]] = {}
        self._waiting: dict[str, asyncio.Future[Sequence[Registration]]] = {}
        self._task: asyncio.Task[None] | None = None

    def peek(self, vin: str) -> Sequence[Registration] | None:
        """Return what is known without asking; None where that would be too old."""
        known = self._cache.get(vin)
        return known[1] if known is not None and self._clock_s() < known[0] else None

    async def find(self, vin: str) -> Sequence[Registration]:
        """Return the registrations of a VIN.

        Raises:
            DatabaseError: The database could not be asked; nothing is known.
        """
        known = self.peek(vin)
        if known is not None:
            return known
        future = self._waiting.get(vin)
        if future is None:
            future = self._waiting[vin] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._ask())
        return await asyncio.shield(future)

    async def _ask(self) -> None:
        while self._waiting:
            asked = {vin: self._waiting.pop(vin) for vin in list(self._waiting)[:_MOST_AT_ONCE]}
            try:
                found = await asyncio.to_thread(self._fetch, list(asked))
            except DatabaseError as error:
                for future in asked.values():
                    future.set_exception(error)
                    future.exception()  # nobody may be waiting any more
                continue
            now = self._clock_s()
            if len(self._cache) > _MOST_CACHED:
                self._cache.clear()
            for vin, future in asked.items():
                answer = found.get(vin, ())
                self._cache[vin] = (now + (_KNOWN_S if answer else _UNKNOWN_S), answer)
                future.set_result(answer)
