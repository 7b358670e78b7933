"""What the sensors of one vehicle said last. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from data.records import FamilyRows


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest value of one signal; a list for wheels, cells and probes, None for an element not heard."""

    time_ms: int
    value: float | list[float | None]


def newest_of(rows: Sequence[FamilyRows]) -> dict[str, Newest]:
    """Return the newest value of each signal in the rows of one vehicle; what was never heard is left out."""
    found: dict[str, Newest] = {}
    for family in (family for family in rows if len(family)):
        for alias, values in family.columns.items():
            matrix = values.reshape(len(values), -1)
            heard = np.flatnonzero(~np.isnan(matrix).all(axis=1))
            if not heard.size:
                continue
            row = heard[np.argmax(family.time_us[heard])]
            told = [None if isnan(value) else round(value, 4) for value in matrix[row].tolist()]
            value = told if values.ndim > 1 else told[0]
            if value is not None:
                found[alias] = Newest(int(family.time_us[row]) // 1000, value)
    return found
