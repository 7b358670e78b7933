"""Features of ``sensor_days``: whether a drive sensor still measures; a component for each of ``SENSORS``."""

from __future__ import annotations

from typing import Final

from models.features.sets import Axis, Feature

_DRIVE = "driving of the local day"


def _sensor(name: str, unit: str, window: str, least: str, missing_when: str) -> Feature:
    return Feature(
        name=name,
        unit=unit,
        window=window,
        least_evidence=least,
        missing_when=missing_when,
        axis=Axis.SENSOR,
    )


#: Units are those of the sensor where they say "sensor".
SENSOR_FEATURES: Final = (
    _sensor("sensor_rows", "", _DRIVE, "1 reading", "the sensor sent nothing while driving"),
    #: largest less smallest reading
    _sensor("sensor_range", "sensor", _DRIVE, "30 readings over 10 min", "driven less"),
    #: temperatures: against the median of the other temperatures after 6 h of standing;
    #: pack.current: median while standing and neither charging nor on
    _sensor("sensor_offset", "sensor", "standing of the local day", "1 reading", "no such standing heard"),
    #: speed: way from it over way of the odometer; motor.speed: motor revolutions per way of the odometer,
    #: in rpm per km/h
    _sensor("sensor_ratio", "", _DRIVE, "5 km", "no odometer, or a sensor without a sibling to hold against"),
    #: readings that leave both neighbours by more than the quantity can change in the time, and come back
    _sensor("sensor_spikes_per_h", "1/h", _DRIVE, "30 readings over 10 min", "driven less"),
    #: robust standard deviation of a reading, from second differences of readings 35 s apart or less
    _sensor("sensor_noise", "sensor", _DRIVE, "30 readings over 10 min", "driven less"),
)
