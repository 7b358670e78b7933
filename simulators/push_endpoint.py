"""A push service and a browser in one, on loopback: takes Web Push messages, checks and decrypts them."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import http_ece
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

#: RFC 8030 §7.2: what a push service must take at least; more is refused.
_LONGEST_MESSAGE = 4096
#: RFC 8292 §2: a token may be valid for a day at most.
_LONGEST_TOKEN_LIFE_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What a browser hands to the server when its user subscribes."""

    endpoint: str
    p256dh: str  #: base64url
    auth: str  #: base64url


@dataclass(frozen=True, slots=True)
class _Browser:
    key: ec.EllipticCurvePrivateKey
    auth: bytes


class PushEndpoint:
    """Listens on 127.0.0.1; ``on_message`` gets each warning once, however often it comes.

    Args:
        on_message: Called with the decrypted JSON, from a thread of the endpoint.
        public_key: VAPID public key (base64url) that messages must be signed with; empty: any.
        port: 0: the system chooses.
    """

    def __init__(
        self, on_message: Callable[[Mapping[str, Any]], None], *, public_key: str = "", port: int = 0
    ) -> None:
        self._on_message = on_message
        self._public_key = public_key
        self._browsers: dict[str, _Browser] = {}
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},
            name="push-endpoint",
            daemon=True,
        )
        self.received_count = 0  #: messages taken, repeats included
        self.refused: list[str] = []  #: why messages were not taken

    @property
    def origin(self) -> str:
        """Return the address without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def subscribe(self) -> Subscription:
        """Return a new subscription with keys of its own."""
        browser = _Browser(ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16))
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._browsers[token] = browser
        point = browser.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return Subscription(
            endpoint=f"{self.origin}/push/{token}", p256dh=_encode(point), auth=_encode(browser.auth)
        )

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a subscription: its messages are answered with 410 from now on."""
        with self._lock:
            self._browsers.pop(subscription.endpoint.rpartition("/")[2], None)

    def _take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        with self._lock:
            browser = self._browsers.get(path.rpartition("/")[2])
        if browser is None:
            return 410, "no such subscription"
        if len(body) > _LONGEST_MESSAGE:
            return 413, f"{len(body)} bytes, at most {_LONGEST_MESSAGE}"
        if headers.get("content-encoding") != "aes128gcm":
            return 400, "content-encoding: must be aes128gcm"
        if fault := self._token_fault(headers.get("authorization", "")):
            return 403, fault
        try:
            text = http_ece.decrypt(
                body, private_key=browser.key, auth_secret=browser.auth, version="aes128gcm"
            )
            message = json.loads(text)
            warning_id = str(message["warning_id"])
        except (http_ece.ECEException, ValueError, KeyError, TypeError) as error:
            return 400, f"message: {error}"
        with self._lock:
            self.received_count += 1
            is_new = warning_id not in self._seen
            self._seen.add(warning_id)
        if is_new:
            self._on_message(message)
        return 201, "taken"

    def _token_fault(self, authorization: str) -> str:
        """Return what is wrong with ``vapid t=…, k=…`` (RFC 8292 §3); empty when nothing is."""
        scheme, _, rest = authorization.partition(" ")
        fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        if scheme.lower() != "vapid" or not {"t", "k"} <= set(fields):
            return "authorization: must be vapid t=…, k=…"
        if self._public_key and fields["k"].rstrip("=") != self._public_key.rstrip("="):
            return "authorization: another server's key"
        try:
            signed, _, signature_text = fields["t"].rpartition(".")
            signature = _decode(signature_text)
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _decode(fields["k"]))
            der = encode_dss_signature(
                int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
            )
            key.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
            claims = json.loads(_decode(signed.partition(".")[2]))
            left_s = float(claims["exp"]) - time.time()
        except (InvalidSignature, ValueError, KeyError, TypeError, binascii.Error):
            return "authorization: bad token"
        if claims.get("aud") != self.origin:
            return f"authorization: aud {claims.get('aud')!r}: must be {self.origin}"
        if not 0 < left_s <= _LONGEST_TOKEN_LIFE_S + 60:
            return "authorization: exp: must lie within a day"
        if not str(claims.get("sub", "")).startswith(("mailto:", "https://")):
            return "authorization: sub: must be mailto: or https:"
        return ""

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                body = self.rfile.read(min(length, _LONGEST_MESSAGE + 1))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, text = endpoint._take(self.path, headers, body)
                if status >= 400:
                    endpoint.refused.append(text)
                with suppress(ConnectionError):  # a sender that died takes no answer
                    self.send_response(status)
                    self.send_header("content-length", str(len(text.encode())))
                    self.end_headers()
                    self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                """Say nothing: callers see ``refused``."""

        return Handler


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
