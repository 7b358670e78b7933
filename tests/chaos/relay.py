"""A TCP relay that a test can make lie: bytes that go nowhere, or a peer that has vanished without a word."""

from __future__ import annotations

import ctypes
import selectors
import socket
import struct
import threading
from contextlib import suppress

_SO_ATTACH_FILTER = 26
_BPF_RETURN = 0x06


class Relay:
    """Forwards connections from a port of its own to a TCP address or a Unix socket.

    ``stall`` keeps the connections there are open and forwards nothing of them any more, as a hung peer or
    proxy does. ``vanish`` drops every segment that reaches them, as after a lost route or a host without
    power: nothing is acknowledged. Connections made later work in both cases.
    """

    def __init__(self, target: tuple[str, int] | str) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._selector = selectors.DefaultSelector()
        self._peers: dict[socket.socket, socket.socket] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.accepted = 0  #: connections made so far
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def stall(self) -> int:
        """Forward nothing more on the connections there are; return how many."""
        with self._lock:
            for one in self._peers:
                with suppress(KeyError):
                    self._selector.unregister(one)
            return len(self._peers) // 2

    def vanish(self) -> int:
        """Be gone for the connections there are, without a word; return how many."""
        count = self.stall()
        with self._lock:
            for one in self._peers:
                if one.family == socket.AF_INET:
                    _drop_everything(one)
        return count

    def close(self) -> None:
        """End the relay and its connections."""
        self._ended.set()
        self._thread.join(5)
        for one in [self._listener, *self._peers]:
            one.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            for key, _ in self._selector.select(0.1):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    else:
                        self._forward(key.fileobj)  # type: ignore[arg-type]

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        far = socket.socket(socket.AF_UNIX if isinstance(self._target, str) else socket.AF_INET)
        try:
            far.connect(self._target)
        except OSError:
            near.close()
            far.close()
            return
        self.accepted += 1
        self._peers |= {near: far, far: near}
        for one in (near, far):
            self._selector.register(one, selectors.EVENT_READ)

    def _forward(self, source: socket.socket) -> None:
        peer = self._peers.get(source)
        if peer is None:
            return
        try:
            data = source.recv(1 << 18)
            if data:
                peer.sendall(data)
                return
        except OSError:
            pass
        for one in (source, peer):
            with suppress(KeyError):
                self._selector.unregister(one)
            self._peers.pop(one, None)
            one.close()


def _drop_everything(connection: socket.socket) -> None:
    """Let the kernel drop every segment for a socket before TCP sees it (a classic BPF program: return 0)."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", _BPF_RETURN, 0, 0, 0))
    packed = struct.pack("HL", 1, ctypes.addressof(program))
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, packed)
