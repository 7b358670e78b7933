"""Trouble codes as vehicles report them: the same code again and again, kept once a minute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from data.records import IntArray
from ingest.transport.uds import code_text, short_code_text

#: A code that is reported all the time is kept this often.
GRID_US = 60_000_000


@dataclass(frozen=True, slots=True)
class ReportedCode:
    """One trouble code of one control unit."""

    index: int  #: of the message that reported it
    time_us: int  #: beginning of the minute
    ecu: str  #: answering identifier, ``7EC``, or J1939 address, ``J1939-2F``
    code: str  #: ``P0A80-1A``, ``P0A80``, ``SPN1569-FMI31``
    status: int  #: ISO 14229-1 status byte
    occurrences: int | None  #: as the control unit counts, where it tells


class CodeBook:
    """Collects the codes of a batch."""

    UDS: ClassVar[int] = 0
    OBD: ClassVar[int] = 1
    J1939: ClassVar[int] = 2

    def __init__(self) -> None:
        self._found: list[IntArray] = []

    def add(
        self,
        kind: int,
        *,
        index: IntArray,
        time_us: IntArray,
        sender: IntArray,
        code: IntArray,
        status: IntArray,
        occurrences: IntArray | None = None,
    ) -> None:
        """Add codes; every array has shape (n,).

        Args:
            kind: ``UDS``, ``OBD`` or ``J1939``.
            index: Message index.
            time_us: Microseconds since 1970.
            sender: Identifier or address.
            code: As the protocol has it.
            status: ISO 14229-1 status byte.
            occurrences: How often it was seen, -1 unknown; None: of none is it known.
        """
        if code.size:
            minute = time_us // GRID_US
            full = np.full(code.size, kind)
            seen = np.full(code.size, -1) if occurrences is None else occurrences
            self._found.append(np.stack([index, minute, full, sender, code, time_us, status, seen], axis=1))

    def entries(self) -> list[ReportedCode]:
        """Return each code once a minute, control unit and message, with its last status."""
        if not self._found:
            return []
        table = np.concatenate(self._found).astype(np.int64)
        table = table[np.lexsort(table.T[5::-1])]
        is_last = np.append((table[1:, :5] != table[:-1, :5]).any(axis=1), True)
        return [
            ReportedCode(
                index,
                minute * GRID_US,
                _ecu(kind, sender),
                _text(kind, code),
                status,
                seen if seen >= 0 else None,
            )
            for index, minute, kind, sender, code, _, status, seen in table[is_last].tolist()
        ]


def _ecu(kind: int, sender: int) -> str:
    return f"J1939-{sender:02X}" if kind == CodeBook.J1939 else f"{sender & 0x1FFF_FFFF:X}"


def _text(kind: int, code: int) -> str:
    if kind == CodeBook.UDS:
        return code_text(code)
    return short_code_text(code) if kind == CodeBook.OBD else f"SPN{code >> 5}-FMI{code & 31}"
