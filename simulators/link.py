"""The broker's address and one vehicle's connection to it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from data import topics
from simulators.encode import status_payload
from simulators.errors import LinkError
from simulators.outbox import Outbox

RETRY_S = (0.2, 10.0)  #: first and longest pause before connecting again


@dataclass(slots=True)
class Counters:
    """What has gone over the wire; status messages are not counted."""

    published: int = 0  #: distinct messages handed to the broker
    acked: int = 0  #: distinct messages that the broker acknowledged
    resent: int = 0  #: messages sent again because the server asked
    warnings: int = 0  #: distinct warnings received


@dataclass(slots=True)
class Link:
    """One vehicle: what it has to send, and its connection."""

    outbox: Outbox
    client: mqtt.Client
    is_connected: bool = False
    retry_at: float = 0.0
    pause_s: float = RETRY_S[0]
    give_up_at: float = 0.0
    status_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is and who the vehicles are there."""

    host: str
    port: int
    account: tuple[str, str] | None
    is_tls: bool

    @classmethod
    def parse(cls, url: str) -> Self:
        """Return the parts of an address.

        Raises:
            LinkError: It is not mqtt[s]://[user:password@]host[:port].
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise LinkError(f"mqtt_url: {error}") from error
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise LinkError("mqtt_url: must be mqtt[s]://user:password@host:port")
        is_tls = parts.scheme == "mqtts"
        account = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        return cls(parts.hostname, port or (8883 if is_tls else 1883), account, is_tls)

    def build_client(self, outbox: Outbox) -> mqtt.Client:
        """Return an unconnected client of one vehicle, MQTT 3.1.1, with its last will."""
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{outbox.tenant}-{outbox.vin}",
            protocol=mqtt.MQTTv311,
            clean_session=False,  # warnings wait at the broker while the vehicle is away
            reconnect_on_failure=False,
        )
        client.connect_timeout = 3.0
        if self.account:
            client.username_pw_set(*self.account)
        if self.is_tls:
            client.tls_set(cert_reqs=ssl.CERT_REQUIRED)
        will = topics.up(outbox.tenant, outbox.vin, topics.Up.STATUS)
        client.will_set(will, status_payload(outbox.boot, is_online=False), qos=1, retain=True)
        return client
