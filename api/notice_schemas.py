"""Shapes of warnings to owners and of their Web Push subscriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from api.schemas import Page, Severity, Shape


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
    held_until: datetime | None = Field(
        description="quiet hours or the cap on messages hold it back until then"
    )
    acknowledged_at: datetime | None = Field(description="when a person said that they know")
    acknowledged_by: str | None
    desk_at: datetime | None = Field(description="when emergency contact and operations were told")
    superseded_by: UUID | None = Field(description="the warning that says what holds now")
    deliveries: list[dict[str, Any]] = Field(description="received: a device showed it, not that it was read")


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
