"""Ask a broker which MQTT it speaks, before a connection is made in earnest: one CONNECT, one answer."""

from __future__ import annotations

import socket
import ssl

from ingest.mqtt_packets import DISCONNECT, encode_connect

#: A broker of MQTT 3.1.1 answers a CONNECT of version 5 with its own CONNACK: return code 1, "unacceptable
#: protocol version" (MQTT 3.1.1 §3.2.2.3), two bytes long; one of MQTT 5 always sends at least three.
_REFUSED_AS_TOO_NEW = b"\x20\x02\x00\x01"
#: A broker that is just going down closes without a word too: only one that does it so often is old.
_SILENT_CLOSES = 4


class VersionProbe:
    """Asks one broker, before each connection: it may have been replaced meanwhile.

    Carries no credentials: an old broker looks for them in the wrong place and waits for more bytes for ever.
    """

    def __init__(self, host: str, port: int, *, is_tls: bool, client_id: str, timeout_s: float = 5.0) -> None:
        self._host, self._port, self._is_tls = host, port, is_tls
        self._client_id = client_id
        self._timeout_s = timeout_s
        self._closed_count = 0
        self._has_answered = False

    def speaks_mqtt5(self) -> bool:
        """Tell whether the broker answers a CONNECT of MQTT 5 in kind; also a refusal is an answer.

        Raises:
            OSError: No connection, no answer in time, or closed without an answer, which an old broker does
                each time.
        """
        answer = self._ask()
        if answer:
            self._closed_count, self._has_answered = 0, True
            return answer != _REFUSED_AS_TOO_NEW
        self._closed_count += 1
        if self._has_answered or self._closed_count < _SILENT_CLOSES:
            raise ConnectionResetError("the broker closed the connection without an answer")
        return False

    def _ask(self) -> bytes:
        with socket.create_connection((self._host, self._port), timeout=self._timeout_s) as plain:
            link = (
                ssl.create_default_context().wrap_socket(plain, server_hostname=self._host)
                if self._is_tls
                else plain
            )
            link.sendall(encode_connect(self._client_id, is_v5=True, keepalive_s=10, is_clean=True))
            answer = b""
            while len(answer) < len(_REFUSED_AS_TOO_NEW):
                more = link.recv(len(_REFUSED_AS_TOO_NEW) - len(answer))
                if not more:
                    return b""
                answer += more
            if answer != _REFUSED_AS_TOO_NEW:
                link.sendall(DISCONNECT)  # so that the broker does not take us for lost
            return answer
