"""Keeps ingest subscribed: deliveries in, acknowledgements out on the connection that delivered.

MQTT 5 where the broker speaks it (shared subscription, session expiry, receive maximum), else MQTT 3.1.1
with a plain persistent subscription. Every connection is a link of its own under one stable client id: the
broker keeps the session, and an acknowledgement of an older connection never reaches a newer one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog

from data.topics import UP_FILTER
from ingest import mqtt_packets as packets
from ingest.broker_address import parse_address
from ingest.broker_pauses import Pauses
from ingest.messages import Delivery
from ingest.mqtt_link import MqttLink
from ingest.mqtt_packets import Control, MqttError
from ingest.mqtt_sessions import end_session
from ingest.mqtt_version import VersionProbe
from ingest.outbox import Outbox
from ingest.subscription import KEEPALIVE_S, SESSION_EXPIRY_S, Subscription
from ingest.window import Window

#: A shared subscription is never given retained messages: each connection asks for them, and stays this long.
RETAINED_S = 20.0
_ENDING_S = 10.0
_TAKEN_OVER = 0x8E

_log = structlog.get_logger("ingest")


class Subscriber:
    """Keeps one connection to the broker and hands its messages over in arrival order.

    Args:
        url: ``mqtt[s]://user:password@host:port``.
        client_id: Stable: the broker keeps the session under it.
        share: Group of the shared subscription (MQTT 5); empty: a plain subscription.
        window: Messages that may be unacknowledged.
        window_bytes: Bytes of payload that may be unacknowledged before the socket is left unread; the
            broker then keeps the rest. One message may exceed it.
        clock_us: Now, microseconds since 1970 UTC; stamps what arrives.
        filters: Topic filters to subscribe to; on MQTT 5 each within the group.
        is_draining: Unsubscribe instead, and take what the broker still holds in the session.
    """

    def __init__(
        self,
        url: str,
        *,
        client_id: str,
        share: str,
        window: int,
        clock_us: Callable[[], int],
        window_bytes: int = 64 * 2**20,
        filters: Sequence[str] = (UP_FILTER,),
        is_draining: bool = False,
    ) -> None:
        self._address = parse_address(url)
        self._window = Window(messages=window, payload_bytes=window_bytes)
        self._clock_us = clock_us
        self._subscription = Subscription(
            client_id=client_id,
            share=share,
            filters=tuple(filters),
            window=self._window.limit,
            user=self._address.user,
            password=self._address.password,
            is_draining=is_draining,
        )
        self._probe = VersionProbe(
            self._address.host,
            self._address.port,
            is_tls=self._address.is_tls,
            client_id=f"{client_id[:64]}-probe",
        )
        self._lock = threading.Lock()
        self._link: MqttLink | None = None
        self._outbox: Outbox | None = None
        self._keepalive_s = KEEPALIVE_S
        self._stop = threading.Event()
        self._is_connected = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest-subscriber", daemon=True)
        self.connection_count = 0  #: connections made so far
        self.takeover_count = 0  #: times another process took our session
        self.refusal: str | None = None  #: why the broker refuses us, as long as it does

    def start(self) -> None:
        """Begin connecting; returns at once."""
        self._thread.start()

    def stop(self, *, ends_session: bool = False) -> bool:
        """Leave the broker; the session stays there, unless it is to end: what it holds is then lost.

        Returns:
            Whether a session that was to end has ended.
        """
        self._stop.set()
        with self._lock:
            if self._link is not None:
                self._link.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=10.0)
        return ends_session and end_session(
            lambda: self._dial(is_v5=self._probe.speaks_mqtt5()),
            lambda link: self._subscription.connect(is_v5=link.is_v5, is_clean=True),
            within_s=_ENDING_S,
        )

    @property
    def is_connected(self) -> bool:
        """Tell whether the broker has accepted the present connection and its subscription."""
        return self._is_connected.is_set()

    @property
    def waiting_messages(self) -> int:
        """Return how many messages are handed over or to be handed over, and not acknowledged."""
        return self._window.messages

    @property
    def waiting_bytes(self) -> int:
        """Return the bytes of their payloads."""
        return self._window.payload_bytes

    @property
    def is_full(self) -> bool:
        """Tell whether nothing more comes before something is acknowledged."""
        return self._window.is_full

    @property
    def quiet_s(self) -> float:
        """Return for how long nothing has come, seconds; 0 while something is unacknowledged."""
        return 0.0 if self._window.messages else time.monotonic() - self._window.arrived_s

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait for a connection; tell whether there is one."""
        return self._is_connected.wait(timeout_s)

    def receive(self, timeout_s: float, *, limit: int) -> list[Delivery]:
        """Return up to ``limit`` deliveries that wait, or those that come first within ``timeout_s``."""
        return self._window.take(timeout_s, limit=limit)

    def acknowledge(self, deliveries: Sequence[Delivery]) -> int:
        """Acknowledge in the given order; return how many could be, being of the present connection."""
        with self._lock:
            link = self._link
        was_full = self._window.release(deliveries)
        mids = [d.mid for d in deliveries if d.qos and d.connection is link]
        if link is None or (mids and not link.send(packets.encode_acknowledgements(mids))):
            return 0
        if was_full:
            link.wake()
        return len(mids)

    def publish(self, topic: str, payload: bytes) -> bool:
        """Publish at QoS 1 without waiting; tell whether there was a connection to try it on."""
        with self._lock:
            outbox = self._outbox
        return outbox is not None and self._is_connected.is_set() and outbox.put(topic, payload)

    def _run(self) -> None:
        pauses, is_told = Pauses(), False
        while not self._stop.is_set():
            count, takeovers, began_s = self.connection_count, self.takeover_count, time.monotonic()
            is_guess = False
            try:
                with self._connected() as link:
                    self._serve(link)
            except Exception as error:
                if not isinstance(error, OSError | MqttError):  # a fault of ours must not end the listening
                    _log.exception("connection given up", error=str(error)[:200])
                was_served = self.connection_count > count
                if was_served or not is_told:
                    what = "broker connection lost" if was_served else "broker away"
                    _log.warning(what, error=str(error)[:200])
                is_told = True
                is_cut = was_served and isinstance(error, ConnectionResetError)
                if pauses.count_cut(time.monotonic() - began_s if is_cut else None):
                    is_guess = True
                    self._tell_taken_over("closed soon after it was accepted, again and again")
            if self.connection_count > count and self.refusal is None:
                is_told = False
                pauses.begin_anew()
            if self.takeover_count > takeovers:
                self._stop.wait(pauses.after_takeover(is_guess=is_guess))
            else:
                self._stop.wait(pauses.after_loss(is_refused=self.refusal is not None))

    @contextmanager
    def _connected(self) -> Iterator[MqttLink]:
        link = self._dial(is_v5=self._probe.speaks_mqtt5())
        try:
            with self._lock:
                self._link, self._outbox = link, Outbox(link.send, is_v5=link.is_v5)
            yield link
        finally:
            with self._lock:
                self._link = self._outbox = None
            self._is_connected.clear()
            link.close()

    def _dial(self, *, is_v5: bool) -> MqttLink:
        address = self._address
        return MqttLink(address.host, address.port, is_tls=address.is_tls, is_v5=is_v5)

    def _serve(self, link: MqttLink) -> None:
        """Serve one connection until it is lost, refused or no longer wanted.

        Raises:
            OSError: Lost.
            MqttError: The peer does not speak MQTT.
        """
        link.send(self._subscription.connect(is_v5=link.is_v5, is_clean=False))
        self._keepalive_s = KEEPALIVE_S
        is_over, unsubscribe_s = False, time.monotonic() + RETAINED_S
        while not self._stop.is_set() and not is_over:
            if self._window.is_full:
                link.wait_only(0.5)
                link.heard_s = time.monotonic()  # we did not listen
            else:
                deliveries, controls = link.receive(0.5, self._clock_us)
                is_over = not all(self._handle(link, control) for control in controls)
                if deliveries:
                    self._window.put(deliveries)
            link.keep_alive(self._keepalive_s)
            if time.monotonic() >= unsubscribe_s:
                unsubscribe_s = float("inf")
                if end := self._subscription.end_of_retained(is_v5=link.is_v5):
                    link.send(end)
        link.send(packets.DISCONNECT)

    def _handle(self, link: MqttLink, control: Control) -> bool:
        """Handle anything but a delivery; tell whether the connection is still of use."""
        if control.kind == packets.CONNACK:
            return self._on_connack(link, control)
        if control.kind == packets.SUBACK:
            return self._on_suback(link, control)
        if control.kind == packets.PUBACK and self._outbox is not None:
            self._outbox.acknowledge()
        if control.kind == packets.UNSUBACK and self._subscription.is_draining:
            self._accept()
        if control.kind == packets.CLOSED:
            code = control.reason(0)
            if code == _TAKEN_OVER:
                return self._tell_taken_over("by the broker's word")
            raise ConnectionAbortedError(f"the broker said goodbye: {packets.REASONS.get(code, hex(code))}")
        return True

    def _on_connack(self, link: MqttLink, control: Control) -> bool:
        if code := control.reason(1):
            return self._refuse(f"connection: {packets.REASONS.get(code, hex(code))}")
        limits = packets.read_properties(control.body, 2)[0] if link.is_v5 else {}
        self._keepalive_s = limits.get(packets.SERVER_KEEP_ALIVE, KEEPALIVE_S) or KEEPALIVE_S
        if self._outbox is not None:
            self._outbox.limit(limits.get(packets.RECEIVE_MAXIMUM, packets.LARGEST_WINDOW))
        if limits.get(packets.SESSION_EXPIRY, SESSION_EXPIRY_S) < SESSION_EXPIRY_S:
            _log.warning("broker keeps the session for less", seconds=limits[packets.SESSION_EXPIRY])
        is_shared = self._subscription.is_shared(is_v5=link.is_v5)
        if is_shared and limits.get(packets.SHARED_AVAILABLE, 1) == 0:
            return self._refuse("subscription: shared subscriptions not supported")
        link.send(self._subscription.begin(is_v5=link.is_v5))
        _log.info(
            "broker connected",
            protocol="MQTTv5" if link.is_v5 else "MQTTv311",
            is_shared=is_shared,
            session_present=bool(control.reason(0) & 1),
        )
        return True

    def _on_suback(self, link: MqttLink, control: Control) -> bool:
        at = packets.read_properties(control.body, 2)[1] if link.is_v5 else 2
        if failed := [code for code in control.body[at:] if code >= 0x80]:
            return self._refuse(f"subscription: {packets.REASONS.get(failed[0], hex(failed[0]))}")
        self._accept()
        return True

    def _accept(self) -> None:
        self.refusal = None
        self.connection_count += 1
        self._window.arrived_s = time.monotonic()
        self._is_connected.set()

    def _tell_taken_over(self, how: str) -> bool:
        self.takeover_count += 1
        our_id = self._subscription.client_id
        return self._refuse(f"session taken over ({how}): another process has client id {our_id}")

    def _refuse(self, why: str) -> bool:
        """Leave a broker that will not serve us; tell of it once."""
        if self.refusal != why:
            _log.error("broker refused", reason=why)
        self.refusal = why
        self._is_connected.clear()
        return False
