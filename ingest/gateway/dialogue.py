"""What is said on a connection: logins, frames to pass on, answers (GB/T 32960.3-2016 §6.3, §7)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from data.errors import VinError
from data.records import Vin, parse_vin
from ingest.gateway.framing import Found
from ingest.gateway.house import House, Line
from ingest.gateway.logins import (
    FAILED,
    TAKEN,
    Platform,
    Refusal,
    Registration,
    admit_vehicle,
    answer_mark,
    find_registration,
    read_platform_login,
)
from ingest.gbt32960.stream import (
    FRAME_BYTES,
    HEARTBEAT,
    IS_COMMAND,
    KEY_EXCHANGE,
    LARGEST_DATA,
    LOGIN,
    LOGOUT,
    PLATFORM_LOGIN,
    PLATFORM_LOGOUT,
    TIME_SYNC,
    Header,
    answer_frame,
    encode_time,
)

#: A stranger that was told "no" so often is not listened to any more.
_MOST_REFUSALS = 3


class Dialogue:
    """Decides about each frame of one connection; a vehicle's, or a platform's that speaks for many.

    Args:
        house: The gateway.
        line: The connection.
    """

    def __init__(self, house: House, line: Line) -> None:
        self._house, self._line = house, line
        self._tenant = ""
        self._platform: Platform | None = None
        self._refusal_count = 0
        self.vin: Vin | None = None  #: of the vehicle that is logged in

    @property
    def is_known(self) -> bool:
        """Tell whether somebody is logged in."""
        return self.vin is not None or self._platform is not None

    @staticmethod
    def needs_room(found: Found) -> bool:
        """Tell whether handling this may need the broker; a heartbeat is answered without it."""
        return found.is_intact and found.header.command not in (HEARTBEAT, TIME_SYNC)

    def handle(self, found: Found) -> None:
        """Handle one frame."""
        header, frame, progress = found.header, found.frame, self._house.progress
        if not found.is_intact:
            progress.bad_checksums += 1
            if header.response == IS_COMMAND and header.identifier == self.vin:
                self._answer(frame, FAILED)  # ours, damaged on the way: it is to be sent again
            return
        progress.frames += 1
        if header.response != IS_COMMAND:
            return  # an answer; nothing was asked
        if header.command == TIME_SYNC:
            self._answer(frame, TAKEN, time=encode_time(self._house.now()))
        elif header.command == LOGIN and self._platform is None:
            self._line.begin(self._log_in(header, frame))
        elif header.command == PLATFORM_LOGIN:
            self._line.begin(self._log_in_platform(header, frame))
        elif self._platform is not None:
            self._handle_forwarded(header, frame, self._platform)
        elif self.vin is not None:
            self._handle_own(header, frame, self.vin)
        else:
            self._refuse(header, frame, Refusal.NOT_LOGGED_IN)

    def leave(self) -> None:
        """Give the VIN back."""
        if self.vin is not None:
            self._house.release(self._line, self.vin)
        self.vin = self._platform = None

    def _handle_own(self, header: Header, frame: bytes, vin: Vin) -> None:
        if header.identifier != vin:
            self._refuse(header, frame, Refusal.OTHER_VIN)
        elif header.command == HEARTBEAT:
            self._answer(frame, TAKEN)
        elif header.command in (KEY_EXCHANGE, PLATFORM_LOGOUT):
            self._refuse(header, frame, Refusal.UNSUPPORTED)
        else:
            self._forward(self._tenant, vin, frame)
            if header.command == LOGOUT:
                self._log_out()

    def _handle_forwarded(self, header: Header, frame: bytes, platform: Platform) -> None:
        if header.command == PLATFORM_LOGOUT:
            self._answer(frame, TAKEN)
            self._log_out()
        elif header.command == HEARTBEAT:
            self._answer(frame, TAKEN)
        elif (known := self._house.peek(header.identifier)) is not None:
            self._forward_for(header, frame, platform, known)
        else:
            self._line.begin(self._look_up(header, frame, platform))

    def _forward_for(
        self, header: Header, frame: bytes, platform: Platform, known: Sequence[Registration]
    ) -> None:
        vehicle, refusal = find_registration([r for r in known if r.tenant == platform.tenant])
        if vehicle is None:
            self._refuse(header, frame, refusal or Refusal.UNKNOWN_VIN)
        else:
            self._forward(vehicle.tenant, Vin(header.identifier), frame)

    def _forward(self, tenant: str, vin: Vin, frame: bytes) -> None:
        """Publish a frame; its answer goes out when the broker has taken it, and never if it has not."""
        answer, line = answer_frame(frame, TAKEN), self._line
        line.count_out()
        self._house.publish(tenant, vin, frame, lambda is_taken: line.count_in(answer if is_taken else None))

    def _answer(self, frame: bytes, mark: int, *, time: bytes | None = None) -> None:
        self._line.write(answer_frame(frame, mark, time=time))

    def _refuse(self, header: Header, frame: bytes, refusal: Refusal) -> None:
        self._house.progress.refused[refusal] += 1
        self._answer(frame, answer_mark(refusal, header.edition))
        self._refusal_count += 1
        if not self.is_known and self._refusal_count >= _MOST_REFUSALS:
            self._line.close("refused")

    # ------------------------------------------------------------------ logins

    async def _log_in(self, header: Header, frame: bytes) -> None:
        try:
            vin = parse_vin(header.identifier)
        except VinError:
            self._refuse(header, frame, Refusal.UNKNOWN_VIN)
            return
        if self.vin is not None and vin != self.vin:
            self._refuse(header, frame, Refusal.OTHER_VIN)
            return
        vehicle, refusal = admit_vehicle(frame, header, await self._house.find(vin))
        if vehicle is None:
            self._refuse(header, frame, refusal or Refusal.UNKNOWN_VIN)
            return
        self._tenant, self.vin = vehicle.tenant, vin
        self._let_in()
        self._house.take_over(self._line, vin)
        self._house.progress.logins += 1
        self._forward(vehicle.tenant, vin, frame)

    async def _log_in_platform(self, header: Header, frame: bytes) -> None:
        named = read_platform_login(frame)
        platform = None
        if named is not None and self.vin is None:
            platform = await self._house.find_platform(*named)
        if platform is None:
            self._refuse(header, frame, Refusal.WRONG_PASSWORD if named else Refusal.BAD_LOGIN)
            return
        self._platform = platform
        self._let_in()
        self._house.progress.platform_logins += 1
        self._answer(frame, TAKEN)

    async def _look_up(self, header: Header, frame: bytes, platform: Platform) -> None:
        self._forward_for(header, frame, platform, await self._house.find(header.identifier))

    def _let_in(self) -> None:
        self._refusal_count = 0
        self._line.limit_bytes = FRAME_BYTES + LARGEST_DATA

    def _log_out(self) -> None:
        """Forget who it was; a new login may follow on the same connection."""
        self.leave()
        self._line.login_from_s = asyncio.get_running_loop().time()
