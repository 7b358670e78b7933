"""UDS answers: several identifiers in one, trouble codes, refusals (ISO 14229-1:2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, IntArray
from ingest.transport.segments import Payloads

READ_DATA = 0x62  #: ReadDataByIdentifier, §11.2
READ_CODES = 0x59  #: ReadDTCInformation, §12.3
REFUSED = 0x7F
_BY_STATUS_MASK = 0x02
_MOST_PIECES = 32


@dataclass(frozen=True, slots=True)
class Codes:
    """Trouble codes of answers, shape (m,) each; one answer has any number."""

    message: IntArray  #: row of the answer
    code: IntArray  #: three bytes: SAE J2012 code and failure type
    status: IntArray  #: ISO 14229-1 status byte


def split_identifiers(
    payloads: Payloads, length_of: Mapping[int, int], *, id_bytes: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Return where the records of answers with several identifiers begin and end.

    An answer is ``service, identifier, data, identifier, data, …``; nothing in it tells how long a record is.
    It is split only where records of known lengths fill it exactly; any other answer is one record.

    Args:
        payloads: Answers of one service.
        length_of: Data bytes by identifier.
        id_bytes: Bytes of an identifier: 2 for UDS, 1 for OBD.

    Returns:
        Answer (m,), first byte of its record (m,), and the byte behind it (m,), by answer and place.
    """
    n = len(payloads)
    whole = (np.arange(n), np.ones(n, np.int64), payloads.length)
    if not length_of or not n:
        return whole
    size = np.full(256**id_bytes, -1, np.int64)
    size[list(length_of)] = list(length_of.values())
    rows, at = np.arange(n), np.ones(n, np.int64)
    is_split = np.zeros(n, np.bool_)
    pieces: list[tuple[IntArray, IntArray, IntArray]] = []
    for _ in range(_MOST_PIECES):
        of = payloads.take(rows)
        identifier = of.byte(at)
        if id_bytes == 2:
            identifier = np.where(of.byte(at + 1) >= 0, (identifier << 8) | of.byte(at + 1), -1)
        known = np.where(identifier >= 0, size[np.maximum(identifier, 0)], -1)
        end = at + id_bytes + known
        is_good = (known >= 0) & (end <= of.length)
        rows, at, end, length = rows[is_good], at[is_good], end[is_good], of.length[is_good]
        pieces.append((rows, at, end))
        is_split[rows[end == length]] = True
        goes_on = end < length
        rows, at = rows[goes_on], end[goes_on]
        if not rows.size:
            break
    answer, begin, end = (np.concatenate([piece[k] for piece in pieces]) for k in range(3))
    kept = is_split[answer]
    single = np.flatnonzero(~is_split)
    answer = np.concatenate((answer[kept], whole[0][single]))
    begin = np.concatenate((begin[kept], whole[1][single]))
    end = np.concatenate((end[kept], whole[2][single]))
    order = np.lexsort((begin, answer))
    return answer[order], begin[order], end[order]


def decode_codes(payloads: Payloads) -> tuple[Codes, BoolArray]:
    """Return the codes of answers to reportDTCByStatusMask (ISO 14229-1:2020 §12.3.5.2).

    Args:
        payloads: Answers of service 0x59.

    Returns:
        The codes, and which answers (n,) were of this kind and whole.
    """
    count = np.maximum(payloads.length - 3, 0) // 4
    is_read = (payloads.byte(1) == _BY_STATUS_MASK) & (payloads.length >= 3)
    is_read &= payloads.length == 3 + 4 * count
    count = np.where(is_read, count, 0)
    message = np.repeat(np.arange(len(payloads)), count)
    at = 3 + 4 * (np.arange(message.size) - np.repeat(np.cumsum(count) - count, count))
    of = payloads.take(message)
    a, b, c, status = (of.byte(at + k) for k in range(4))
    return Codes(message, (a << 16) | (b << 8) | c, status), is_read


def code_text(code: int) -> str:
    """Return the text form of a three-byte code (ISO 15031-6, SAE J2012-DA).

    >>> code_text(0x0A801A)
    'P0A80-1A'
    """
    return f"{short_code_text(code >> 8)}-{code & 0xFF:02X}"


def short_code_text(code: int) -> str:
    """Return the text form of a two-byte code.

    >>> short_code_text(0xC100)
    'U0100'
    """
    return f"{'PCBU'[(code >> 14) & 3]}{(code >> 12) & 3}{code & 0xFFF:03X}"
