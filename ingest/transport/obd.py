"""OBD-II answers: current data of several parameters, stored trouble codes (SAE J1979, ISO 15031-5)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from ingest.transport.segments import Payloads
from ingest.transport.uds import Codes

CURRENT_DATA = 0x41
#: Services whose answers list codes, and what each says as an ISO 14229-1 status byte.
CODE_SERVICES: Mapping[int, int] = MappingProxyType({0x43: 0x08, 0x47: 0x04, 0x4A: 0x08})

_BY_LENGTH: Mapping[int, tuple[int, ...]] = MappingProxyType(
    {
        1: (
            0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0D, 0x0E, 0x0F, 0x11, 0x12, 0x13, 0x1C, 0x1D,
            0x1E, 0x2C, 0x2D, 0x2E, 0x2F, 0x30, 0x33, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x51,
            0x52, 0x5A, 0x5B, 0x5C, 0x5F, 0x61, 0x62,
        ),
        2: (
            0x02, 0x03, 0x0C, 0x10, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1F, 0x21, 0x22, 0x23,
            0x31, 0x32, 0x3C, 0x3D, 0x3E, 0x3F, 0x42, 0x43, 0x44, 0x4D, 0x4E, 0x53, 0x54, 0x55, 0x56, 0x57,
            0x58, 0x59, 0x5D, 0x5E, 0x63,
        ),
        4: (
            0x00, 0x01, 0x20, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x2B, 0x34, 0x35, 0x36, 0x37, 0x38,
            0x39, 0x3A, 0x3B, 0x40, 0x41, 0x4F, 0x50, 0x60, 0x80, 0xA0, 0xA6,
        ),
        3: (0x67,),
        5: (0x64, 0x66),
    }
)  # fmt: skip
#: Data bytes of each parameter of service 01 (SAE J1979-DA).
PID_LENGTHS: Mapping[int, int] = MappingProxyType(
    {pid: length for length, pids in _BY_LENGTH.items() for pid in pids}
)


def decode_codes(payloads: Payloads) -> Codes:
    """Return the stored, pending and permanent codes; two bytes each, after their number.

    Args:
        payloads: Answers of the services in ``CODE_SERVICES``.
    """
    count = np.minimum(np.maximum(payloads.byte(1), 0), np.maximum(payloads.length - 2, 0) // 2)
    message = np.repeat(np.arange(len(payloads)), count)
    at = 2 + 2 * (np.arange(message.size) - np.repeat(np.cumsum(count) - count, count))
    of = payloads.take(message)
    code = (of.byte(at) << 8) | of.byte(at + 1)
    service = of.byte(0)
    status = np.select([service == s for s in CODE_SERVICES], list(CODE_SERVICES.values()), 0)
    keep = np.flatnonzero(code != 0)
    return Codes(message[keep], code[keep], status[keep])
