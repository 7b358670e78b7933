"""Daily features of the insulation between the high-voltage system and the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from data.records import Family, FamilyRows, FloatArray, VehicleSpec
from models.features.align import column
from models.features.day_grid import flat, no_days
from models.features.days import local_day
from models.features.sets import DayFeatures, Feature

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

_COLUMNS: Final = ("insulation", "pack.voltage", "rain")
_LEAST_ROWS: Final = 5
_LOW_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class InsulationDays:
    """Insulation resistance of a day, in logarithm: it falls by halves.

    ISO 6469-3 and UN R100 ask for 100 Ω/V (500 Ω/V where alternating current is conductively connected) of
    the working voltage. A single low reading is a relay that closed; a tenth of the day is not.
    """

    name: str = "insulation_days"
    version: int = 1
    columns: Mapping[Family, tuple[str, ...]] = field(default_factory=lambda: {Family.DRIVE: _COLUMNS})
    context_us: int = 0
    features: tuple[Feature, ...] = INSULATION_DAY_FEATURES

    def compute(self, rows: Mapping[Family, FamilyRows], spec: VehicleSpec) -> DayFeatures:
        """Return the features of one vehicle, one row a local day with drive readings."""
        drive = rows.get(Family.DRIVE)
        if drive is None or not len(drive):
            return no_days(self.features, spec)
        named = {alias: column(drive.columns, alias, len(drive)) for alias in _COLUMNS}
        row_day = local_day(drive.time_us, spec.time_zone)
        days, first = np.unique(row_day, return_index=True)
        bounds = np.append(first, len(row_day))
        value = {f.name: np.full((len(days), 1), np.nan) for f in self.features}
        for i in range(len(days)):
            _one_day({a: v[bounds[i] : bounds[i + 1]] for a, v in named.items()}, value, i)
        return DayFeatures(
            day=days,
            first_us=drive.time_us[bounds[:-1]],
            last_us=drive.time_us[bounds[1:] - 1],
            value=flat(value, self.features),
        )


def _one_day(named: Mapping[str, FloatArray], value: dict[str, FloatArray], i: int) -> None:
    kohm = named["insulation"]
    log = np.log(kohm[kohm > 0])
    if len(log) >= _LEAST_ROWS:
        low = float(np.quantile(log, _LOW_SHARE))
        value["insulation_log_kohm"][i] = np.round(low, 6)
        value["insulation_median_log_kohm"][i] = np.round(np.median(log), 6)
        volts = named["pack.voltage"][np.isfinite(named["pack.voltage"])]
        if len(volts) >= _LEAST_ROWS and volts.max() > 0:
            value["insulation_ohm_per_v"][i] = np.round(1000.0 * np.exp(low) / volts.max(), 3)
    rain = named["rain"][np.isfinite(named["rain"])]
    if len(rain) >= _LEAST_ROWS:
        value["rain_share"][i] = np.round((rain > 0).mean(), 6)
