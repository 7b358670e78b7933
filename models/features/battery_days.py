"""Names of what is known of a whole pack on one day; see ``BatteryDays`` for how it is worked out."""

from __future__ import annotations

from typing import Final

from models.features.sets import Feature

#: Features of the set ``battery_days``.
BATTERY_DAY_FEATURES: Final = (
    Feature(
        name="capacity_ah",
        unit="Ah",
        window="the charge (or the drive) of the local day that changed the state of charge the most",
        least_evidence="a change of 40 % or more (30 % at a resolution of 0.1 %) without a gap over 5 min",
        missing_when="no such swing; state of charge stepped against the current",
    ),
    Feature(
        name="capacity_error_ah",
        unit="Ah",
        window="as for capacity_ah",
        least_evidence="as for capacity_ah",
        missing_when="as for capacity_ah; one standard error",
    ),
    Feature(
        name="soh_percent",
        unit="%",
        window="readings of the local day",
        least_evidence="one reading",
        missing_when="the vehicle tells none",
    ),
    Feature(
        name="soc_jump_percent",
        unit="%",
        window="successive readings of the local day, 5 min apart or less",
        least_evidence="sixty readings with a state of charge and a current",
        missing_when="fewer readings",
    ),
    Feature(
        name="current_offset_a",
        unit="A",
        window="readings of the local day in which the vehicle is off and not charging",
        least_evidence="ten readings",
        missing_when="the vehicle does not report while it is off",
    ),
    Feature(
        name="voltage_offset_v",
        unit="V",
        window="readings of the local day with all cells and the pack voltage within 1 s",
        least_evidence="sixty readings of a pack whose cells are all reported",
        missing_when="fewer readings, a pack in several strings, or no pack voltage",
    ),
    Feature(
        name="series_mohm",
        unit="mΩ",
        window="as for voltage_offset_v",
        least_evidence="as for voltage_offset_v with the current spread over 0.2 C or more",
        missing_when="as for voltage_offset_v, or parked all day",
    ),
    Feature(
        name="temperature_max_degc",
        unit="°C",
        window="readings of the local day; the second hottest probe where there are three or more",
        least_evidence="ten readings",
        missing_when="no probe was heard",
    ),
    Feature(
        name="temperature_spread_k",
        unit="K",
        window="readings of the local day; 95 % quantile of hottest less coldest probe",
        least_evidence="ten readings with two probes or more",
        missing_when="fewer than two probes",
    ),
)
