"""Hazards reading by reading, many at a time, and harmless drives that look like them."""

from simulators.hazards.battery import battery_stream
from simulators.hazards.stream import Stream
from simulators.hazards.tires import tire_stream

__all__ = ["Stream", "battery_stream", "tire_stream"]
