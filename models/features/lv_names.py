"""Features of ``lv_days``: the 12 V battery at rest and at waking up, the DC/DC converter at work.

Voltages are those of one 12 V block: a 24 V system counts as two in series.
"""

from __future__ import annotations

from typing import Final

from models.features.sets import Feature

_REST = "readings of the local day 2 h and more after the DC/DC went off"
_NO_REST = "the vehicle did not rest so long, or sent nothing then"
_WAKE = "each time the vehicle wakes up in the local day, the minute after the last reading at rest"
_ON = "readings of the local day 2 min and more after the DC/DC went on"
_NOT_ON = "the DC/DC was not on so long"


def _at_rest(name: str, unit: str, least: str = "1 reading") -> Feature:
    return Feature(name=name, unit=unit, window=_REST, least_evidence=least, missing_when=_NO_REST)


def _on(name: str, unit: str) -> Feature:
    return Feature(name=name, unit=unit, window=_ON, least_evidence="10 readings", missing_when=_NOT_ON)


LV_FEATURES: Final = (
    _at_rest("rest_voltage_v", "V"),  #: median
    _at_rest("rest_low_v", "V"),  #: lowest
    _at_rest("rest_slope_v_per_day", "V/day", "4 readings over 4 h"),  #: robust slope within the stretches
    _at_rest("rest_current_a", "A"),  #: median, negative out of the battery
    _at_rest("rest_temperature_degc", "°C"),  #: outside air, median
    _at_rest("rest_h", "h"),  #: how long it rested
    Feature(
        name="wake_min_v",
        unit="V",
        window=_WAKE,
        least_evidence="1 waking up with a reading under load",
        missing_when="not heard before the DC/DC took over",
    ),
    Feature(
        name="wake_resistance_mohm",
        unit="mΩ",
        window=_WAKE,
        least_evidence="1 waking up with a step of 5 A",
        missing_when="no current of the 12 V battery, or no such step heard",
    ),  #: fall of voltage over step of current, median
    _on("charge_current_a", "A"),  #: into the battery, 5 to 15 min after the DC/DC went on, median
    _on("on_voltage_v", "V"),  #: median
    _on("on_low_v", "V"),  #: 5 % of the readings lie below
    _on("on_high_v", "V"),  #: 5 % of the readings lie above
    _on("on_drain_share", ""),  #: share of readings with more than 1 A out of the battery
    _on("on_temperature_degc", "°C"),  #: outside air, median
    _on("dcdc_rise_k", "K"),  #: converter less coolant (outside air where there is none), mean
    _on("on_h", "h"),
    Feature(
        name="dcdc_soak_k",
        unit="K",
        window="readings of the local day after 6 h of standing",
        least_evidence="1 reading",
        missing_when="the vehicle did not stand so long, or sent nothing then",
    ),  #: converter less coolant, median
)
