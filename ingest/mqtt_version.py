"""Ask a broker which MQTT it speaks, before a client library is told: one CONNECT, one answer."""

from __future__ import annotations

import socket
import ssl
import struct

#: A broker of MQTT 3.1.1 answers a CONNECT of version 5 with its own CONNACK: return code 1, "unacceptable
#: protocol version" (MQTT 3.1.1 §3.2.2.3), two bytes long; one of MQTT 5 always sends at least three.
_REFUSED_AS_TOO_NEW = b"\x20\x02\x00\x01"


def speaks_mqtt5(
    host: str,
    port: int,
    *,
    is_tls: bool,
    client_id: str,
    timeout_s: float = 5.0,
) -> bool:
    """Tell whether the broker answers a CONNECT of MQTT 5 in kind; also a refusal is an answer.

    Carries no credentials: an old broker looks for them in the wrong place and waits for more bytes for ever.

    Raises:
        OSError: No connection, or no answer in time.
    """
    with socket.create_connection((host, port), timeout=timeout_s) as plain:
        link = ssl.create_default_context().wrap_socket(plain, server_hostname=host) if is_tls else plain
        link.sendall(_connect_packet(client_id))
        answer = b""
        while len(answer) < len(_REFUSED_AS_TOO_NEW):
            more = link.recv(len(_REFUSED_AS_TOO_NEW) - len(answer))
            if not more:
                break
            answer += more
        if not answer:
            return False
        is_new = answer != _REFUSED_AS_TOO_NEW
        if is_new:
            link.sendall(b"\xe0\x00")  # DISCONNECT, so that the broker does not take us for lost
        return is_new


def _connect_packet(client_id: str) -> bytes:
    name = client_id.encode()
    # Level 5, clean start, 10 s keep-alive, no properties.
    body = b"\x00\x04MQTT\x05\x02\x00\x0a\x00" + struct.pack(">H", len(name)) + name
    return b"\x10" + bytes([len(body)]) + body
