"""The live stream to browsers: database notifications in, server-sent events out.

The one asynchronous file of the API: a stream waits for hours, and a thread each would be too many.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from psycopg import sql

from api import store
from api.roles import FLEET, Principal, Role
from data.db import CHANNEL_BATCHES, CHANNEL_LIVE, Connection, connect, wrap_errors
from data.errors import AnxinError

KEEPALIVE_S = 15.0
STREAM_S = 3600.0  #: then the browser connects anew and is asked again who it is
BATCH_PAUSE_S = 2.0  #: shortest pause between two telemetry events
MAX_VINS = 50  #: named in one telemetry event

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvent:
    """Something changed that these callers may know of."""

    kind: str  #: order, alert, warning, prediction, telemetry
    identity: str
    tenant_id: int
    owner_id: int | None = None
    station_ids: tuple[int, ...] = ()

    def is_for(self, principal: Principal) -> bool:
        """Tell whether the caller may know."""
        if principal.tenant_id != self.tenant_id:
            return False
        if principal.role in FLEET:
            return True
        if principal.role is Role.OWNER:
            return self.owner_id is not None and self.owner_id == principal.owner_id
        return principal.role is Role.STATION and principal.station_id in self.station_ids


@dataclass(slots=True, eq=False)
class _Listener:
    principal: Principal
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[tuple[str, list[str]] | None] = field(
        default_factory=lambda: asyncio.Queue(maxsize=200)
    )

    def put(self, item: tuple[str, list[str]] | None) -> None:
        """Queue an event; a browser too slow for 200 of them loses the oldest and reloads soon enough."""
        if self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(item)


class Hub:
    """Hands live events to the browsers that may see them."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()
        self._lock = threading.Lock()
        self._is_closed = False

    def publish(self, events: Iterable[LiveEvent]) -> None:
        """Give events to the listeners; callable from any thread."""
        batch = list(events)
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            seen: dict[str, list[str]] = {}
            for event in batch:
                if event.is_for(listener.principal):
                    seen.setdefault(event.kind, []).append(event.identity)
            for kind, identities in seen.items():
                listener.loop.call_soon_threadsafe(listener.put, (kind, identities))

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        with self._lock:
            self._is_closed = True
            listeners = list(self._listeners)
        for listener in listeners:
            listener.loop.call_soon_threadsafe(listener.put, None)

    @property
    def listener_count(self) -> int:
        """Return how many browsers listen."""
        return len(self._listeners)

    async def stream(self, principal: Principal) -> AsyncIterator[str]:
        """Yield server-sent events for one caller until the hub closes or an hour has passed."""
        loop = asyncio.get_running_loop()
        listener = _Listener(principal, loop)
        with self._lock:
            if self._is_closed:
                return
            self._listeners.add(listener)
        ends_at = loop.time() + STREAM_S
        try:
            yield "retry: 3000\nevent: hello\ndata: {}\n\n"
            while loop.time() < ends_at:
                try:
                    item = await asyncio.wait_for(listener.queue.get(), KEEPALIVE_S)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if item is None:
                    return
                kind, identities = item
                data = {"ids": identities[:MAX_VINS], "count": len(identities)}
                yield f"event: {kind}\ndata: {json.dumps(data)}\n\n"
        finally:
            with self._lock:
                self._listeners.discard(listener)


def follow_database(url: str, hub: Hub, *, stop: threading.Event) -> None:
    """Publish what the database notifies until ``stop``; connects again with back-off when it goes away."""
    pause_s = 0.5
    while not stop.is_set():
        try:
            _follow(url, hub, stop)
            pause_s = 0.5
        except AnxinError as error:
            logger.warning("live stream lost the database", action="live_lost", error=str(error)[:200])
            stop.wait(pause_s)
            pause_s = min(pause_s * 2, 10.0)


def _follow(url: str, hub: Hub, stop: threading.Event) -> None:
    with connect(url, name="anxin-live", is_autocommit=True) as connection, wrap_errors():
        for channel in (CHANNEL_LIVE, CHANNEL_BATCHES):
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        cursor = store.fetch_last_batch(connection)
        has_batches, next_batch_at = False, 0.0
        while not stop.is_set():
            notices = [*connection.notifies(timeout=0.5, stop_after=1), *connection.notifies(timeout=0)]
            named = {what for notice in notices if (what := parse_notice(notice.channel, notice.payload))}
            has_batches |= any(notice.channel == CHANNEL_BATCHES for notice in notices)
            events = [_scoped(connection, kind, identity) for kind, identity in sorted(named)]
            hub.publish(event for event in events if event)
            if has_batches and time.monotonic() >= next_batch_at:
                has_batches, next_batch_at = False, time.monotonic() + BATCH_PAUSE_S
                until = store.fetch_last_batch(connection)
                if hub.listener_count:
                    hub.publish(_telemetry(connection, after=cursor, until=until))
                cursor = until


def parse_notice(channel: str, payload: str) -> tuple[str, str] | None:
    """Return kind and id that a notification names, or None where it names nothing that browsers show."""
    if channel != CHANNEL_LIVE:
        return None
    try:
        notice = json.loads(payload)
        kind, identity = str(notice["kind"]), str(notice["id"])
        is_valid = bool(UUID(identity)) if kind == "warning" else identity.isdecimal()
    except (ValueError, KeyError, TypeError):
        return None
    return (kind, identity) if kind in store.LIVE_KINDS and is_valid else None


def _scoped(connection: Connection, kind: str, identity: str) -> LiveEvent | None:
    scope = store.fetch_live_scope(connection, kind, identity)
    if scope is None:
        return None
    return LiveEvent(
        kind=kind,
        identity=identity,
        tenant_id=scope["tenant_id"],
        owner_id=scope["owner_id"],
        station_ids=(scope["station_id"],) if scope["station_id"] else (),
    )


def _telemetry(connection: Connection, *, after: int, until: int) -> list[LiveEvent]:
    return [
        LiveEvent(
            kind="telemetry",
            identity=row["vin"],
            tenant_id=row["tenant_id"],
            owner_id=row["owner_id"],
            station_ids=tuple(row["station_ids"]),
        )
        for row in store.fetch_touched_vehicles(connection, after=after, until=until)
    ]
