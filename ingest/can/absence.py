"""J1939's codes for "not available" and "error": the top of each signal's range (SAE J1939-71 §5.1.4)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, FloatArray
from ingest.can.kernel import Segments
from ingest.can.layout import Layout


@dataclass(frozen=True, slots=True)
class Absence:
    """Per signal of a layout (s): values from which on it tells nothing, infinite where there are none."""

    error_from: FloatArray
    missing_from: FloatArray

    def find(self, segments: Segments, values: FloatArray) -> tuple[BoolArray, BoolArray]:
        """Return which values mean error and which mean not available, shape (p,) each."""
        is_missing = values >= self.missing_from[segments.signal].repeat(segments.count)
        is_error = values >= self.error_from[segments.signal].repeat(segments.count)
        return is_error & ~is_missing, is_missing


def build_absence(layout: Layout, names: Collection[str]) -> Absence | None:
    """Return the limits of the named signals, ``Message.Signal``; None where none of them has any.

    Of one byte, 0xFE is error and 0xFF not available; of more bytes the most significant one says so; of two
    to seven bits the two highest values. Signed, floating and single-bit signals have no such values.
    """
    error = np.full(len(layout.signals), np.inf)
    missing = error.copy()
    for number, signal in enumerate(layout.signals):
        bits = signal.length
        if signal.name not in names or signal.is_signed or signal.is_float or bits < 2 or signal.scale <= 0:
            continue
        unit = 1 << (bits - 8) if bits % 8 == 0 else 1
        top = 1 << bits
        for limit, steps in ((error, 2), (missing, 1)):
            limit[number] = (top - steps * unit) * signal.scale + signal.offset - signal.scale / 2
    return Absence(error, missing) if np.isfinite(error).any() else None
