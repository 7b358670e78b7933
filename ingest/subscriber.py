"""The only paho import of ingest: deliveries in, acknowledgements out on the connection that delivered.

MQTT 5 where the broker speaks it (shared subscription, session expiry, receive maximum), else MQTT 3.1.1
with a plain persistent subscription. Every connection is a client object of its own under one stable client
id: the broker keeps the session, and an acknowledgement of an older connection never reaches a newer one.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from data.topics import PREFIX, UP_FILTER, Up
from ingest.messages import Delivery
from ingest.mqtt_version import speaks_mqtt5

#: The broker keeps our session, and what it queued, as long as vehicles keep their messages.
SESSION_EXPIRY_S = 7 * 86_400
#: A shared subscription is never given retained messages: each connection asks for them, and stays this long.
RETAINED_S = 20.0
STATUS_FILTER = f"{PREFIX}/+/+/up/{Up.STATUS}"
_KEEPALIVE_S = 30
_LONGEST_PAUSE_S = 15.0

_log = structlog.get_logger("ingest")


class Subscriber:
    """Keeps one connection to the broker and hands its messages over in arrival order.

    Args:
        url: ``mqtt[s]://user:password@host:port``.
        client_id: Stable: the broker keeps the session under it.
        share: Group of the shared subscription (MQTT 5); empty: a plain subscription.
        window: Messages that may be unacknowledged; also the length of the queue.
        clock_us: Now, microseconds since 1970 UTC; stamps what arrives.
        filters: Topic filters to subscribe to; on MQTT 5 each within the group.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str,
        share: str,
        window: int,
        clock_us: Callable[[], int],
        filters: Sequence[str] = (UP_FILTER,),
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._is_tls = parts.scheme == "mqtts"
        self._port = parts.port or (8883 if self._is_tls else 1883)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._client_id = client_id
        self._share = share
        self._window = window
        self._clock_us = clock_us
        self._filters = tuple(filters)
        self._queue: queue.Queue[Delivery] = queue.Queue(maxsize=window)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._client: mqtt.Client | None = None
        self._is_connected = threading.Event()
        self._is_lost = threading.Event()
        self._protocol = MQTTProtocolVersion.MQTTv5
        self._thread = threading.Thread(target=self._run, name="ingest-subscriber", daemon=True)
        self.connection_count = 0  #: connections made so far
        self.refusal: str | None = None  #: why the broker refuses us, as long as it does

    def start(self) -> None:
        """Begin connecting; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Leave the broker; the session stays there."""
        self._stop.set()
        self._is_lost.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10.0)

    @property
    def is_connected(self) -> bool:
        """Tell whether the broker has accepted the present connection."""
        return self._is_connected.is_set()

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait for a connection; tell whether there is one."""
        return self._is_connected.wait(timeout_s)

    def receive(self, timeout_s: float) -> Delivery | None:
        """Return the next delivery, or None when none came in time."""
        try:
            return self._queue.get(timeout=timeout_s) if timeout_s > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None

    def acknowledge(self, deliveries: Sequence[Delivery]) -> int:
        """Acknowledge in the given order; return how many could be, being of the present connection."""
        done = 0
        with self._lock:
            client = self._client
            for delivery in deliveries:
                if client is not None and delivery.connection is client and delivery.qos > 0:
                    done += client.ack(delivery.mid, delivery.qos) == MQTTErrorCode.MQTT_ERR_SUCCESS
        return done

    def publish(self, topic: str, payload: bytes) -> bool:
        """Publish at QoS 1 without waiting; tell whether there was a connection to try it on."""
        with self._lock:
            if self._client is None or not self._is_connected.is_set():
                return False
            return self._client.publish(topic, payload, qos=1).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _run(self) -> None:
        pause_s, is_told = 0.2, False
        while not self._stop.is_set():
            self._is_lost.clear()
            try:
                self._choose_protocol()
                client = self._build_client()
                self._connect(client)
            except OSError as error:
                if not is_told:
                    _log.warning("broker away", error=str(error)[:200])
                is_told = True
            else:
                was_accepted = self._serve(client)
                pause_s = 0.2 if was_accepted else pause_s
                if was_accepted and not self._stop.is_set():
                    _log.warning("broker connection lost")
                is_told = is_told and not was_accepted
            self._stop.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _serve(self, client: mqtt.Client) -> bool:
        """Serve one connection until it is lost; tell whether the broker had accepted it."""
        with self._lock:
            self._client = client
        client.loop_start()
        accepted = self._wait_accepted()
        if accepted:
            self._watch(client)
        with self._lock:
            self._client = None
        self._is_connected.clear()
        client.disconnect()
        client.loop_stop()
        return accepted and self.refusal is None

    def _wait_accepted(self) -> bool:
        deadline = time.monotonic() + _KEEPALIVE_S
        while time.monotonic() < deadline and not self._is_lost.is_set():
            if self._is_connected.wait(0.05):
                return True
        return self._is_connected.is_set()

    def _watch(self, client: mqtt.Client) -> None:
        is_shared = self._is_shared()
        if not self._is_lost.wait(RETAINED_S) and is_shared:
            client.unsubscribe(STATUS_FILTER)
        self._is_lost.wait()

    def _is_shared(self) -> bool:
        return bool(self._share) and self._protocol == MQTTProtocolVersion.MQTTv5

    def _build_client(self) -> mqtt.Client:
        is_v5 = self._protocol == MQTTProtocolVersion.MQTTv5
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=self._protocol,
            manual_ack=True,
            reconnect_on_failure=False,
            clean_session=None if is_v5 else False,
        )
        if self._user is not None:
            client.username_pw_set(self._user, self._password)
        if self._is_tls:
            client.tls_set()
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _choose_protocol(self) -> None:
        is_new = speaks_mqtt5(
            self._host,
            self._port,
            is_tls=self._is_tls,
            client_id=f"{self._client_id[:64]}-probe",
        )
        self._protocol = MQTTProtocolVersion.MQTTv5 if is_new else MQTTProtocolVersion.MQTTv311

    def _connect(self, client: mqtt.Client) -> None:
        if self._protocol == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
            properties.ReceiveMaximum = self._window
            client.connect(self._host, self._port, _KEEPALIVE_S, clean_start=False, properties=properties)
        else:
            client.connect(self._host, self._port, _KEEPALIVE_S)

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: Any,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._refuse(f"connection: {reason}")
            return
        if self._is_shared():
            shared = [f"$share/{self._share}/{f}" for f in self._filters]
            client.subscribe([(f, SubscribeOptions(qos=1)) for f in (*shared, STATUS_FILTER)])
        elif self._protocol == MQTTProtocolVersion.MQTTv5:
            client.subscribe([(f, SubscribeOptions(qos=1)) for f in self._filters])
        else:
            client.subscribe([(f, 1) for f in self._filters])
        self.connection_count += 1
        _log.info(
            "broker connected",
            protocol=self._protocol.name,
            is_shared=self._is_shared(),
            session_present=flags.session_present,
        )
        self._is_connected.set()

    def _on_subscribe(
        self,
        _client: mqtt.Client,
        _userdata: Any,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        failed = [str(reason) for reason in reasons if reason.is_failure]
        if failed:
            self._refuse(f"subscription: {failed[0]}")
        else:
            self.refusal = None

    def _refuse(self, why: str) -> None:
        """Leave a broker that will not serve us; tell of it once."""
        if self.refusal != why:
            _log.error("broker refused", reason=why)
        self.refusal = why
        self._is_connected.clear()
        self._is_lost.set()

    def _on_disconnect(
        self,
        client: mqtt.Client,
        _userdata: Any,
        _flags: mqtt.DisconnectFlags,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if client is self._client:
            self._is_lost.set()

    def _on_message(self, client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "not UTF-8"
        delivery = Delivery(topic, bytes(message.payload), self._clock_us(), message.qos, message.mid, client)
        delivery.is_retained = message.retain
        while not self._is_lost.is_set():
            try:
                self._queue.put(delivery, timeout=0.5)
            except queue.Full:
                continue
            return
