"""Faults of sensors: what they tell departs from what is."""

from __future__ import annotations

from collections.abc import Callable

from data.records import WHEELS, FailureMode, Severity
from simulators.climate import DAY_S
from simulators.faults.injection import Injection
from simulators.faults.setting import Setting

#: Variant ``alias/shape``: sizes in the signal's unit, from and to; a drift reaches its size in 30 days.
SENSOR_SHAPES: dict[str, tuple[float, float]] = {
    "tire.pressure/stuck": (0.0, 0.0),
    "tire.pressure/bias": (12.0, 30.0),
    "tire.pressure/drift": (15.0, 40.0),
    "tire.pressure/noise": (4.0, 4.0),
    "tire.temperature/stuck": (0.0, 0.0),
    "cell.voltage/bias": (0.03, 0.08),
    "cell.temperature/stuck": (0.0, 0.0),
    "cell.temperature/drift": (8.0, 20.0),
    "coolant/stuck": (0.0, 0.0),
    "motor.temperature/drift": (12.0, 30.0),
    "inverter.temperature/bias": (10.0, 25.0),
    "ambient/bias": (6.0, 15.0),
    "pack.current/bias": (1.5, 4.0),
    "lv.voltage/bias": (0.5, 1.2),
}


def place_name(alias: str, element: int) -> str:
    """Return the component of a sensor as findings name it."""
    if alias.startswith("tire."):
        return f"sensor tire {WHEELS[element]}"
    if alias == "cell.voltage":
        return f"sensor cell {element + 1}"
    if alias == "cell.temperature":
        return f"sensor probe {element + 1}"
    return f"sensor {alias}"


def draw_sensor(s: Setting, variant: str) -> Injection:
    """Return a sensor that is stuck, off, drifting or five times as noisy from some instant on."""
    alias, _, shape = variant.partition("/")
    width = {"tire": 4, "cell": s.model.cell_count}.get(alias.split(".")[0], 0)
    width = s.model.probe_count if alias == "cell.temperature" else width
    element = int(s.rng.integers(width)) if width else -1
    low, high = SENSOR_SHAPES[variant]
    size = s.between(low, high) * (1.0 if s.rng.random() < 0.5 else -1.0)
    at_s = s.start_s + s.between(0.15, 0.6) * s.span_s
    takes = 30.0 * DAY_S if shape == "drift" else 1.0
    return Injection(
        vehicle=s.vehicle,
        kind=FailureMode.SENSOR_FAULT,
        variant=variant,
        is_fault=True,
        component=place_name(alias, element),
        element=element,
        at_s=at_s,
        threshold_s=at_s + takes,
        magnitude=abs(size),
        unit="in the signal's unit",
        severity=Severity.S4,
        p={"size": size, "takes_s": takes},
    )


DRAWS: dict[str, Callable[[Setting, str], Injection]] = {FailureMode.SENSOR_FAULT: draw_sensor}
