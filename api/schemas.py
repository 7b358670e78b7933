"""Shapes of requests and answers. Every number comes with its unit, age and origin, or stands beside them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from data.records import FailureMode

Origin = Annotated[str, Field(description="real, simulated or replayed", examples=["simulated"])]
Severity = Annotated[str, Field(description="S0, the most urgent, to S4", examples=["S3"])]
Age = Annotated[float | None, Field(description="seconds since the sample was taken", examples=[4.2])]


class Shape(BaseModel):
    """The base of all shapes: unknown fields in requests are errors."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """An error, as RFC 9457 problem details."""

    type: str = "about:blank"
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no such thing here."])
    instance: str = Field(default="", description="path of the request")


class Reading(Shape):
    """The newest value of one signal."""

    value: float | list[float | None] | None
    unit: str = Field(examples=["%"])
    time: datetime
    age_s: Age
    origin: Origin


class FamilyState(Shape):
    """How fresh one family of signals is."""

    time: datetime
    age_s: Age
    is_hist: bool = Field(description="the newest sample came late, out of the vehicle's store")
    live_time: datetime | None
    origin: Origin


class ModelInfo(Shape):
    """What the vehicle model says."""

    id: str
    name: str
    chemistry: str = Field(examples=["NCM"])
    cell_count: int
    probe_count: int
    capacity_ah: float
    energy_kwh: float
    wheels: list[str]
    placard_kpa: list[float]


class Position(Shape):
    """Where a vehicle was last, WGS-84."""

    lat: float = Field(examples=[31.2304])
    lon: float = Field(examples=[121.4737])
    time: datetime
    age_s: Age
    origin: Origin


class Vehicle(Shape):
    """One vehicle with its newest readings."""

    vin: str = Field(examples=["LANXAC1B0R0000001"])
    plate: str | None
    model: ModelInfo
    time_zone: str
    firmware: str | None
    state: Literal["live", "late", "silent"] = Field(
        description="live: a live sample within 15 minutes; silent: none within a day"
    )
    is_online: bool
    age_s: Age
    origin: Origin | None
    position: Position | None
    readings: dict[str, Reading]
    families: dict[str, FamilyState]
    open_alerts: int
    worst_severity: Severity | None
    order_id: int | None
    missing_messages: int


class Page(Shape):
    """The base of lists: ``next_cursor`` asks for the next page, null at the end."""

    next_cursor: str | None = None


class VehiclePage(Page):
    """A page of vehicles in VIN order."""

    items: list[Vehicle]


class Readings(Shape):
    """Columnar readings: every series has one element a time; ``null`` is missing."""

    vin: str
    family: str
    time: list[int] = Field(description="milliseconds since 1970 UTC", examples=[[1763800000000]])
    series: dict[str, list[float | None]]
    low: dict[str, list[float | None]] = Field(
        default_factory=dict, description="lowest value in the bucket, where rows were thinned out"
    )
    high: dict[str, list[float | None]] = Field(
        default_factory=dict, description="highest value in the bucket"
    )
    units: dict[str, str]
    bucket_s: float | None = Field(description="width of a bucket; null: every stored row", examples=[60.0])
    origin: Origin | None
    age_s: Age


class CellReadings(Shape):
    """Cell voltages as a matrix, one stored sample of each bucket."""

    vin: str
    family: str = "cell"
    time: list[int]
    voltage: list[list[float | None]] = Field(description="V; one row a time, one column a cell")
    temperature: list[list[float | None]] = Field(description="°C; one row a time, one column a probe")
    units: dict[str, str]
    bucket_s: float | None
    origin: Origin | None
    age_s: Age


class Stream(Shape):
    """Which messages of one boot are here."""

    boot: str
    origin: Origin
    high: int = Field(description="highest sequence number known to have been sent")
    received_count: int
    duplicate_count: int
    repaired_count: int
    missing_count: int
    missing: list[tuple[int, int]] = Field(description="inclusive ranges, at most 200", examples=[[[12, 17]]])
    given_up_count: int
    given_up: list[tuple[int, int]]
    first_received: datetime
    last_received: datetime
    first_time: datetime | None
    last_time: datetime | None
    is_online: bool
    resend_requested_at: datetime | None
    resend_count: int


class Gaps(Shape):
    """What has not arrived yet, boot by boot."""

    vin: str
    missing_count: int
    streams: list[Stream]


class QualityDay(Shape):
    """Findings of one day."""

    day: date = Field(description="of receipt, UTC")
    count: int


class QualityFinding(Shape):
    """What one check found at one sensor of a vehicle."""

    signal: str = Field(
        description="catalogue alias; 'time' and 'clock' for the vehicle's clock; '' for unknown ones"
    )
    element: int = Field(description="wheel, cell or probe from 1; 0 for a scalar")
    reason: str = Field(examples=["range", "sentinel", "all_equal", "stuck", "held", "offset"])
    is_masked: bool = Field(description="the values became missing; else they were kept")
    count: int
    first_received: datetime
    last_received: datetime
    days: list[QualityDay]


class ClockOffset(Shape):
    """How far a vehicle's clock is off, by its promptest messages."""

    offset_s: float = Field(description="positive: ahead")
    is_off: bool
    observed_at: datetime


class Quality(Shape):
    """What was not believed of a vehicle, or looks wrong."""

    vin: str
    clock: ClockOffset | None
    findings: list[QualityFinding] = Field(description="at most 500, the most frequent first")


class VehicleEventRow(Shape):
    """An on-board alarm or life-cycle event."""

    time: datetime
    kind: str
    source: str
    level: int
    code: str
    data: dict[str, Any]
    is_hist: bool
    sent: datetime | None
    received: datetime


class EventPage(Page):
    """A page of events, newest first."""

    items: list[VehicleEventRow]


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


class OrderLine(Shape):
    """One line of the price."""

    line: int
    kind: str
    code: str
    text_en: str
    text_zh: str
    qty: Decimal
    unit_price: Decimal
    amount: Decimal


class Price(Shape):
    """The itemised price."""

    currency: str = Field(examples=["CNY"])
    total: Decimal
    lines: list[OrderLine] | None = Field(default=None, description="null in lists")


class Order(Shape):
    """A repair order; lists leave lines, events and bookings out."""

    order_id: int
    vin: str
    plate: str | None
    model: str
    owner: str | None
    component: str
    failure_mode: str
    severity: Severity
    state: str = Field(examples=["offered"])
    version: int
    mode: str
    station: dict[str, Any] | None
    distance_km: float | None
    is_distance_estimated: bool
    bay: str | None
    technician: str | None
    slot_start: datetime | None
    slot_end: datetime | None
    time_zone: str
    deadline: datetime
    complaint: str
    price: Price
    parts: list[dict[str, Any]]
    reasons: list[dict[str, Any]]
    time_to_threshold_h: Hours | None
    passed_over: list[dict[str, Any]]
    waiting_reason: str | None
    probability: float | None
    model_version: str | None
    data_time: datetime | None
    age_s: Age
    origin: Origin
    prediction_id: int | None
    owner_answer: str | None
    opened_at: datetime
    updated_at: datetime
    events: list[dict[str, Any]] | None = None
    bookings: list[dict[str, Any]] | None = None
    shares_data: bool = Field(description="the owner lets the station see plate, name and positions")
    work: Any = Field(default=None, description="OrderWork: findings, estimate, signatures; null in lists")


class OrderPage(Page):
    """A page of orders, the most urgent first."""

    items: list[Order]


class OwnerAnswer(Shape):
    """The owner's answer to an offered order."""

    answer: Literal["yes", "no", "later"]
    version: int = Field(ge=1, le=2**31 - 1, description="the order's version that was seen", examples=[1])
    shares_data: bool = Field(
        default=False, description="with a yes: the station may see plate, name and positions for this order"
    )


class Station(Shape):
    """A service station with what it can do and has."""

    station_id: int
    code: str
    name_en: str
    name_zh: str
    city: str
    address: str
    lat: float
    lon: float
    time_zone: str
    has_hv_certificate: bool
    labour_rate: Decimal
    currency: str
    is_active: bool
    open_orders: int
    hours: list[dict[str, Any]]
    bays: list[dict[str, Any]]
    technicians: list[dict[str, Any]] | None = Field(description="null for owners and gateways")
    stock: list[dict[str, Any]] | None = Field(description="null for owners and gateways")


class StationPage(Page):
    """A page of stations in order of their code."""

    items: list[Station]


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


class Reject(Shape):
    """A message that could not be read."""

    reject_id: int
    received: datetime
    tenant: str | None
    vin: str | None
    topic: str
    reason: str = Field(examples=["unknown_vehicle"])
    detail: str
    payload_bytes: int
    is_retryable: bool
    retried_at: datetime | None
    seen_count: int


class RejectPage(Page):
    """A page of rejects, newest first, with the counts of all by reason."""

    items: list[Reject]
    counts: list[dict[str, Any]]


class OwnerWarning(Shape):
    """A warning to owner and vehicle, and how far it got."""

    warning_id: UUID
    vin: str
    alert_id: int | None
    order_id: int | None
    severity: Severity
    title: dict[str, str]
    body: dict[str, str]
    created_at: datetime
    deliveries: list[dict[str, Any]]


class WarningPage(Page):
    """A page of warnings, newest first."""

    items: list[OwnerWarning]


class PushKey(Shape):
    """The VAPID public key that a browser subscribes with."""

    key: str = Field(description="base64url, uncompressed P-256 point; empty where Web Push is off")


class SubscriptionKeys(Shape):
    """The browser's own keys."""

    p256dh: str = Field(max_length=200)
    auth: str = Field(max_length=100)


class Subscription(Shape):
    """A browser's push subscription, as ``PushSubscription.toJSON()`` gives it."""

    endpoint: str = Field(max_length=2000, examples=["https://push.example.com/send/abc"])
    keys: SubscriptionKeys
    expirationTime: float | None = None  # noqa: N815  # named by the Push API


class Endpoint(Shape):
    """Names a push subscription."""

    endpoint: str = Field(max_length=2000)


class Receipt(Shape):
    """Says where a warning was shown."""

    endpoint: str | None = Field(default=None, max_length=2000)


class Health(Shape):
    """How this process is."""

    status: str = Field(examples=["ok"])
    checks: dict[str, str] = {}
