"""Send warnings to vehicles: MQTT QoS 1, sent means acknowledged by the broker."""

from __future__ import annotations

import json
import os
import socket
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from alerts.errors import DeliveryError
from alerts.telling.outbox_store import Delivery


class VehicleLink:
    """One connection to the broker that comes back by itself."""

    def __init__(self, url: str, *, acknowledge_within_s: float = 10.0) -> None:
        parts = urlsplit(url)
        self._timeout_s = acknowledge_within_s
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"anxin-notify-{socket.gethostname()}-{os.getpid()}",
            clean_session=True,  # the outbox remembers what is not acknowledged, the broker need not
            protocol=mqtt.MQTTv311,
        )
        if parts.username:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            self._client.tls_set()
        self._client.reconnect_delay_set(min_delay=1, max_delay=30)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)

    def start(self) -> None:
        """Begin to connect; goes on trying until ``stop``."""
        self._client.connect_async(self._host, self._port, keepalive=30)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def is_connected(self) -> bool:
        """Tell whether a warning can be sent now."""
        return self._client.is_connected()

    def send(self, delivery: Delivery) -> str:
        """Publish a warning and wait for the broker's acknowledgement.

        Raises:
            DeliveryError: Not acknowledged in time; it may still arrive, and is sent again.
        """
        info = self._client.publish(delivery.address, warning_payload(delivery), qos=1)
        try:
            info.wait_for_publish(self._timeout_s)
        except (RuntimeError, ValueError) as error:
            raise DeliveryError(f"broker: {error}") from error
        if not info.is_published():
            raise DeliveryError(f"broker: no acknowledgement within {self._timeout_s:.0f} s")
        return "PUBACK"


def warning_payload(delivery: Delivery) -> str:
    """Return the JSON of ``down/warning``; the head unit collapses repeats on ``warning_id``."""
    return json.dumps(
        {
            "v": 1,
            "warning_id": str(delivery.warning_id),
            "severity": delivery.severity,
            "title": {"en": delivery.title_en, "zh": delivery.title_zh},
            "body": {"en": delivery.body_en, "zh": delivery.body_zh},
            "order_id": delivery.order_id,
            "created": int((delivery.warned_at or delivery.created_at).timestamp() * 1000),
        },
        ensure_ascii=False,
    )
