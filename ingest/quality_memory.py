"""What a check remembers of each vehicle: one row of a numpy table, bounded, found by vehicle number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data.records import IntArray


class VehicleMemory:
    """Rows of state, sorted by vehicle; those heard from longest ago are forgotten beyond ``limit``.

    Args:
        blank: The state of a vehicle never heard from, shape (1,), a structured array; ``vehicle_id`` and
            ``heard_us`` (int64) are fields of it.
        limit: Vehicles remembered.
    """

    def __init__(self, blank: npt.NDArray[np.void], *, limit: int) -> None:
        self._blank = blank
        self._limit = limit
        self.table: npt.NDArray[np.void] = blank[:0].copy()

    def __len__(self) -> int:
        """Return how many vehicles are remembered."""
        return len(self.table)

    def rows_of(self, vehicle_id: IntArray, heard_us: int) -> IntArray:
        """Return the row of each vehicle, new ones added; valid until the next call.

        Args:
            vehicle_id: Shape (n,), ascending, each once.
            heard_us: Now, microseconds since 1970 UTC.
        """
        known = self.table["vehicle_id"]
        at = np.searchsorted(known, vehicle_id)
        is_new = np.append(known, -1)[at] != vehicle_id
        if is_new.any():
            self._add(vehicle_id[is_new], keep=vehicle_id)
            at = np.searchsorted(self.table["vehicle_id"], vehicle_id)
        self.table["heard_us"][at] = heard_us
        return at.astype(np.int64)

    def _add(self, vehicle_id: IntArray, *, keep: IntArray) -> None:
        fresh = np.repeat(self._blank, len(vehicle_id))
        fresh["vehicle_id"] = vehicle_id
        table = np.concatenate([self.table, fresh])
        excess = len(table) - self._limit
        if excess > 0:
            age = np.where(np.isin(table["vehicle_id"], keep), np.iinfo(np.int64).max, table["heard_us"])
            # A tenth more than must go, so that not every new vehicle moves the whole table.
            gone = np.argsort(age, kind="stable")[: excess + self._limit // 10]
            gone = gone[age[gone] < np.iinfo(np.int64).max]
            table = np.delete(table, gone)
        self.table = table[np.argsort(table["vehicle_id"], kind="stable")]
