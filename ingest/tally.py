"""What quality checks found, counted by vehicle, signal, element and reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data.records import BoolArray
from ingest.plain_json import plain_text

#: Vehicles choose the names of signals that nobody knows: they are counted together.
_UNNAMED = frozenset({"unknown_alias", "unknown_id"})
_LONGEST_NAME = 64


class Finding(NamedTuple):
    """One kind of finding at one vehicle."""

    vehicle_id: int
    signal: str  #: catalogue alias or the decoder's field; ``time`` and ``clock`` for the vehicle's clock
    element: int  #: wheel, cell or probe from 1; 0 for a scalar
    reason: str


@dataclass(slots=True)
class Tally:
    """Counts of one batch."""

    counts: Counter[Finding] = field(default_factory=Counter)

    def add_hits(self, vehicle_id: npt.NDArray[np.integer], hit: BoolArray, signal: str, reason: str) -> int:
        """Count where ``hit`` is true and return how often it is.

        Args:
            vehicle_id: Shape (n,).
            hit: Shape (n,), or (n, k): elements of arrays.
            signal: Catalogue alias.
            reason: Name of the check.
        """
        if hit.ndim == 1:
            codes = vehicle_id[hit].astype(np.int64) << 16
        else:
            row, column = np.nonzero(hit)
            codes = vehicle_id[row].astype(np.int64) << 16 | column + 1
        code, count = np.unique(codes, return_counts=True)
        for key, found in zip(code.tolist(), count.tolist(), strict=True):
            self.counts[Finding(key >> 16, signal, key & 0xFFFF, reason)] += found
        return int(count.sum())

    def add_masked(self, vehicle_id: int, masked: Mapping[str, int]) -> None:
        """Count what a decoder left out of a vehicle's message; keys ``what:reason``."""
        for key, count in masked.items():
            # split at the last colon: vehicles choose names, and theirs may hold more of them
            signal, reason = key.rsplit(":", 1) if ":" in key else (key, "masked")
            self.counts[_named(vehicle_id, signal, reason or "masked")] += count


def _named(vehicle_id: int, signal: str, reason: str) -> Finding:
    return Finding(vehicle_id, "" if reason in _UNNAMED else plain_text(signal)[:_LONGEST_NAME], 0, reason)
