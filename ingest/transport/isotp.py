"""ISO-TP: payloads out of CAN frames (ISO 15765-2:2016, DoCAN network layer)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, IntArray
from ingest.transport.segments import Bytes, Joined, Segments, join_segments

#: Longest pause before a consecutive frame, N_Cr of ISO 15765-2:2016 §9.8.2.
LIMIT_US = 1_000_000


def join_isotp(
    channel: IntArray,
    time_us: IntArray,
    length: npt.NDArray[np.integer],
    data: Bytes,
    *,
    is_extended: BoolArray,
) -> Joined:
    """Return the payloads of single frames and of segmented transfers (ISO 15765-2:2016 §9.6).

    Channels may be interleaved. Escape lengths (over 4,095 bytes, and single frames of CAN FD) are read.
    Flow-control frames travel on the other identifier and are passed over. Reasons beside those of
    ``join_segments``: ``malformed``, a frame whose protocol information contradicts the standard.

    Args:
        channel: Shape (n,), from 0, any number that tells identifiers of buses of vehicles apart.
        time_us: Shape (n,), microseconds; frames of one channel are taken in this order.
        length: Shape (n,), bytes of each frame.
        data: Shape (n, 8) or (n, 64).
        is_extended: Shape (n,), the first byte is a target address (extended addressing, §10.3.4).
    """
    key = channel * 257 + np.where(is_extended, data[:, 0].astype(np.int64) + 1, 0)
    order = np.lexsort((time_us, key))
    shift = is_extended[order].astype(np.int64)
    have = length[order].astype(np.int64) - shift
    info = [_byte(data, order, shift + k) for k in range(6)]
    kind = np.where(have >= 1, info[0] >> 4, 15)
    low = info[0] & 15
    is_single, is_first, is_next = kind == 0, kind == 1, kind == 2
    is_escape = is_single & (low == 0)
    long_first = is_first & (low == 0) & (info[1] == 0)
    total = np.where(is_first, (low << 8) | info[1], np.where(is_escape, info[1], low))
    wide = (info[2] << 24) | (info[3] << 16) | (info[4] << 8) | info[5]
    total = np.where(long_first, wide, total)
    head_at = np.where(is_first, np.where(long_first, 6, 2), np.where(is_escape, 2, 1))
    head = np.maximum(have - head_at, 0)
    bad_single = is_single & ((total < 1) | (total > head) | (is_escape & (have + shift <= 8)))
    bad_first = is_first & ((have + shift < 8) | (total <= head) | (long_first & (total <= 4095)))
    is_bad = bad_single | bad_first | (kind > 3)
    opens = (is_single | is_first) & ~is_bad
    keep = np.flatnonzero(opens | is_next | bad_single | bad_first)
    joined = join_segments(
        Segments(
            row=order[keep],
            channel=key[order][keep],
            time_us=time_us[order][keep],
            opens=opens[keep],
            breaks=(bad_single | bad_first)[keep],
            number=low[keep],
            expected_modulus=16,
            total=total[keep],
            head=np.where(is_single, total, head)[keep],
            head_at=(shift + head_at)[keep],
            body=np.where(is_single, 1, have - 1)[keep],
            body_at=(shift + 1)[keep],
            have=np.maximum(have - 1, 0)[keep],
        ),
        data,
        limit_us=LIMIT_US,
    )
    if is_bad.any():
        joined.lost["malformed"] += int(is_bad.sum())
    return joined


def _byte(data: Bytes, row: IntArray, column: IntArray) -> IntArray:
    return data[row, column].astype(np.int64)
