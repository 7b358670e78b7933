"""The drive sensors that are checked for faults of their own, in the order of their components."""

from typing import Final

#: Catalogue aliases; a new one goes to the end, because stored features know them by position.
SENSORS: Final = (
    "ambient",
    "coolant",
    "motor.temperature",
    "inverter.temperature",
    "dcdc.temperature",
    "lv.voltage",
    "pack.current",
    "speed",
    "motor.speed",
)
