"""Frames out to the broker at QoS 1, on the event loop itself; word back when the broker has taken each."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import uuid
from collections import deque
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import structlog

from ingest.gateway.broker_link import BrokerLink
from ingest.gateway.recent import Done, Message, RecentMessages
from ingest.mqtt_packets import (
    CLOSED,
    CONNACK,
    DISCONNECT,
    PINGREQ,
    PUBACK,
    REASONS,
    Control,
    MqttError,
    PacketReader,
    encode_connect,
    encode_publish,
    read_properties,
)
from ingest.mqtt_version import VersionProbe

_KEEPALIVE_S, _SILENT_S, _ANSWER_S = 10, 25.0, 10.0
_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0
_RECEIVE_MAXIMUM, _DUPLICATE = 0x21, 0x08
#: A broker that crashed has forgotten what it took since it last wrote to its disk: with the shipped
#: configuration of Mosquitto, 15 s.
_FORGETS_S = 60.0
#: "No matching subscribers" (MQTT 5 §3.4.2.1): acknowledged, and thrown away. Ingest will be there again.
_NOBODY_LISTENS, _LISTENS_AGAIN_S = 0x10, 1.0
#: Message ids are two bytes; some stay free, so that the next one is found at once.
_MOST_MESSAGES = 60_000
_log = structlog.get_logger("gateway")


class Uplink:
    """Publishes with a bounded window.

    On the next connection after a lost one, what the broker has not acknowledged is sent again, and what it
    has acknowledged during the last minute too: if it crashed, it may have forgotten that. Who stores frames
    does so by their vehicle and time, and a repeat has no effect.

    Args:
        url: ``mqtt[s]://user:password@host:port``.
        window: Messages that may wait for the broker's word.
        window_bytes: Bytes of them that may wait for it; as many of acknowledged ones are kept.
        on_room: Called when messages may be published again after ``has_room`` was false.
    """

    def __init__(self, url: str, *, window: int, window_bytes: int, on_room: Callable[[], None]) -> None:
        parts = urlsplit(url)
        self._is_tls = parts.scheme == "mqtts"
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or (8883 if self._is_tls else 1883)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._client_id = f"anxin-gateway-{uuid.uuid4().hex[:12]}"
        self._probe = VersionProbe(
            self._host, self._port, is_tls=self._is_tls, client_id=f"{self._client_id}-probe"
        )
        self._asked_window = min(window, _MOST_MESSAGES)
        self._window, self._window_bytes = self._asked_window, window_bytes
        self._on_room = on_room
        self._waiting: dict[int, Message] = {}
        self._again: deque[Message] = deque()
        self._recent = RecentMessages(age_s=_FORGETS_S, limit_bytes=window_bytes)
        self._waiting_bytes = 0
        self._mid = 0
        self._was_full = True
        self._out: list[bytes] = []
        self._link: BrokerLink | None = None
        self._is_v5 = True
        self._is_accepted = self._is_unheard = self._is_unheard_told = False
        self._task: asyncio.Task[None] | None = None
        self.connection_count = 0  #: connections made so far
        self.refused_count = 0  #: messages the broker did not take
        self.repeated_count = 0  #: messages sent again after a lost connection

    @property
    def is_connected(self) -> bool:
        """Tell whether the broker has accepted the present connection."""
        return self._is_accepted

    @property
    def is_stalled(self) -> bool:
        """Tell whether the broker, or whoever listens to it, is away just now."""
        return self._is_unheard or not self._is_accepted

    @property
    def in_flight(self) -> int:
        """Return how many messages wait for the broker's word."""
        return len(self._waiting) + len(self._again)

    @property
    def has_room(self) -> bool:
        """Tell whether a message may be published now; if not, ``on_room`` will tell when."""
        if (
            self._is_accepted
            and not self._again
            and len(self._waiting) < self._window
            and self._waiting_bytes < self._window_bytes
        ):
            return True
        self._was_full = True
        return False

    def publish(self, topic: str, payload: bytes, done: Done) -> None:
        """Publish; ``done`` is called once, with whether the broker has taken it. Ask ``has_room`` before."""
        self._publish(Message(topic, payload, done))

    def start(self) -> None:
        """Begin connecting; returns at once."""
        self._task = asyncio.create_task(self._run(), name="uplink")

    async def stop(self) -> None:
        """Leave the broker; what it has not acknowledged is not answered, and vehicles send it again."""
        if self._link is not None and self._link.transport is not None and self._is_accepted:
            self._flush()
            self._link.transport.write(DISCONNECT)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._link is not None and self._link.transport is not None:
            self._link.transport.close()

    async def _run(self) -> None:
        pause_s, is_told = _PAUSE_S, False
        while True:
            try:
                await self._connect()
            except (OSError, TimeoutError, MqttError) as error:
                if not is_told:
                    _log.warning("broker away", error=f"{type(error).__name__}: {error}"[:200])
                is_told = True
            else:
                pause_s, is_told = _PAUSE_S, False
                await self._serve()
                _log.warning("broker connection lost", waiting=len(self._waiting))
            self._is_accepted = False
            if self._link is not None and self._link.transport is not None:
                self._link.transport.abort()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _connect(self) -> None:
        self._is_v5 = await asyncio.to_thread(self._probe.speaks_mqtt5)
        loop = asyncio.get_running_loop()
        link = BrokerLink(
            PacketReader(is_v5=self._is_v5, connection=None), on_packet=self._receive, on_read=self.go_on
        )
        context = ssl.create_default_context() if self._is_tls else None
        self._out.clear()
        self._link = link
        async with asyncio.timeout(_ANSWER_S):
            await loop.create_connection(lambda: link, self._host, self._port, ssl=context)
            link.write(
                encode_connect(
                    self._client_id,
                    is_v5=self._is_v5,
                    keepalive_s=_KEEPALIVE_S,
                    user=self._user,
                    password=self._password,
                    is_clean=True,
                )
            )
            while not self._is_accepted:
                if link.is_lost.is_set():
                    raise ConnectionRefusedError(link.reason or "the broker ended the connection")
                await link.changed.wait()
                link.changed.clear()

    async def _serve(self) -> None:
        """Keep the connection alive until it is lost."""
        link, loop = self._link, asyncio.get_running_loop()
        while link is not None and not link.is_lost.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(link.is_lost.wait(), _KEEPALIVE_S / 2)
            if loop.time() - link.heard_s > _SILENT_S:
                return  # half open: the broker's machine went without a word
            link.write(PINGREQ)

    # ------------------------------------------------------------------ the broker's words

    def _receive(self, link: BrokerLink, control: Control) -> None:
        """Take one packet of the broker."""
        if link is not self._link:
            return
        if control.kind == PUBACK:
            self._take_word(control)
        elif control.kind == CONNACK:
            self._take_connack(link, control)
        elif control.kind == CLOSED:
            link.fail(REASONS.get(control.reason(0), "closed by the broker"))

    def _take_connack(self, link: BrokerLink, control: Control) -> None:
        reason = control.reason(1)
        if reason:
            link.fail(REASONS.get(reason, f"reason {reason:#x}"))
            return
        allowed = read_properties(control.body, 2)[0].get(_RECEIVE_MAXIMUM, 65_535) if self._is_v5 else 65_535
        self._window = min(self._asked_window, allowed)
        self.connection_count += 1
        self._is_accepted = True
        link.changed.set()
        self._again.extendleft(reversed([*self._recent.take_all(), *self._waiting.values()]))
        self._waiting.clear()
        self._waiting_bytes = 0
        self.repeated_count += len(self._again)
        _log.info("broker connected", action="uplink", is_v5=self._is_v5, sent_again=len(self._again))
        self.go_on()

    def _take_word(self, control: Control) -> None:
        message = self._waiting.pop(int.from_bytes(control.body[:2], "big"), None)
        if message is None:
            return
        self._waiting_bytes -= message.size
        reason = control.reason(2)
        if reason == _NOBODY_LISTENS:
            self._keep_unheard(message)
            return
        self._is_unheard_told = False
        is_taken = reason < 0x80
        self.refused_count += not is_taken
        if is_taken:
            self._recent.add(message, asyncio.get_running_loop().time())
        if message.done is not None:
            message.done(is_taken)

    def _keep_unheard(self, message: Message) -> None:
        """Keep a message that nobody has been given; nothing new is taken until somebody listens."""
        if not self._is_unheard:
            self._is_unheard = True
            asyncio.get_running_loop().call_later(_LISTENS_AGAIN_S, self._try_again)
        if not self._is_unheard_told:
            self._is_unheard_told = True
            _log.warning("nobody listens to the broker", action="uplink")
        self._again.append(message)

    def _try_again(self) -> None:
        self._is_unheard = False
        self.go_on()

    def go_on(self) -> None:
        """Send again what is to be, then call ``on_room`` if it was asked for and half the window is free."""
        while (
            self._again and self._is_accepted and not self._is_unheard and len(self._waiting) < self._window
        ):
            self._publish(self._again.popleft(), is_again=True)
        if (
            self._was_full
            and self._is_accepted
            and not self._again
            and len(self._waiting) <= self._window // 2
            and self._waiting_bytes <= self._window_bytes // 2
        ):
            self._was_full = False
            self._on_room()

    def _publish(self, message: Message, *, is_again: bool = False) -> None:
        while True:
            self._mid = self._mid % 65_535 + 1
            if self._mid not in self._waiting:
                break
        packet = encode_publish(message.topic, message.payload, self._mid, is_v5=self._is_v5)
        self._waiting[self._mid] = message
        self._waiting_bytes += message.size
        self._send(bytes([packet[0] | _DUPLICATE]) + packet[1:] if is_again else packet)

    def _send(self, packet: bytes) -> None:
        """Send with what else is published in this turn of the loop, as one piece."""
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(packet)

    def _flush(self) -> None:
        if self._link is not None and self._is_accepted and self._out:
            self._link.write(b"".join(self._out))
        self._out.clear()
