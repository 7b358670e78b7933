"""The set of daily tire features: what the gas did, what the gauge showed, and how far the sensor is heard."""

from __future__ import annotations

from models.features.sets import Axis, Feature

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
        window="first 15 min after 3 h and more of standing; the lowest such gauge median of the local day",
        least_evidence="1 trusted sample after the vehicle stood still or was silent for 3 h",
        missing_when="the vehicle was never cold, or " + _NO_SAMPLE,
        axis=Axis.WHEEL,
    ),
    Feature(
        name="low_gauge_kpa",
        unit="kPa",
        window="local day, lowest gauge that two trusted samples in a row are not above",
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
