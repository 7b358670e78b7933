"""One vehicle of GB/T 32960 as its terminal behaves: what is not confirmed is kept and sent again. No I/O."""

from __future__ import annotations

import functools
import operator
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from simulators.encode_gbt_blocks import Edition
from simulators.encode_gbt_frames import heartbeat_frame, login_frame, logout_frame

_HEADER, _LONGEST = 24, 65_556
_LOGIN, _REALTIME, _RESUPPLY = 0x01, 0x02, 0x03
_OK = 0x01


@dataclass(frozen=True, slots=True)
class Answer:
    """What the platform answered."""

    command: int
    mark: int  #: 1 taken, 2 error, 3 VIN twice …
    time: bytes  #: six bytes, or none


@dataclass(slots=True)
class GbtCounters:
    """What the vehicles have done together."""

    connected: int = 0
    logins: int = 0  #: confirmed
    refused: int = 0  #: answers other than "taken"
    sent: int = 0  #: frames of readings, repeats included
    repeated: int = 0
    confirmed: int = 0  #: distinct frames of readings
    heartbeats: int = 0  #: confirmed


def late(frame: bytes) -> bytes:
    """Return a frame of readings as it is sent out of the store: command 03, checksum to match."""
    if frame[2] != _REALTIME:
        return frame
    return frame[:2] + bytes([_RESUPPLY]) + frame[3:-1] + bytes([frame[-1] ^ _REALTIME ^ _RESUPPLY])


class AnswerReader:
    """Bytes of the platform in, its answers out."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Answer]:
        """Yield the answers that are complete by now."""
        buffer = self._buffer + data
        at = 0
        while len(buffer) - at > _HEADER:
            size = int.from_bytes(buffer[at + 22 : at + 24], "big") + _HEADER + 1
            if buffer[at : at + 2] not in (b"##", b"$$") or size > _LONGEST:
                at += 1
                continue
            frame = buffer[at : at + size]
            if len(frame) < size:
                break
            if functools.reduce(operator.xor, frame[2:]) != 0:
                at += 1
                continue
            at += size
            yield Answer(frame[2], frame[3], frame[24:30] if size > _HEADER + 6 else b"")
        self._buffer = buffer[at:]


@dataclass(slots=True, kw_only=True)
class GbtVehicle:
    """What a terminal knows: its store, what is under way, whether it is logged in.

    Readings of one second are told apart by their order only, as the answers say no more than the time.
    """

    vin: str
    iccid: str = ""
    edition: Edition = "2016"
    window: int = 8  #: frames under way
    resend_s: float = 10.0  #: without an answer, a frame is sent again
    is_logged_in: bool = False
    serial: int = 0
    waiting: deque[bytes] = field(default_factory=deque)
    under_way: dict[bytes, deque[tuple[bytes, float]]] = field(default_factory=dict)  #: by time
    login_at_s: float = -1e9

    @property
    def under_way_count(self) -> int:
        """Return how many frames wait for an answer."""
        return sum(map(len, self.under_way.values()))

    @property
    def is_idle(self) -> bool:
        """Tell whether everything has been confirmed."""
        return not self.waiting and not self.under_way

    def add(self, frame: bytes) -> None:
        """Take a frame of readings to send; kept until it is confirmed."""
        self.waiting.append(frame)

    def connected(self) -> None:
        """Begin anew on a fresh connection: what was under way goes out of the store, first."""
        self.is_logged_in, self.login_at_s = False, -1e9
        again = sorted(late(frame) for frames in self.under_way.values() for frame, _ in frames)
        self.waiting.extendleft(reversed(again))
        self.under_way.clear()

    def next_frames(self, now_s: float, now_us: int, counters: GbtCounters) -> list[bytes]:
        """Return what is to be sent now: a login, or readings as far as the window allows."""
        if not self.is_logged_in:
            if now_s - self.login_at_s < self.resend_s:
                return []
            self.login_at_s = now_s
            self.serial += 1
            return [login_frame(self.vin, now_us, serial=self.serial, iccid=self.iccid, edition=self.edition)]
        chosen = []
        for frames in self.under_way.values():
            for i, (frame, sent_s) in enumerate(frames):
                if now_s - sent_s > self.resend_s:
                    frames[i] = (frame, now_s)
                    chosen.append(frame)
                    counters.repeated += 1
        room = self.window - self.under_way_count
        while room > 0 and self.waiting:
            frame = self.waiting.popleft()
            counters.repeated += frame[2] == _RESUPPLY
            self.under_way.setdefault(frame[24:30], deque()).append((frame, now_s))
            chosen.append(frame)
            room -= 1
        counters.sent += len(chosen)
        return chosen

    def answered(self, answer: Answer, counters: GbtCounters) -> None:
        """Take an answer: only "taken" lets a frame go."""
        if answer.mark != _OK:
            counters.refused += 1
            return
        if answer.command == _LOGIN:
            counters.logins += not self.is_logged_in
            self.is_logged_in = True
        elif answer.command in (_REALTIME, _RESUPPLY):
            frames = self.under_way.get(answer.time)
            if frames:
                frames.popleft()
                counters.confirmed += 1
                if not frames:
                    del self.under_way[answer.time]
        elif answer.command == 0x07:
            counters.heartbeats += 1

    def heartbeat(self) -> bytes:
        """Return a heartbeat."""
        return heartbeat_frame(self.vin, edition=self.edition)

    def goodbye(self, now_us: int) -> bytes:
        """Return the logout of the last login."""
        return logout_frame(self.vin, now_us, serial=self.serial, edition=self.edition)
