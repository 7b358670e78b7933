"""The sockets of many MQTT clients, served by one thread."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
from typing import Any

import paho.mqtt.client as mqtt

_READ, _BOTH = selectors.EVENT_READ, selectors.EVENT_READ | selectors.EVENT_WRITE


class Sockets:
    """Waits for the sockets of the clients it follows and lets each client read and write.

    One thread polls; :meth:`wake` may be called by any.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._selector.register(self._wake_read, _READ, None)

    def follow(self, client: mqtt.Client) -> None:
        """Serve a client's socket from its next connection on."""
        client.on_socket_open = lambda _c, _u, sock: self._watch(client, sock, _READ)
        client.on_socket_close = lambda _c, _u, sock: self._unwatch(sock)
        client.on_socket_register_write = lambda _c, _u, sock: self._watch(client, sock, _BOTH)
        client.on_socket_unregister_write = lambda _c, _u, sock: self._watch(client, sock, _READ)

    def forget(self, client: mqtt.Client) -> None:
        """Follow a client no longer."""
        client.on_socket_open = client.on_socket_close = None
        client.on_socket_register_write = client.on_socket_unregister_write = None

    def wake(self) -> None:
        """End a wait."""
        with contextlib.suppress(OSError):
            self._wake_write.send(b"x")

    def poll(self, wait_s: float) -> None:
        """Serve what is ready; wait for that, or to be woken, at most so many seconds."""
        for key, events in self._selector.select(wait_s):
            client: mqtt.Client | None = key.data
            if client is None:
                with contextlib.suppress(OSError):
                    self._wake_read.recv(4096)
                continue
            if events & selectors.EVENT_READ:
                client.loop_read()
                sock = client.socket()
                while isinstance(sock, ssl.SSLSocket) and sock.pending():
                    client.loop_read()
                    sock = client.socket()
            if events & selectors.EVENT_WRITE:
                client.loop_write()

    def close(self) -> None:
        """Give everything back; the clients close their own sockets."""
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()

    def _watch(self, client: mqtt.Client, sock: Any, events: int) -> None:
        try:
            self._selector.modify(sock, events, client)
        except KeyError:
            self._selector.register(sock, events, client)

    def _unwatch(self, sock: Any) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)
