"""Hazards reading by reading, many at a time, and harmless drives that look like them."""

from simulators.hazards.battery import battery_days, battery_stream
from simulators.hazards.high_voltage import high_voltage_days, high_voltage_stream
from simulators.hazards.stream import Stream
from simulators.hazards.tires import tire_stream

__all__ = [
    "Stream",
    "battery_days",
    "battery_stream",
    "high_voltage_days",
    "high_voltage_stream",
    "tire_stream",
]
