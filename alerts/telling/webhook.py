"""Send to webhooks: owners' and the operations desk's warnings, stations' orders; signed JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.errors import AddressRefused
from alerts.telling.endpoints import Resolve, check_endpoint, resolve_host
from alerts.telling.http_post import post
from alerts.telling.outbox_store import Delivery
from alerts.telling.signing import HEADER, sign
from alerts.telling.station_message import station_message


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSender:
    """Posts signed messages."""

    base_url: str  #: where people can see to it
    timeout_s: float
    allow_loopback: bool
    allow_private: bool  #: what operations registered (stations, desk) may lie in the operator's own network
    clock: Callable[[], datetime]
    resolve: Resolve = resolve_host

    def send(self, delivery: Delivery) -> str:
        """Post the message and return what was answered.

        Raises:
            AddressRefused: The address may not be called.
            DeliveryError: No answer in time, or another one than 2xx.
        """
        if delivery.secret is None:
            raise AddressRefused("webhook: has no key to sign with")
        addresses = check_endpoint(
            delivery.address,
            allow_loopback=self.allow_loopback,
            allow_private=self.allow_private and delivery.audience in ("station", "desk"),
            resolve=self.resolve,
            what="webhook",
        )
        payload = webhook_payload(delivery, self.base_url)
        body = json.dumps(payload, ensure_ascii=False, default=str).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Anxin",
            "Anxin-Message-Id": str(payload["message_id"]),
            HEADER: sign(delivery.secret, body, at=self.clock()),
        }
        return post(delivery.address, body, headers, address=addresses[0], timeout_s=self.timeout_s)


def webhook_payload(delivery: Delivery, base_url: str) -> dict[str, Any]:
    """Return what is posted; ``message_id`` is the same however often it is sent."""
    if delivery.order is not None:
        return station_message(delivery)
    if delivery.warning_id is None:
        return {
            "type": "verification",
            "message_id": f"delivery-{delivery.delivery_id}",
            "code": delivery.code,
        }
    return {
        "type": "warning",
        "message_id": str(delivery.warning_id),
        "warning_id": str(delivery.warning_id),
        "audience": delivery.audience,
        "severity": delivery.severity,
        "title": {"en": delivery.title_en, "zh": delivery.title_zh},
        "body": {"en": delivery.body_en, "zh": delivery.body_zh},
        "vin": delivery.vin,
        "order_id": delivery.order_id,
        "created": (delivery.warned_at or delivery.created_at).isoformat(),
        "url": f"{base_url}/orders/{delivery.order_id}" if delivery.order_id is not None else base_url,
    }
