"""Every information block of GB/T 32960.3, 2016 §7.2.3 and 2025 §7.2.4, from physical values to bytes.

Written from the tables of the standard, apart from the decoder. None is "invalid" on the wire, all ones.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from simulators.errors import EncodeError

Edition = Literal["2016", "2025"]
Value = float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Motor:
    """One drive motor; speed in rpm, torque in N·m, temperatures in °C."""

    index: int
    state: int = 1
    inverter_degc: Value = None
    speed_rpm: Value = None
    torque_nm: Value = None
    motor_degc: Value = None
    voltage_v: Value = None  #: 2016 only
    current_a: Value = None  #: 2016 only


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Cells of one sub-pack, or a part of them; current positive out of the battery, as on the wire."""

    number: int
    voltage_v: Value = None
    current_a: Value = None
    cells_v: Sequence[Value] = ()
    first_cell: int = 1  #: 2016 only
    total_cells: int = 0  #: 2016 only; 0: as many as there are here


def number(value: Value, *, size: int, scale: float = 1.0, offset: float = 0.0) -> bytes:
    """Return an unsigned big-endian field, ``(value + offset) / scale`` rounded.

    Raises:
        EncodeError: The value does not fit beside the two codes at the top.
    """
    top = (1 << 8 * size) - 1
    if value is None:
        return top.to_bytes(size, "big")
    raw = round((value + offset) / scale)
    if not 0 <= raw <= top - 2:
        raise EncodeError(f"value {value}: must be from {-offset:g} to {(top - 2) * scale - offset:g}")
    return raw.to_bytes(size, "big")


def vehicle_block(
    edition: Edition,
    *,
    state: Value = None,
    charging: Value = None,
    mode: Value = None,
    speed_kmh: Value = None,
    odometer_km: Value = None,
    voltage_v: Value = None,
    current_a: Value = None,
    soc_percent: Value = None,
    dcdc: Value = None,
    gear: int = 0,
    insulation_kohm: Value = None,
    accelerator_percent: Value = None,
    brake_percent: Value = None,
) -> bytes:
    """Return block 01; the current is positive out of the battery, pedals are of 2016 only."""
    body = b"\x01" + number(state, size=1) + number(charging, size=1) + number(mode, size=1)
    body += number(speed_kmh, size=2, scale=0.1) + number(odometer_km, size=4, scale=0.1)
    body += number(voltage_v, size=2, scale=0.1)
    body += number(current_a, size=2, scale=0.1, offset=1000.0 if edition == "2016" else 3000.0)
    body += number(soc_percent, size=1) + number(dcdc, size=1) + bytes([gear])
    body += number(insulation_kohm, size=2)
    if edition == "2016":
        body += number(accelerator_percent, size=1) + number(brake_percent, size=1)
    return body


def motor_block(edition: Edition, motors: Sequence[Motor]) -> bytes:
    """Return block 02."""
    body = bytes([2, len(motors)])
    for m in motors:
        body += bytes([m.index, m.state]) + number(m.inverter_degc, size=1, offset=40)
        if edition == "2016":
            body += number(m.speed_rpm, size=2, offset=20_000)
            body += number(m.torque_nm, size=2, scale=0.1, offset=2000)
            body += number(m.motor_degc, size=1, offset=40)
            body += number(m.voltage_v, size=2, scale=0.1)
            body += number(m.current_a, size=2, scale=0.1, offset=1000)
        else:
            body += number(m.speed_rpm, size=2, offset=32_000)
            body += number(m.torque_nm, size=4, scale=0.1, offset=20_000)
            body += number(m.motor_degc, size=1, offset=40)
    return body


def fuel_cell_block(
    edition: Edition,
    *,
    hottest_degc: Value = None,
    hottest_probe: int = 1,
    concentration: Value = None,
    concentration_sensor: int = 1,
    pressure_mpa: Value = None,
    pressure_sensor: int = 1,
    dcdc: int = 1,
    voltage_v: Value = None,
    current_a: Value = None,
    consumption: Value = None,
    probes_degc: Sequence[Value] = (),
    remaining_percent: Value = None,
    dcdc_degc: Value = None,
) -> bytes:
    """Return block 03: fuel cell and hydrogen (2016), fuel-cell engine and hydrogen (2025)."""
    hydrogen = number(hottest_degc, size=2, scale=0.1, offset=40) + bytes([hottest_probe])
    hydrogen += number(concentration, size=2) + bytes([concentration_sensor])
    hydrogen += number(pressure_mpa, size=2, scale=0.1) + bytes([pressure_sensor, dcdc])
    if edition == "2025":
        return b"\x03" + hydrogen + number(remaining_percent, size=1) + number(dcdc_degc, size=1, offset=40)
    body = number(voltage_v, size=2, scale=0.1) + number(current_a, size=2, scale=0.1)
    body += number(consumption, size=2, scale=0.01) + _probes(probes_degc)
    return b"\x03" + body + hydrogen


def engine_block(
    edition: Edition, *, speed_rpm: Value = None, state: int = 1, consumption: Value = None
) -> bytes:
    """Return block 04: state and consumption are of 2016 only."""
    if edition == "2025":
        return b"\x04" + number(speed_rpm, size=2)
    return bytes([4, state]) + number(speed_rpm, size=2) + number(consumption, size=2, scale=0.01)


def position_block(
    edition: Edition, *, latitude: float, longitude: float, is_fixed: bool = True, datum: int = 1
) -> bytes:
    """Return block 05; 2025 names the coordinate system, 1 WGS-84, 2 GCJ-02."""
    status = (not is_fixed) | (latitude < 0) << 1 | (longitude < 0) << 2
    body = bytes([5, status]) + (bytes([datum]) if edition == "2025" else b"")
    return body + number(abs(longitude), size=4, scale=1e-6) + number(abs(latitude), size=4, scale=1e-6)


def extremes_block(
    *,
    cell_max: tuple[int, int, Value],
    cell_min: tuple[int, int, Value],
    probe_max: tuple[int, int, Value],
    probe_min: tuple[int, int, Value],
) -> bytes:
    """Return block 06 of 2016: sub-pack, number, and V or °C of each extreme."""
    body = b"\x06"
    for pack, cell, volts in (cell_max, cell_min):
        body += bytes([pack, cell]) + number(volts, size=2, scale=0.001)
    for pack, probe, degc in (probe_max, probe_min):
        body += bytes([pack, probe]) + number(degc, size=1, offset=40)
    return body


def alarm_block(
    edition: Edition,
    *,
    level: int,
    flags: int = 0,
    codes: Sequence[Sequence[int]] = ((), (), (), ()),
    levels: Mapping[int, int] | None = None,
) -> bytes:
    """Return block 07 of 2016, 06 of 2025: codes of battery, motor, engine, others; 2025 a level per bit."""
    body = bytes([7 if edition == "2016" else 6, level]) + struct.pack(">I", flags)
    for group in codes:
        body += bytes([len(group)]) + b"".join(struct.pack(">I", code) for code in group)
    if edition == "2025":
        body += bytes([len(levels or {})]) + b"".join(bytes(pair) for pair in (levels or {}).items())
    return body


def cell_block(edition: Edition, packs: Sequence[Pack]) -> bytes:
    """Return block 08 of 2016, at most 200 cells an entry, or 07 of 2025."""
    body = bytes([8 if edition == "2016" else 7, len(packs)])
    for p in packs:
        count, is_old = len(p.cells_v), edition == "2016"
        body += bytes([p.number]) + number(p.voltage_v, size=2, scale=0.1)
        body += number(p.current_a, size=2, scale=0.1, offset=1000 if is_old else 3000)
        if is_old:
            if count > 200:
                raise EncodeError(f"sub-pack {p.number}: {count} cells: must be at most 200 in one entry")
            body += struct.pack(">HHB", p.total_cells or count, p.first_cell, count)
        else:
            body += struct.pack(">H", count)
        body += b"".join(number(v, size=2, scale=0.001) for v in p.cells_v)
    return body


def probe_block(edition: Edition, packs: Mapping[int, Sequence[Value]]) -> bytes:
    """Return block 09 of 2016, 08 of 2025: °C of the probes of each sub-pack."""
    body = bytes([9 if edition == "2016" else 8, len(packs)])
    for number_of_pack, degc in packs.items():
        body += bytes([number_of_pack]) + _probes(degc)
    return body


def stack_block(
    *,
    index: int,
    voltage_v: Value = None,
    current_a: Value = None,
    hydrogen_kpa: Value = None,
    air_kpa: Value = None,
    air_degc: Value = None,
    coolant_degc: Sequence[Value] = (),
) -> bytes:
    """Return block 30 of 2025 with one fuel-cell stack."""
    body = bytes([0x30, 1, index]) + number(voltage_v, size=2, scale=0.1)
    body += number(current_a, size=2, scale=0.1) + number(hydrogen_kpa, size=2, scale=0.1, offset=100)
    body += number(air_kpa, size=2, scale=0.1, offset=100) + number(air_degc, size=1, offset=40)
    return body + _probes(coolant_degc)


def capacitor_block(
    *,
    index: int,
    voltage_v: Value = None,
    current_a: Value = None,
    cells_v: Sequence[Value] = (),
    probes_degc: Sequence[Value] = (),
) -> bytes:
    """Return block 31 of 2025: one super-capacitor."""
    body = bytes([0x31, index]) + number(voltage_v, size=2, scale=0.1)
    body += number(current_a, size=2, scale=0.1, offset=3000) + struct.pack(">H", len(cells_v))
    return body + b"".join(number(v, size=2, scale=0.001) for v in cells_v) + _probes(probes_degc)


def capacitor_extremes_block(
    *,
    cell_max: tuple[int, int, Value],
    cell_min: tuple[int, int, Value],
    probe_max: tuple[int, int, Value],
    probe_min: tuple[int, int, Value],
) -> bytes:
    """Return block 32 of 2025: as block 06 of 2016, with numbers of two bytes."""
    body = b"\x32"
    for system, cell, volts in (cell_max, cell_min):
        body += struct.pack(">BH", system, cell) + number(volts, size=2, scale=0.001)
    for system, probe, degc in (probe_max, probe_min):
        body += struct.pack(">BH", system, probe) + number(degc, size=1, offset=40)
    return body


def oem_block(kind: int, body: bytes) -> bytes:
    """Return a maker's block, 80 to FE.

    Raises:
        EncodeError: The type is none of the maker's.
    """
    if not 0x80 <= kind <= 0xFE:
        raise EncodeError(f"block type {kind:#x}: must be from 0x80 to 0xfe")
    return bytes([kind]) + struct.pack(">H", len(body)) + body


def signature(algorithm: int, r: bytes, s: bytes) -> bytes:
    """Return the end of a signed frame of 2025."""
    return bytes([0xFF, algorithm]) + struct.pack(">H", len(r)) + r + struct.pack(">H", len(s)) + s


def _probes(degc: Sequence[Value]) -> bytes:
    return struct.pack(">H", len(degc)) + b"".join(number(t, size=1, offset=40) for t in degc)
