"""Vehicles drawn day by day: the features themselves, fast enough for rare events."""

from simulators.day_level.fleet import DayFleet, DayPart, draw_fleet

__all__ = ["DayFleet", "DayPart", "draw_fleet"]
