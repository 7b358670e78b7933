"""Vehicles drawn day by day: the features themselves, fast enough for rare events."""

from simulators.day_level.fleet import DayFleet, DayPart, draw_fleet
from simulators.day_level.tire_readings import TireReadings, tire_readings

__all__ = ["DayFleet", "DayPart", "TireReadings", "draw_fleet", "tire_readings"]
