"""One vehicle's driving days by a thermal and electrical model of its own, for tests of its features.

Every constant here is the test's: none is read from the product.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.records import Family, FamilyRows, FloatArray, IntArray
from tests.unit.models.factories import DAY_US, START_US, make_rows

STEP_S = 30.0


@dataclass
class Car:
    """What a car is like on each day; scalars hold for all days."""

    n_days: int = 20
    seed: int = 1000
    resolution_k: float = 1.0
    motor_drag: FloatArray | float = 1.0  #: on the part of the motor's heat that goes with its speed
    inverter_r: FloatArray | float = 1.0
    flow: FloatArray | float = 1.0  #: of the coolant
    pump_a: FloatArray | float = 1.0
    lv_ohm: FloatArray | float = 0.006
    lv_rest_v: FloatArray | float = 12.7
    set_v: FloatArray | float = 14.2
    brake_k: FloatArray | float = 0.0
    sun_k: FloatArray | float = 0.0
    add: dict[str, FloatArray | float] = field(default_factory=dict)  #: to readings of an alias
    drive_h: float = 1.0
    ambient_swing_k: float = 6.0


def simulate(car: Car) -> dict[Family, FamilyRows]:
    """Return rows of drive, tire and cell: two drives and a charge a day, hourly rows while parked."""
    rng = np.random.default_rng(car.seed)
    parts = [_day(car, day, rng) for day in range(car.n_days)]
    time_us = np.concatenate([p["time_us"] for p in parts])
    columns = {
        name: np.concatenate([p[name] for p in parts])
        for name in parts[0]
        if name not in {"time_us", "tire.temperature", "tire.pressure", "tire.age", "cell.temperature"}
    }
    way = np.concatenate(([0.0], np.diff(time_us) / 3.6e9)) * columns["speed"]
    columns["odometer"] = np.round(20_000.0 + np.cumsum(np.where(way < 10, way, 0.0)), 1)
    tire = {name: np.concatenate([p[name] for p in parts]) for name in parts[0] if name.startswith("tire")}
    cell = {"cell.temperature": np.concatenate([p["cell.temperature"] for p in parts])}
    return {
        Family.DRIVE: make_rows(Family.DRIVE, time_us, columns),
        Family.TIRE: make_rows(Family.TIRE, time_us, tire),
        Family.CELL: make_rows(Family.CELL, time_us, cell),
    }


def cut(rows: dict[Family, FamilyRows], begin_us: int, end_us: int) -> dict[Family, FamilyRows]:
    """Return the rows of a span of time."""
    return {
        family: make_rows(
            family,
            part.time_us[keep],
            {name: np.asarray(values)[keep] for name, values in part.columns.items()},
        )
        for family, part in rows.items()
        for keep in [(part.time_us >= begin_us) & (part.time_us < end_us)]
    }


def _at(value: FloatArray | float, day: int) -> float:
    return float(value) if np.isscalar(value) else float(np.asarray(value)[day])


def _day(car: Car, day: int, rng: np.random.Generator) -> dict[str, Any]:
    minutes_driven = 30 * car.drive_h * rng.uniform(0.6, 1.4, 2)
    second, kind = _clock(minutes_driven)
    n = len(second)
    ambient = 15.0 + car.ambient_swing_k * np.sin(day / 5.0) + 4 * np.sin((second / 3600 - 9) * np.pi / 12)
    ambient = ambient + rng.normal(0, 1.5)
    level = rng.uniform(30, 90)
    speed = np.where(kind == 1, np.clip(level + 15 * _smooth(rng, n), 5, 140), 0.0)
    rpm = speed * 80.0
    torque = np.where(kind == 1, 40 + 30 * _smooth(rng, n) + 0.004 * speed**2, 0.0)
    power = torque * rpm * np.pi / 30 / 0.9 + np.where(kind == 1, 1200.0, 0.0)
    charging = kind == 2
    power = np.where(charging, -7000.0, power)
    current = -power / 350.0
    state = _heat(car, day, (second, ambient), (torque, rpm, current))
    k = car.resolution_k
    on = kind > 0
    wake = np.concatenate(([False], on[1:] & ~on[:-1]))
    lv_a = np.where(wake, -45.0, np.where(on, 3.0, -0.03))
    rest_v = _at(car.lv_rest_v, day)
    lv_v = np.where(wake, rest_v - 45 * _at(car.lv_ohm, day), np.where(on, _at(car.set_v, day), rest_v))
    pump_rpm = np.where(on, 3000 + 600 * _smooth(rng, n), 0.0)
    columns: dict[str, Any] = {
        "speed": np.round(speed, 1),
        "motor.speed": np.round(rpm),
        "motor.torque": np.round(torque, 1),
        "pack.current": np.round(current + rng.normal(0, 0.1, n), 1),
        "pack.voltage": np.full(n, 350.0),
        "charging": np.where(charging, 1.0, 3.0),
        "vehicle.state": np.where(kind == 1, 1.0, 2.0),
        "dcdc.state": np.where(on & ~wake, 1.0, 2.0),
        "ambient": np.round(2 * (ambient + rng.normal(0, 0.2, n))) / 2,
        "lv.voltage": np.round(lv_v + rng.normal(0, 0.01, n), 2),
        "lv.current": np.round(lv_a + rng.normal(0, 0.02, n), 2),
        "coolant.pump.speed": np.round(pump_rpm),
        "coolant.pump.current": np.round(
            _at(car.pump_a, day) * 2.0 * (pump_rpm / 3000) ** 2.5 + 0.02 * rng.random(n), 2
        ),
    }
    for name in ("coolant", "motor.temperature", "inverter.temperature", "dcdc.temperature"):
        columns[name] = np.round(state[name] / k) * k
    for name, more in car.add.items():
        columns[name] = columns[name] + _at(more, day)
    columns["time_us"] = START_US + day * DAY_US + (second * 1e6).astype(np.int64)
    columns["cell.temperature"] = np.round(state["pack"][:, None] + np.array([-1.0, 0.0, 0.0, 1.0]))
    columns |= _tires(car, day, rng, (second, kind, ambient, speed))
    return columns


def _clock(minutes: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the seconds of a day at which the car reports, and parked 0, driving 1, charging 2."""
    spans = [(0, 8, 0), (8, 8 + minutes[0] / 60, 1), (8 + minutes[0] / 60, 17, 0)]
    end = 17 + minutes[1] / 60
    spans += [(17, end, 1), (end, 20, 0), (20, 21.5, 2), (21.5, 24, 0)]
    times = [np.arange(a * 3600, b * 3600, 3600.0 if kind == 0 else STEP_S) for a, b, kind in spans]
    kinds = [np.full(len(t), kind) for t, (_, _, kind) in zip(times, spans, strict=True)]
    return np.concatenate(times), np.concatenate(kinds)


def _smooth(rng: np.random.Generator, n: int) -> FloatArray:
    noise = rng.normal(0, 1, n + 8)
    return np.convolve(noise, np.ones(9) / 3.0, "valid")


def _heat(
    car: Car, day: int, air: tuple[FloatArray, FloatArray], load: tuple[FloatArray, FloatArray, FloatArray]
) -> dict[str, FloatArray]:
    second, ambient = air
    torque, rpm, current = load
    flow = _at(car.flow, day)
    names = ("coolant", "motor.temperature", "inverter.temperature", "dcdc.temperature", "pack")
    out = {name: np.empty(len(second)) for name in names}
    now = dict.fromkeys(names, float(ambient[0]) + 0.5)
    for i in range(len(second)):
        dt = float(second[i] - second[i - 1]) if i else 0.0
        krpm = abs(rpm[i]) / 1000
        motor_w = 0.05 * torque[i] ** 2 + (90.0 * krpm + 8.0 * krpm**2) * _at(car.motor_drag, day)
        inverter_w = 2.5 * abs(torque[i]) + 0.02 * torque[i] ** 2
        pack_w = 0.12 * current[i] ** 2
        on = torque[i] != 0 or current[i] > 1
        hot = motor_w + inverter_w + pack_w
        _relax(now, "coolant", float(ambient[i]) + hot / (180.0 * flow), dt / 500.0)
        _relax(now, "motor.temperature", now["coolant"] + motor_w / (35.0 * flow**0.5), dt / 700.0)
        r = _at(car.inverter_r, day) / flow**0.5
        _relax(now, "inverter.temperature", now["coolant"] + inverter_w * r / 20.0, dt / 90.0)
        _relax(now, "dcdc.temperature", now["coolant"] + (12.0 if on else 0.0), dt / 200.0)
        pack_tau = 4000.0 / flow if on else 30_000.0
        _relax(now, "pack", now["coolant"] + (pack_w / (60.0 * flow) if on else 0.0), dt / pack_tau)
        for name in names:
            out[name][i] = now[name]
    return out


def _relax(now: dict[str, float], name: str, level: float, steps: float) -> None:
    now[name] += (level - now[name]) * -np.expm1(-steps)


def _tires(
    car: Car,
    day: int,
    rng: np.random.Generator,
    rows: tuple[FloatArray, IntArray, FloatArray, FloatArray],
) -> dict[str, FloatArray]:
    second, kind, ambient, speed = rows
    bias = np.random.default_rng(car.seed + 7).normal(0, 1.0, 4)
    degc = np.empty((len(second), 4))
    now = np.full(4, ambient[0])
    for i in range(len(second)):
        dt = float(second[i] - second[i - 1]) if i else 0.0
        rise = 20 * (speed[i] / 100) * np.ones(4)
        rise[0] += _at(car.brake_k, day) * (speed[i] > 0)
        rise[[0, 2]] += _at(car.sun_k, day)
        now = now + (ambient[i] + rise - now) * -np.expm1(-dt / 1080.0)
        degc[i] = now
    absolute = 341.0 * (degc + 273.15) / 293.15
    age = np.where(kind == 1, 30.0, 3000.0)[:, None] * np.ones(4)
    return {
        "tire.temperature": np.round(degc + bias + rng.normal(0, 0.3, degc.shape)),
        "tire.pressure": np.round(absolute - 101.3 + rng.normal(0, 0.8, degc.shape), 1),
        "tire.age": age,
    }
