"""Anxin's own payloads, JSON or CBOR told apart by the first byte, read into typed values.

Every error names the field, the value where it is small, and the rule. Nothing is coerced: a number in
quotes or a boolean where a number belongs is an error, not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, TypeVar

import cbor2
import msgspec
import numpy as np
import numpy.typing as npt

from data.records import Vin
from ingest.errors import PayloadError
from ingest.messages import Envelope, Tele
from ingest.payloads import (
    BirthPayload,
    CanPayload,
    EnvelopePayload,
    EventPayload,
    GbtPayload,
    StatusPayload,
    TeleAlone,
    TeleHead,
    TelePayload,
    envelope_of,
)
from ingest.typed_arrays import UNSHARED, read_tag

Payload = TypeVar("Payload", TelePayload, CanPayload, GbtPayload, EventPayload, BirthPayload, StatusPayload)
Values = Sequence[Any] | npt.NDArray[Any]
#: The text ``s`` as a CBOR key.
_COLUMNS_KEY = b"\x61s"
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
    value = _convert(_parse_tree(payload), kind)
    _check_head(value, vin)
    return value


def parse_tele(payload: bytes, vin: Vin) -> tuple[Envelope, Tele]:
    """Return a ``tele`` payload; the columns of a CBOR map that ends with ``s`` are left for later.

    In CBOR, ``t`` and the columns may be typed arrays (RFC 8746), those of arrays with two dimensions.

    Raises:
        PayloadError: As ``parse_payload``.
    """
    if payload[:1] == b"{":
        try:
            tele: TelePayload = _TeleJson.decode(payload)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, OverflowError):
            tele = parse_payload(payload, TelePayload, vin)  # says what is wrong, or passes over more fields
        if tele.v != 1 or tele.vin is not None:
            _check_head(tele, vin)
        return envelope_of(tele), Tele(tele.t, tele.s)
    packed = _split_tele(payload)
    if packed is not None:
        head, at = packed
        _check_head(head, vin)
        return envelope_of(head), Tele(head.t, {}, payload, packed_at=at)
    tele, typed = _parse_typed(payload)
    _check_head(tele, vin)
    return envelope_of(tele), Tele(tele.t, tele.s | typed, has_arrays=bool(typed))


def read_columns(tele: Tele) -> Tele:
    """Return the payload with its columns read.

    Raises:
        PayloadError: ``malformed``.
    """
    whole, typed = _parse_typed(tele.payload)
    return Tele(whole.t, whole.s | typed, has_arrays=bool(typed))


def _split_tele(payload: bytes) -> tuple[TeleHead, int] | None:
    """Return the head of a CBOR map whose last entry is ``s``, and where that begins; None: another kind."""
    at = payload.find(_COLUMNS_KEY)
    if at < 0 or not 0xA2 <= payload[0] <= 0xB7:
        return None
    try:  # one entry less: the bytes before ``s`` make a whole map only when ``s`` is the last entry
        tree, end = _read_cbor(bytes([payload[0] - 1]) + payload[1:at], read_tag)
        if end != at or isinstance(tree.get("t"), np.ndarray):
            return None
        return msgspec.convert(tree, TeleHead), at + len(_COLUMNS_KEY)
    except (cbor2.CBORDecodeError, msgspec.ValidationError, ValueError, OverflowError, RecursionError):
        return None


def _parse_typed(payload: bytes) -> tuple[TelePayload, dict[str, npt.NDArray[Any]]]:
    """Return a ``tele`` payload without the columns that are typed arrays, and these."""
    tree = _parse_tree(payload, tag_hook=read_tag)
    typed: dict[str, npt.NDArray[Any]] = {}
    if isinstance(tree, dict):
        times, columns = tree.get("t"), tree.get("s")
        if isinstance(times, np.ndarray):
            tree["t"] = times.tolist()
        if isinstance(columns, np.ndarray):
            raise PayloadError("malformed", "s: must be a map of arrays, not an array")
        if isinstance(columns, dict):
            typed = {a: c for a, c in columns.items() if isinstance(c, np.ndarray) and isinstance(a, str)}
            for alias, column in typed.items():
                if column.ndim not in {1, 2}:
                    raise PayloadError("malformed", f"s[{alias[:40]!r}]: must have one dimension or two")
            tree["s"] = {alias: column for alias, column in columns.items() if alias not in typed}
    return _convert(tree, TelePayload), typed


def _convert(tree: Any, kind: type[Payload]) -> Payload:
    try:
        return msgspec.convert(tree, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise PayloadError("malformed", _explain(str(error), tree)) from error


def _check_head(head: EnvelopePayload | StatusPayload, vin: Vin) -> None:
    if head.v != 1:
        raise PayloadError("unsupported_version", f"v is {head.v}: must be 1")
    if head.vin is not None and head.vin != vin:
        raise PayloadError("vin_mismatch", "vin of the payload is not the vin of the topic: must be the same")


def parse_envelope(payload: bytes) -> Envelope | None:
    """Return the envelope of a payload whose body may be wrong; None when not even that can be read."""
    try:
        head = msgspec.convert(_parse_tree(payload, is_whole=False), EnvelopePayload)
    except (PayloadError, msgspec.ValidationError, OverflowError):
        return None
    return envelope_of(head) if head.v == 1 else None


def _parse_tree(payload: bytes, tag_hook: Callable[..., Any] | None = None, *, is_whole: bool = True) -> Any:
    """Return what a payload holds; bytes after a CBOR map are an error where it must be the whole."""
    first = payload[:1]
    if first == b"{":
        try:
            return _Json.decode(payload)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise PayloadError("malformed", f"payload: must be JSON: {str(error)[:200]}") from error
    if first and (0xA0 <= first[0] <= 0xBF or 0xC0 <= first[0] <= 0xDB):
        try:
            tree, end = _read_cbor(payload, tag_hook)
        except (cbor2.CBORDecodeError, RecursionError, ValueError, OverflowError, MemoryError) as error:
            why = str(error.__cause__ or error)[:200]
            raise PayloadError("malformed", f"payload: must be CBOR: {why}") from error
        if is_whole and end != len(payload):
            raise PayloadError(
                "malformed", f"payload: {len(payload) - end} bytes follow the CBOR map: must be one map"
            )
        if isinstance(tree, Mapping):
            return tree
    raise PayloadError(
        "malformed",
        f"payload begins with 0x{first.hex()}: must be a JSON object or a CBOR map"
        if first
        else "payload is empty: must be a JSON object or a CBOR map",
    )


def _read_cbor(payload: bytes, tag_hook: Callable[..., Any] | None) -> tuple[Any, int]:
    """Return the first data item and where it ends; ``cbor2.loads`` would ignore what follows it."""
    stream = BytesIO(payload)
    return cbor2.load(stream, tag_hook=tag_hook, semantic_decoders=UNSHARED), stream.tell()


_Json = msgspec.json.Decoder()
_TeleJson = msgspec.json.Decoder(TeleAlone)


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
