"""The packets of MQTT that a receiver needs, 3.1.1 and 5: many deliveries out of one read of the socket.

Sources: MQTT 3.1.1 (OASIS, 2014) and MQTT 5.0 (OASIS, 2019), §2 and §3. No I/O. Quality of service 2, topic
aliases and extended authentication are never asked for, so they never come.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.errors import IngestError
from ingest.messages import Delivery

PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"
CONNACK, SUBACK, UNSUBACK, PUBACK, PINGRESP, CLOSED = 0x20, 0x90, 0xB0, 0x40, 0xD0, 0xE0
_PUBLISH, _USER_PROPERTY = 0x30, 0x26
#: Topics that are kept decoded; vehicles choose how many there are.
_TOPICS = 200_000

#: What a broker says when it ends a connection or refuses something (MQTT 5 §2.4, 3.1.1 §3.2.2.3).
REASONS = {
    0x01: "unacceptable protocol version",
    0x02: "client id rejected",
    0x03: "server unavailable",
    0x04: "bad user name or password",
    0x05: "not authorized",
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x84: "unsupported protocol version",
    0x85: "client id not valid",
    0x86: "bad user name or password",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8B: "server shutting down",
    0x8D: "keep alive timeout",
    0x8E: "session taken over",
    0x8F: "topic filter invalid",
    0x93: "receive maximum exceeded",
    0x95: "packet too large",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x9E: "shared subscriptions not supported",
}


class MqttError(IngestError):
    """The broker sent what is not MQTT."""


@dataclass(frozen=True, slots=True)
class Control:
    """Any packet but a delivery."""

    kind: int  #: first byte without its flags
    body: bytes

    def reason(self, at: int) -> int:
        """Return the reason code at an offset of the body; 0 where the packet is shorter."""
        return self.body[at] if len(self.body) > at else 0


class PacketReader:
    """Cuts what one connection delivers into packets.

    Args:
        is_v5: Whether the connection speaks MQTT 5.
        connection: Goes into each delivery.
    """

    def __init__(self, *, is_v5: bool, connection: object) -> None:
        self._is_v5 = is_v5
        self._connection = connection
        self._chunks: list[bytes] = []
        self._length = 0
        self._wanted = 2
        self._topics: dict[bytes, str] = {}

    def feed(self, data: bytes, received_us: int) -> tuple[list[Delivery], list[Control]]:
        """Return the packets that are complete by now, in order of arrival.

        Raises:
            MqttError: Not MQTT; the connection is of no use any more.
        """
        self._chunks.append(data)
        self._length += len(data)
        if self._length < self._wanted:
            return [], []
        buffer = data if len(self._chunks) == 1 else b"".join(self._chunks)
        try:
            deliveries, controls, rest = self._parse(buffer, received_us)
        except (IndexError, struct.error) as error:
            raise MqttError("broker: sent a packet that ends before its fields do") from error
        self._chunks = [buffer[rest:]] if rest < len(buffer) else []
        self._length = len(buffer) - rest
        return deliveries, controls

    def _parse(self, buffer: bytes, received_us: int) -> tuple[list[Delivery], list[Control], int]:
        deliveries: list[Delivery] = []
        controls: list[Control] = []
        topics, connection, is_v5 = self._topics, self._connection, self._is_v5
        position, end = 0, len(buffer)
        self._wanted = 2
        while end - position >= 2:
            size, start = buffer[position + 1], position + 2
            if size & 0x80:
                known = read_varint(buffer, position + 1, end)
                if known is None:
                    self._wanted = end - position + 1
                    break
                size, start = known
            stop = start + size
            if stop > end:
                self._wanted = stop - position
                break
            first = buffer[position]
            position = stop
            if first & 0xF0 != _PUBLISH:
                controls.append(Control(first & 0xF0, buffer[start:stop]))
                continue
            body = start + 2 + (buffer[start] << 8 | buffer[start + 1])
            name = buffer[start + 2 : body]
            topic = topics.get(name)
            if topic is None:
                topic = self._learn(name)
            quality, mid = first >> 1 & 3, 0
            if quality:
                mid = buffer[body] << 8 | buffer[body + 1]
                body += 2
            if is_v5:
                width = buffer[body]
                body += 1
                if width & 0x80:
                    width, body = read_varint(buffer, body - 1, stop) or (stop, stop)
                body += width
            if body > stop:
                raise MqttError("broker: sent a delivery that ends before its payload begins")
            deliveries.append(
                Delivery(topic, buffer[body:stop], received_us, quality, mid, connection, first & 1 == 1)
            )
        return deliveries, controls, position

    def _learn(self, name: bytes) -> str:
        if len(self._topics) >= _TOPICS:
            self._topics.clear()
        try:
            topic = name.decode()
        except UnicodeDecodeError:
            topic = "not UTF-8"
        self._topics[bytes(name)] = topic
        return topic


def read_varint(buffer: bytes, at: int, end: int) -> tuple[int, int] | None:
    """Return a variable byte integer (MQTT 5 §1.5.5) and where it ends; None when it is not all there.

    Raises:
        MqttError: Longer than four bytes.
    """
    value = 0
    for i in range(4):
        if at + i >= end:
            return None
        value |= (buffer[at + i] & 0x7F) << 7 * i
        if not buffer[at + i] & 0x80:
            return value, at + i + 1
    raise MqttError("broker: sent a length of more than four bytes")


#: Properties of MQTT 5 §2.2.2.2 by the width of their value; all others are texts or pairs of texts.
_WIDTHS = {0x11: 4, 0x13: 2, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1}
SESSION_EXPIRY, SERVER_KEEP_ALIVE, SHARED_AVAILABLE, RECEIVE_MAXIMUM = 0x11, 0x13, 0x2A, 0x21
LARGEST_WINDOW = 65_535


def read_properties(body: bytes, at: int) -> tuple[dict[int, int], int]:
    """Return the numbers among the properties at an offset of a packet's body, and where they end.

    Raises:
        MqttError: They end before their fields do.
    """
    known = read_varint(body, at, len(body))
    if known is None or known[1] + known[0] > len(body):
        raise MqttError("broker: sent properties that end before their fields do")
    at, end, found = known[1], known[1] + known[0], dict[int, int]()
    while at < end:
        name = body[at]
        if name in _WIDTHS:
            found[name] = int.from_bytes(body[at + 1 : at + 1 + _WIDTHS[name]], "big")
            at += 1 + _WIDTHS[name]
            continue
        for _ in range(2 if name == _USER_PROPERTY else 1):
            at += 2 + int.from_bytes(body[at + 1 : at + 3], "big")
        at += 1
    return found, end


def encode_connect(
    client_id: str,
    *,
    is_v5: bool,
    keepalive_s: int,
    user: str | None = None,
    password: str | None = None,
    is_clean: bool = False,
    session_expiry_s: int = 0,
    receive_maximum: int = LARGEST_WINDOW,
) -> bytes:
    """Return a CONNECT (MQTT 5 §3.1); expiry and maximum count on MQTT 5 only."""
    flags = (
        (0x02 if is_clean else 0)
        | (0x80 if user is not None else 0)
        | (0x40 if user is not None and password is not None else 0)
    )
    body = _text("MQTT") + struct.pack(">BBH", 5 if is_v5 else 4, flags, keepalive_s)
    if is_v5:
        # Defaults go without saying: an old broker that is asked for its version misreads anything longer.
        properties = struct.pack(">BI", SESSION_EXPIRY, session_expiry_s) if session_expiry_s else b""
        if receive_maximum != LARGEST_WINDOW:
            properties += struct.pack(">BH", RECEIVE_MAXIMUM, receive_maximum)
        body += _varint(len(properties)) + properties
    body += _text(client_id)
    if user is not None:
        body += _text(user)
        if password is not None:
            body += _text(password)
    return _packet(0x10, body)


def encode_subscribe(mid: int, filters: Sequence[str], *, is_v5: bool) -> bytes:
    """Return a SUBSCRIBE at quality of service 1 (MQTT 5 §3.8)."""
    body = struct.pack(">H", mid) + (b"\x00" if is_v5 else b"")
    return _packet(0x82, body + b"".join(_text(f) + b"\x01" for f in filters))


def encode_unsubscribe(mid: int, filters: Sequence[str], *, is_v5: bool) -> bytes:
    """Return an UNSUBSCRIBE (MQTT 5 §3.10)."""
    body = struct.pack(">H", mid) + (b"\x00" if is_v5 else b"")
    return _packet(0xA2, body + b"".join(map(_text, filters)))


def encode_publish(topic: str, payload: bytes, mid: int, *, is_v5: bool, is_retained: bool = False) -> bytes:
    """Return a PUBLISH at quality of service 1 (MQTT 5 §3.3)."""
    body = _text(topic) + struct.pack(">H", mid) + (b"\x00" if is_v5 else b"")
    return _packet(0x33 if is_retained else 0x32, body + payload)


def encode_acknowledgements(mids: Sequence[int]) -> bytes:
    """Return the PUBACK of each delivery, in order, as one piece (MQTT 5 §3.4: success needs no more)."""
    return b"".join([b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids])


def _packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + _varint(len(body)) + body


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">H", len(raw)) + raw


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, digit = value >> 7, value & 0x7F
        out.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(out)
