"""Send one message by Web Push (RFC 8030), encrypted (RFC 8291), signed with VAPID (RFC 8292)."""

from __future__ import annotations

import json
from dataclasses import dataclass

import requests
from py_vapid import Vapid02
from pywebpush import WebPushException, webpush

from alerts.errors import DeliveryError, SubscriptionGone
from alerts.telling.endpoints import Resolve, check_endpoint, is_local, resolve_host
from alerts.telling.messages import message_of
from alerts.telling.outbox_store import Delivery
from data.keys import PushKeys

#: Seconds a push service keeps a message for a browser that is away.
_TTL_S = 7 * 86_400
#: Push services take 4096 bytes after encryption (RFC 8030 §7.2); the rest is headers and padding.
_LONGEST_BODY = 1200


@dataclass(frozen=True, slots=True)
class PushSender:
    """Sends to push services on behalf of one installation."""

    keys: PushKeys
    subject: str  #: ``mailto:…`` or https URL: how push services reach the operator
    base_url: str  #: where the notification leads
    timeout_s: float
    allow_loopback: bool
    resolve: Resolve = resolve_host

    def send(self, delivery: Delivery) -> str:
        """Hand the message to the push service and return what it answered.

        Raises:
            SubscriptionGone: It has forgotten the subscription, or the browser unsubscribed.
            AddressRefused: The endpoint may not be called.
            DeliveryError: Not taken; ``is_final`` is False where it may be tried again.
        """
        if delivery.p256dh is None or delivery.auth is None:
            raise SubscriptionGone("the browser has unsubscribed")
        check_endpoint(delivery.address, allow_loopback=self.allow_loopback, resolve=self.resolve)
        with requests.Session() as session:
            session.max_redirects = 0  # a redirect could lead where check_endpoint would not go
            session.trust_env = not is_local(delivery.address)
            try:
                response = webpush(
                    {
                        "endpoint": delivery.address,
                        "keys": {"p256dh": delivery.p256dh, "auth": delivery.auth},
                    },
                    push_payload(delivery, self.base_url),
                    vapid_private_key=Vapid02.from_pem(self.keys.private_pem),
                    vapid_claims={"sub": self.subject},
                    timeout=self.timeout_s,
                    ttl=_TTL_S,
                    headers={"Urgency": "high" if delivery.severity in ("S0", "S1", "S2") else "normal"},
                    requests_session=session,
                )
            except WebPushException as error:
                raise _refusal(error) from error
            except (requests.RequestException, ValueError, TypeError) as error:
                raise DeliveryError(f"{type(error).__name__}: {str(error)[:200]}") from error
        return f"HTTP {response.status_code}" if isinstance(response, requests.Response) else "sent"


def push_payload(delivery: Delivery, base_url: str) -> str:
    """Return the JSON that the service worker shows; it collapses repeats on ``warning_id``."""
    message = message_of(delivery, base_url)
    return json.dumps(
        {
            "warning_id": str(delivery.warning_id),
            "severity": delivery.severity,
            "title": message.title,
            "body": message.body[:_LONGEST_BODY],
            "url": message.url,
            "lang": delivery.locale,
        },
        ensure_ascii=False,
    )


def _refusal(error: WebPushException) -> DeliveryError:
    response = error.response
    if response is None:
        return DeliveryError(str(error)[:200])
    status = response.status_code
    text = f"HTTP {status}: {response.text[:160]}"
    if status in (404, 410):
        return SubscriptionGone(text)
    refused = DeliveryError(text)
    refused.is_final = 400 <= status < 500 and status not in (408, 425, 429)
    return refused
