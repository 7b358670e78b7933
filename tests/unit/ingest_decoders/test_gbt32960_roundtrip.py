"""Every block of both editions: what the simulators encode is what the decoder reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import Family
from ingest.gbt32960 import GbtFrame, decode_frame
from simulators import encode_gbt_blocks as blocks
from simulators import encode_gbt_frames as frames
from simulators.encode_gbt import realtime_frame
from tests.effort import examples

VIN = "ANXNTEST000000001"
TIME_US = 1_768_437_000_000_000
EDITIONS = st.sampled_from(["2016", "2025"])


def steps(low: float, high: float, step: float) -> st.SearchStrategy[float | None]:
    """Values that the wire can carry, and missing ones."""
    places = max(0, -math.floor(math.log10(step)))
    whole = st.integers(round(low / step), round(high / step))
    return st.none() | whole.map(lambda n: round(n * step, places))


def read(edition: str, *encoded: bytes) -> GbtFrame:
    frame = decode_frame(frames.data_frame(VIN, TIME_US, encoded, edition=edition))  # type: ignore[arg-type]
    assert not frame.rejects
    assert frame.time_us == TIME_US
    return frame


def drive_of(frame: GbtFrame) -> dict[str, float]:
    rows = [columns for family, columns, _ in frame.families if family is Family.DRIVE]
    return {alias: float(values[0]) for columns in rows for alias, values in columns.items()}


def given_values(values: Mapping[str, float | None]) -> dict[str, Any]:
    return {name: pytest.approx(value, abs=1e-6) for name, value in values.items() if value is not None}


@settings(max_examples=examples(60))
@given(data=st.data(), edition=EDITIONS)
def test_vehicle_block(data: st.DataObject, edition: Any) -> None:
    limit = 1000 if edition == "2016" else 3000
    said = {
        "speed_kmh": data.draw(steps(0, 220, 0.1)),
        "odometer_km": data.draw(steps(0, 999_999.9, 0.1)),
        "voltage_v": data.draw(steps(0, 1000, 0.1)),
        "current_a": data.draw(steps(-limit, limit, 0.1)),
        "soc_percent": data.draw(steps(0, 100, 1)),
        "insulation_kohm": data.draw(steps(0, 60_000, 1)),
        "state": data.draw(steps(1, 3, 1)),
        "charging": data.draw(steps(1, 4, 1)),
        "dcdc": data.draw(steps(1, 2, 1)),
    }
    gear = data.draw(st.sampled_from([0, 1, 12, 13, 14, 15]))

    drive = drive_of(read(edition, blocks.vehicle_block(edition, gear=gear | 0x10, **said)))

    names = ("speed", "odometer", "pack.voltage", "pack.current", "soc", "insulation")
    wanted = dict(zip((*names, "vehicle.state", "charging", "dcdc.state"), said.values(), strict=True))
    if said["current_a"] is not None:
        wanted["pack.current"] = -said["current_a"]
    wanted["gear"] = {13: -1.0, 14: 127.0, 15: 126.0}.get(gear, float(gear))
    assert drive == given_values(wanted)


@settings(max_examples=examples(40))
@given(data=st.data(), edition=EDITIONS)
def test_motor_block(data: st.DataObject, edition: Any) -> None:
    is_old = edition == "2016"
    said = {
        "motor.speed": data.draw(steps(-20_000 if is_old else -32_000, 30_000, 1)),
        "motor.torque": data.draw(steps(-1999.9 if is_old else -19_999.9, 4000 if is_old else 20_000, 0.1)),
        "inverter.temperature": data.draw(steps(-40, 200, 1)),
        "motor.temperature": data.draw(steps(-40, 200, 1)),
    }
    motor = blocks.Motor(
        index=1,
        speed_rpm=said["motor.speed"],
        torque_nm=said["motor.torque"],
        inverter_degc=said["inverter.temperature"],
        motor_degc=said["motor.temperature"],
        voltage_v=data.draw(steps(0, 1000, 0.1)),
        current_a=data.draw(steps(-1000, 1000, 0.1)),
    )
    if is_old:
        said |= {"motor.voltage": motor.voltage_v, "motor.current": motor.current_a}

    assert drive_of(read(edition, blocks.motor_block(edition, [motor]))) == given_values(said)


@given(data=st.data(), edition=EDITIONS)
def test_fuel_cell_block(data: st.DataObject, edition: Any) -> None:
    said = {
        "hottest_degc": data.draw(steps(-40, 200, 0.1)),
        "concentration": data.draw(steps(0, 60_000, 1)),
        "pressure_mpa": data.draw(steps(0, 100, 0.1)),
    }
    more = (
        {"voltage_v": data.draw(steps(0, 2000, 0.1)), "consumption": data.draw(steps(0, 600, 0.01))}
        if edition == "2016"
        else {"remaining_percent": data.draw(steps(0, 100, 1)), "dcdc_degc": data.draw(steps(-40, 210, 1))}
    )

    extra = read(edition, blocks.fuel_cell_block(edition, probes_degc=[20, 61, None], **said, **more)).extra

    names = {
        "hottest_degc": "hydrogen.temperature_max",
        "concentration": "hydrogen.concentration_max",
        "pressure_mpa": "hydrogen.pressure_max",
        "voltage_v": "fuel_cell.voltage",
        "consumption": "fuel_cell.consumption",
        "remaining_percent": "hydrogen.remaining",
        "dcdc_degc": "fuel_cell.dcdc_temperature",
    }
    wanted = given_values({names[key]: value for key, value in (said | more).items()})
    assert {key: value for key, value in extra.items() if key in names.values()} == wanted
    assert extra.get("fuel_cell.temperature_max") == (61 if edition == "2016" else None)


@given(rpm=steps(0, 60_000, 1), consumption=steps(0, 600, 0.01), edition=EDITIONS)
def test_engine_block(rpm: float | None, consumption: float | None, edition: Any) -> None:
    extra = read(edition, blocks.engine_block(edition, speed_rpm=rpm, consumption=consumption)).extra

    said = {"engine.speed": rpm} | ({"engine.consumption": consumption} if edition == "2016" else {})
    assert {key: v for key, v in extra.items() if key != "engine.state"} == given_values(said)


@given(
    latitude=st.floats(-90, 90).map(lambda v: round(v, 6)),
    longitude=st.floats(-180, 180).map(lambda v: round(v, 6)),
    is_fixed=st.booleans(),
    edition=EDITIONS,
)
def test_position_block(latitude: float, longitude: float, is_fixed: bool, edition: Any) -> None:
    block = blocks.position_block(edition, latitude=latitude, longitude=longitude, is_fixed=is_fixed)

    drive = drive_of(read(edition, block))

    assert drive == (given_values({"latitude": latitude, "longitude": longitude}) if is_fixed else {})


@given(volts=steps(0, 6, 0.001), degc=steps(-40, 200, 1), place=st.integers(1, 250))
def test_extremes_blocks(volts: float | None, degc: float | None, place: int) -> None:
    cell, probe = (1, place, volts), (2, place, degc)
    said = {"cell_max": cell, "cell_min": cell, "probe_max": probe, "probe_min": probe}

    old = read("2016", blocks.extremes_block(**said)).extra
    new = read("2025", blocks.capacitor_extremes_block(**said)).extra

    assert {"extreme.cell_max.voltage": old.get("extreme.cell_max.voltage")} == {
        "extreme.cell_max.voltage": volts
    }
    assert old.get("extreme.probe_min.temperature") == degc
    assert (old["extreme.cell_min.number"], new["capacitor.min.number"]) == (place, place)
    assert new.get("capacitor.max.voltage") == volts
    assert new.get("capacitor.probe_max.temperature") == degc


@given(
    level=st.integers(0, 3),
    flags=st.integers(0, 2**28 - 1),
    codes=st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=3), min_size=4, max_size=4),
    levels=st.dictionaries(st.integers(0, 27), st.integers(0, 3), max_size=4),
    edition=EDITIONS,
)
def test_alarm_block(level: int, flags: int, codes: Any, levels: dict[int, int], edition: Any) -> None:
    block = blocks.alarm_block(edition, level=level, flags=flags, codes=codes, levels=levels)
    has_levels = bool(levels) and edition == "2025"

    events = read(edition, block).events

    if not (level or flags or any(codes) or has_levels):
        assert not events
        return
    (event,) = events
    groups = ("battery", "motor", "engine", "other")
    highest = max([level, *levels.values()]) if has_levels else level
    assert (event.level, event.data["flags"]) == (highest, flags)
    assert event.data["bits"] == [bit for bit in range(28) if flags >> bit & 1]
    assert event.data.get("codes", {}) == {
        group: [f"{code:08X}" for code in found] for group, found in zip(groups, codes, strict=True) if found
    }
    assert event.data.get("levels", {}) == ({str(b): v for b, v in levels.items()} if has_levels else {})


@given(
    cells=st.lists(steps(0.001, 6, 0.001), min_size=1, max_size=450),
    probes=st.lists(steps(-39, 200, 1), min_size=1, max_size=40),
    pack=st.integers(1, 250),
    edition=EDITIONS,
)
def test_packs_of_any_size_come_back_cell_by_cell(
    cells: list[float | None], probes: list[float | None], pack: int, edition: Any
) -> None:
    size = 200 if edition == "2016" else len(cells)
    parts = [
        blocks.Pack(
            number=pack, cells_v=cells[i : i + size], first_cell=i + 1, total_cells=len(cells), current_a=1
        )
        for i in range(0, len(cells), size)
    ]

    frame = read(edition, blocks.cell_block(edition, parts), blocks.probe_block(edition, {pack: probes}))

    found = np.full(len(cells), np.nan)
    for _, columns, keys in (row for row in frame.families if row[0] is Family.CELL):
        assert keys["sub_pack"] == pack
        volts = columns.get("cell.voltage")
        if volts is not None:
            found[keys["first_cell"] - 1 : keys["first_cell"] - 1 + volts.shape[1]] = volts[0]
    np.testing.assert_allclose(found, np.array([np.nan if v is None else v for v in cells]), atol=1e-9)
    (degc,) = (c["cell.temperature"][0] for _, c, k in frame.families if "cell.temperature" in c)
    np.testing.assert_array_equal(degc, np.array([np.nan if t is None else t for t in probes]))
    assert drive_of(frame) == {"pack.current": -1.0}


@given(
    volts=steps(0, 2000, 0.1),
    amperes=steps(0, 2000, 0.1),
    kpa=steps(-100, 400, 0.1),
    degc=steps(-40, 200, 1),
    coolant=st.lists(steps(-40, 200, 1), max_size=5),
)
def test_stack_block(volts: Any, amperes: Any, kpa: Any, degc: Any, coolant: list[Any]) -> None:
    block = blocks.stack_block(
        index=3, voltage_v=volts, current_a=amperes, hydrogen_kpa=kpa, air_degc=degc, coolant_degc=coolant
    )

    said = {
        "stack.3.voltage": volts,
        "stack.3.current": amperes,
        "stack.3.hydrogen_pressure": kpa,
        "stack.3.air_temperature": degc,
        "stack.3.coolant_temperature_max": max((t for t in coolant if t is not None), default=None),
    }
    assert read("2025", block).extra == given_values(said)


@given(
    volts=steps(0, 2000, 0.1),
    amperes=steps(-3000, 3000, 0.1),
    cells=st.lists(steps(0, 6, 0.001), max_size=20),
)
def test_capacitor_block(volts: Any, amperes: Any, cells: list[Any]) -> None:
    block = blocks.capacitor_block(index=1, voltage_v=volts, current_a=amperes, cells_v=cells)

    known = [v for v in cells if v is not None]
    said = {
        "capacitor.1.voltage": volts,
        "capacitor.1.current": amperes,
        "capacitor.1.cell_voltage_max": max(known, default=None),
        "capacitor.1.cell_voltage_min": min(known, default=None),
    }
    assert read("2025", block).extra == given_values(said)


@given(
    found=st.lists(st.tuples(st.integers(0x80, 0xFE), st.binary(max_size=50)), max_size=4),
    r=st.binary(max_size=40),
    s=st.binary(max_size=40),
    algorithm=st.integers(1, 3),
)
def test_makers_blocks_and_signature(
    found: list[tuple[int, bytes]], r: bytes, s: bytes, algorithm: int
) -> None:
    encoded = [blocks.oem_block(kind, body) for kind, body in found]

    frame = read("2025", *encoded, blocks.signature(algorithm, r, s))

    assert frame.oem_blocks == found
    assert frame.signature is not None
    assert (frame.signature.algorithm, frame.signature.r, frame.signature.s) == (algorithm, r, s)


@given(
    serial=st.integers(1, 65_531),
    iccid=st.text("0123456789ABCDEF", min_size=18, max_size=20),
    codes=st.lists(st.lists(st.text("ABC123", min_size=5, max_size=5), min_size=1, max_size=3), max_size=4),
    edition=EDITIONS,
)
def test_logins_and_logouts(serial: int, iccid: str, codes: list[list[str]], edition: Any) -> None:
    login = frames.login_frame(VIN, TIME_US, serial=serial, iccid=iccid, pack_codes=codes, edition=edition)
    logout = frames.logout_frame(VIN, TIME_US, serial=serial, edition=edition)

    found = decode_frame(login)

    assert not found.rejects
    assert (found.events[0].data["serial"], found.events[0].data["iccid"]) == (serial, iccid)
    told = [code for system in codes for code in system] if edition == "2016" else codes
    assert found.events[0].data.get("pack_codes", []) == told
    assert decode_frame(logout).events[0].data == {"serial": serial}


@pytest.mark.parametrize("edition", ["2016", "2025"])
def test_readings_of_a_pack_of_450_cells_are_one_frame(edition: Any) -> None:
    columns = {
        "cell.voltage": np.linspace(3.5, 3.9, 450)[np.newaxis],
        "cell.temperature": np.full((1, 300), 25.0),
        "pack.voltage": np.array([700.0]),
    }

    frame = decode_frame(realtime_frame(VIN, TIME_US, columns, 0, edition=edition))

    assert not frame.rejects
    parts = [c["cell.voltage"][0] for f, c, _ in frame.families if f is Family.CELL and "cell.voltage" in c]
    np.testing.assert_allclose(np.concatenate(parts), columns["cell.voltage"][0], atol=5.1e-4)
    assert [len(part) for part in parts] == ([200, 200, 50] if edition == "2016" else [450])
