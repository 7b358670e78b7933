"""Daily features of tires: what the gas did, what the gauge showed, how far the sensor is heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data.records import Family, FamilyRows, FloatArray, IntArray, VehicleSpec
from models.features.align import column
from models.features.days import local_day
from models.features.sets import Axis, DayFeatures, Feature
from models.features.tire_samples import MOVING_KM_PER_H, day_values, tire_samples

_HOUR_US = 3_600_000_000
_LONGEST_STEP_US = 60_000_000

_NO_SAMPLE = "no trusted sample: implausible, held for too long, or not heard"

#: Names are the contract with predictors and with whoever draws days without rows.
FEATURES = (
    Feature(
        name="contrast_kpa",
        unit="kPa",
        window="local day",
        least_evidence="2 trusted samples at which a second wheel is known",
        missing_when=_NO_SAMPLE,
        axis=Axis.WHEEL,
    ),
    Feature(
        name="gas_kpa",
        unit="kPa absolute at 20 °C",
        window="local day, median",
        least_evidence="2 trusted samples",
        missing_when=_NO_SAMPLE,
        axis=Axis.WHEEL,
    ),
    Feature(
        name="spread_kpa",
        unit="kPa",
        window="local day, robust standard deviation of the contrast",
        least_evidence="2 trusted samples",
        missing_when=_NO_SAMPLE,
        axis=Axis.WHEEL,
    ),
    Feature(
        name="weight",
        unit="1",
        window="local day",
        least_evidence="always there; full from 8 trusted samples on",
        missing_when="never",
        axis=Axis.WHEEL,
    ),
    Feature(
        name="begin_contrast_kpa",
        unit="kPa",
        window="first third of the trusted samples of the local day, median",
        least_evidence="9 trusted samples",
        missing_when=_NO_SAMPLE,
        axis=Axis.WHEEL,
    ),
    Feature(
        name="end_contrast_kpa",
        unit="kPa",
        window="last third of the trusted samples of the local day, median",
        least_evidence="9 trusted samples",
        missing_when=_NO_SAMPLE,
        axis=Axis.WHEEL,
    ),
    Feature(
        name="step_kpa",
        unit="kPa",
        window="local day: gas of the last third less that of the first",
        least_evidence="9 trusted samples",
        missing_when=_NO_SAMPLE,
        axis=Axis.WHEEL,
    ),
    Feature(
        name="cold_gauge_kpa",
        unit="kPa",
        window="local day, median gauge while standing for 3 h and more and in the first 15 min after it",
        least_evidence="1 trusted sample after the vehicle stood still or was silent for 3 h",
        missing_when="the vehicle was never cold, or " + _NO_SAMPLE,
        axis=Axis.WHEEL,
    ),
    Feature(
        name="low_gauge_kpa",
        unit="kPa",
        window="local day, lowest level that two trusted samples in a row did not exceed",
        least_evidence="2 trusted samples",
        missing_when=_NO_SAMPLE,
        axis=Axis.WHEEL,
    ),
    Feature(
        name="gauge_span_kpa",
        unit="kPa",
        window="local day, difference of the 5 % and 95 % quantiles of all plausible samples, held ones too",
        least_evidence="8 plausible samples",
        missing_when="fewer samples",
        axis=Axis.WHEEL,
    ),
    Feature(
        name="heard_share",
        unit="1",
        window="local day, share of the samples of the vehicle with a plausible and fresh value of the wheel",
        least_evidence="1 sample of any wheel",
        missing_when="no tire sample at all",
        axis=Axis.WHEEL,
    ),
    Feature(
        name="zero_share",
        unit="1",
        window="local day, share of the samples whose gauge is below 20 kPa",
        least_evidence="1 sample of any wheel",
        missing_when="no tire sample at all",
        axis=Axis.WHEEL,
    ),
    Feature(
        name="low_temperature_degc",
        unit="°C",
        window="local day, lowest trusted temperature of any tire, else of the outside air",
        least_evidence="1 trusted sample",
        missing_when="neither tires nor vehicle tell a temperature",
    ),
    Feature(
        name="equal_share",
        unit="1",
        window="local day, share of the samples that show one and the same value on all wheels",
        least_evidence="1 sample with all wheels",
        missing_when="no sample with all wheels",
    ),
    Feature(
        name="moving_h",
        unit="h",
        window="local day, time at more than 5 km/h",
        least_evidence="speed",
        missing_when="the vehicle tells no speed",
    ),
    Feature(
        name="altitude_span_m",
        unit="m",
        window="local day, highest less lowest altitude at tire samples",
        least_evidence="1 altitude at most 6 h old",
        missing_when="the vehicle tells no altitude",
    ),
)


@dataclass(frozen=True, slots=True)
class TireDaySet:
    """Compensated pressure of each wheel and its contrast, gauge readings, and the health of the sensors."""

    name: str = "tire_days"
    version: int = 3
    context_us: int = 6 * _HOUR_US

    @property
    def columns(self) -> Mapping[Family, tuple[str, ...]]:
        """Tire readings and the surroundings."""
        return {
            Family.TIRE: ("tire.pressure", "tire.temperature", "tire.age"),
            Family.DRIVE: ("speed", "ambient", "barometer", "altitude"),
        }

    @property
    def features(self) -> tuple[Feature, ...]:
        """See ``FEATURES``."""
        return FEATURES

    def compute(self, rows: Mapping[Family, FamilyRows], spec: VehicleSpec) -> DayFeatures:
        """Return the features of one vehicle; see the protocol."""
        tire, drive = rows.get(Family.TIRE), rows.get(Family.DRIVE)
        if tire is None or not len(tire) or "tire.pressure" not in tire.columns:
            nothing = np.zeros(0, dtype=np.int64)
            empty = {f.name: np.zeros((0, len(spec.wheels)) if f.axis is Axis.WHEEL else 0) for f in FEATURES}
            return DayFeatures(day=nothing, first_us=nothing, last_us=nothing, value=empty)
        samples = tire_samples(tire, drive)
        days = local_day(tire.time_us, spec.time_zone)
        day, start = np.unique(days, return_index=True)
        stop = np.append(start[1:], len(days))
        n_wheels = samples.gauge.shape[1]
        value = {
            f.name: np.full((len(day), n_wheels) if f.axis is Axis.WHEEL else len(day), np.nan)
            for f in FEATURES
        }
        for row, (begin, end) in enumerate(zip(start.tolist(), stop.tolist(), strict=True)):
            for name, found in day_values(samples, slice(begin, end)).items():
                value[name][row] = found
        value["moving_h"][:] = _moving_h(day, drive, spec.time_zone)
        return DayFeatures(
            day=np.asarray(day, dtype=np.int64),
            first_us=tire.time_us[start],
            last_us=tire.time_us[stop - 1],
            value=value,
        )


def _moving_h(day: IntArray, drive: FamilyRows | None, time_zone: str) -> FloatArray:
    if drive is None or not len(drive):
        return np.full(len(day), np.nan)
    speed = column(drive.columns, "speed", len(drive))
    step = np.diff(drive.time_us, append=drive.time_us[-1:])
    of_day = local_day(drive.time_us, time_zone)
    is_last = np.append(of_day[1:] != of_day[:-1], True)
    # the last row of a day reaches into the next one, which the day must not know of
    lasts = np.where(is_last | ~(speed > MOVING_KM_PER_H), 0, np.minimum(step, _LONGEST_STEP_US))
    at = np.searchsorted(day, of_day)
    is_there = (at < len(day)) & (day[np.minimum(at, len(day) - 1)] == of_day)
    total = np.bincount(at[is_there], weights=lasts[is_there] / _HOUR_US, minlength=len(day))
    known = np.bincount(at[is_there], weights=np.isfinite(speed[is_there]), minlength=len(day)) > 0
    return np.where(known, total, np.nan)
