"""Payloads of the native topics: tele in JSON or CBOR, birth, event and status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cbor2
import msgspec
import numpy as np
import numpy.typing as npt

from data.catalogue import load_catalogue
from data.records import FamilyRows
from simulators.errors import EncodeError

Encoding = Literal["json", "cbor"]
_HIST = {"json": (b'"hist":0', b'"hist":1'), "cbor": (b"\x64hist\x00", b"\x64hist\x01")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What every payload but status begins with."""

    boot: str
    seq: int
    sent_ms: int
    is_hist: bool
    origin: str = ""  #: ``simulated`` or ``replayed``; empty: real

    def fields(self) -> dict[str, Any]:
        """Return the fields in wire order; ``hist`` comes before anything a vehicle could choose."""
        head: dict[str, Any] = {"v": 1, "hist": int(self.is_hist), "boot": self.boot, "seq": self.seq}
        head["sent"] = self.sent_ms
        if self.origin:
            head["origin"] = self.origin
        return head


def tele_payload(envelope: Envelope, rows: Sequence[FamilyRows], *, encoding: Encoding = "cbor") -> bytes:
    """Return a tele message of one vehicle.

    Args:
        envelope: Boot, sequence number and times.
        rows: Readings of one vehicle, one element a family. Families of equal times share their samples;
            otherwise the samples are the union of the times, missing elsewhere.
        encoding: CBOR writes numbers in single precision where the catalogue stores ``real``.

    Raises:
        EncodeError: There is no sample.
    """
    used = [family for family in rows if len(family)]
    if not used:
        raise EncodeError("tele: needs at least one sample")
    time_us = np.unique(np.concatenate([family.time_us for family in used]))
    signals: dict[str, npt.NDArray[np.floating[Any]]] = {}
    for family in used:
        at = np.searchsorted(time_us, family.time_us)
        for alias, values in family.columns.items():
            if np.isnan(values).all():
                continue
            if values.shape[0] == time_us.size and (at[1:] > at[:-1]).all():
                signals[alias] = values
            else:
                signals[alias] = np.full((time_us.size, *values.shape[1:]), np.nan)
                signals[alias][at] = values
    time_ms = time_us // 1000
    if encoding == "json":
        body = {
            **envelope.fields(),
            "t": time_ms.tolist(),
            "s": {a: _nullable(v) for a, v in signals.items()},
        }
        return msgspec.json.encode(body)
    head = envelope.fields()
    parts = [_map_head(len(head) + 2), *(cbor2.dumps(item) for pair in head.items() for item in pair)]
    parts += [cbor2.dumps("t"), _integers(time_ms), cbor2.dumps("s"), _map_head(len(signals))]
    doubles = {s.alias for s in load_catalogue().signals.values() if s.sql_type == "double precision"}
    for alias, values in signals.items():
        parts += [cbor2.dumps(alias), _numbers(values, is_double=alias in doubles)]
    return b"".join(parts)


def birth_payload(
    envelope: Envelope,
    *,
    model: str,
    firmware: str,
    time_zone: str,
    previous: tuple[str, int] | None = None,
) -> bytes:
    """Return what a vehicle says of itself at boot.

    ``previous`` is the boot before this one and the last sequence number it gave: a vehicle that lost power
    may have sent messages that nobody knows of.
    """
    body = {**envelope.fields(), "model": model, "firmware": firmware, "tz": time_zone}
    if previous is not None:
        body["prev"] = {"boot": previous[0], "seq": previous[1]}
    return msgspec.json.encode(body)


def event_payload(
    envelope: Envelope,
    *,
    time_ms: int,
    kind: str,
    level: int = 0,
    codes: Sequence[Mapping[str, Any]] = (),
    data: Mapping[str, Any] | None = None,
) -> bytes:
    """Return an event; ``level`` 0-3 as in GB/T 32960.3.

    Raises:
        EncodeError: ``level`` is out of range.
    """
    if not 0 <= level <= 3:
        raise EncodeError(f"event level {level}: must be from 0 to 3")
    body = {**envelope.fields(), "t": time_ms, "kind": kind, "level": level}
    return msgspec.json.encode({**body, "codes": list(codes), "data": dict(data or {})})


def status_payload(boot: str, *, is_online: bool, seq: int | None = None) -> bytes:
    """Return a status; ``seq`` is the last sequence number sent, left out of the last will."""
    body: dict[str, Any] = {"v": 1, "boot": boot, "online": is_online}
    if seq is not None:
        body["seq"] = seq
    return msgspec.json.encode(body)


def mark_hist(payload: bytes) -> bytes:
    """Return a payload of this module as it is sent again: the same sequence number, ``hist`` 1."""
    before, after = _HIST["json" if payload[:1] == b"{" else "cbor"]
    return payload.replace(before, after, 1)


def _nullable(values: npt.NDArray[np.floating[Any]]) -> list[Any]:
    missing = np.isnan(values)
    if not missing.any():
        listed: list[Any] = values.tolist()
        return listed
    boxed = values.astype(object)
    boxed[missing] = None
    if values.ndim > 1:
        return [None if gone else row for gone, row in zip(missing.all(axis=1), boxed.tolist(), strict=True)]
    out: list[Any] = boxed.tolist()
    return out


def _map_head(count: int) -> bytes:
    return bytes([0xA0 + count]) if count < 24 else bytes([0xB8, count])


def _array_head(count: int) -> bytes:
    """Return the head of a CBOR array (RFC 8949 §3.1, major type 4)."""
    if count < 24:
        return bytes([0x80 + count])
    return bytes([0x98, count]) if count < 256 else b"\x99" + count.to_bytes(2, "big")


def _integers(values: npt.NDArray[np.int64]) -> bytes:
    out = np.empty(values.size, [("head", "u1"), ("value", ">i8")])
    out["head"], out["value"] = 0x1B, values
    return _array_head(values.size) + out.tobytes()


def _numbers(values: npt.NDArray[np.floating[Any]], *, is_double: bool) -> bytes:
    """Return a list of numbers, or of lists of equal length, without a Python object per number."""
    if np.isnan(values).any():
        return cbor2.dumps(_nullable(values))
    flat = np.empty(values.shape, [("head", "u1"), ("value", ">f8" if is_double else ">f4")])
    flat["head"], flat["value"] = (0xFB if is_double else 0xFA), values
    if values.ndim == 1:
        return _array_head(values.size) + flat.tobytes()
    head = _array_head(values.shape[1])
    body = flat.view(np.uint8).reshape(values.shape[0], -1)
    heads = np.broadcast_to(np.frombuffer(head, np.uint8), (values.shape[0], len(head)))
    return _array_head(values.shape[0]) + np.hstack([heads, body]).tobytes()
