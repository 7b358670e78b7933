"""Whole frames of GB/T 32960.3: logins, heartbeats, readings, with header and check code (§6, §7)."""

from __future__ import annotations

import functools
import operator
import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from simulators.encode_gbt_blocks import Edition
from simulators.errors import EncodeError

_STARTS = {"2016": b"##", "2025": b"$$"}
COMMAND = 0xFE


def frame(
    command: int, identifier: str, data: bytes = b"", *, edition: Edition = "2016", response: int = COMMAND
) -> bytes:
    """Return a frame around a data unit.

    Raises:
        EncodeError: The identifier is longer than 17 ASCII characters, or the data unit too long.
    """
    if len(identifier) > 17 or not identifier.isascii():
        raise EncodeError(f"identifier {identifier[:40]!r}: must be at most 17 ASCII characters")
    if len(data) > 65_531:
        raise EncodeError(f"data unit: {len(data)} bytes: must be at most 65531")
    body = bytes([command, response]) + identifier.encode("ascii").ljust(17, b"\0") + b"\x01"
    body += struct.pack(">H", len(data)) + data
    return _STARTS[edition] + body + bytes([functools.reduce(operator.xor, body)])


def time_bytes(time_us: int) -> bytes:
    """Return the six bytes of a time in GMT+8, whole seconds."""
    at = datetime.fromtimestamp(time_us // 1_000_000, UTC) + timedelta(hours=8)
    return bytes([at.year - 2000, at.month, at.day, at.hour, at.minute, at.second])


def login_frame(
    vin: str,
    time_us: int,
    *,
    serial: int = 1,
    iccid: str = "",
    pack_codes: Sequence[Sequence[str]] = (),
    edition: Edition = "2016",
) -> bytes:
    """Return a vehicle's login (01).

    Args:
        vin: Of the vehicle.
        time_us: Of the login.
        serial: Counts logins of a day, from 1.
        iccid: Of the SIM card, at most 20 characters.
        pack_codes: Codes of the packs of each battery system. 2016 has one a system, all equally long; 2025
            any number, of at most 24 characters.
        edition: Of the standard.
    """
    data = time_bytes(time_us) + struct.pack(">H", serial) + iccid.encode("ascii").ljust(20, b"\0")
    if edition == "2016":
        codes = [code.encode("ascii") for system in pack_codes for code in system]
        length = max(map(len, codes), default=0)
        data += bytes([len(codes), length]) + b"".join(code.ljust(length, b"\0") for code in codes)
    else:
        data += bytes([len(pack_codes), *map(len, pack_codes)])
        data += b"".join(code.encode("ascii").ljust(24, b"\0") for system in pack_codes for code in system)
    return frame(0x01, vin, data, edition=edition)


def logout_frame(vin: str, time_us: int, *, serial: int = 1, edition: Edition = "2016") -> bytes:
    """Return a vehicle's logout (04); the serial number is that of its login."""
    return frame(0x04, vin, time_bytes(time_us) + struct.pack(">H", serial), edition=edition)


def heartbeat_frame(vin: str, *, edition: Edition = "2016") -> bytes:
    """Return a heartbeat (07)."""
    return frame(0x07, vin, edition=edition)


def time_sync_frame(vin: str, *, edition: Edition = "2016") -> bytes:
    """Return a question for the time (08)."""
    return frame(0x08, vin, edition=edition)


def platform_login_frame(
    identifier: str, time_us: int, *, user: str, password: str, serial: int = 1, edition: Edition = "2016"
) -> bytes:
    """Return a platform's login (05)."""
    data = time_bytes(time_us) + struct.pack(">H", serial) + user.encode("ascii").ljust(12, b"\0")
    return frame(
        0x05, identifier, data + password.encode("ascii").ljust(20, b"\0") + b"\x01", edition=edition
    )


def platform_logout_frame(identifier: str, time_us: int, *, serial: int = 1) -> bytes:
    """Return a platform's logout (06)."""
    return frame(0x06, identifier, time_bytes(time_us) + struct.pack(">H", serial))


def data_frame(
    vin: str,
    time_us: int,
    blocks: Sequence[bytes],
    *,
    edition: Edition = "2016",
    is_resupply: bool = False,
) -> bytes:
    """Return readings (02), or readings sent late out of the store (03)."""
    data = time_bytes(time_us) + b"".join(blocks)
    return frame(0x03 if is_resupply else 0x02, vin, data, edition=edition)
