"""Shapes of the work on an order: what stations and owners send, what they get back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from alerts.work.actions import Outcome
from api.schemas import Shape

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Version = Annotated[
    int, Field(ge=1, le=2**31 - 1, description="the order's version that was seen", examples=[3])
]
Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="the caller's own key of this command: sent again, it is not done again",
        examples=["2f1c7a52-check-in"],
    ),
]  # fmt: skip
#: What a station does; the owner's decisions are a call of their own.
StationAction = Literal[
    "dispatch", "check_in", "diagnose", "find", "estimate", "reserve", "pick", "assign", "start", "pause",
    "resume", "finish", "pass", "rework", "invoice", "pay", "close", "goodwill", "cancel", "no_show",
]  # fmt: skip


class WorkLine(Shape):
    """One line of an estimate; its price comes from the catalogue."""

    kind: Literal["labour", "part"]
    code: Text = Field(examples=["tire-repair"])
    qty: Decimal = Field(gt=0, le=1000, description="hours of labour, pieces of a part", examples=["0.5"])


class WorkAction(Shape):
    """One action of a station, with what has to be said with it."""

    action: StationAction = Field(examples=["check_in"])
    version: Version
    key: Key
    reason: str = Field(default="", max_length=500)
    odometer_km: float | None = Field(default=None, ge=0, description="check_in; close")
    outcome: Outcome | None = Field(default=None, description="find")
    cause: Text | None = Field(default=None, description="find; not with no_fault_found")
    measured_value: float | None = Field(default=None, description="find", examples=[3.9])
    measured_unit: Text | None = Field(default=None, description="find", examples=["kPa/day"])
    trouble_codes: list[Text] | None = Field(default=None, max_length=50, description="find")
    onset: AwareDatetime | None = Field(default=None, description="find: since when, as far as can be told")
    lines: list[WorkLine] | None = Field(default=None, max_length=50, description="estimate")
    codes: list[Text] | None = Field(
        default=None,
        max_length=50,
        description="goodwill: of lines that the customer does not pay any more",
        examples=[["brake-pads"]],
    )
    bay: Text | None = Field(default=None, description="assign; as booked by default")
    technician: Text | None = Field(default=None, description="assign; as booked by default")
    isolated_by: Text | None = Field(
        default=None, description="start, and resume after rework, on high voltage"
    )
    isolated_v: float | None = Field(
        default=None, description="with isolated_by: measured across isolated terminals"
    )
    checked_by: list[Text] | None = Field(default=None, max_length=5, description="pass; two on high voltage")
    correction: Text | None = Field(default=None, description="finish")
    part_removed: Text | None = Field(default=None, description="finish")
    is_owners_wish: bool | None = Field(
        default=None, description="cancel: the owner does not want it; else another appointment is looked for"
    )


class Approval(Shape):
    """The owner's decision on a changed price or scope."""

    decision: Literal["approve", "decline"]
    version: Version
    key: Key
    reason: str = Field(default="", max_length=500)


class Rating(Shape):
    """What an owner thinks of the station and of the warning."""

    station_stars: int = Field(ge=1, le=5)
    warning_stars: int = Field(ge=1, le=5)
    comment: str = Field(default="", max_length=2000)


class OrderWork(Shape):
    """What has been found, proposed, signed and said about an order."""

    next_actions: list[str] = Field(description="what the caller may do now")
    odometer_in_km: float | None
    odometer_out_km: float | None
    correction: str | None
    part_removed: str | None
    agreed_total: Decimal | None = Field(description="what the owner said yes to: theirs alone, with tax")
    findings: list[dict[str, Any]]
    estimate: dict[str, Any] | None = Field(description="the newest; decision pending: the owner is asked")
    signoffs: list[dict[str, Any]]
    rating: dict[str, Any] | None
    label: dict[str, Any] | None = Field(description="what became of the prediction")
    promised_at: datetime | None
    beside: list[dict[str, Any]] = Field(
        description="what could wait and was looked at for this visit: its own order, or why there is none"
    )
    visit_id: int | None = Field(description="the order in whose visit this one was offered")
