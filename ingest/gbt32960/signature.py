"""The signature at the end of a frame of 2025 (GB/T 32960.3-2025 §7.2.2, table 8): read, not verified."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from ingest.gbt32960.contents import Cursor

_ALGORITHMS = MappingProxyType({1: "SM2", 2: "RSA", 3: "ECC"})


@dataclass(frozen=True, slots=True)
class Signature:
    """Two numbers, over everything of the data unit before the signature's own first byte."""

    algorithm: int  #: 1 SM2, 2 RSA, 3 ECC
    r: bytes
    s: bytes

    def as_data(self) -> dict[str, object]:
        """Return it as JSON holds it."""
        name = _ALGORITHMS.get(self.algorithm, str(self.algorithm))
        return {"algorithm": name, "r": self.r.hex(), "s": self.s.hex()}


def read_signature(cursor: Cursor) -> Signature:
    """Return the signature that begins here: algorithm, then R and S, each with its length in two bytes.

    Raises:
        Truncated: The data unit ends inside it.
    """
    algorithm = cursor.u(1)
    return Signature(algorithm, cursor.take(cursor.u(2)), cursor.take(cursor.u(2)))
