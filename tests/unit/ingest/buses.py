"""Frames on a bus, databases that say what is in them, and what a decoder made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ingest.messages import CanFrames
from ingest.transport import BusDecoded, BusDecoder

Timed = tuple[int, int, bytes]  #: microseconds, identifier, data
START_US = 1_767_225_600_000_000
HEAD = 'VERSION ""\nNS_ :\nBS_:\nBU_: E\n'

#: One control unit with identifiers 0x0101 (4 bytes) and 0x0102 (2 bytes), one on extended addressing.
UDS = (
    HEAD
    + """BO_ 2028 Bms: 40 E
 SG_ Service M : 7|8@0+ (1,0) [0|0] "" E
 SG_ Id m98M : 15|16@0+ (1,0) [0|0] "" E
 SG_ Soc m257 : 31|8@0+ (0.5,0) [0|0] "%" E
 SG_ Volt m257 : 39|16@0+ (0.1,0) [0|0] "V" E
 SG_ Spare m257 : 55|8@0+ (1,0) [0|0] "" E
 SG_ Temp m258 : 31|16@0- (0.1,0) [0|0] "degC" E

BO_ 1543 Far: 20 E
 SG_ FarByte : 159|8@0+ (1,0) [0|0] "" E

BA_DEF_ BO_ "TransportProtocolType" STRING ;
BA_DEF_DEF_ "TransportProtocolType" "";
BA_ "TransportProtocolType" BO_ 2028 "ISOTP";
BA_ "TransportProtocolType" BO_ 1543 "ISOTP_EXTENDED";
SG_MUL_VAL_ 2028 Id Service 98-98;
SG_MUL_VAL_ 2028 Soc Id 257-257;
SG_MUL_VAL_ 2028 Volt Id 257-257;
SG_MUL_VAL_ 2028 Spare Id 257-257;
SG_MUL_VAL_ 2028 Temp Id 258-258;
"""
)
UDS_MAP = {"Bms.Soc": {"alias": "soc"}, "Bms.Volt": {"alias": "pack.voltage"}}

J1939 = (
    HEAD
    + """BO_ 2566844926 CCVS1: 8 E
 SG_ Speed : 8|16@1+ (0.00390625,0) [0|0] "km/h" E

BO_ 2564817150 Own: 20 E
 SG_ Last : 152|8@1+ (1,0) [0|0] "" E

BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","ExtendedCAN","reserved","J1939PG";
BA_DEF_DEF_ "VFrameFormat" "J1939PG";
"""
)


def columns(frames: Sequence[Timed], *, width: int = 8) -> CanFrames:
    data = b"".join(frame[2].ljust(width, b"\0") for frame in frames)
    return CanFrames(
        np.array([frame[0] for frame in frames], np.int64),
        np.array([frame[1] for frame in frames], np.uint32),
        np.array([len(frame[2]) for frame in frames], np.uint8),
        np.frombuffer(data, np.uint8).reshape(-1, width),
    )


def timed(frames: Sequence[tuple[int, bytes]], start_us: int = START_US) -> list[Timed]:
    return [(start_us + k * 1000, can_id, data) for k, (can_id, data) in enumerate(frames)]


def decoder(dbc: str | None = UDS, signal_map: Any = None, **other: Any) -> BusDecoder:
    return BusDecoder(dbc, signal_map or {}, grid_s=1.0, cell_count=0, probe_count=0, wheel_count=4, **other)


def decode(of: BusDecoder, frames: Sequence[tuple[int, bytes]], *, width: int = 8) -> BusDecoded:
    return of.decode(np.zeros(len(frames), np.int64), columns(timed(frames), width=width))


def signals(decoded: BusDecoded) -> dict[str, Any]:
    """Return the last value of everything."""
    found: dict[str, Any] = {}
    for part in decoded.parts:
        for family in part.families:
            for alias, values in family.columns.items():
                found[alias] = values[-1] if values.ndim == 1 else values[-1].tolist()
        names = [part.extra.names[k] for k in part.extra.signal.tolist()]
        found |= dict(zip(names, part.extra.value.tolist(), strict=True))
    return found


def codes(decoded: BusDecoded) -> list[tuple[str, str, int]]:
    return [(code.ecu, code.code, code.status) for code in decoded.codes]
