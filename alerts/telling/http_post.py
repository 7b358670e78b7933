"""POST to a server that somebody else has named: at the address that was checked, and never for long."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from alerts.errors import DeliveryError

#: What is kept of an answer, for the receipt.
_LONGEST_ANSWER = 200


class _Connection(http.client.HTTPConnection):
    """Connects to one address, whatever the name means by now, and can be cut off from another thread."""

    def __init__(self, host: str, port: int, address: str, timeout_s: float, *, is_tls: bool) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._address = address
        self._is_tls = is_tls
        self.is_cut = False

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_INET6 if ":" in self._address else socket.AF_INET)
        self.sock.settimeout(self.timeout)
        if self._is_tls:  # before it connects, so that there is one socket to cut and to close
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
        self.sock.connect((self._address, self.port))

    def cut(self) -> None:
        """End whatever is being waited for."""
        self.is_cut = True
        try:
            if self.sock is not None:
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended by itself


def post(url: str, body: bytes, headers: Mapping[str, str], *, address: str, timeout_s: float) -> str:
    """Send a body and return what the server answered; follows no redirects.

    Args:
        url: http or https.
        body: The content.
        headers: Beside those that HTTP asks for.
        address: One of the server's, checked before; a name may lead elsewhere a moment later.
        timeout_s: For all of it: a server that sends a byte now and then gets no longer.

    Raises:
        DeliveryError: No answer, or another one than 2xx; final with 410 Gone.
    """
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if is_tls else 80)
    connection = _Connection(host, port, address, timeout_s, is_tls=is_tls)
    timer = threading.Timer(timeout_s, connection.cut)
    timer.daemon = True
    timer.start()
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, dict(headers))
        with connection.getresponse() as response:
            answer = response.read(_LONGEST_ANSWER).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DeliveryError(f"{host}: {type(error).__name__}: {str(error)[:160]}") from error
    finally:
        timer.cancel()
        connection.close()
    if connection.is_cut:
        raise DeliveryError(f"{host}: no whole answer within {timeout_s:g} s")
    told = f"HTTP {response.status}"
    if not 200 <= response.status < 300:
        refused = DeliveryError(f"{told}: {answer}")
        refused.is_final = response.status == http.client.GONE
        raise refused
    return told
