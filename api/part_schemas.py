"""Shapes of parts on their way."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from api.schemas import Shape

Spread = Annotated[
    float, Field(ge=0, le=2000, description="standard deviation of the arrival, hours", examples=[6.0])
]
Name = Annotated[str, Field(min_length=1, max_length=64)]


class NewArrival(Shape):
    """Pieces of a part that a station expects."""

    station: Name | None = Field(default=None, description="its code; a station's own key needs none")
    sku: Name = Field(examples=["TIRE-SENSOR"])
    qty: int = Field(ge=1, le=100_000)
    expected_at: AwareDatetime = Field(description="mean of when it is on the shelf")
    spread_h: Spread
    from_station: Name | None = Field(
        default=None, description="code of the station that gives them away; null: bought"
    )
    supplier: Name | None = None
    reference: Name | None = Field(
        default=None, description="your own name of it; the same again is refused", examples=["PO-4711-1"]
    )


class Arrival(NewArrival):
    """Parts on their way."""

    arrival_id: int
    station: str
    name_en: str
    name_zh: str
    reserved: int = Field(description="of these, promised to orders")
    source: Literal["purchase", "transfer"]
    state: Literal["expected", "shipped", "received", "cancelled"]
    announced_at: AwareDatetime
    received_at: AwareDatetime | None


class Arrivals(Shape):
    """What is expected, the next first."""

    items: list[Arrival]


class PartToOrder(Shape):
    """A part of which a station has no more than its reorder point."""

    station: str
    sku: str
    name_en: str
    name_zh: str
    free: int = Field(description="on the shelf, and nobody waits for them")
    coming: int = Field(description="on their way, likewise")
    reorder_point: int
    reorder_to: int
    qty: int = Field(description="to buy")


class PartsToOrder(Shape):
    """What to buy, by station."""

    items: list[PartToOrder]


class ArrivalChange(Shape):
    """What became of it."""

    action: Literal["slip", "ship", "receive", "cancel"]
    qty: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="with receive: pieces that have come; null: all. Orders left without are planned anew",
    )
    expected_at: AwareDatetime | None = Field(default=None, description="needed with slip")
    spread_h: Spread | None = Field(default=None, description="with slip; null: as before")
