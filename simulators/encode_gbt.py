"""GB/T 32960.3 real-time frames, editions 2016 and 2025."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import cbor2
import numpy as np
import numpy.typing as npt

from simulators.encode import Envelope
from simulators.errors import EncodeError

Edition = Literal["2016", "2025"]
Columns = Mapping[str, npt.NDArray[Any]]
_CELLS_PER_ENTRY = 200
_GMT8 = timedelta(hours=8)


def realtime_frame(
    vin: str,
    time_us: int,
    columns: Columns,
    row: int,
    *,
    edition: Edition = "2016",
    is_resupply: bool = False,
    alarm_level: int = 0,
    alarm_flags: int = 0,
) -> bytes:
    """Return one real-time (02) or re-supplement (03) frame of one instant.

    Args:
        vin: 17 characters.
        time_us: Sample time; the frame says it in GMT+8, whole seconds.
        columns: Catalogue alias to values; pack current positive into the battery, turned for the wire.
        row: Which row of the columns.
        edition: GB/T 32960.3-2016 ("##") or -2025 ("$$").
        is_resupply: Sent late from the store.
        alarm_level: Highest alarm level, 0-3.
        alarm_flags: General alarm bits.

    Raises:
        EncodeError: The VIN is not 17 characters.
    """
    if len(vin) != 17:
        raise EncodeError(f"vin {vin[:40]!r}: must be 17 characters")
    is_new = edition == "2025"

    def get(alias: str) -> float:
        values = columns.get(alias)
        return float(values[row]) if values is not None else float("nan")

    moment = datetime.fromtimestamp(time_us // 1_000_000, UTC) + _GMT8
    body = bytes([moment.year - 2000, moment.month, moment.day, moment.hour, moment.minute, moment.second])
    body += _vehicle(get, is_new=is_new)
    body += _motor(get, is_new=is_new)
    body += _position(get, is_new=is_new)
    cells, probes = columns.get("cell.voltage"), columns.get("cell.temperature")
    if not is_new and cells is not None and probes is not None and not np.isnan(cells[row]).all():
        body += _extremes(cells[row], probes[row])
    body += _alarms(alarm_level, alarm_flags, is_new=is_new)
    if cells is not None and not np.isnan(cells[row]).all():
        body += _cells(cells[row], get, is_new=is_new)
    if probes is not None and not np.isnan(probes[row]).all():
        body += _probes(probes[row], is_new=is_new)
    head = bytes([0x03 if is_resupply else 0x02, 0xFE]) + vin.encode("ascii") + b"\x01"
    checked = head + struct.pack(">H", len(body)) + body
    code = int(np.bitwise_xor.reduce(np.frombuffer(checked, np.uint8)))
    return (b"$$" if is_new else b"##") + checked + bytes([code])


def gbt_payload(envelope: Envelope, frame: bytes) -> bytes:
    """Return the payload of ``up/gbt32960`` with an envelope, so that a lost frame is noticed."""
    return cbor2.dumps({**envelope.fields(), "frame": frame})


def _u(value: float, scale: float, offset: float, size: int) -> bytes:
    """Return an unsigned field; NaN is the "invalid" mark, all ones."""
    top = (1 << (8 * size)) - 1
    raw = top if np.isnan(value) else min(max(round((value + offset) / scale), 0), top - 2)
    return int(raw).to_bytes(size, "big")


def _gear(gear: float, *, is_new: bool) -> bytes:
    if np.isnan(gear):
        return b"\x0f"
    code = {0: 0, -1: 13, 126: 15, 127: 14}.get(int(gear), int(gear) & 0x0F)
    return bytes([code | 0x20 if code == 14 and not is_new else code])


def _vehicle(get: Any, *, is_new: bool) -> bytes:
    """Return block 01: 20 bytes in 2016; 18 in 2025, with the current's offset 3000 A and no pedals."""
    out = b"\x01" + _u(get("vehicle.state"), 1, 0, 1) + _u(get("charging"), 1, 0, 1) + b"\x01"
    out += _u(get("speed"), 0.1, 0, 2) + _u(get("odometer"), 0.1, 0, 4) + _u(get("pack.voltage"), 0.1, 0, 2)
    out += _u(-get("pack.current"), 0.1, 3000 if is_new else 1000, 2) + _u(get("soc"), 1, 0, 1)
    out += _u(get("dcdc.state"), 1, 0, 1) + _gear(get("gear"), is_new=is_new)
    out += _u(get("insulation"), 1, 0, 2)
    return out if is_new else out + _u(get("accelerator"), 1, 0, 1) + _u(get("brake"), 1, 0, 1)


def _motor(get: Any, *, is_new: bool) -> bytes:
    torque = get("motor.torque")
    state = 2 if torque < 0 else 1 if torque > 0 else 3
    out = b"\x02\x01\x01" + bytes([state]) + _u(get("inverter.temperature"), 1, 40, 1)
    if is_new:
        out += _u(get("motor.speed"), 1, 32000, 2) + _u(torque, 0.1, 20000, 4)
        return out + _u(get("motor.temperature"), 1, 40, 1)
    out += (
        _u(get("motor.speed"), 1, 20000, 2)
        + _u(torque, 0.1, 2000, 2)
        + _u(get("motor.temperature"), 1, 40, 1)
    )
    return out + _u(get("motor.voltage"), 0.1, 0, 2) + _u(get("motor.current"), 0.1, 1000, 2)


def _position(get: Any, *, is_new: bool) -> bytes:
    """Return block 05; 2025 names the coordinate system, here 1 = WGS-84."""
    lat, lon = get("latitude"), get("longitude")
    is_missing = bool(np.isnan(lat) or np.isnan(lon))
    status = int(is_missing) | (0x02 if lat < 0 else 0) | (0x04 if lon < 0 else 0)
    return (
        b"\x05"
        + bytes([status])
        + (b"\x01" if is_new else b"")
        + _u(abs(lon), 1e-6, 0, 4)
        + _u(abs(lat), 1e-6, 0, 4)
    )


def _extremes(cells: npt.NDArray[Any], probes: npt.NDArray[Any]) -> bytes:
    high, low = int(np.nanargmax(cells)), int(np.nanargmin(cells))
    out = b"\x06\x01" + bytes([min(high + 1, 255)]) + _u(float(cells[high]), 0.001, 0, 2)
    out += b"\x01" + bytes([min(low + 1, 255)]) + _u(float(cells[low]), 0.001, 0, 2)
    if np.isnan(probes).all():
        return out + b"\xff" * 6
    hot, cold = int(np.nanargmax(probes)), int(np.nanargmin(probes))
    out += b"\x01" + bytes([hot + 1]) + _u(float(probes[hot]), 1, 40, 1)
    return out + b"\x01" + bytes([cold + 1]) + _u(float(probes[cold]), 1, 40, 1)


def _alarms(level: int, flags: int, *, is_new: bool) -> bytes:
    """Return block 07 (2016) or 06 (2025, with the list of bits and their levels)."""
    out = bytes([0x06 if is_new else 0x07, level]) + struct.pack(">I", flags) + b"\x00" * 4
    if not is_new:
        return out
    bits = [bit for bit in range(32) if flags >> bit & 1]
    return out + bytes([len(bits)]) + b"".join(bytes([bit, level]) for bit in bits)


def _cells(cells: npt.NDArray[Any], get: Any, *, is_new: bool) -> bytes:
    """Return block 08 (2016, an entry for each 200 cells with total and first cell) or 07 (2025)."""
    count = int((~np.isnan(cells)).sum())
    raw = np.where(np.isnan(cells[:count]), 0xFFFF, np.rint(np.nan_to_num(cells[:count]) * 1000)).astype(
        ">u2"
    )
    pack = b"\x01" + _u(get("pack.voltage"), 0.1, 0, 2)
    pack += _u(-get("pack.current"), 0.1, 3000 if is_new else 1000, 2)
    if is_new:
        return b"\x07\x01" + pack + struct.pack(">H", count) + raw.tobytes()
    firsts = range(0, count, _CELLS_PER_ENTRY)
    out = bytes([8, len(firsts)])
    for first in firsts:
        part = raw[first : first + _CELLS_PER_ENTRY]
        out += pack + struct.pack(">HHB", count, first + 1, len(part)) + part.tobytes()
    return out


def _probes(probes: npt.NDArray[Any], *, is_new: bool) -> bytes:
    count = int((~np.isnan(probes)).sum())
    raw = np.clip(np.rint(np.nan_to_num(probes[:count])) + 40, 0, 250).astype(np.uint8)
    body: bytes = raw.tobytes()
    return bytes([0x08 if is_new else 0x09, 1, 1]) + struct.pack(">H", count) + body
