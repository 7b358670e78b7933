"""GB/T 32960.3 frames, editions 2016 and 2025, to catalogue values.

The edition is told frame by frame from the start bytes, because fleets stay mixed for years.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from data.records import Family, FloatArray, VehicleEvent
from ingest.errors import PayloadError
from ingest.gbt32960.blocks import BLOCKS
from ingest.gbt32960.commands import READERS, read_command
from ingest.gbt32960.contents import Contents, Cursor, Truncated
from ingest.gbt32960.signature import Signature, read_signature
from ingest.gbt32960.stream import (
    CHINA,
    EDITIONS,
    FRAME_BYTES,
    HEARTBEAT,
    IS_COMMAND,
    REALTIME,
    RESUPPLY,
    TIME_SYNC,
    TIMED,
    checksum,
)

_UNENCRYPTED = 0x01
_SIGNATURE = 0xFF
#: Maker's bytes kept of one frame; a frame has at most 65,531 of them.
_MOST_OEM_BYTES = 16_384
#: Commands that carry nothing, and those of ``READERS`` and ``BLOCKS``: anything else is a reject.
_KNOWN = frozenset({REALTIME, RESUPPLY, HEARTBEAT, TIME_SYNC, *READERS})
_IDENTIFIER = re.compile(rb"^[\x20-\x7e]*$")

#: Columns of one family and the keys of its row; arrays have a first axis of 1.
FrameRow = tuple[Family, Mapping[str, FloatArray], Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GbtFrame:
    """One decoded frame."""

    vin: str  #: as in the frame, padding removed; not checked against ISO 3779
    edition: int  #: 2016 or 2025
    command: int  #: 1 login, 2 real-time, 3 re-supplement, 4 logout, 7 heartbeat …
    response: int  #: 0xFE: a command; else an answer
    time_us: int | None  #: microseconds since 1970 UTC; None where the command carries no time
    families: Sequence[FrameRow] = ()
    events: Sequence[VehicleEvent] = ()
    rejects: Sequence[tuple[str, str]] = ()  #: reason and detail of what could not be read
    masked: Mapping[str, int] = field(default_factory=dict)  #: masked values by signal and reason
    extra: Mapping[str, float] = field(default_factory=dict)  #: signals outside the catalogue
    oem_blocks: Sequence[tuple[int, bytes]] = ()  #: maker's blocks: type 0x80-0xFE and body
    signature: Signature | None = None  #: 2025 only; read, not verified
    is_resupply: bool = False  #: sent late out of the vehicle's store (command 03)


def decode_frame(frame: bytes) -> GbtFrame:
    """Return what one frame says.

    A block that cannot be read ends the frame: what came before it counts, the rest becomes a reject.
    Encrypted data units and unknown commands (among them the keys of encrypted links, 0B) give a frame with
    a reject.

    Raises:
        PayloadError: ``malformed`` (start bytes, identifier), ``wrong_length``, ``bad_checksum`` or
            ``bad_time``; the detail names field, value and rule.
    """
    if len(frame) < FRAME_BYTES:
        raise PayloadError("wrong_length", f"frame: {len(frame)} bytes, must be at least 25")
    edition = EDITIONS.get(frame[:2])
    if edition is None:
        raise PayloadError("malformed", f"start bytes: {frame[:2].hex()}, must be 2323 (2016) or 2424 (2025)")
    length = int.from_bytes(frame[22:24], "big")
    if len(frame) != length + FRAME_BYTES:
        raise PayloadError(
            "wrong_length", f"frame: {len(frame)} bytes, the data length {length} makes {length + 25}"
        )
    code = checksum(frame)
    if code != frame[-1]:
        raise PayloadError(
            "bad_checksum", f"BCC: {frame[-1]:02x}, bytes 2 to {len(frame) - 2} give {code:02x}"
        )
    identifier = frame[4:21].strip(b"\x00 ")
    if not _IDENTIFIER.match(identifier):
        raise PayloadError("malformed", f"identifier: {frame[4:21].hex()}, must be ASCII")
    command, response, encryption, data = frame[2], frame[3], frame[21], frame[24:-1]
    header = {"vin": identifier.decode("ascii"), "edition": edition, "command": command, "response": response}
    if encryption != _UNENCRYPTED and data:
        return GbtFrame(
            **header,  # type: ignore[arg-type]  # the four fields above
            time_us=None,
            rejects=(("encrypted", f"encryption: {encryption:02x}, only 01 (none) can be read"),),
            is_resupply=command == RESUPPLY,
        )
    contents = Contents()
    events: list[VehicleEvent] = []
    rejects: list[tuple[str, str]] = []
    time_us, signature = None, None
    if command in (REALTIME, RESUPPLY):
        time_us = _read_time(data)
        cursor = Cursor(data, 6)
        rejects += _read_blocks(cursor, contents, edition=edition)
        if cursor:  # stopped where the signature begins
            signature, faults = _read_signature(cursor)
            rejects += faults
        events += _alarm_events(contents, time_us)
        events += _kept_blocks(contents.oem_blocks, time_us)
    elif command in TIMED and data:
        time_us = _read_time(data)
    if command in READERS and response == IS_COMMAND and data and time_us is not None:
        details, fault = read_command(command, data, 6, edition=edition)
        events.append(_event(READERS[command][0], time_us, details))
        rejects += [("bad_command", fault)] if fault else []
    elif command not in _KNOWN and data:
        rejects.append(("unknown_command", f"command {command:02x}: {len(data)} bytes not read"))
    is_late = command == RESUPPLY
    return GbtFrame(
        **header,  # type: ignore[arg-type]  # the four fields above
        time_us=time_us,
        families=_rows(contents),
        events=[replace(event, is_hist=True) for event in events] if is_late else events,
        rejects=rejects,
        masked=dict(contents.masked),
        extra=contents.extra,
        oem_blocks=contents.oem_blocks,
        signature=signature,
        is_resupply=is_late,
    )


def _read_time(data: bytes) -> int:
    if len(data) < 6:
        raise PayloadError("wrong_length", f"data unit: {len(data)} bytes, must begin with 6 bytes of time")
    year, month, day, hour, minute, second = data[:6]
    try:
        moment = datetime(2000 + year, month, day, hour, minute, second, tzinfo=CHINA)
    except ValueError as error:
        raise PayloadError("bad_time", f"time: {data[:6].hex()}, {error}") from error
    return round(moment.timestamp()) * 1_000_000


def _read_blocks(cursor: Cursor, contents: Contents, *, edition: int) -> list[tuple[str, str]]:
    readers = BLOCKS[edition]
    while cursor:
        start = cursor.position
        kind = cursor.u(1)
        if kind == _SIGNATURE and edition == 2025:
            cursor.position = start
            return []
        try:
            if kind in readers:
                readers[kind](cursor, contents)
            elif 0x80 <= kind <= 0xFE:
                contents.oem_blocks.append((kind, cursor.take(cursor.count(2))))
            else:
                left = len(cursor.data) - start
                cursor.position = len(cursor.data)
                return [
                    ("unknown_block", f"block type {kind:02x} at byte {24 + start}: {left} bytes not read")
                ]
        except Truncated:
            left = len(cursor.data) - start
            cursor.position = len(cursor.data)
            return [
                ("truncated_block", f"block type {kind:02x} at byte {24 + start}: ends after {left} bytes")
            ]
    return []


def _rows(contents: Contents) -> list[FrameRow]:
    drive = dict(contents.drive)
    if len({number for number, _, _ in contents.sub_packs}) == 1:  # one string: its values are the pack's
        _, volts, amperes = contents.sub_packs[0]
        for alias, value in (("pack.voltage", volts), ("pack.current", amperes)):
            if np.isnan(drive.get(alias, np.nan)):
                drive[alias] = value
    rows: list[FrameRow] = []
    columns = {alias: np.array([value]) for alias, value in drive.items() if not np.isnan(value)}
    if columns:
        rows.append((Family.DRIVE, columns, {}))
    cells: dict[tuple[int, int], dict[str, FloatArray]] = {}
    for sub_pack, first_cell, volts_of_cells in contents.cells:
        cells.setdefault((sub_pack, first_cell), {})["cell.voltage"] = volts_of_cells[np.newaxis]
    for sub_pack, degc in contents.probes:
        cells.setdefault((sub_pack, 1), {})["cell.temperature"] = degc[np.newaxis]
    for (sub_pack, first_cell), values in cells.items():
        rows.append((Family.CELL, values, {"sub_pack": sub_pack, "first_cell": first_cell}))
    return rows


def _alarm_events(contents: Contents, time_us: int) -> list[VehicleEvent]:
    return [_event("alarm", time_us, data, level=level, code=code) for level, code, data in contents.alarms]


def _kept_blocks(blocks: Sequence[tuple[int, bytes]], time_us: int) -> list[VehicleEvent]:
    """Return the event that keeps the maker's blocks of a frame; at most one.

    Its code is a checksum of what it holds: the same frame sent again is the same event, two frames of one
    second are two. A signature is not kept: without the bytes it was made of nobody can check it.
    """
    if not blocks:
        return []
    code = zlib.crc32(b"".join(bytes([kind]) + body for kind, body in blocks))
    room, shown = _MOST_OEM_BYTES, []
    for kind, body in blocks:
        kept = body[:room]
        room -= len(kept)
        shown.append({"type": f"{kind:02X}", "bytes": len(body), "hex": kept.hex()})
    return [_event("oem_block", time_us, {"blocks": shown}, code=f"{code:08X}")]


def _event(
    kind: str, time_us: int, data: Mapping[str, object], *, level: int = 0, code: str = ""
) -> VehicleEvent:
    return VehicleEvent(
        vehicle_id=0, time_us=time_us, kind=kind, source="gbt32960", level=level, code=code, data=data
    )


def _read_signature(cursor: Cursor) -> tuple[Signature | None, list[tuple[str, str]]]:
    start = cursor.position
    cursor.take(1)
    try:
        signature = read_signature(cursor)
    except Truncated:
        left = len(cursor.data) - start
        return None, [("truncated_block", f"signature at byte {24 + start}: ends after {left} bytes")]
    if cursor:
        left = len(cursor.data) - cursor.position
        return signature, [("unknown_block", f"{left} bytes after the signature: not read")]
    return signature, []
