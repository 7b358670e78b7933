"""Anxin's own payloads as typed values, and what the fields of each may be."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from data.records import Origin
from ingest.messages import Birth, Envelope, Status

#: Milliseconds since 1970, years 1 to 9999: any clock, however wrong, and never an overflow.
Millis = Annotated[int, msgspec.Meta(ge=-62_135_596_800_000, le=253_402_300_799_000)]
Boot = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,32}\Z")]
#: Below the top of int4, so that the exclusive end of a range still fits.
Seq = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 2)]
Flag = Annotated[int, msgspec.Meta(ge=0, le=1)]
Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
Text = Annotated[str, msgspec.Meta(max_length=64)]
Column = list[float | list[float | None] | None]


class EnvelopePayload(msgspec.Struct):
    """What every payload begins with."""

    v: int
    boot: Boot
    seq: Seq
    sent: Millis
    hist: Flag
    origin: Origin = Origin.REAL
    vin: str | None = None


class TelePayload(EnvelopePayload, kw_only=True):
    """Batched columnar signals."""

    t: Annotated[list[Millis], msgspec.Meta(min_length=1)]
    s: dict[str, Column]


class TeleAlone(TelePayload, kw_only=True, forbid_unknown_fields=True):
    """Nothing but known fields: others are passed over without being held to the rules of JSON."""


class TeleHead(EnvelopePayload, kw_only=True):
    """A ``tele`` payload up to its columns."""

    t: Annotated[list[Millis], msgspec.Meta(min_length=1)]


class CanPayload(EnvelopePayload, kw_only=True):
    """Raw frames: ``f`` classic records of 18 bytes, ``fd`` CAN FD records of 74 bytes."""

    t0: Millis
    f: bytes | None = None
    fd: bytes | None = None


class GbtPayload(EnvelopePayload, kw_only=True):
    """One GB/T 32960 frame in an envelope."""

    frame: bytes


class CodePayload(msgspec.Struct):
    """One trouble code of an event."""

    ecu: Text
    code: Text
    status: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None


class EventPayload(EnvelopePayload, kw_only=True):
    """An on-board alarm, trouble code, impact or receipt."""

    t: Millis
    kind: Word
    level: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0
    codes: list[CodePayload] = []
    data: dict[str, Any] = {}


class PreviousBoot(msgspec.Struct):
    """The boot before this one and the last number it gave to a message."""

    boot: Boot
    seq: Seq


class BirthPayload(EnvelopePayload, kw_only=True):
    """What a vehicle says of itself at boot."""

    model: Text
    firmware: Text
    tz: Text
    prev: PreviousBoot | None = None


class StatusPayload(msgspec.Struct):
    """The retained state of a boot; also the last will."""

    v: int
    boot: Boot
    online: bool
    seq: Seq | None = None
    vin: str | None = None


def envelope_of(head: EnvelopePayload) -> Envelope:
    """Return the envelope of a parsed payload."""
    return Envelope(
        boot=head.boot,
        seq=head.seq,
        sent_us=head.sent * 1000,
        is_hist=bool(head.hist),
        origin=head.origin,
    )


def status_of(payload: StatusPayload) -> Status:
    """Return the status that a payload tells."""
    return Status(payload.boot, payload.online, payload.seq)


def birth_of(payload: BirthPayload) -> Birth:
    """Return the birth that a payload tells."""
    last = payload.prev
    previous = None if last is None or last.boot == payload.boot else (last.boot, last.seq)
    return Birth(payload.model, payload.firmware, payload.tz, previous)
