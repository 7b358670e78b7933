"""J1939: parameter groups, transport protocol and diagnostic messages (SAE J1939-21, -71, -73)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.records import BoolArray, IntArray
from ingest.transport.segments import Bytes, Joined, Payloads, Segments, join_segments

TP_CM, TP_DT = 60416, 60160  #: connection management and data transfer
DM1, DM2 = 65226, 65227  #: active and previously active trouble codes
ANY_ADDRESS = 0xFE  #: source address in a DBC that stands for every sender
#: Longest pause between two packets: T2 of SAE J1939-21 §5.10.2.4 (T1, 750 ms, is that of broadcasts).
LIMIT_US = 1_250_000
_RTS, _BAM, _ABORT = 16, 32, 255
_LONGEST = 1785

# ISO 14229-1 status bits: what DM1 and DM2 say, in the words of the other trouble codes.
_FAILED, _CONFIRMED, _FAILED_SINCE_CLEAR, _WARNING = 0x01, 0x08, 0x20, 0x80


@dataclass(frozen=True, slots=True)
class Groups:
    """Parameter groups of identifiers, shape (n,) each."""

    pgn: IntArray  #: -1: not an identifier of J1939
    source: IntArray
    destination: IntArray  #: 255: everyone


@dataclass(frozen=True, slots=True)
class Trouble:
    """Trouble codes of diagnostic messages, shape (m,) each; one message has any number."""

    message: IntArray  #: row of the message
    spn: IntArray
    fmi: IntArray
    count: IntArray  #: occurrences, 127: not available
    is_old_method: BoolArray  #: conversion method bit set: the SPN may be one of versions 1 to 3
    status: IntArray  #: ISO 14229-1 status byte that says the same


def split_ids(can_id: npt.NDArray[np.uint32]) -> Groups:
    """Return what 29-bit identifiers say (SAE J1939-21 §5.2).

    Args:
        can_id: Shape (n,), bit 31 set on extended identifiers.
    """
    raw = can_id.astype(np.int64)
    is_j1939 = ((raw >> 31) & 1 == 1) & ((raw >> 25) & 1 == 0)  # the extended data page is ISO 15765-3's
    group = (raw >> 8) & 0x3FFFF
    is_peer = (group >> 8) & 0xFF < 240
    pgn = np.where(is_peer, group & 0x3FF00, group)
    return Groups(np.where(is_j1939, pgn, -1), raw & 0xFF, np.where(is_peer, group & 0xFF, 255))


def join_transport(
    channel: IntArray, time_us: IntArray, groups: Groups, length: npt.NDArray[np.integer], data: Bytes
) -> Joined:
    """Return the messages of TP.BAM and TP.CM_RTS transfers (SAE J1939-21 §5.10).

    Connections are told apart by channel, sender and receiver. In a broadcast every packet must come once and
    in order; with RTS and CTS the receiver may ask for packets again, and the last one counts. Reasons beside
    those of ``join_segments``: ``malformed``.

    Args:
        channel: Shape (n,), from 0, any number that tells buses of vehicles apart.
        time_us: Shape (n,), microseconds; packets of one connection are taken in this order.
        groups: Of the frames; those that are neither TP.CM nor TP.DT are passed over.
        length: Shape (n,), bytes of each frame.
        data: Shape (n, 8) or wider.
    """
    is_cm, is_dt = groups.pgn == TP_CM, groups.pgn == TP_DT
    rows = np.flatnonzero((is_cm | is_dt) & (length >= 1))
    control = np.where(is_cm, data[:, 0], 0)[rows]
    sender, receiver = groups.source[rows], groups.destination[rows]
    is_dt = is_dt[rows]
    key = (channel[rows] << 16) | (sender << 8) | receiver
    answers = is_cm[rows] & (control == _ABORT)
    reversed_key = (channel[rows] << 16) | (receiver << 8) | sender
    # An abort ends the connection whichever side sends it: the sender's own key and the other one.
    rows = np.concatenate((rows, rows[answers]))
    key = np.concatenate((key, reversed_key[answers]))
    control = np.concatenate((control, control[answers]))
    is_dt = np.concatenate((is_dt, is_dt[answers]))
    order = np.lexsort((time_us[rows], key))
    rows, key, control, is_dt = rows[order], key[order], control[order], is_dt[order]
    head = data[rows].astype(np.int64)
    total, packets = head[:, 1] | (head[:, 2] << 8), head[:, 3]
    starts = ~is_dt & ((control == _RTS) | (control == _BAM))
    is_bad = starts & ((length[rows] < 8) | (total < 9) | (total > _LONGEST) | (packets != -(-total // 7)))
    opens = starts & ~is_bad
    breaks = is_bad | (~is_dt & (control == _ABORT))
    keep = np.flatnonzero(opens | breaks | is_dt)
    keep = keep[_last_of_repeated(key[keep], opens[keep] | breaks[keep], control[keep], head[keep, 0])]
    zero = np.zeros(keep.size, np.int64)
    joined = join_segments(
        Segments(
            row=rows[keep],
            channel=key[keep],
            time_us=time_us[rows[keep]],
            opens=opens[keep],
            breaks=breaks[keep],
            number=head[keep, 0],
            expected_modulus=256,
            total=total[keep],
            head=zero,
            head_at=zero,
            body=zero + 7,
            body_at=zero + 1,
            have=length[rows[keep]].astype(np.int64) - 1,
        ),
        data,
        limit_us=LIMIT_US,
    )
    if is_bad.any():
        joined.lost["malformed"] += int(is_bad.sum())
    return joined


def _last_of_repeated(key: IntArray, begins: BoolArray, control: IntArray, number: IntArray) -> IntArray:
    """Return the frames to use, in order: of packets sent again on request the last one, by number."""
    if not key.size:
        return np.empty(0, np.int64)
    is_run = begins | np.append(True, key[1:] != key[:-1])
    run = np.cumsum(is_run) - 1
    at = np.flatnonzero(is_run)
    is_asked = (begins[at] & (control[at] == _RTS))[run] & ~is_run
    rank = np.where(is_asked, number, np.arange(key.size))
    rank[is_run] = -1
    order = np.lexsort((np.arange(key.size), rank, run))
    same = np.append(
        (run[order][1:] == run[order][:-1]) & (rank[order][1:] == rank[order][:-1]) & is_asked[order][1:],
        False,
    )
    kept: IntArray = order[~same]
    return kept


def transported_group(payloads: Payloads, data: Bytes) -> IntArray:
    """Return the parameter group that each transfer carries, from its first frame; ``data`` as joined."""
    head = data[payloads.first].astype(np.int64)
    pgn = head[:, 5] | (head[:, 6] << 8) | ((head[:, 7] & 3) << 16)
    group: IntArray = np.where((pgn >> 8) & 0xFF < 240, pgn & 0x3FF00, pgn)
    return group


def decode_trouble(payloads: Payloads, is_active: BoolArray) -> Trouble:
    """Return the trouble codes of DM1 and DM2 (SAE J1939-73 §5.7.1, §5.7.2), conversion method 4.

    Two lamp bytes, then four bytes a code; SPN 0 with FMI 0 and all bits set mean none.

    Args:
        payloads: Of both messages.
        is_active: Shape (n,), DM1.
    """
    count = np.maximum(payloads.length - 2, 0) // 4
    message = np.repeat(np.arange(len(payloads)), count)
    at = 2 + 4 * (np.arange(message.size) - np.repeat(np.cumsum(count) - count, count))
    of = payloads.take(message)
    a, b, c, d = (of.byte(at + k) for k in range(4))
    spn, fmi = a | (b << 8) | ((c >> 5) << 16), c & 31
    is_code = ~((spn == 0) & (fmi == 0)) & (spn != 0x7FFFF)
    lamps = payloads.byte(0)
    is_lit = np.zeros(len(payloads), np.bool_)
    for shift in (0, 2, 4, 6):  # protect, amber warning, red stop, malfunction indicator
        is_lit |= (lamps >> shift) & 3 == 1
    status = np.full(len(payloads), _CONFIRMED | _FAILED_SINCE_CLEAR, np.int64)
    status[is_active] |= _FAILED
    status[is_active & is_lit] |= _WARNING
    keep = np.flatnonzero(is_code)
    return Trouble(
        message=message[keep],
        spn=spn[keep],
        fmi=fmi[keep],
        count=(d & 127)[keep],
        is_old_method=(d[keep] >> 7) == 1,
        status=status[message[keep]],
    )
