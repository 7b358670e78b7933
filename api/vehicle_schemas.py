"""Shapes of vehicles and what they sent; every number comes with its unit, age and origin, or beside them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from api.schemas import Age, Origin, Page, Severity, Shape


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
    in_service_on: date | None = Field(description="its warranties count from this day; null: not known")
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
