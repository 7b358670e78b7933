"""What the commands beside real-time data say: logins, logouts, activation, replies (GB/T 32960.3 §7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ingest.gbt32960.contents import Cursor, Truncated
from ingest.gbt32960.signature import read_signature
from ingest.gbt32960.stream import (
    ACTIVATION,
    ACTIVATION_REPLY,
    LOGIN,
    LOGOUT,
    PLATFORM_LOGIN,
    PLATFORM_LOGOUT,
)

Details = dict[str, object]
_Read = Callable[[Cursor, int, Details], None]

_ICCID_BYTES = 20
#: 2025: a battery pack's code has a fixed length (GB/T 32960.3-2025 §7.1, table 6).
_PACK_CODE_BYTES = 24
_SHOWN_BYTES = 4096


def _text(raw: bytes) -> str:
    return raw.strip(b"\x00\xff ").decode("ascii", errors="replace")


def _login(cursor: Cursor, edition: int, found: Details) -> None:
    found["serial"] = cursor.u(2)
    found["iccid"] = _text(cursor.take(_ICCID_BYTES))
    count = cursor.count(1)
    if edition == 2016:
        sizes, width = [1] * count, cursor.count(1)
    else:
        sizes, width = [cursor.count(1) for _ in range(count)], _PACK_CODE_BYTES
    packs = [[_text(cursor.take(width)) for _ in range(size)] for size in sizes]
    found["sub_packs"] = count
    codes = [code for pack in packs for code in pack]
    if any(codes):
        found["pack_codes"] = codes if edition == 2016 else packs


def _serial(cursor: Cursor, _edition: int, found: Details) -> None:
    found["serial"] = cursor.u(2)


def _platform_login(cursor: Cursor, _edition: int, found: Details) -> None:
    """Read a platform's login; the password is left where it is."""
    found["serial"] = cursor.u(2)
    found["user"] = _text(cursor.take(12))
    cursor.take(20)
    found["encryption"] = cursor.u(1)


def _activation(cursor: Cursor, _edition: int, found: Details) -> None:
    found["chip"] = _text(cursor.take(16))
    found["public_key"] = cursor.take(cursor.u(2)).hex()
    found["vin"] = _text(cursor.take(17))
    found["signature"] = read_signature(cursor).as_data()


def _activation_reply(cursor: Cursor, _edition: int, found: Details) -> None:
    found["status"] = cursor.u(1)
    found["reason"] = cursor.u(1)


def _reply(cursor: Cursor, _edition: int, found: Details) -> None:
    body = cursor.take(len(cursor.data) - cursor.position)
    found["bytes"] = len(body)
    found["hex"] = body[:_SHOWN_BYTES].hex()


#: Command -> kind of its event and what reads the data unit after the time.
READERS: Mapping[int, tuple[str, _Read]] = MappingProxyType(
    {
        LOGIN: ("login", _login),
        LOGOUT: ("logout", _serial),
        PLATFORM_LOGIN: ("platform_login", _platform_login),
        PLATFORM_LOGOUT: ("platform_logout", _serial),
        ACTIVATION: ("activation", _activation),
        ACTIVATION_REPLY: ("activation_reply", _activation_reply),
        0x80: ("query_reply", _reply),
        0x81: ("set_reply", _reply),
        0x82: ("control_reply", _reply),
    }
)


def read_command(command: int, data: bytes, position: int, *, edition: int) -> tuple[Details, str | None]:
    """Return what a command says after its time, and what is wrong with the rest of it, if anything.

    What was read before the data unit ended too soon counts.
    """
    _, read = READERS[command]
    cursor, found = Cursor(data, position), Details()
    try:
        read(cursor, edition, found)
    except Truncated:
        return found, f"command {command:02x}: data unit of {len(data)} bytes ends inside a field"
    if cursor:
        left = len(data) - cursor.position
        return found, f"command {command:02x}: {left} bytes at byte {24 + cursor.position} not read"
    return found, None
