"""Anxin's own payloads, JSON or CBOR told apart by the first byte, read into typed values.

Every error names the field, the value where it is small, and the rule. Nothing is coerced: a number in
quotes or a boolean where a number belongs is an error, not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import cbor2
import msgspec
import numpy as np
import numpy.typing as npt

from data.catalogue import Catalogue, Signal
from data.records import Family, FloatArray, Origin, Vin
from ingest.errors import PayloadError
from ingest.messages import Birth, Envelope, Model, Part, Status

#: Milliseconds since 1970, years 1 to 9999: any clock, however wrong, and never an overflow.
Millis = Annotated[int, msgspec.Meta(ge=-62_135_596_800_000, le=253_402_300_799_000)]
Boot = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,32}\Z")]
#: Below the top of int4, so that the exclusive end of a range still fits.
Seq = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 2)]
Flag = Annotated[int, msgspec.Meta(ge=0, le=1)]
Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
Text = Annotated[str, msgspec.Meta(max_length=64)]
Column = list[float | list[float | None] | None]


class _Envelope(msgspec.Struct):
    v: int
    boot: Boot
    seq: Seq
    sent: Millis
    hist: Flag
    origin: Origin = Origin.REAL
    vin: str | None = None


class TelePayload(_Envelope, kw_only=True):
    """Batched columnar signals."""

    t: Annotated[list[Millis], msgspec.Meta(min_length=1)]
    s: dict[str, Column]


class CanPayload(_Envelope, kw_only=True):
    """Raw frames: ``f`` classic records of 18 bytes, ``fd`` CAN FD records of 74 bytes."""

    t0: Millis
    f: bytes | None = None
    fd: bytes | None = None


class GbtPayload(_Envelope, kw_only=True):
    """One GB/T 32960 frame in an envelope."""

    frame: bytes


class CodePayload(msgspec.Struct):
    """One trouble code of an event."""

    ecu: Text
    code: Text
    status: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None


class EventPayload(_Envelope, kw_only=True):
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


class BirthPayload(_Envelope, kw_only=True):
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


Payload = TypeVar("Payload", TelePayload, CanPayload, GbtPayload, EventPayload, BirthPayload, StatusPayload)
_PATH = re.compile(r" - at `\$([^`]*)`$")
#: Python refuses to write out integers of more than some thousands of digits.
_SHOWN_BITS = 1000
_STEP = re.compile(r"\.([A-Za-z_0-9]+)")


def parse_payload(payload: bytes, kind: type[Payload], vin: Vin) -> Payload:
    """Return a payload read as ``kind``.

    Args:
        payload: JSON text (first byte ``{``) or one CBOR map (RFC 8949; first byte 0xA0-0xBF or a tag).
        kind: What the topic says it is.
        vin: The topic's; a ``vin`` in the payload must be the same.

    Raises:
        PayloadError: ``malformed``, ``unsupported_version`` or ``vin_mismatch``.
    """
    tree = _parse_tree(payload)
    try:
        value = msgspec.convert(tree, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise PayloadError("malformed", _explain(str(error), tree)) from error
    if value.v != 1:
        raise PayloadError("unsupported_version", f"v is {value.v}: must be 1")
    if value.vin is not None and value.vin != vin:
        raise PayloadError("vin_mismatch", "vin of the payload is not the vin of the topic: must be the same")
    return value


def parse_envelope(payload: bytes) -> Envelope | None:
    """Return the envelope of a payload whose body may be wrong; None when not even that can be read."""
    try:
        head = msgspec.convert(_parse_tree(payload), _Envelope)
    except (PayloadError, msgspec.ValidationError, OverflowError):
        return None
    return envelope_of(head) if head.v == 1 else None


def envelope_of(head: _Envelope) -> Envelope:
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


def decode_tele(tele: TelePayload, model: Model, catalogue: Catalogue) -> tuple[list[Part], dict[str, int]]:
    """Return the samples of a ``tele`` payload by family, and what was masked.

    Args:
        tele: The payload.
        model: Gives the lengths of per-wheel, per-cell and per-probe arrays.
        catalogue: Gives family and shape of each alias; an unknown alias is masked and counted.

    Returns:
        Parts with columns of shape (n,) or (n, k), NaN missing; counts by ``alias:reason``.

    Raises:
        PayloadError: ``wrong_length``: a column or an array in it has not the number of values it must have.
    """
    n = len(tele.t)
    time_us = np.array(tele.t, dtype=np.int64) * 1000
    families: dict[Family, dict[str, npt.NDArray[np.floating]]] = {}
    masked: dict[str, int] = {}
    for alias, values in tele.s.items():
        if len(values) != n:
            raise PayloadError(
                "wrong_length", f"s[{alias[:40]!r}] has {len(values)} values: must be {n}, as t"
            )
        signal = catalogue.signals.get(alias)
        if signal is None:
            masked[f"{alias[:40]}:unknown_alias"] = n
            continue
        column = _column(signal, values, model)
        families.setdefault(signal.family, {})[alias] = column
    return [Part(family, time_us, columns) for family, columns in families.items()], masked


def _column(signal: Signal, values: Column, model: Model) -> FloatArray:
    if not signal.is_array:
        try:
            column = np.array(values, dtype=np.float64)
        except (TypeError, ValueError):
            column = np.empty((0, 0))
        if column.ndim != 1:
            raise PayloadError("wrong_length", f"s[{signal.alias!r}]: each value must be one number or null")
        return column
    width = model.width(signal.shape)
    try:
        column = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        column = np.empty((0,))
    if column.shape == (len(values), width):
        return column
    missing = [None] * width
    for i, value in enumerate(values):
        if value is not None and not isinstance(value, list):
            raise PayloadError("wrong_length", f"s[{signal.alias!r}][{i}] is {value}: must be a list or null")
        if value is not None and len(value) != width:
            raise PayloadError(
                "wrong_length",
                f"s[{signal.alias!r}][{i}] has {len(value)} values: must be {width} ({model.model_id})",
            )
    return np.array([missing if v is None else v for v in values], dtype=np.float64)


def _parse_tree(payload: bytes) -> Any:
    first = payload[:1]
    if first == b"{":
        try:
            return _Json.decode(payload)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise PayloadError("malformed", f"payload: must be JSON: {str(error)[:200]}") from error
    if first and (0xA0 <= first[0] <= 0xBF or 0xC0 <= first[0] <= 0xDB):
        try:
            tree = cbor2.loads(payload)
        except (cbor2.CBORDecodeError, RecursionError, ValueError, OverflowError, MemoryError) as error:
            raise PayloadError("malformed", f"payload: must be CBOR: {str(error)[:200]}") from error
        if isinstance(tree, Mapping):
            return tree
    raise PayloadError(
        "malformed",
        f"payload begins with 0x{first.hex()}: must be a JSON object or a CBOR map"
        if first
        else "payload is empty: must be a JSON object or a CBOR map",
    )


_Json = msgspec.json.Decoder()


def _explain(message: str, tree: Any) -> str:
    """Turn a validation message into field, value and rule."""
    found = _PATH.search(message)
    if found is None:
        return f"payload: {message}"[:300]
    path, rule = found[1], message[: found.start()]
    value = tree
    for step in _STEP.findall(path.split("[", 1)[0]):
        value = value.get(step) if isinstance(value, Mapping) else None
    is_small = not isinstance(value, list | dict | int) or (
        isinstance(value, int) and value.bit_length() < _SHOWN_BITS
    )
    shown = f" is {str(value)[:60]!r}" if is_small else ""
    return f"{path.lstrip('.') or 'payload'}{shown}: {rule[:200]}"
