"""The gateway: its connections, who has which VIN, and the way to the broker."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from data.records import Vin
from data.topics import Up, up
from ingest.gateway.house import Limits, Line
from ingest.gateway.logins import Platform, Registration
from ingest.gateway.progress import Progress
from ingest.gateway.registry import Registry
from ingest.gateway.session import Session
from ingest.gateway.uplink import Uplink

#: One read of a socket takes up to this.
_LANDING_BYTES = 16 * 1024
_BACKLOG = 1024
_CHECK_EVERY_S = 1.0
#: Until its handshake is over, nobody counts a TLS connection.
_HANDSHAKE_S, _GOODBYE_S = 10.0, 5.0
#: Passwords checked at once: each takes tens of milliseconds and 64 MB, and anybody may ask.
_PASSWORDS_AT_ONCE = 2

FindPlatform = Callable[[str, str], Platform | None]


class Gateway:
    """Accepts vehicles and platforms.

    Args:
        uplink: The way to the broker, started by the caller; its ``on_room`` is this gateway's ``resume``.
        registry: Who may speak.
        find_platform: (user, password) -> the platform; called in a thread.
        limits: Of each connection.
        most_connections: Of more, the oldest without a login go, then the newest are turned away.
        now: Aware.
    """

    def __init__(
        self,
        *,
        uplink: Uplink,
        registry: Registry,
        find_platform: FindPlatform,
        limits: Limits,
        most_connections: int,
        now: Callable[[], datetime],
    ) -> None:
        self._uplink, self._registry, self._find_platform = uplink, registry, find_platform
        self._most_connections = most_connections
        self._landing = bytearray(_LANDING_BYTES)
        self._sessions: set[Session] = set()
        self._strangers: dict[Session, None] = {}  # by age; some of them are known, or gone, by now
        self._passwords = ThreadPoolExecutor(_PASSWORDS_AT_ONCE, thread_name_prefix="gateway-password")
        self._lines: dict[Vin, Line] = {}
        self._waiting: dict[Callable[[], None], None] = {}
        self._server: asyncio.Server | None = None
        self._checking: asyncio.Task[None] | None = None
        self.limits = limits
        self.now = now
        self.progress = Progress()

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
        """Listen, and return the port.

        Raises:
            OSError: The address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Session(self, self._landing),
            host,
            port,
            ssl=tls,
            backlog=_BACKLOG,
            ssl_handshake_timeout=_HANDSHAKE_S if tls else None,
            ssl_shutdown_timeout=_GOODBYE_S if tls else None,
        )
        for listening in self._server.sockets:  # what is accepted inherits them; answers are 31 bytes long
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _LANDING_BYTES)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LANDING_BYTES)
        self._checking = asyncio.create_task(self._check())
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self, *, grace_s: float) -> None:
        """Let nobody in, wait for the broker's word on what is under way, answer it, close."""
        if self._server is not None:
            self._server.close()
        if self._checking is not None:
            self._checking.cancel()
        self._passwords.shutdown(wait=False, cancel_futures=True)
        for session in list(self._sessions):
            session.hold()
        loop = asyncio.get_running_loop()
        until_s = loop.time() + grace_s
        while self._uplink.in_flight and not self._uplink.is_stalled and loop.time() < until_s:
            await asyncio.sleep(0.02)
        for session in list(self._sessions):
            session.close("shutdown")
        while self._sessions and loop.time() < until_s + 1.0:
            await asyncio.sleep(0.02)

    def resume(self) -> None:
        """Let the connections that wait for room go on, in the order in which they came to wait."""
        waiting, self._waiting = self._waiting, {}
        for go_on in waiting:
            go_on()

    async def _check(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            for session in list(self._sessions):
                session.check(loop.time())

    # ------------------------------------------------------------------ called by sessions

    @property
    def has_room(self) -> bool:
        """Tell whether a frame may be published now."""
        return self._uplink.has_room

    def enter(self, session: Session) -> bool:
        """Count a connection; False when there are too many.

        Whoever has waited longest without a login goes first: strangers cannot keep vehicles out.
        """
        if len(self._sessions) >= self._most_connections and not self._send_stranger_away():
            self.progress.turned_away += 1
            return False
        self._sessions.add(session)
        self._strangers[session] = None
        self.progress.accepted += 1
        self.progress.connections = len(self._sessions)
        return True

    def leave(self, session: Session) -> None:
        """Forget a connection."""
        self._sessions.discard(session)
        self._strangers.pop(session, None)
        self._waiting.pop(session.go_on, None)
        self.progress.connections = len(self._sessions)

    def _send_stranger_away(self) -> bool:
        while self._strangers:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            if not oldest.is_known:
                oldest.close("crowded")
                self._sessions.discard(oldest)
                return True
        return False

    def wait_room(self, go_on: Callable[[], None]) -> None:
        """Have ``go_on`` called when the broker takes frames again."""
        self._waiting[go_on] = None

    def take_over(self, line: Line, vin: Vin) -> None:
        """Give a VIN to this connection; the one that had it is closed: a vehicle has one link."""
        earlier = self._lines.get(vin)
        self._lines[vin] = line
        if earlier is not None and earlier is not line:
            earlier.close("taken_over")

    def release(self, line: Line, vin: Vin) -> None:
        """Take a VIN from this connection, if it still has it."""
        if self._lines.get(vin) is line:
            del self._lines[vin]

    def publish(self, tenant: str, vin: Vin, frame: bytes, done: Callable[[bool], None]) -> None:
        """Publish one frame."""
        self._uplink.publish(up(tenant, vin, Up.GBT32960), frame, done)

    def peek(self, vin: str) -> Sequence[Registration] | None:
        """Return what the registry is known to say."""
        return self._registry.peek(vin)

    async def find(self, vin: str) -> Sequence[Registration]:
        """Ask the registry."""
        return await self._registry.find(vin)

    async def find_platform(self, user: str, password: str) -> Platform | None:
        """Return the platform whose password this is."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._passwords, self._find_platform, user, password)
