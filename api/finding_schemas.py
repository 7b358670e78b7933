"""Shapes of what was found: predictions, alerts, predictors and the breaker that holds their orders."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.schemas import Age, Origin, Page, Severity, Shape
from data.records import FailureMode


class Hours(Shape):
    """Time to threshold in hours: median and the interval from 10 to 90 %."""

    p10: float | None
    p50: float | None
    p90: float | None


class Prediction(Shape):
    """What a predictor says of one component."""

    prediction_id: int
    vin: str
    component: str = Field(examples=["tire front-left"])
    failure_mode: str = Field(examples=["tire_slow_leak"])
    severity: Severity
    probability: float = Field(description="risk index, 0 to 1; alerts are raised on it", examples=[0.93])
    horizon_h: float
    calibrated: float | None = Field(
        default=None, description="chance that the limit is crossed within the horizon, where learned"
    )
    p_value: float | None = Field(
        default=None, description="share of healthy vehicle-days with a component as bad, where learned"
    )
    is_tail: bool = Field(default=False, description="p_value lies beyond what was seen, from a fitted tail")
    time_to_threshold_h: Hours | None
    predicted_at: datetime
    data_time: datetime
    age_s: Age
    since: datetime
    window_from: datetime
    window_to: datetime
    reasons: list[dict[str, Any]]
    evidence: dict[str, Any]
    model_version: str
    origin: Origin
    is_fresh: bool
    is_newest: bool


class PredictionPage(Page):
    """A page of predictions, newest first."""

    items: list[Prediction]


class Alert(Shape):
    """A condition to know of and plan for."""

    alert_id: int
    vin: str
    component: str
    failure_mode: str
    severity: Severity
    state: str
    first_seen: datetime
    raised_at: datetime | None
    cleared_at: datetime | None
    last_seen: datetime
    age_s: Age
    occurrence_count: int
    prediction_id: int | None
    order_id: int | None
    probability: float | None
    time_to_threshold_h: Hours | None
    reasons: list[dict[str, Any]]
    model_version: str | None
    origin: Origin


class AlertPage(Page):
    """A page of alerts, newest first."""

    items: list[Alert]


class Predictor(Shape):
    """A predictor whose mode was set, or that has run in the shadow."""

    failure_mode: str = Field(examples=["tire_slow_leak"])
    model_version: str = Field(description="* stands for all versions that are not named themselves")
    mode: Literal["live", "shadow", "off"]
    at: datetime | None
    actor: str | None
    reason: str | None
    shadow_alerts: int = Field(description="alerts it would have raised in the shadow")
    shared_alerts: int = Field(description="those of them that a live predictor raised as well")


class Predictors(Shape):
    """Predictors by failure mode and version."""

    items: list[Predictor]


class ModeChange(Shape):
    """What becomes of a predictor's predictions from now on."""

    failure_mode: FailureMode
    model_version: str = Field(default="*", min_length=1, max_length=200)
    mode: Literal["live", "shadow", "off"]
    reason: str = Field(min_length=1, max_length=500)


class SilenceHours(Shape):
    """After how many hours without a message vehicles count as silent."""

    lost_after_h: float = Field(
        gt=0,
        le=8760,
        description="that were driving, charging or on, or whose last messages never came",
        examples=[6],
    )
    parked_after_h: float = Field(gt=0, le=8760, description="that were left switched off", examples=[336])


class BreakerTrip(Shape):
    """A predictor that ordered too much on the vehicles of one model within an hour."""

    trip_id: int
    failure_mode: str = Field(examples=["tire_slow_leak"])
    model_version: str
    model_id: str = Field(description="the vehicle model")
    tripped_at: datetime
    order_count: int = Field(description="orders opened in the hour before")
    order_limit: int
    waiting_orders: int = Field(description="orders that wait for the decision now")
    released_at: datetime | None
    released_by: str | None
    decision: Literal["place", "dismiss"] | None
    reason: str | None


class BreakerTrips(Shape):
    """Trips of the circuit breaker, waiting ones first, then newest first."""

    items: list[BreakerTrip]


class TripRelease(Shape):
    """What a person decides about all orders that a trip holds back."""

    decision: Literal["place", "dismiss"]
    reason: str = Field(min_length=1, max_length=500)


class TripReleased(Shape):
    """What the decision did."""

    trip_id: int
    decision: Literal["place", "dismiss"]
    orders: int = Field(description="orders that were let go or cancelled")
