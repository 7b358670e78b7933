"""Names of what is known of the insulation of the high-voltage system on one day; see ``InsulationDays``."""

from __future__ import annotations

from typing import Final

from models.features.sets import Feature

#: Features of the set ``insulation_days``.
INSULATION_DAY_FEATURES: Final = (
    Feature(
        name="insulation_log_kohm",
        unit="ln kΩ",
        window="readings of the local day; 10 % quantile of the natural logarithm",
        least_evidence="five readings above 0 kΩ",
        missing_when="no insulation was reported",
    ),
    Feature(
        name="insulation_median_log_kohm",
        unit="ln kΩ",
        window="readings of the local day; median of the natural logarithm",
        least_evidence="five readings above 0 kΩ",
        missing_when="no insulation was reported",
    ),
    Feature(
        name="insulation_ohm_per_v",
        unit="Ω/V",
        window="readings of the local day; 10 % quantile over the pack's highest voltage of the day",
        least_evidence="five readings of insulation and pack voltage",
        missing_when="no insulation or no pack voltage was reported",
    ),
    Feature(
        name="rain_share",
        unit="",
        window="readings of the local day; share of them with rain",
        least_evidence="five readings",
        missing_when="the vehicle has no rain sensor",
    ),
)
