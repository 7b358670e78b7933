"""Names of what is known of the cells of a pack on one day; see ``CellDays`` for how it is worked out."""

from __future__ import annotations

from typing import Final

from models.features.sets import Axis, Feature

#: Features of the set ``cell_days``.
CELL_DAY_FEATURES: Final = (
    Feature(
        name="deficit_percent",
        unit="%",
        window="rested readings of the local day",
        least_evidence="one reading an hour after the last larger current, or three quiet pairs of readings",
        missing_when="the pack was never at rest, or the cell's reading is implausible or frozen",
        axis=Axis.CELL,
    ),
    Feature(
        name="deviation_mv",
        unit="mV",
        window="rested readings of the local day",
        least_evidence="as for deficit_percent",
        missing_when="as for deficit_percent",
        axis=Axis.CELL,
    ),
    Feature(
        name="weight",
        unit="",
        window="rested readings of the local day",
        least_evidence="as for deficit_percent",
        missing_when="as for deficit_percent; low where the open-circuit voltage is flat",
    ),
    Feature(
        name="rest_soc_percent",
        unit="%",
        window="rested readings of the local day",
        least_evidence="as for deficit_percent",
        missing_when="no state of charge was reported",
    ),
    Feature(
        name="rest_spread_mv",
        unit="mV",
        window="rested readings of the local day",
        least_evidence="as for deficit_percent",
        missing_when="as for deficit_percent",
    ),
    Feature(
        name="lag_percent",
        unit="%",
        window="last hour of the charge of the local day that ended highest",
        least_evidence="LFP: the median cell was charged past 3.38 V by six readings or more",
        missing_when="NCM; no charge reached the steep end of the curve",
        axis=Axis.CELL,
    ),
    Feature(
        name="resistance_ratio",
        unit="",
        window="steps of current above 0.3 C between readings of the local day",
        least_evidence="thirty such steps within 30 s each",
        missing_when="parked, charged only, or the current was not heard together with the cells",
        axis=Axis.CELL,
    ),
    Feature(
        name="resistance_mohm",
        unit="mΩ",
        window="steps of current above 0.3 C between readings of the local day",
        least_evidence="as for resistance_ratio",
        missing_when="as for resistance_ratio",
    ),
)

#: Features of the set ``cell_sensor_days``: what tells a broken measurement from a broken cell.
CELL_SENSOR_FEATURES: Final = (
    Feature(
        name="wire_swing_mv",
        unit="mV",
        window="readings of the local day with the part that follows the current taken out",
        least_evidence="sixty readings",
        missing_when="fewer readings; of the last cell of the pack, which has no next one",
        axis=Axis.CELL,
    ),
    Feature(
        name="bad_share",
        unit="",
        window="readings of the local day",
        least_evidence="sixty readings",
        missing_when="fewer readings",
        axis=Axis.CELL,
    ),
    Feature(
        name="probe_offset_k",
        unit="K",
        window="readings of the local day after an hour without a larger current",
        least_evidence="six readings with three probes or more",
        missing_when="never at rest for an hour, or fewer than three probes",
        axis=Axis.PROBE,
    ),
    Feature(
        name="probe_still_share",
        unit="",
        window="hours of the local day in which the median probe moved by 2 K or more",
        least_evidence="one such hour",
        missing_when="the pack kept its temperature",
        axis=Axis.PROBE,
    ),
)
