"""The information blocks of GB/T 32960.3-2016 §7.2.3 and GB/T 32960.3-2025 §7.2.4.

Pack current changes its sign here, once: discharge is positive on the wire, the product counts current into
the battery. The motor's own current stays as the controller reports it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from ingest.coordinates import gcj02_to_wgs84
from ingest.gbt32960.alarms import read_alarms
from ingest.gbt32960.contents import Contents, Cursor

Block = Callable[[Cursor, Contents], None]

_GEARS = {13: -1, 14: 127, 15: 126}  # reverse, drive, park; 0 neutral and 1-12 as they are
_ALL_GEAR_BITS = 0x3F
_BRAKE_ON = 0x65
#: Cells are numbered from 1; the table's column ends here, and so does every pack.
_HIGHEST_CELL = 32_767


def _gear(raw: int, contents: Contents, *, edition: int) -> float:
    is_invalid = bool(raw & 0x80) if edition == 2025 else raw in (0xFE, 0xFF)
    if is_invalid or raw & _ALL_GEAR_BITS == _ALL_GEAR_BITS:
        contents.masked["gear: invalid"] += 1
        return math.nan
    position = raw & 0x0F
    return float(_GEARS.get(position, position))


def _vehicle(cursor: Cursor, contents: Contents, *, edition: int) -> None:
    read, number = cursor.u, contents.number
    current_offset = -1000.0 if edition == 2016 else -3000.0
    contents.put("vehicle.state", number(read(1), 1, "vehicle.state"))
    contents.put("charging", number(read(1), 1, "charging"))
    contents.put_extra("vehicle.mode", number(read(1), 1, "vehicle.mode"))
    contents.put("speed", number(read(2), 2, "speed", scale=0.1))
    contents.put("odometer", number(read(4), 4, "odometer", scale=0.1))
    contents.put("pack.voltage", number(read(2), 2, "pack.voltage", scale=0.1))
    wire_a = number(read(2), 2, "pack.current", scale=0.1, offset=current_offset)
    contents.put("pack.current", -wire_a + 0.0)
    contents.put("soc", number(read(1), 1, "soc"))
    contents.put("dcdc.state", number(read(1), 1, "dcdc.state"))
    contents.put("gear", _gear(read(1), contents, edition=edition))
    contents.put("insulation", number(read(2), 2, "insulation"))
    if edition == 2016:
        contents.put("accelerator", number(read(1), 1, "accelerator"))
        brake = read(1)
        if brake == _BRAKE_ON:  # pressed, how far is unknown
            contents.extra["brake.is_on"] = 1.0
            contents.put("brake", math.nan)
        else:
            contents.put("brake", number(brake, 1, "brake"))


def _motors(cursor: Cursor, contents: Contents, *, edition: int) -> None:
    read, number = cursor.u, contents.number
    is_2016 = edition == 2016
    for _ in range(cursor.count(1)):
        index, state = read(1), read(1)
        inverter_degc = number(read(1), 1, "inverter.temperature", offset=-40)
        rpm = number(read(2), 2, "motor.speed", offset=-20_000.0 if is_2016 else -32_000.0)
        width = 2 if is_2016 else 4
        raw_torque = read(width)
        torque_nm = number(
            raw_torque, width, "motor.torque", scale=0.1, offset=-2000.0 if is_2016 else -20_000.0
        )
        if raw_torque == 0 and rpm != 0:  # the least torque while turning: a field nobody fills
            contents.masked["motor.torque: unpopulated"] += 1
            torque_nm = math.nan
        values = {
            "inverter.temperature": inverter_degc,
            "motor.speed": rpm,
            "motor.torque": torque_nm,
            "motor.temperature": number(read(1), 1, "motor.temperature", offset=-40),
        }
        if is_2016:
            values["motor.voltage"] = number(read(2), 2, "motor.voltage", scale=0.1)
            values["motor.current"] = number(read(2), 2, "motor.current", scale=0.1, offset=-1000.0)
        contents.put_extra(f"motor.{index}.state", number(state, 1, "motor.state"))
        for alias, value in values.items():
            if "motor.speed" not in contents.drive or alias not in contents.drive:
                contents.put(alias, value)
            else:
                contents.put_extra(f"motor.{index}.{alias.removeprefix('motor.')}", value)


def _position(cursor: Cursor, contents: Contents, *, edition: int) -> None:
    status = cursor.u(1)
    datum = cursor.u(1) if edition == 2025 else 0
    longitude = contents.number(cursor.u(4), 4, "longitude", scale=1e-6)
    latitude = contents.number(cursor.u(4), 4, "latitude", scale=1e-6)
    if status & 1:
        contents.masked["position: not fixed"] += 1
        return
    longitude = -longitude if status & 4 else longitude
    latitude = -latitude if status & 2 else latitude
    if datum == 2:
        longitude, latitude = gcj02_to_wgs84(longitude, latitude)
        contents.extra["position.datum"] = 2.0
    contents.put("longitude", longitude)
    contents.put("latitude", latitude)


def _cells(cursor: Cursor, contents: Contents, *, edition: int) -> None:
    current_offset = -1000.0 if edition == 2016 else -3000.0
    for _ in range(cursor.count(1)):
        sub_pack = cursor.u(1)
        volts = contents.number(cursor.u(2), 2, "sub-pack voltage", scale=0.1)
        wire_a = contents.number(cursor.u(2), 2, "sub-pack current", scale=0.1, offset=current_offset)
        first = 1
        if edition == 2016:
            contents.put_extra(
                f"sub_pack.{sub_pack}.cells", contents.number(cursor.u(2), 2, "sub-pack cells")
            )
            first = cursor.u(2)
            count = cursor.count(1)
        else:
            count = cursor.count(2)
        values = contents.array(cursor.array(count, 2), 2, "cell.voltage", scale=0.001)
        contents.put_extra(f"sub_pack.{sub_pack}.voltage", volts)
        contents.put_extra(f"sub_pack.{sub_pack}.current", -wire_a + 0.0)
        contents.sub_packs.append((sub_pack, volts, -wire_a + 0.0))
        is_outside = values > 6.0
        if is_outside.any():
            contents.masked["cell.voltage: out of range"] += int(is_outside.sum())
            values = np.where(is_outside, np.nan, values)
        if count and not values.any():  # all raw 0: a field nobody fills
            contents.masked["cell.voltage: unpopulated"] += count
        elif count and not 1 <= first <= _HIGHEST_CELL:
            contents.masked["cell.voltage: first cell out of range"] += count
        elif count:
            contents.cells.append((sub_pack, first, values))


def _probes(cursor: Cursor, contents: Contents) -> None:
    for _ in range(cursor.count(1)):
        sub_pack = cursor.u(1)
        count = cursor.count(2)
        raw = cursor.array(count, 1)
        if count and not raw.any():  # all at the least value: a field nobody fills
            contents.masked["cell.temperature: unpopulated"] += count
        elif count:
            values = contents.array(raw, 1, "cell.temperature", scale=1.0, offset=-40.0)
            contents.probes.append((sub_pack, values))


#: Fields of a fixed block kept as extra signals: name, bytes, scale, offset.
_Fields = tuple[tuple[str, int, float, float], ...]
_EXTREMES: _Fields = (
    ("extreme.cell_max.sub_pack", 1, 1, 0),
    ("extreme.cell_max.number", 1, 1, 0),
    ("extreme.cell_max.voltage", 2, 0.001, 0),
    ("extreme.cell_min.sub_pack", 1, 1, 0),
    ("extreme.cell_min.number", 1, 1, 0),
    ("extreme.cell_min.voltage", 2, 0.001, 0),
    ("extreme.probe_max.sub_pack", 1, 1, 0),
    ("extreme.probe_max.number", 1, 1, 0),
    ("extreme.probe_max.temperature", 1, 1, -40),
    ("extreme.probe_min.sub_pack", 1, 1, 0),
    ("extreme.probe_min.number", 1, 1, 0),
    ("extreme.probe_min.temperature", 1, 1, -40),
)
_ENGINE_2016: _Fields = (
    ("engine.state", 1, 1, 0),
    ("engine.speed", 2, 1, 0),
    ("engine.consumption", 2, 0.01, 0),
)
_ENGINE_2025: _Fields = (("engine.speed", 2, 1, 0),)
_HYDROGEN: _Fields = (
    ("hydrogen.temperature_max", 2, 0.1, -40),
    ("hydrogen.temperature_probe", 1, 1, 0),
    ("hydrogen.concentration_max", 2, 1, 0),
    ("hydrogen.concentration_sensor", 1, 1, 0),
    ("hydrogen.pressure_max", 2, 0.1, 0),
    ("hydrogen.pressure_sensor", 1, 1, 0),
    ("fuel_cell.dcdc_state", 1, 1, 0),
)
_HYDROGEN_2025: _Fields = (
    *_HYDROGEN,
    ("hydrogen.remaining", 1, 1, 0),
    ("fuel_cell.dcdc_temperature", 1, 1, -40),
)
_CAPACITOR_EXTREMES: _Fields = tuple(
    (f"capacitor.{name}", width, scale, offset)
    for name, width, scale, offset in (
        ("max.system", 1, 1.0, 0.0),
        ("max.number", 2, 1.0, 0.0),
        ("max.voltage", 2, 0.001, 0.0),
        ("min.system", 1, 1.0, 0.0),
        ("min.number", 2, 1.0, 0.0),
        ("min.voltage", 2, 0.001, 0.0),
        ("probe_max.system", 1, 1.0, 0.0),
        ("probe_max.number", 2, 1.0, 0.0),
        ("probe_max.temperature", 1, 1.0, -40.0),
        ("probe_min.system", 1, 1.0, 0.0),
        ("probe_min.number", 2, 1.0, 0.0),
        ("probe_min.temperature", 1, 1.0, -40.0),
    )
)


def _fields(cursor: Cursor, contents: Contents, fields: _Fields) -> None:
    for name, width, scale, offset in fields:
        contents.put_extra(name, contents.number(cursor.u(width), width, name, scale=scale, offset=offset))


def _probe_list(cursor: Cursor, contents: Contents, name: str) -> None:
    raw = cursor.array(cursor.count(2), 1)
    values = contents.array(raw, 1, name, scale=1.0, offset=-40.0)
    if np.isfinite(values).any():
        contents.extra[f"{name}_max"] = float(np.nanmax(values))


def _fuel_cell_2016(cursor: Cursor, contents: Contents) -> None:
    _fields(
        cursor,
        contents,
        (
            ("fuel_cell.voltage", 2, 0.1, 0),
            ("fuel_cell.current", 2, 0.1, 0),
            ("fuel_cell.consumption", 2, 0.01, 0),
        ),
    )
    _probe_list(cursor, contents, "fuel_cell.temperature")
    _fields(cursor, contents, _HYDROGEN)


def _stacks(cursor: Cursor, contents: Contents) -> None:
    for _ in range(cursor.count(1)):
        name = f"stack.{cursor.u(1)}"
        _fields(
            cursor,
            contents,
            (
                (f"{name}.voltage", 2, 0.1, 0),
                (f"{name}.current", 2, 0.1, 0),
                (f"{name}.hydrogen_pressure", 2, 0.1, -100),
                (f"{name}.air_pressure", 2, 0.1, -100),
                (f"{name}.air_temperature", 1, 1, -40),
            ),
        )
        _probe_list(cursor, contents, f"{name}.coolant_temperature")


def _capacitor(cursor: Cursor, contents: Contents) -> None:
    name = f"capacitor.{cursor.u(1)}"
    _fields(cursor, contents, ((f"{name}.voltage", 2, 0.1, 0), (f"{name}.current", 2, 0.1, -3000)))
    values = contents.array(cursor.array(cursor.count(2), 2), 2, f"{name}.cell_voltage", scale=0.001)
    if np.isfinite(values).any():
        contents.extra[f"{name}.cell_voltage_max"] = float(np.nanmax(values))
        contents.extra[f"{name}.cell_voltage_min"] = float(np.nanmin(values))
    _probe_list(cursor, contents, f"{name}.temperature")


BLOCKS: Mapping[int, Mapping[int, Block]] = MappingProxyType(
    {
        2016: MappingProxyType(
            {
                0x01: lambda cursor, contents: _vehicle(cursor, contents, edition=2016),
                0x02: lambda cursor, contents: _motors(cursor, contents, edition=2016),
                0x03: _fuel_cell_2016,
                0x04: lambda cursor, contents: _fields(cursor, contents, _ENGINE_2016),
                0x05: lambda cursor, contents: _position(cursor, contents, edition=2016),
                0x06: lambda cursor, contents: _fields(cursor, contents, _EXTREMES),
                0x07: lambda cursor, contents: read_alarms(cursor, contents, edition=2016),
                0x08: lambda cursor, contents: _cells(cursor, contents, edition=2016),
                0x09: _probes,
            }
        ),
        2025: MappingProxyType(
            {
                0x01: lambda cursor, contents: _vehicle(cursor, contents, edition=2025),
                0x02: lambda cursor, contents: _motors(cursor, contents, edition=2025),
                0x03: lambda cursor, contents: _fields(cursor, contents, _HYDROGEN_2025),
                0x04: lambda cursor, contents: _fields(cursor, contents, _ENGINE_2025),
                0x05: lambda cursor, contents: _position(cursor, contents, edition=2025),
                0x06: lambda cursor, contents: read_alarms(cursor, contents, edition=2025),
                0x07: lambda cursor, contents: _cells(cursor, contents, edition=2025),
                0x08: _probes,
                0x30: _stacks,
                0x31: _capacitor,
                0x32: lambda cursor, contents: _fields(cursor, contents, _CAPACITOR_EXTREMES),
            }
        ),
    }
)
