"""One TCP connection: bytes in, flow control, time limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from data.errors import DatabaseError
from ingest.gateway.dialogue import Dialogue
from ingest.gateway.framing import Found, FrameReader
from ingest.gateway.house import House, Limits

#: Nobody unknown makes us hold more than this; a login with the codes of a hundred packs is shorter.
_LONGEST_LOGIN = 8192
#: Bytes of no frame that a stranger may send: to look through them costs more than to send them.
_MOST_GARBAGE = 32 * 1024
#: Answers that a peer does not fetch: past this, nothing more is read from it.
_ANSWER_BYTES = 16 * 1024


class Hall(House, Protocol):
    """The gateway, as the transport side of a connection sees it."""

    limits: Limits

    def enter(self, session: Session) -> bool:
        """Count a connection; False when there are too many."""
        ...

    def leave(self, session: Session) -> None:
        """Forget a connection."""
        ...

    def wait_room(self, go_on: Callable[[], None]) -> None:
        """Have ``go_on`` called when the broker takes frames again."""
        ...


class Session(asyncio.BufferedProtocol):
    """Reads frames and hands them over one by one.

    Nothing is read from the socket while too many frames of this connection, or of all of them, wait for the
    broker, while a login is looked up, or while answers are not fetched: the vehicle waits, and memory stays
    bounded by one frame and one read.

    Args:
        hall: The gateway.
        landing: Where bytes arrive; shared by all sessions, as what lands there is taken at once.
    """

    def __init__(self, hall: Hall, landing: bytearray) -> None:
        self._hall, self._landing = hall, landing
        self._reader = FrameReader(limit_bytes=_LONGEST_LOGIN)
        self._dialogue = Dialogue(hall, self)
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._parked: Found | None = None  # waits for room at the broker
        self._in_flight = 0
        self._is_busy = self._is_choked = self._is_held = self._is_ending = self._is_closed = False
        self._task: asyncio.Task[None] | None = None
        self.login_from_s = self._heard_s = self._frame_s = self._loop.time()

    @property
    def limit_bytes(self) -> int:
        """Longest frame believed."""
        return self._reader.limit_bytes

    @limit_bytes.setter
    def limit_bytes(self, value: int) -> None:
        self._reader.limit_bytes = value

    @property
    def is_known(self) -> bool:
        """Tell whether somebody is logged in."""
        return self._dialogue.is_known

    # ------------------------------------------------------------------ called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the connection in, unless there are too many."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream, it is one
        self._transport = transport
        transport.set_write_buffer_limits(high=_ANSWER_BYTES)
        if not self._hall.enter(self):
            self._is_closed = True
            transport.abort()

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where the next bytes go."""
        return self._landing

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes that have arrived."""
        self._heard_s = self._loop.time()
        if not self._reader.waiting_bytes:
            self._frame_s = self._heard_s
        with memoryview(self._landing) as view:
            self._reader.append(view[:nbytes])
        self.go_on()

    def pause_writing(self) -> None:
        """Read nothing from a peer that does not fetch its answers."""
        self._is_choked = True
        self._settle()

    def resume_writing(self) -> None:
        """Go on with a peer that has fetched its answers."""
        self._is_choked = False
        self.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; what waits for the broker is stored and not answered."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
        self._dialogue.leave()
        self._hall.progress.skipped_bytes += self._reader.skipped_bytes
        self._hall.leave(self)

    # ------------------------------------------------------------------ called by the gateway

    def go_on(self) -> None:
        """Handle what is here, as far as there is room for it."""
        while not (self._is_busy or self._is_choked or self._is_ending or self._is_closed):
            if self._in_flight >= self._hall.limits.in_flight:
                break
            found = self._parked or self._reader.next()
            if found is None:
                break
            if self._dialogue.needs_room(found) and not self._hall.has_room:
                self._parked = found
                self._hall.wait_room(self.go_on)
                break
            self._parked = None
            self._frame_s = self._loop.time()
            self._dialogue.handle(found)
        if self._reader.skipped_bytes > _MOST_GARBAGE and not self.is_known:
            self.close("garbage")
        self._settle()

    def check(self, now_s: float) -> None:
        """Close the connection if it has had its time."""
        limits = self._hall.limits
        if self._is_closed or (self._is_held and not self._is_choked):
            return  # it waits for us
        if not self.is_known and now_s - self.login_from_s > limits.login_s:
            self.close("no_login")
        elif now_s - self._heard_s > limits.idle_s:
            self.close("silent")
        elif self._reader.waiting_bytes and now_s - self._frame_s > limits.frame_s:
            if self._reader.give_up():
                self.go_on()
            else:
                self.close("half_frame")

    def hold(self) -> None:
        """Take no further frames; those on their way to the broker are still answered."""
        self._is_ending = True
        self._settle()

    # ------------------------------------------------------------------ called by the dialogue

    def write(self, answer: bytes) -> None:
        """Send an answer, unless the connection is gone."""
        if self._transport is not None and not self._is_closed:
            self._hall.progress.answers += 1
            self._transport.write(answer)

    def close(self, reason: str) -> None:
        """End the connection, answers already written going out first; counted by reason."""
        if self._is_closed:
            return
        self._hall.progress.closed[reason] += 1
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()  # a login that is being looked up must not take the VIN over any more
        self._dialogue.leave()
        if self._transport is not None:
            (self._transport.abort if self._is_choked else self._transport.close)()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what waits for the database; no other frame of the connection is handled meanwhile."""
        self._is_busy = True
        self._task = self._loop.create_task(work)
        self._task.add_done_callback(self._end)

    def count_out(self) -> None:
        """Count a frame that goes to the broker."""
        self._in_flight += 1

    def count_in(self, answer: bytes | None) -> None:
        """Count a frame that the broker has answered, and pass the answer on if there is one."""
        self._in_flight -= 1
        if answer is not None:
            self.write(answer)
        self.go_on()

    def _end(self, task: asyncio.Task[None]) -> None:
        self._is_busy, self._task = False, None
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, DatabaseError):
            self._hall.progress.lookups_failed += 1  # no answer: the vehicle asks again
        elif error is not None:
            self.close("failed")
            raise error
        self.go_on()

    def _settle(self) -> None:
        """Read from the socket or not, as things stand."""
        must_hold = (
            self._is_busy
            or self._is_choked
            or self._is_ending
            or self._parked is not None
            or self._in_flight >= self._hall.limits.in_flight
        )
        if self._transport is None or self._is_closed or must_hold == self._is_held:
            return
        self._is_held = must_hold
        if must_hold:
            self._transport.pause_reading()
        else:
            self._frame_s = self._heard_s = self._loop.time()
            self._transport.resume_reading()
