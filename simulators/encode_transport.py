"""Payloads cut into CAN frames as control units send them: ISO-TP (ISO 15765-2) and J1939-21 transport."""

from __future__ import annotations

from simulators.errors import EncodeError

Frame = tuple[int, bytes]  #: identifier (bit 31: extended) and data

_ISOTP_SIZES = (8, 12, 16, 20, 24, 32, 48, 64)


def isotp_frames(
    can_id: int, payload: bytes, *, frame_size: int = 8, target: int | None = None, padding: int | None = 0xAA
) -> list[Frame]:
    """Return the frames of one payload.

    Args:
        can_id: Of the sender; bit 31 set where extended.
        payload: At least one byte.
        frame_size: 8, or up to 64 for CAN FD.
        target: Address byte before each frame (extended addressing); None: none.
        padding: Byte that fills the last frame; None: it stays short.

    Raises:
        EncodeError: No payload, or a frame size that CAN FD does not have.
    """
    if not payload or frame_size not in _ISOTP_SIZES:
        raise EncodeError(f"ISO-TP: {len(payload)} bytes in frames of {frame_size}: not possible")
    head = b"" if target is None else bytes([target])
    room = frame_size - len(head)
    if len(payload) <= min(7, room - 1):
        return [(can_id, _filled(head + bytes([len(payload)]) + payload, 8, padding))]
    if frame_size > 8 and len(payload) <= room - 2:
        data = head + bytes([0, len(payload)]) + payload
        return [(can_id, _filled(data, next(s for s in _ISOTP_SIZES[1:] if s >= len(data)), padding or 0))]
    if len(payload) <= 0xFFF:
        info = bytes([0x10 | len(payload) >> 8, len(payload) & 0xFF])
    else:
        info = bytes([0x10, 0]) + len(payload).to_bytes(4, "big")
    taken = room - len(info)
    frames = [(can_id, head + info + payload[:taken])]
    number = 1
    while taken < len(payload):
        piece = payload[taken : taken + room - 1]
        data = head + bytes([0x20 | number % 16]) + piece
        frames.append((can_id, _filled(data, next(s for s in _ISOTP_SIZES if s >= len(data)), padding)))
        taken += len(piece)
        number += 1
    return frames


def _filled(data: bytes, size: int, padding: int | None) -> bytes:
    return data if padding is None else data.ljust(size, bytes([padding]))


def j1939_frames(
    pgn: int, payload: bytes, *, source: int, destination: int = 0xFF, priority: int = 6
) -> list[Frame]:
    """Return the frames that carry one parameter group: a single one up to 8 bytes, BAM or RTS and data else.

    The receiver's answers are not among them.

    Args:
        pgn: Parameter group number.
        payload: 1 to 1,785 bytes.
        source: Sender's address.
        destination: Receiver's address; 255 broadcasts.
        priority: 0 to 7.

    Raises:
        EncodeError: The payload's length is impossible.
    """
    if not 1 <= len(payload) <= 1785:
        raise EncodeError(f"J1939: {len(payload)} bytes: must be 1 to 1785")
    if len(payload) <= 8:
        low = destination if pgn >> 8 & 0xFF < 240 else 0
        return [(0x8000_0000 | priority << 26 | pgn << 8 | low << 8 | source, payload.ljust(8, b"\xff"))]
    packets = [payload[i : i + 7].ljust(7, b"\xff") for i in range(0, len(payload), 7)]
    control = 32 if destination == 0xFF else 16
    head = bytes([control]) + len(payload).to_bytes(2, "little") + bytes([len(packets), 0xFF])
    management = 0x8000_0000 | 7 << 26 | 0xEC << 16 | destination << 8 | source
    transfer = 0x8000_0000 | 7 << 26 | 0xEB << 16 | destination << 8 | source
    return [
        (management, head + pgn.to_bytes(3, "little")),
        *((transfer, bytes([k]) + packet) for k, packet in enumerate(packets, start=1)),
    ]
