"""From the identifiers of a batch of frames to the messages of a database, without a loop.

An identifier is 11 or 29 bits with bit 31 set on extended ones. Identifiers that a database does not have as
they are can be looked up once more in normalised form: in J1939 the priority, the sender and, where there is
one, the receiver are part of the identifier and no part of the message's name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import numpy.typing as npt

from ingest.can.database import EXTENDED

__all__ = ["EXTENDED", "IdentifierIndex", "Identifiers", "Normalise", "mask_j1939"]

Identifiers = npt.NDArray[np.uint32]
Normalise = Callable[[Identifiers], Identifiers]
_LARGEST_TABLE_BITS = 18
_TRIES = 24


def mask_j1939(can_id: Identifiers) -> Identifiers:
    """Return extended identifiers with only the parameter group number left, shape (n,).

    Priority (bits 26-28) and source address (bits 0-7) are cleared; so is the destination address (bits 8-15)
    where the PDU format (bits 16-23) is below 240 (SAE J1939-21, PDU1). Standard identifiers stay.
    """
    mask = np.where((can_id & 0x00FF_0000) < 0x00F0_0000, 0x83FF_0000, 0x83FF_FF00).astype(np.uint32)
    return np.where(can_id & EXTENDED, can_id & mask, can_id)


class IdentifierIndex:
    """Positions of identifiers: a perfect hash table where one is found, binary search else.

    Args:
        identifiers: Of the messages, in order of their positions; the first of equal ones counts.
    """

    def __init__(self, identifiers: Collection[int]) -> None:
        known, first = np.unique(np.array(list(identifiers), dtype=np.uint32), return_index=True)
        self._known = known
        self._position = first.astype(np.int64)
        self._multiplier, self._shift, self._slots = _perfect_hash(known)

    def find(self, can_id: Identifiers) -> npt.NDArray[np.int64]:
        """Return the position of each identifier, -1 where it is not known; shape (n,)."""
        if not self._known.size:
            return np.full(can_id.shape, -1, dtype=np.int64)
        if self._slots is None:
            found = np.minimum(np.searchsorted(self._known, can_id), self._known.size - 1)
        else:
            found = self._slots.take((can_id * self._multiplier) >> self._shift)
        return np.where(self._known.take(found) == can_id, self._position.take(found), -1)


def _perfect_hash(known: Identifiers) -> tuple[np.uint32, np.uint32, npt.NDArray[np.int64] | None]:
    """Return a multiplier and a shift under which no two identifiers meet, and the table that they index."""
    rng = np.random.default_rng(known.size)  # a search, not chance: the same identifiers give the same table
    for bits in range(max(4, (2 * known.size).bit_length()), _LARGEST_TABLE_BITS + 1):
        shift = np.uint32(32 - bits)
        for multiplier in rng.integers(0, 2**31, _TRIES, dtype=np.uint32) * np.uint32(2) + np.uint32(1):
            slots = (known * multiplier) >> shift
            if np.unique(slots).size == known.size:
                table = np.zeros(1 << bits, dtype=np.int64)
                table[slots] = np.arange(known.size)
                return multiplier, shift, table
    return np.uint32(1), np.uint32(0), None
