"""What a connection may take, and what it asks of the gateway that it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from data.records import Vin
from ingest.gateway.logins import Platform, Registration
from ingest.gateway.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one connection may take."""

    idle_s: float  #: silence after which it is closed
    login_s: float  #: time for a first login
    frame_s: float = 10.0  #: time for the rest of a frame that has begun
    in_flight: int = 32  #: frames of one connection that wait for the broker


class Line(Protocol):
    """A connection, as what is said on it sees it."""

    limit_bytes: int  #: longest frame believed
    login_from_s: float  #: since when a login is waited for, seconds of the event loop

    def write(self, answer: bytes) -> None:
        """Send an answer, unless the connection is gone."""
        ...

    def close(self, reason: str) -> None:
        """End the connection."""
        ...

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what waits for the database; no other frame of the connection is handled meanwhile."""
        ...

    def count_out(self) -> None:
        """Count a frame that goes to the broker."""
        ...

    def count_in(self, answer: bytes | None) -> None:
        """Count a frame that the broker has answered, and pass the answer on if there is one."""
        ...


class House(Protocol):
    """The gateway, as one connection sees it."""

    progress: Progress
    now: Callable[[], datetime]

    @property
    def has_room(self) -> bool:
        """Tell whether a frame may be published now."""
        ...

    def publish(self, tenant: str, vin: Vin, frame: bytes, done: Callable[[bool], None]) -> None:
        """Publish one frame."""
        ...

    def take_over(self, line: Line, vin: Vin) -> None:
        """Give a VIN to this connection; the one that had it is closed."""
        ...

    def release(self, line: Line, vin: Vin) -> None:
        """Take a VIN from this connection, if it still has it."""
        ...

    def peek(self, vin: str) -> Sequence[Registration] | None:
        """Return what the registry is known to say."""
        ...

    async def find(self, vin: str) -> Sequence[Registration]:
        """Ask the registry.

        Raises:
            DatabaseError: It cannot be asked.
        """
        ...

    async def find_platform(self, user: str, password: str) -> Platform | None:
        """Return the platform whose password this is.

        Raises:
            DatabaseError: The registry cannot be asked.
        """
        ...
