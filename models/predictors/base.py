"""What every predictor promises: panels of daily features in, risk of every component and as-of day out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from data.records import BoolArray, FailureMode, FloatArray, IntArray, Quantiles, Reason, VehicleSpec
from models.errors import PanelError

#: Probability from which a component counts as failing; ``Prediction.since`` dates from it.
RAISE_LEVEL = 0.5
#: Days that a predictor looks back where it does not say ``history_days``.
HISTORY_DAYS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPanel:
    """Daily features of several vehicles of one model, on one unbroken grid of days."""

    spec: VehicleSpec
    vehicle_id: IntArray  #: shape (n_vehicles,)
    day: IntArray  #: shape (n_days,), days since 1970-01-01, step 1
    value: (
        FloatArray  #: shape (n_vehicles, n_days, n_components), the predictor's main feature; NaN is missing
    )
    weight: FloatArray  #: same shape, trust 0-1 in the value
    first_us: IntArray  #: shape (n_vehicles, n_days), oldest sample of the day; 0: no data
    last_us: IntArray  #: shape (n_vehicles, n_days), newest sample of the day; 0: no data
    extra: Mapping[str, FloatArray]  #: further features by name, shapes (n_vehicles, n_days[, n_components])

    def __post_init__(self) -> None:
        shape = (len(self.vehicle_id), len(self.day))
        for name in ("value", "weight", "first_us", "last_us"):
            found = getattr(self, name).shape
            if found[:2] != shape:
                raise PanelError(f"panel {name}: shape {found} does not begin with {shape}")
        if len(self.day) > 1 and (np.diff(self.day) != 1).any():
            raise PanelError("panel day: must go up by 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What a predictor says of every vehicle, as-of day and component."""

    as_of: IntArray  #: shape (n_as_of,), indices into the panel's days
    probability: FloatArray  #: shape (n_vehicles, n_as_of, n_components), 0-1; NaN where there is no data
    severity: IntArray  #: same shape, 0 the most urgent, as in ``Severity``
    ttt_h: FloatArray  #: shape (3, ...), p10, p50, p90, hours; NaN: not foreseeable
    detail: Mapping[str, FloatArray]  #: what ``explain`` needs, same shape as probability
    #: chance that the limit is crossed within the horizon, at a stated prevalence; None: nothing was learned
    calibrated: FloatArray | None = None
    p_value: FloatArray | None = None  #: share of healthy vehicle-days with a component as bad
    is_tail: BoolArray | None = None  #: the p-value lies beyond what was seen and comes from a fitted tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why, for one component at one as-of day."""

    reasons: tuple[Reason, ...]
    evidence: Mapping[str, Any]  #: {"time": [ms], "series": {name: [value]}, "unit"}
    window_days: int


class Predictor(Protocol):
    """One failure mode of one kind of component. The constructor stores; there is no logic in it."""

    @property
    def failure_mode(self) -> FailureMode:
        """The failure mode that it finds."""
        ...

    @property
    def model_version(self) -> str:
        """Name and number of the model; changes with its results."""
        ...

    @property
    def feature_set(self) -> str:
        """Name of the feature set whose panel it takes."""
        ...

    @property
    def main(self) -> str:
        """Feature that is the panel's value; its components are the predictor's."""
        ...

    @property
    def horizon_h(self) -> float:
        """The period that its probability refers to, hours."""
        ...

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the risk as of each day, from that day and earlier ones only."""
        ...

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the reasons for one element of ``risk``."""
        ...

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """Return the name of a component: ``tire front-left``, ``cell 82``."""
        ...


def history_days(predictor: Predictor) -> int:
    """Return how many days up to an as-of day a predictor looks at: ``history_days`` where it has that."""
    return int(getattr(predictor, "history_days", HISTORY_DAYS))


def logistic(score: FloatArray, steepness: float = 5.0) -> FloatArray:
    """Return the probability for a physical score that is 1 at the raise level; NaN stays NaN."""
    return np.asarray(1.0 / (1.0 + np.exp(-steepness * (np.clip(score, -2.0, 4.0) - 1.0))))


def time_to_threshold(
    margin: FloatArray, margin_error: FloatArray, rate: FloatArray, rate_error: FloatArray
) -> FloatArray:
    """Return the 10, 50 and 90 % quantiles of the time until a margin is used up.

    The sampling errors of margin and rate are taken as independent; margin / rate is spread by their relative
    errors in logarithm, which keeps it positive.

    Args:
        margin: Any shape, left until the threshold; 0 or less: already crossed.
        margin_error: Same shape, standard error.
        rate: Same shape, use per day; 0 or less: no crossing foreseeable.
        rate_error: Same shape, standard error per day.

    Returns:
        Shape (3, ...), hours; NaN where no crossing is foreseeable, at most ten years.
    """
    is_foreseeable = rate > 1e-6
    safe_rate = np.where(is_foreseeable, rate, np.nan)
    safe_margin = np.maximum(margin, 1e-6)
    spread = np.sqrt(
        np.minimum((margin_error / safe_margin) ** 2, 1.0) + np.minimum((rate_error / safe_rate) ** 2, 1.0)
    )
    middle = 24.0 * safe_margin / safe_rate
    quantiles = np.stack([middle * np.exp(z * spread) for z in (-1.2816, 0.0, 1.2816)])
    return np.asarray(
        np.where(margin <= 0, np.where(is_foreseeable, 0.0, np.nan), np.minimum(quantiles, 87_600.0))
    )


def to_quantiles(ttt_h: FloatArray) -> Quantiles | None:
    """Return three hours as a record, None when not foreseeable."""
    if not np.isfinite(ttt_h).all():
        return None
    return Quantiles(p10=float(ttt_h[0]), p50=float(ttt_h[1]), p90=float(ttt_h[2]))


def reference_of_others(values: FloatArray, share: float) -> FloatArray:
    """Return, for each component, a high value of the others: the one that ``share`` of them exceed.

    Args:
        values: Shape (..., n_components); NaN counts as the lowest.
        share: Of the components, so that a few bad ones do not hide each other.

    Returns:
        Same shape.
    """
    count = values.shape[-1]
    rank = min(max(1, round(share * count)), count - 1)
    ranked = -np.sort(np.where(np.isfinite(values), -values, np.inf), axis=-1)
    at, after = ranked[..., rank - 1 : rank], ranked[..., rank : rank + 1]
    found = np.where(values >= at, after, at)
    return np.asarray(np.where(np.isfinite(found), found, np.nan))


def evidence_time(panel: DayPanel, vehicle: int, rows: slice) -> list[int]:
    """Return the newest sample of each day, ms since 1970, noon UTC where the day has none."""
    days = panel.day[rows] * 86_400_000 + 43_200_000
    last = panel.last_us[vehicle, rows] // 1000
    return [int(v) for v in np.where(last > 0, last, days)]


def rounded(values: FloatArray, digits: int = 2) -> list[float | None]:
    """Return numbers for JSON, None for missing."""
    return [round(float(v), digits) if np.isfinite(v) else None for v in values]
