"""Shapes of how people and systems are reached."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Literal

from pydantic import Field, model_validator

from api.schemas import Shape

Address = Annotated[
    str,
    Field(
        min_length=3,
        max_length=500,
        description="mail address; gateway:number, as in sms:+8613800000000; https address of a webhook",
        examples=["li@example.com"],
    ),
]
ClockTime = Annotated[time, Field(description="local time of day", examples=["22:00"])]


class ContactWay(Shape):
    """One way an owner is reached."""

    contact_id: int
    channel: str = Field(examples=["email"])
    address: str
    is_emergency: bool = Field(description="somebody else, told when the owner does not answer")
    created_at: datetime
    verified_at: datetime | None = Field(description="null: nothing but codes is sent there")


class NewContactWay(Shape):
    """A way to add; a code is sent there."""

    channel: Literal["email", "apprise", "webhook"]
    address: Address
    is_emergency: bool = False


class AddedContactWay(ContactWay):
    """A way that was added."""

    secret: str | None = Field(description="signs what a webhook gets; shown this once")


class Code(Shape):
    """The code that arrived."""

    code: str = Field(pattern=r"^[0-9]{6}$", examples=["123456"])


class ContactWishes(Shape):
    """What an owner sets."""

    language: Literal["zh", "en"]
    quiet_from: ClockTime | None = Field(description="null: as the operator says, 22:00 if nothing else")
    quiet_to: ClockTime | None = Field(description="the same as quiet_from: at any hour")
    time_zone: str | None = Field(
        max_length=64, description="null: the vehicle's", examples=["Asia/Shanghai"]
    )
    order: list[int | Literal["push"]] = Field(
        max_length=20, description="contact ids and push (browsers); the first is told first"
    )

    @model_validator(mode="after")
    def check_quiet(self) -> ContactWishes:
        """Pass where both ends of the quiet hours are given, or none."""
        if (self.quiet_from is None) != (self.quiet_to is None):
            raise ValueError("quiet_from and quiet_to: must be given together")
        return self


class Contact(ContactWishes):
    """How an owner is reached."""

    ways: list[ContactWay]
    channels: list[str] = Field(
        description="what this installation can reach", examples=[["email", "webhook"]]
    )
    gateways: list[str] = Field(description="names for channel apprise", examples=[["sms"]])


class Preference(Shape):
    """Where and how an owner likes their vehicles repaired."""

    station: str | None = Field(
        max_length=64, description="its code; asked first. null: the nearest", examples=["SH-ZHANGJIANG"]
    )
    mode: Literal["drive_in", "mobile", "pickup"] | None = Field(
        description="taken where the urgency allows it and the station offers it; null: as planned"
    )


class NewWebhook(Shape):
    """A system to tell of orders, or the operations desk's of warnings that nobody has acknowledged."""

    url: str = Field(min_length=10, max_length=500, examples=["https://dms.example/anxin"])
    station: str | None = Field(
        default=None, max_length=64, description="its code; null: the desk. A station's own key needs none"
    )


class Webhook(Shape):
    """A registered webhook and how it does."""

    webhook_id: int
    station: str | None
    url: str
    created_at: datetime
    waiting: int = Field(description="messages that it has not taken yet")
    paused_until: datetime | None = Field(description="it did not answer; tried again then")
    last_error: str | None


class AddedWebhook(Shape):
    """A webhook that was registered."""

    webhook_id: int
    secret: str = Field(description="signs its messages; shown this once")


class Webhooks(Shape):
    """All registered webhooks."""

    items: list[Webhook]
