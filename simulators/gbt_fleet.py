"""Vehicles of GB/T 32960 at the gateway: one TCP connection each, one thread for all of them."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from simulators.gbt_vehicle import AnswerReader, GbtCounters, GbtVehicle

_log = structlog.get_logger("simulators")
_TICK_S, _PAUSE_S, _CONNECTS_PER_TICK = 0.05, 0.5, 100


@dataclass(slots=True)
class _Link:
    vehicle: GbtVehicle
    sock: socket.socket | None = None
    is_open: bool = False
    reader: AnswerReader = field(default_factory=AnswerReader)
    unsent: bytes = b""
    retry_s: float = 0.0
    spoke_s: float = 0.0


class GbtFleet:
    """Keeps vehicles connected, logged in and sending; at least once.

    Args:
        host: Of the gateway.
        port: Of the gateway.
        vehicles: Each with its own VIN.
        heartbeat_s: Silence after which a vehicle says that it is there.
        now_us: Microseconds since 1970 UTC; stamps logins.
    """

    def __init__(
        self,
        host: str,
        port: int,
        vehicles: Sequence[GbtVehicle],
        *,
        heartbeat_s: float = 60.0,
        now_us: Callable[[], int],
    ) -> None:
        self._address = (host, port)
        self._heartbeat_s, self._now_us = heartbeat_s, now_us
        self._links = {v.vin: _Link(v) for v in vehicles}
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gbt-vehicles", daemon=True)
        self.counters = GbtCounters()

    def start(self) -> None:
        """Connect in the background and keep connected."""
        self._thread.start()

    def submit(self, vin: str, frame: bytes) -> None:
        """Give a vehicle a frame of readings to send."""
        with self._lock:
            self._links[vin].vehicle.add(frame)

    def drain(self, timeout_s: float) -> bool:
        """Wait until every frame is confirmed; tell whether that happened in time."""
        return self._wait(lambda: all(link.vehicle.is_idle for link in self._links.values()), timeout_s)

    def wait_logged_in(self, timeout_s: float) -> bool:
        """Wait until every vehicle is logged in; tell whether that happened in time."""
        return self._wait(lambda: all(k.vehicle.is_logged_in for k in self._links.values()), timeout_s)

    def stop(self, *, is_polite: bool = True) -> None:
        """Log out and disconnect; impolitely: only disconnect, as a car in a tunnel does."""
        if is_polite:
            with self._lock:
                for link in self._links.values():
                    if link.sock is not None and link.vehicle.is_logged_in:
                        self._write(link, link.vehicle.goodbye(self._now_us()))
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10.0)
        for link in self._links.values():
            self._close(link)
        self._selector.close()

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            with self._lock:
                if condition():
                    return True
            time.sleep(0.02)
        return False

    def _run(self) -> None:
        while not self._stop.is_set():
            events = self._selector.select(_TICK_S)
            with self._lock:
                for key, mask in events:
                    self._serve(key.data, mask)
                self._tick(time.monotonic())

    def _tick(self, now_s: float) -> None:
        budget = _CONNECTS_PER_TICK
        for link in self._links.values():
            if link.sock is None:
                if now_s >= link.retry_s and budget:
                    budget -= 1
                    self._connect(link, now_s)
            elif link.is_open and not link.unsent:
                frames = link.vehicle.next_frames(now_s, self._now_us(), self.counters)
                if not frames and link.vehicle.is_logged_in and now_s - link.spoke_s > self._heartbeat_s:
                    frames = [link.vehicle.heartbeat()]
                if frames:
                    link.spoke_s = now_s
                    self._write(link, b"".join(frames))

    def _connect(self, link: _Link, now_s: float) -> None:
        link.retry_s = now_s + _PAUSE_S
        link.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        link.sock.setblocking(False)
        link.sock.connect_ex(self._address)
        link.reader, link.unsent, link.is_open = AnswerReader(), b"", False
        self._selector.register(link.sock, selectors.EVENT_WRITE, link)

    def _serve(self, link: _Link, mask: int) -> None:
        if link.sock is None:
            return
        try:
            if mask & selectors.EVENT_WRITE:
                self._opened(link)
            if mask & selectors.EVENT_READ:
                data = link.sock.recv(65_536)
                if not data:
                    raise ConnectionResetError("closed by the gateway")
                for answer in link.reader.feed(data):
                    link.vehicle.answered(answer, self.counters)
        except BlockingIOError:
            return
        except OSError as error:
            _log.debug("vehicle disconnected", error=str(error))
            self._close(link)

    def _opened(self, link: _Link) -> None:
        if link.sock is None:
            return
        if not link.is_open:
            error = link.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, "connecting failed")
            link.is_open = True
            link.vehicle.connected()
            self.counters.connected += 1
        self._write(link, b"")

    def _write(self, link: _Link, data: bytes) -> None:
        if link.sock is None:
            return
        link.unsent += data
        try:
            sent = link.sock.send(link.unsent) if link.unsent else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(link)
            return
        link.unsent = link.unsent[sent:]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.unsent else 0)
        if self._selector.get_key(link.sock).events != wanted:
            self._selector.modify(link.sock, wanted, link)

    def _close(self, link: _Link) -> None:
        if link.sock is None:
            return
        self._selector.unregister(link.sock)
        link.sock.close()
        link.sock, link.is_open = None, False
        link.vehicle.is_logged_in = False
        link.retry_s = time.monotonic() + _PAUSE_S
