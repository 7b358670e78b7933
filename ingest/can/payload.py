"""The raw-frame payload: fixed little-endian records, read by one numpy view."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data.records import IntArray
from ingest.errors import PayloadError

_HEAD = [("offset_us", "<u4"), ("can_id", "<u4"), ("flags", "u1"), ("length", "u1")]
CLASSIC_RECORD = np.dtype([*_HEAD, ("data", "u1", (8,))])  #: 18 bytes
FD_RECORD = np.dtype([*_HEAD, ("data", "u1", (64,))])  #: 74 bytes

CanFrames = tuple[
    IntArray, npt.NDArray[np.uint32], npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]
]


def parse_can_payload(payload: bytes, t0_ms: int, *, is_fd: bool) -> CanFrames:
    """Return time (µs since 1970), identifier (bit 31 = extended), flags, length and data of each record.

    Args:
        payload: Records of 18 bytes, or of 74 bytes for CAN FD.
        t0_ms: Time of the first record, milliseconds since 1970 UTC.
        is_fd: The records are CAN FD's.

    Returns:
        Shapes (n,), (n,), (n,), (n,) and (n, 8) or (n, 64).

    Raises:
        PayloadError: ``wrong_length``: not a whole number of records, or a record longer than its data.
    """
    record = FD_RECORD if is_fd else CLASSIC_RECORD
    field = "fd" if is_fd else "f"
    if len(payload) % record.itemsize:
        raise PayloadError(
            "wrong_length", f"{field}: {len(payload)} bytes, must be a multiple of {record.itemsize}"
        )
    records = np.frombuffer(payload, dtype=record)
    longest = record["data"].shape[0]
    too_long = np.flatnonzero(records["length"] > longest)
    if too_long.size:
        raise PayloadError(
            "wrong_length",
            f"{field}: record {too_long[0]} has length {records['length'][too_long[0]]}, at most {longest}",
        )
    time_us = records["offset_us"].astype(np.int64) + t0_ms * 1000
    return (
        time_us,
        records["can_id"].astype(np.uint32),
        records["flags"].copy(),
        records["length"].copy(),
        records["data"].copy(),
    )
