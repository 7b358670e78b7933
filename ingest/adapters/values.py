"""From what a message holds at a path to numbers in catalogue units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from data.catalogue import Signal

#: Texts that mean: there is no value.
_MISSING = frozenset({"", "null", "none", "nan", "unknown", "unavailable"})
_US_PER = {"s": 1_000_000, "ms": 1_000, "us": 1}
_LONGEST_LIST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a value goes and how it becomes one of the catalogue's unit."""

    path: str  #: as the mapping names it
    signal: Signal
    index: int | None = None  #: element of an array, from 0; None: a scalar, or the whole array
    scale: float = 1.0  #: catalogue value = value x scale + offset
    offset: float = 0.0
    words: Mapping[str, float] | None = None  #: words that stand for catalogue values

    def read(self, value: Any) -> float | list[float] | None:
        """Return the catalogue value or values, NaN where missing; None where it is something else."""
        if self.signal.is_array and self.index is None:
            if isinstance(value, str):
                value = value.split(",")
            if not isinstance(value, Sequence) or len(value) > _LONGEST_LIST:
                return [] if value is None else None
            found = [self._number(element) for element in value]
            return None if None in found else [x for x in found if x is not None]
        return self._number(value)

    def _number(self, value: Any) -> float | None:
        if self.words is not None and isinstance(value, str | bool):
            word = str(value).strip().lower()
            if word in self.words:
                return self.words[word]
        if value is None:
            return math.nan
        if isinstance(value, str):
            value = value.strip()
            if value.lower() in _MISSING:
                return math.nan
            try:
                value = float(value)
            except ValueError:
                return None
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
            return None
        return float(value) * self.scale + self.offset


def dig(tree: Any, path: Sequence[str]) -> Any:
    """Return what stands at a path of keys and list positions; None where there is nothing."""
    for step in path:
        if isinstance(tree, Mapping):
            tree = tree.get(step)
        elif isinstance(tree, list) and step.isdecimal() and int(step) < len(tree):
            tree = tree[int(step)]
        else:
            return None
    return tree


def read_time(value: Any, unit: str) -> int | None:
    """Return a time in microseconds since 1970 UTC; None where it is none.

    Args:
        value: A number or its text, or for ``iso`` an ISO 8601 text; without a zone it is UTC.
        unit: ``s``, ``ms``, ``us`` or ``iso``.
    """
    try:
        if unit == "iso":
            moment = datetime.fromisoformat(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return round(moment.timestamp() * 1e6)
        if isinstance(value, bool):
            return None
        time_us = round(float(value) * _US_PER[unit])
    except (TypeError, ValueError, OverflowError):
        return None
    return time_us if abs(time_us) < 2**62 else None
