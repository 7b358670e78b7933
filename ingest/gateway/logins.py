"""Who may speak through the gateway, and what a refusal says. Pure decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ingest.errors import PayloadError
from ingest.gbt32960.frame import decode_frame
from ingest.gbt32960.stream import Header

#: Answer marks (GB/T 32960.3-2016 §6.3.2, table 4; 4-7 are of 2025).
TAKEN, FAILED, VIN_TWICE, VIN_UNKNOWN, BAD_STRUCTURE, UNREADABLE = 1, 2, 3, 4, 6, 7


class Refusal(StrEnum):
    """Why a vehicle or a frame is not let in; counted by name."""

    UNKNOWN_VIN = "unknown_vin"
    RETIRED = "retired"
    VIN_IN_TWO_TENANTS = "vin_in_two_tenants"
    WRONG_ICCID = "wrong_iccid"
    BAD_LOGIN = "bad_login"
    ENCRYPTED = "encrypted"
    NOT_LOGGED_IN = "not_logged_in"
    OTHER_VIN = "other_vin"
    UNSUPPORTED = "unsupported"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason, not a password


_MARKS_2025 = {
    Refusal.UNKNOWN_VIN: VIN_UNKNOWN,
    Refusal.RETIRED: VIN_UNKNOWN,
    Refusal.BAD_LOGIN: BAD_STRUCTURE,
    Refusal.ENCRYPTED: UNREADABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What the registry knows of a VIN in one tenant."""

    tenant: str
    iccid: str | None
    retired_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A platform that forwards the frames of its vehicles."""

    name: str
    tenant: str
    secret_hash: str


def answer_mark(refusal: Refusal, edition: int) -> int:
    """Return the answer mark of a refusal: 2016 knows only error and VIN twice."""
    if refusal is Refusal.VIN_IN_TWO_TENANTS:
        return VIN_TWICE
    return _MARKS_2025.get(refusal, FAILED) if edition == 2025 else FAILED


def admit_vehicle(
    frame: bytes, header: Header, found: Sequence[Registration]
) -> tuple[Registration | None, Refusal | None]:
    """Return the registration under which a login is let in, or why it is refused."""
    if header.encryption != 1:
        return None, Refusal.ENCRYPTED
    try:
        decoded = decode_frame(frame)
    except PayloadError:
        return None, Refusal.BAD_LOGIN
    if not decoded.events or "iccid" not in decoded.events[0].data:
        return None, Refusal.BAD_LOGIN
    registration, refusal = find_registration(found)
    if registration is None or registration.iccid is None:
        return registration, refusal
    said = str(decoded.events[0].data["iccid"])
    return (registration, None) if said == registration.iccid else (None, Refusal.WRONG_ICCID)


def find_registration(found: Sequence[Registration]) -> tuple[Registration | None, Refusal | None]:
    """Return the one registration of a VIN, or why there is none to use."""
    active = [registration for registration in found if registration.retired_at is None]
    if len(active) > 1:
        return None, Refusal.VIN_IN_TWO_TENANTS
    if active:
        return active[0], None
    return None, Refusal.RETIRED if found else Refusal.UNKNOWN_VIN


def read_platform_login(frame: bytes) -> tuple[str, str] | None:
    """Return user and password of a platform (GB/T 32960.3-2016 §7.4, table 21), None if malformed."""
    data = frame[24:-1]
    if frame[21] != 1 or len(data) != 41:
        return None
    user, password = data[8:20].strip(b"\0 "), data[20:40].strip(b"\0 ")
    try:
        return user.decode("ascii"), password.decode("ascii")
    except UnicodeDecodeError:
        return None
