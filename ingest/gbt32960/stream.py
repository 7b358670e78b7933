"""Frames of GB/T 32960.3 as bytes: header, checksum, finding them in a stream, answers (§6)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import MappingProxyType

import numpy as np

#: Start bytes of each edition.
EDITIONS = MappingProxyType({b"##": 2016, b"$$": 2025})
HEADER_BYTES = 24
#: Bytes of a frame beside its data unit: header and check code.
FRAME_BYTES = HEADER_BYTES + 1
LARGEST_DATA = 65_531
#: Times on the wire are China's (GB/T 32960.3-2016 §7.1, table 5).
CHINA = timezone(timedelta(hours=8))
IS_COMMAND = 0xFE
LOGIN, REALTIME, RESUPPLY, LOGOUT, PLATFORM_LOGIN, PLATFORM_LOGOUT, HEARTBEAT, TIME_SYNC = range(1, 9)
ACTIVATION, ACTIVATION_REPLY, KEY_EXCHANGE = 0x09, 0x0A, 0x0B
#: Commands whose data unit begins with six bytes of time.
TIMED = frozenset({*range(LOGIN, HEARTBEAT), ACTIVATION, ACTIVATION_REPLY, 0x80, 0x81, 0x82})
_COMMANDS = frozenset({*range(0x01, 0x0C), 0x80, 0x81, 0x82, *range(0xC0, 0xFF)})
_RESPONSES = frozenset({1, 2, 3, 4, 5, 6, 7, IS_COMMAND})
_ENCRYPTIONS = frozenset({1, 2, 3, 4, 5, 0xFE, 0xFF})
_IDENTIFIER = re.compile(rb"[\x20-\x7e]*\x00*")


@dataclass(frozen=True, slots=True)
class Header:
    """The first 24 bytes of a frame (GB/T 32960.3-2016 §6.2, table 2)."""

    edition: int  #: 2016 or 2025
    command: int
    response: int  #: 0xFE: a command; else an answer
    identifier: str  #: VIN or platform, padding removed
    encryption: int
    length: int  #: bytes of the data unit

    @property
    def frame_bytes(self) -> int:
        """Return the length of the whole frame."""
        return FRAME_BYTES + self.length


def find_start(stream: bytes | bytearray, position: int) -> int:
    """Return where the next start bytes of either edition are, -1 where none are left."""
    if bytes(stream[position : position + 2]) in EDITIONS:
        return position
    found = [at for start in EDITIONS if (at := stream.find(start, position)) >= 0]
    return min(found, default=-1)


def parse_header(stream: bytes | bytearray, position: int = 0) -> Header | None:
    """Return the header that begins at ``position``; None where these 24 bytes cannot be one.

    Start bytes, command, answer mark, identifier, encryption and length must each be what the standard
    allows: garbage that only looks like a start does not make the reader wait for bytes that never come.
    """
    head = bytes(stream[position : position + HEADER_BYTES])
    edition = EDITIONS.get(head[:2])
    if edition is None or len(head) < HEADER_BYTES:
        return None
    length = int.from_bytes(head[22:24], "big")
    if (
        head[2] not in _COMMANDS
        or head[3] not in _RESPONSES
        or head[21] not in _ENCRYPTIONS
        or length > LARGEST_DATA
        or not _IDENTIFIER.fullmatch(head[4:21])
    ):
        return None
    identifier = head[4:21].strip(b"\x00 ").decode("ascii")
    return Header(edition, head[2], head[3], identifier, head[21], length)


def checksum(frame: bytes | bytearray) -> int:
    """Return the check code of a frame: all bytes after the start and before the code itself, XORed."""
    return int(np.bitwise_xor.reduce(np.frombuffer(frame, dtype=np.uint8, offset=2)[:-1]))


def split_frames(stream: bytes) -> Iterator[bytes]:
    """Yield the frames of a byte stream whose length and checksum are right.

    After a bad start, length or checksum the search goes on one byte further, not one frame further.
    """
    position = find_start(stream, 0)
    while position >= 0 and position + HEADER_BYTES < len(stream):
        length = int.from_bytes(stream[position + 22 : position + 24], "big")
        frame = stream[position : position + length + FRAME_BYTES]
        is_whole = length <= LARGEST_DATA and len(frame) == length + FRAME_BYTES
        if is_whole and checksum(frame) == frame[-1]:
            yield frame
            position += len(frame)
        else:
            position += 1
        position = find_start(stream, position)


def encode_time(moment: datetime) -> bytes:
    """Return the six bytes of a moment: year since 2000, month, day, hour, minute, second of China's time."""
    local = moment.astimezone(CHINA)
    return bytes((local.year - 2000, local.month, local.day, local.hour, local.minute, local.second))


def answer_frame(frame: bytes | bytearray, response: int, *, time: bytes | None = None) -> bytes:
    """Return the answer to a frame (GB/T 32960.3-2016 §6.3.2): mark changed, time kept, the rest left out.

    Args:
        frame: What is answered; its identifier, command and edition stay.
        response: 1 taken, 2 error, 3 VIN twice; 2025 also 4 VIN unknown, 5-7.
        time: Data unit instead of the frame's own time, for a time sync (08).
    """
    if time is None:
        time = bytes(frame[HEADER_BYTES : HEADER_BYTES + 6]) if frame[2] in TIMED else b""
    head = bytearray(frame[:HEADER_BYTES])
    head[3] = response
    head[21] = 1  # what is left of the data unit is not encrypted
    head[22:24] = len(time).to_bytes(2, "big")
    answer = bytes(head) + time + b"\0"
    return answer[:-1] + bytes([checksum(answer)])


def restamp_frame(frame: bytes, *, vin: str, time_us: int | None = None) -> bytes:
    """Return a frame as another vehicle would send it at another time, with the checksum that belongs to it.

    Args:
        frame: A frame that ``decode_frame`` reads.
        vin: Identifier to put in, at most 17 ASCII characters.
        time_us: Time to put in where the command carries one, microseconds since 1970 UTC; whole seconds
            count. None: the time stays.
    """
    changed = bytearray(frame)
    changed[4:21] = vin.encode("ascii").ljust(17, b"\0")[:17]
    if time_us is not None and frame[2] in TIMED and len(frame) >= FRAME_BYTES + 6:
        changed[24:30] = encode_time(datetime.fromtimestamp(time_us // 1_000_000, CHINA))
    changed[-1] = checksum(changed)
    return bytes(changed)
