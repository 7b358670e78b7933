"""Shapes of repair orders, their price and the stations that carry them out."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field

from alerts.prices.payers import Payer
from api.finding_schemas import Hours
from api.schemas import Age, Origin, Page, Severity, Shape


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
    payer: Payer = Field(description="who pays it; tax has a line for each payer")
    payer_en: str = Field(description="why", examples=["battery: 8 years or 160,000 km; no in-service date"])
    payer_zh: str


class PayerShare(Shape):
    """What one payer pays."""

    payer: Payer
    net: Decimal
    tax: Decimal
    total: Decimal


class Price(Shape):
    """The itemised price."""

    currency: str = Field(examples=["CNY"])
    total: Decimal = Field(description="whoever pays it, with tax")
    customer_total: Decimal = Field(description="of it, what the customer pays and agrees to, with tax")
    shares: list[PayerShare] | None = Field(
        default=None, description="by payer, those who pay nothing left out; null in lists"
    )
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


class Concern(Shape):
    """Something that does not go on by itself; it leaves the list when it no longer holds."""

    concern_id: int
    kind: str = Field(examples=["no_station", "promise_broken", "overrun", "silent"])
    audience: Literal["station", "operations"] = Field(description="who should act; operations see both")
    detail: str
    vin: str
    order_id: int | None
    alert_id: int | None
    severity: str | None = Field(description="of the order or the alert")
    station_code: str | None
    raised_at: datetime


class Concerns(Shape):
    """The operations list."""

    items: list[Concern]


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
