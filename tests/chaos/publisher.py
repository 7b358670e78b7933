"""One connection of a test that publishes whatever it is given."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt

#: Topic and payload.
Published = tuple[str, bytes]


class Publisher:
    """One connection that sends whatever it is given."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id="fuzz", protocol=mqtt.MQTTv311, clean_session=True
        )
        self._client.username_pw_set(parts.username or "", parts.password)
        self._client.max_inflight_messages_set(1000)
        self._client.connect("127.0.0.1", parts.port or 1883)
        self._client.loop_start()

    def publish(self, messages: Sequence[Published]) -> None:
        """Publish and wait until the broker has all of it."""
        infos = [self._client.publish(topic, payload, qos=1) for topic, payload in messages]
        for info in infos[-1100:]:
            info.wait_for_publish(60)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
