"""One connection to a broker: bytes in large pieces, what is to be sent without ever waiting for the peer."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from ingest.messages import Delivery
from ingest.mqtt_packets import PINGREQ, Control, PacketReader

#: One read takes up to so much: hundreds of messages for one system call.
_READ_BYTES = 256 * 1024
#: A peer that vanished without a word is noticed after so long, also while we send nothing.
_SILENT_S = 20
_PING_PAUSE_S = 5


class MqttLink:
    """A connected socket with its packets; one thread reads, any thread sends.

    Raises:
        OSError: No connection.
    """

    def __init__(self, host: str, port: int, *, is_tls: bool, is_v5: bool, timeout_s: float = 10.0) -> None:
        self.is_v5 = is_v5
        plain = socket.create_connection((host, port), timeout=timeout_s)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in (
                ("TCP_KEEPIDLE", _SILENT_S // 2),
                ("TCP_KEEPINTVL", 5),
                ("TCP_KEEPCNT", 2),
                ("TCP_USER_TIMEOUT", _SILENT_S * 1000),
            ):
                if hasattr(socket, name):  # not every system has all of them
                    plain.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            self._socket = (
                ssl.create_default_context().wrap_socket(plain, server_hostname=host) if is_tls else plain
            )
        except BaseException:
            plain.close()
            raise
        self._socket.setblocking(False)
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._lock = threading.Lock()  # OpenSSL takes one call at a time
        self._unsent = bytearray()
        self._is_closed = False
        self._reader = PacketReader(is_v5=is_v5, connection=self)
        self.sent_s = self.heard_s = time.monotonic()  #: when bytes last went and came, monotonic seconds
        self.pinged_s = 0.0  #: when a PINGREQ was last sent

    def keep_alive(self, keepalive_s: float) -> None:
        """Ask for a sign of life when little was said for half the time agreed on.

        Raises:
            TimeoutError: The peer has been silent for half as long again as was agreed on.
        """
        now_s = time.monotonic()
        if now_s - self.heard_s > 1.5 * keepalive_s:
            raise TimeoutError(f"the broker has been silent for {now_s - self.heard_s:.0f} s")
        if now_s - min(self.sent_s, self.heard_s) > keepalive_s / 2 and now_s - self.pinged_s > _PING_PAUSE_S:
            self.pinged_s = now_s
            self.send(PINGREQ)

    def send(self, data: bytes) -> bool:
        """Send, or keep for the reading thread to send; tell whether the connection still stood.

        Never waits: what the peer does not take stays here, a few bytes for each delivery of the window.
        """
        with self._lock:
            if self._is_closed:
                return False
            was_idle = not self._unsent
            self._unsent += data
            try:
                if was_idle:
                    self._flush()
            except OSError:
                return False  # the reading thread meets the same error
            if self._unsent and was_idle:
                self.wake()
        return True

    def wake(self) -> None:
        """Let the reading thread look around now."""
        with suppress(OSError):  # full: it is awake already; closed: nobody reads
            self._wake_write.send(b"\0")

    def receive(self, timeout_s: float, clock_us: Callable[[], int]) -> tuple[list[Delivery], list[Control]]:
        """Return what has come within ``timeout_s``; both lists empty when nothing is complete.

        Raises:
            OSError: The connection is lost.
            MqttError: The peer does not speak MQTT.
        """
        if self._wait(timeout_s):
            data = self._read()
            if data:
                self.heard_s = time.monotonic()
                return self._reader.feed(data, clock_us())
        return [], []

    def wait_only(self, timeout_s: float) -> None:
        """Send what is left to send and wait, without reading: the window is full."""
        self._wait(timeout_s, is_reading=False)

    def close(self) -> None:
        """Close the connection; what is unsent is lost."""
        with self._lock:
            self._is_closed = True
            self._socket.close()
        self._wake_read.close()
        self._wake_write.close()

    def _wait(self, timeout_s: float, *, is_reading: bool = True) -> bool:
        """Wait; tell whether there may be something to read."""
        if is_reading and isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        with self._lock:
            writing = [self._socket] if self._unsent else []
        reading = [self._wake_read, self._socket] if is_reading else [self._wake_read]
        readable, writable, _ = select.select(reading, writing, [], timeout_s)
        if self._wake_read in readable:
            self._wake_read.recv(4096)
        if writable:
            with self._lock:
                self._flush()
        return self._socket in readable

    def _read(self) -> bytes:
        with self._lock:
            try:
                data = self._socket.recv(_READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return b""
        if not data:
            raise ConnectionResetError("the broker closed the connection")
        return data

    def _flush(self) -> None:
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            del self._unsent[:sent]
            self.sent_s = time.monotonic()
