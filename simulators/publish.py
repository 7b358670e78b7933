"""Vehicles at the broker: one connection each, one network thread for all of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import MQTTErrorCode

from data import topics
from data.records import Vin
from simulators.encode import mark_hist
from simulators.errors import DownError, LinkError
from simulators.inbox import read_down
from simulators.link import RETRY_S, Address, Counters, Link
from simulators.newest import Newest
from simulators.outbox import MakePayload, Outbox
from simulators.sent_store import SentMessage, SentStore
from simulators.sockets import Sockets

_log = structlog.get_logger("simulators")
OnWarning = Callable[[Vin, Mapping[str, Any]], None]
_WINDOW = 10  #: messages under way per vehicle, and as many repeats
_ANSWER_S = 5.0  #: longest wait for the broker to accept a connection


class FleetLink:
    """Publishes for many vehicles over MQTT 3.1.1, at least once, at a bounded rate for all of them together.

    Any thread submits; one of its own does the network. Every vehicle has a connection, a last will, a boot
    id and sequence numbers of its own. A message counts as sent when the broker has acknowledged it. Requests
    for missing messages are answered from the store.
    """

    def __init__(
        self,
        url: str,
        *,
        tenant: str,
        vins: Sequence[Vin],
        boot: str,
        store: SentStore,
        origin: str,
        rate_messages_per_s: float = 400.0,
        queue_messages: int = 600,
        status_every_s: float = 5.0,
        on_warning: OnWarning | None = None,
        now_ms: Callable[[], int],
    ) -> None:
        """Prepare the vehicles; :meth:`start` connects them.

        Raises:
            LinkError: The address is not mqtt[s]://[user:password@]host[:port].
        """
        self._address = Address.parse(url)
        self.counters = Counters()
        self.boot = boot
        self._store, self._rate, self._limit = store, rate_messages_per_s, queue_messages
        self._status_every_s, self._on_warning, self._now_ms = status_every_s, on_warning, now_ms
        self._sockets = Sockets()
        self._lock = threading.Condition(threading.RLock())
        self._links = {vin: self._make_link(Outbox(tenant, vin, boot, origin)) for vin in vins}
        self._turns = deque(self._links.values())
        self._thread = threading.Thread(target=self._run, name="vehicles", daemon=True)
        self._is_stopping = False
        self._queued = 0  # messages not yet handed to the broker, counted anew at each round
        self._tokens = self._repeat_tokens = 0.0
        self._has_warned = False
        self._failure: str | None = None
        self.refusal: str | None = None  #: why the broker refuses the vehicles, as long as it does

    def start(self) -> None:
        """Connect in the background and keep connected."""
        self._thread.start()

    def submit(
        self,
        vin: Vin,
        kind: topics.Up,
        make: MakePayload,
        *,
        is_hist: bool = False,
        bus: str = "",
        stop: threading.Event | None = None,
    ) -> bool:
        """Number and queue one message; wait while the queue is full.

        Returns:
            False when ``stop`` was set first; the message is then not queued.

        Raises:
            LinkError: The network thread has failed.
        """
        with self._lock:
            self._check()
            while self._queued >= self._limit:
                self._check()
                if (stop is not None and stop.is_set()) or self._is_stopping:
                    return False
                self._lock.wait(0.1)
            self._links[vin].outbox.add(kind, make, sent_ms=self._now_ms(), is_hist=is_hist, bus=bus)
            self._queued += 1
        self._sockets.wake()
        return True

    def remember(self, vin: Vin, newest: Mapping[str, Newest]) -> None:
        """Keep what a vehicle's sensors said last, for when it is asked."""
        with self._lock:
            self._links[vin].outbox.newest.update(newest)

    def drain(self, timeout_s: float, stop: threading.Event | None = None) -> bool:
        """Wait until every message has been acknowledged; tell whether that happened in time.

        Raises:
            LinkError: The network thread has failed.
        """
        until = time.monotonic() + timeout_s
        with self._lock:
            while not all(link.outbox.is_idle for link in self._links.values()):
                if time.monotonic() > until or (stop is not None and stop.is_set()):
                    return False
                self._lock.wait(0.1)
                self._check()
            self._check()
        return True

    def stop(self) -> None:
        """Say goodbye with a last status and disconnect."""
        self._is_stopping = True
        self._sockets.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=10.0)
        self._sockets.close()

    def _make_link(self, outbox: Outbox) -> Link:
        client = self._address.build_client(outbox)
        link = Link(outbox, client)
        client.max_inflight_messages_set(4 * _WINDOW)
        client.on_connect = lambda _c, _u, _f, code, _p: self._connected(link, code)
        client.on_disconnect = lambda _c, _u, _f, _code, _p: self._disconnected(link)
        client.on_publish = lambda _c, _u, mid, _code, _p: self._acknowledged(link, mid)
        client.on_message = lambda _c, _u, message: self._received(link, message)
        self._sockets.follow(client)
        return link

    def _run(self) -> None:
        try:
            self._loop()
        except Exception as error:
            _log.exception("vehicles stopped")
            self._failure = f"vehicles stopped: {type(error).__name__}: {error}"
        self._say_goodbye()

    def _check(self) -> None:
        if self._failure is not None:
            raise LinkError(self._failure)

    def _loop(self) -> None:
        last = housekeeping = pruned = time.monotonic()
        wait_s = 0.0
        while not self._is_stopping:
            self._sockets.poll(wait_s)
            now = time.monotonic()
            self._connect_due(now)
            burst = max(20.0, 0.2 * self._rate)
            self._tokens = min(self._tokens + (now - last) * self._rate, burst)
            self._repeat_tokens = min(self._repeat_tokens + (now - last) * self._rate, burst)
            last = now
            with self._lock:
                has_more = self._pump() | self._repeat()
                self._announce(now)
            wait_s = 0.02 if has_more else 0.2
            if now - housekeeping > 1.0:
                housekeeping = now
                for link in self._links.values():
                    if link.client.socket() is not None and not link.is_connected and now > link.give_up_at:
                        link.client.disconnect()  # a broker that is only starting may never answer
                    if link.client.loop_misc() is not MQTTErrorCode.MQTT_ERR_SUCCESS and link.is_connected:
                        self._disconnected(link)
            if now - pruned > 600.0:
                pruned = now
                self._store.prune(self._now_ms())

    def _connect_due(self, now: float) -> None:
        for link in self._links.values():
            if link.client.socket() is not None or now < link.retry_at:
                continue
            link.retry_at = now + link.pause_s
            link.pause_s = min(2 * link.pause_s, RETRY_S[1])
            link.give_up_at = now + _ANSWER_S
            try:
                link.client.connect(self._address.host, self._address.port, keepalive=30)
            except (OSError, ValueError) as error:
                self.refusal = f"{type(error).__name__}: {error}"
                if not self._has_warned:
                    self._has_warned = True
                    _log.warning("broker away", reason=self.refusal[:200])
                return

    def _connected(self, link: Link, code: Any) -> None:
        if code.is_failure:
            self.refusal = str(code)
            if not self._has_warned:
                self._has_warned = True
                _log.warning("broker refuses", reason=str(code))
            return
        self._has_warned, self.refusal = False, None
        link.is_connected, link.pause_s, link.status_at = True, RETRY_S[0], 0.0
        link.client.subscribe(topics.down_filter(link.outbox.tenant, link.outbox.vin), qos=1)

    def _disconnected(self, link: Link) -> None:
        link.is_connected = False
        link.retry_at = max(link.retry_at, time.monotonic() + 0.1)

    def _acknowledged(self, link: Link, mid: int) -> None:
        with self._lock:
            is_repeat = link.outbox.acknowledge(mid)
            self.counters.acked += is_repeat is False
            self._lock.notify_all()

    def _pump(self) -> bool:
        """Send what the rate and the windows allow, vehicles taking turns; tell whether more is waiting."""
        chosen: list[tuple[Link, SentMessage]] = []
        idle = 0
        room = {v: _WINDOW - link.outbox.count_under_way(is_repeat=False) for v, link in self._links.items()}
        while self._tokens >= 1.0 and idle < len(self._turns):
            link = self._turns[0]
            self._turns.rotate(-1)
            if link.is_connected and link.outbox.waiting and room[link.outbox.vin] > 0:
                chosen.append((link, link.outbox.waiting.popleft()))
                room[link.outbox.vin] -= 1
                self._tokens -= 1.0
                idle = 0
            else:
                idle += 1
        if chosen:
            self._store.save(message for _, message in chosen)
            for link, message in chosen:
                self._publish(link, message, is_repeat=False)
            self.counters.published += len(chosen)
        self._queued = sum(len(link.outbox.waiting) for link in self._links.values())
        self._lock.notify_all()
        return self._queued > 0

    def _repeat(self) -> bool:
        for link in self._links.values():
            box = link.outbox
            while link.is_connected and box.repeats and self._repeat_tokens >= 1.0:
                if box.count_under_way(is_repeat=True) >= _WINDOW:
                    break
                boot, seq = box.repeats.popleft()
                found = self._store.fetch(box.vin, boot, [seq])
                self._repeat_tokens -= 1.0
                if found:
                    self._publish(link, found[0], is_repeat=True)
                    self.counters.resent += 1
                else:
                    box.asked.discard((boot, seq))
        return any(link.outbox.repeats for link in self._links.values())

    def _publish(self, link: Link, message: SentMessage, *, is_repeat: bool) -> None:
        payload = mark_hist(message.payload) if is_repeat else message.payload
        info = link.client.publish(message.topic, payload, qos=1)
        link.outbox.in_flight[info.mid] = (message, is_repeat)

    def _announce(self, now: float) -> None:
        for link in self._links.values():
            is_new = link.outbox.is_idle and link.outbox.announced_seq != link.outbox.next_seq - 1
            pause_s = 0.5 if is_new else self._status_every_s
            if link.is_connected and now - link.status_at >= pause_s and link.outbox.acknowledged_seq >= 0:
                link.status_at = now
                link.client.publish(*link.outbox.status(is_online=True), qos=1, retain=True)

    def _received(self, link: Link, message: mqtt.MQTTMessage) -> None:
        try:
            with self._lock:
                warning = read_down(link.outbox, message.topic, bytes(message.payload), now_ms=self._now_ms())
        except DownError as error:
            _log.warning("unreadable message from the server", reason=str(error))
            return
        if warning is not None:
            self.counters.warnings += 1
            if self._on_warning is not None:
                self._on_warning(link.outbox.vin, warning)

    def _say_goodbye(self) -> None:
        for link in self._links.values():
            if link.is_connected:
                link.client.publish(*link.outbox.status(is_online=False), qos=1, retain=True)
            link.client.disconnect()
        until = time.monotonic() + 2.0
        while time.monotonic() < until and any(link.client.socket() for link in self._links.values()):
            self._sockets.poll(0.05)
        for link in self._links.values():
            self._sockets.forget(link.client)
