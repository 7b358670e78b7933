"""What the blocks of one GB/T 32960 frame are gathered into, and the cursor that reads them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from data.catalogue import load_catalogue
from data.records import FloatArray


class Truncated(Exception):  # noqa: N818 - never leaves the decoder
    """The data unit ends inside a block."""


#: Codes for "abnormal" and "invalid" by field width in bytes (GB/T 32960.3-2016 §7.2.3).
_SENTINELS = {1: (0xFE, 0xFF), 2: (0xFFFE, 0xFFFF), 4: (0xFFFFFFFE, 0xFFFFFFFF)}


@dataclass(slots=True)
class Contents:
    """Values of one frame; numbers are physical, NaN or absent where missing."""

    drive: dict[str, float] = field(default_factory=dict)  #: by catalogue alias
    cells: list[tuple[int, int, FloatArray]] = field(default_factory=list)  #: sub-pack, first cell, V (m,)
    probes: list[tuple[int, FloatArray]] = field(default_factory=list)  #: sub-pack, °C (m,)
    sub_packs: list[tuple[int, float, float]] = field(default_factory=list)  #: number, V, A into the battery
    extra: dict[str, float] = field(default_factory=dict)  #: outside the catalogue, by name
    alarms: list[tuple[int, str, dict[str, object]]] = field(default_factory=list)  #: level, code, data
    oem_blocks: list[tuple[int, bytes]] = field(default_factory=list)  #: type 80-FE and its bytes
    masked: Counter[str] = field(default_factory=Counter)

    def number(self, raw: int, width: int, name: str, *, scale: float = 1.0, offset: float = 0.0) -> float:
        """Return ``raw * scale + offset``, NaN (counted by name and reason) where it is a sentinel."""
        abnormal, invalid = _SENTINELS[width]
        if raw in (abnormal, invalid):
            self.masked[f"{name}: {'abnormal' if raw == abnormal else 'invalid'}"] += 1
            return math.nan
        return round(raw * scale + offset, 6) + 0.0  # + 0.0 turns a negative zero positive

    def put(self, alias: str, value: float) -> None:
        """Keep a catalogue value; outside the catalogue's range it is masked and counted."""
        signal = load_catalogue().signals[alias]
        if not math.isnan(value) and not signal.low <= value <= signal.high:
            self.masked[f"{alias}: out of range"] += 1
            value = math.nan
        self.drive[alias] = value

    def put_extra(self, name: str, value: float) -> None:
        """Keep a value that the catalogue does not know, unless it is missing."""
        if not math.isnan(value):
            self.extra[name] = value

    def array(
        self, raw: FloatArray, width: int, name: str, *, scale: float, offset: float = 0.0
    ) -> FloatArray:
        """Return ``raw * scale + offset`` of shape (m,), NaN (counted) at sentinels."""
        values = raw * scale + offset
        for sentinel, word in zip(_SENTINELS[width], ("abnormal", "invalid"), strict=True):
            hit = raw == sentinel
            if hit.any():
                self.masked[f"{name}: {word}"] += int(hit.sum())
                values = np.where(hit, np.nan, values)
        return np.round(values, 6)


class Cursor:
    """Big-endian reads that stop cleanly at the end of the data unit."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def __bool__(self) -> bool:
        return self.position < len(self.data)

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes.

        Raises:
            Truncated: Fewer are left.
        """
        end = self.position + count
        if end > len(self.data):
            raise Truncated
        part = self.data[self.position : end]
        self.position = end
        return part

    def u(self, width: int) -> int:
        """Return the next unsigned integer of ``width`` bytes."""
        return int.from_bytes(self.take(width), "big")

    def array(self, count: int, width: int) -> FloatArray:
        """Return the next ``count`` unsigned integers as floats, shape (count,)."""
        return np.frombuffer(self.take(count * width), dtype=f">u{width}").astype(np.float64)

    def count(self, width: int) -> int:
        """Return the next count; 0 where it is a sentinel, after which nothing follows."""
        value = self.u(width)
        return 0 if value in _SENTINELS[width] else value
