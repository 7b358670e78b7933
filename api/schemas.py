"""The base of all shapes of requests and answers, and those of the server itself."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

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


class Page(Shape):
    """The base of lists: ``next_cursor`` asks for the next page, null at the end."""

    next_cursor: str | None = None


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


class Health(Shape):
    """How this process is."""

    status: str = Field(examples=["ok"])
    checks: dict[str, str] = {}
