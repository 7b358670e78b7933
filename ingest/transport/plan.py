"""What a bus database says about transport: which identifiers carry ISO-TP, which are J1939 groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cantools.database
import numpy as np

from data.errors import CatalogueError
from ingest.can.database import EXTENDED
from ingest.transport.j1939 import ANY_ADDRESS, split_ids

_ISOTP = frozenset({"ISOTP", "ISO-TP", "ISO_TP"})
_ISOTP_ADDRESSED = frozenset({"ISOTP_EXTENDED", "ISO-TP_EXTENDED"})
_NONE = frozenset({"NONE", "RAW"})
_FD_LENGTHS = frozenset({12, 16, 20, 24, 32, 48, 64})  #: over 8 bytes (ISO 11898-1)
#: Answers to requests have the request's service number with this bit set (ISO 14229-1 §8.2).
_ANSWER = 0x40


@dataclass(frozen=True, slots=True, kw_only=True)
class IsoTpMessage:
    """A message whose frames are ISO-TP's."""

    can_id: int
    is_extended_address: bool
    leading: int  #: bytes before the service in the DBC's layout: 1 where it counts the length byte
    record_lengths: Mapping[int, int]  #: data bytes by identifier of 0x62 answers


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportPlan:
    """Which identifiers need more than the plain decoder."""

    isotp: Mapping[int, IsoTpMessage]  #: by identifier
    groups: Mapping[tuple[int, int], int]  #: (parameter group, sender or -1) -> identifier in the DBC
    is_j1939: bool
    plain: frozenset[int]  #: identifiers of single frames
    width: int  #: bytes of the longest message


def build_plan(
    database: cantools.database.can.Database | None, *, reads_j1939: bool = False
) -> TransportPlan:
    """Return what the DBC's messages and attributes say.

    ISO-TP: messages with attribute ``TransportProtocolType`` ``ISOTP`` (or ``ISOTP_EXTENDED``: the first byte
    of a frame is a target address), and messages over 8 bytes that are neither J1939's nor CAN FD's (by
    ``VFrameFormat`` or, where that is silent, by a length that CAN FD has). J1939:
    ``VFrameFormat`` ``J1939PG``, ``ProtocolType`` ``J1939``, or over 8 bytes with the sender 0xFE.

    Args:
        database: None: there is none.
        reads_j1939: The bus is J1939's though the DBC does not say so.

    Raises:
        CatalogueError: An attribute names a transport that does not exist.
    """
    messages = [] if database is None else database.messages
    attributes = database.dbc.attributes if database is not None and database.dbc is not None else {}
    bus = str(attributes["ProtocolType"].value).upper() if "ProtocolType" in attributes else ""
    isotp: dict[int, IsoTpMessage] = {}
    groups: dict[tuple[int, int], int] = {}
    plain: set[int] = set()
    width = 8
    for message in messages:
        can_id = message.frame_id | (EXTENDED if message.is_extended_frame else 0)
        kind = _transport(message, bus)
        width = max(width, message.length)
        if kind == "J1939":
            of = split_ids(np.array([can_id], np.uint32))
            pgn, sender = int(of.pgn[0]), int(of.source[0])
            groups.setdefault((pgn, sender), can_id)
            if sender == ANY_ADDRESS or (pgn, -1) not in groups:
                groups[pgn, -1] = can_id
        elif kind is None:
            plain.add(can_id)
        else:
            leading = _leading(message)
            isotp[can_id] = IsoTpMessage(
                can_id=can_id,
                is_extended_address=kind == "ISOTP_EXTENDED",
                leading=leading,
                record_lengths=_record_lengths(message, leading),
            )
    return TransportPlan(
        isotp=isotp, groups=groups, is_j1939=reads_j1939 or bool(groups), plain=frozenset(plain), width=width
    )


def _transport(message: Any, bus: str) -> str | None:
    attributes = message.dbc.attributes if message.dbc is not None else {}
    named = (
        str(attributes["TransportProtocolType"].value).upper()
        if "TransportProtocolType" in attributes
        else ""
    )
    if named in _ISOTP:
        return "ISOTP"
    if named in _ISOTP_ADDRESSED:
        return "ISOTP_EXTENDED"
    if named in _NONE:
        return None
    if named == "J1939":
        return "J1939"
    if named:
        raise CatalogueError(
            f"DBC message {message.name!r}: TransportProtocolType {named!r} must be ISOTP, ISOTP_EXTENDED,"
            " J1939 or NONE"
        )
    if message.is_extended_frame and (message.protocol == "j1939" or bus == "J1939"):
        return "J1939"
    if message.length <= 8 or message.is_fd:
        return None
    if message.is_extended_frame and message.frame_id & 0xFF == ANY_ADDRESS:
        return "J1939"
    is_fd_length = message.length in _FD_LENGTHS and "VFrameFormat" not in attributes
    return None if is_fd_length else "ISOTP"


def _leading(message: Any) -> int:
    """Tell whether the DBC's layout begins with the length byte and has the service behind it."""
    for signal in message.signals:
        if signal.is_multiplexer and not signal.multiplexer_signal:
            values = [
                v for s in message.signals if s.multiplexer_signal == signal.name for v in s.multiplexer_ids
            ]
            is_second = _first_bit(signal) == 8 and signal.length == 8
            return int(is_second and bool(values) and all(v & 0xC0 == _ANSWER for v in values))
    return 0


def _record_lengths(message: Any, leading: int) -> dict[int, int]:
    """Return the data bytes of each identifier of 0x62 answers, as far as the signals reach."""
    by_name = {signal.name: signal for signal in message.signals}
    found: dict[int, int] = {}
    for signal in message.signals:
        identifier = by_name.get(signal.multiplexer_signal or "")
        if identifier is None or _first_bit(identifier) != 8 * (leading + 1) or identifier.length != 16:
            continue
        end = (_first_bit(signal) + signal.length - 1) // 8 + 1
        for value in signal.multiplexer_ids or ():
            found[value] = max(found.get(value, 0), end - leading - 3)
    return {value: length for value, length in found.items() if length > 0 and 0 <= value <= 0xFFFF}


def _first_bit(signal: Any) -> int:
    """Return the bit, counted from the first one on the bus side of the first byte, where a signal begins."""
    start = int(signal.start)
    return 8 * (start // 8) + 7 - start % 8 if signal.byte_order == "big_endian" else start
