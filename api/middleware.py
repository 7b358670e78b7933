"""Around every request: a limit to what comes in, security headers out, meters. Plain ASGI."""

from __future__ import annotations

import time
from collections.abc import Awaitable

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Meters


def build_policy(tile_origin: str) -> str:
    """Return the Content-Security-Policy: all from here, nothing inline; map tiles where set."""
    images = f"img-src 'self' data: {tile_origin}".strip()
    return "; ".join(
        (
            "default-src 'self'",
            images,
            "script-src 'self'",
            "style-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class BodyLimit:
    """Refuse a longer request than any route needs: it would be read into memory before anyone is asked."""

    LONGEST_BYTES = 65_536

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on; count what it brings."""
        if scope["type"] != "http":
            return self.app(scope, receive, send)
        seen = 0

        async def receive_and_count() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.LONGEST_BYTES:
                raise HTTPException(413, f"Longer than {self.LONGEST_BYTES} bytes")
            return message

        return self.app(scope, receive_and_count, send)


class Headers:
    """Add the security headers to every answer."""

    def __init__(self, app: ASGIApp, *, policy: str, is_https: bool) -> None:
        self.app = app
        fields = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
        }
        if is_https:
            fields["strict-transport-security"] = "max-age=31536000"
        self._fields = [(name.encode(), value.encode()) for name, value in fields.items()]

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on; put the headers in front of the answer."""
        if scope["type"] != "http":
            return self.app(scope, receive, send)

        def send_with_headers(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                extra = [*self._fields]
                if b"cache-control" not in present and not scope["path"].startswith("/static/"):
                    extra.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message["headers"], *extra]}
            return send(message)

        return self.app(scope, receive, send_with_headers)


class RequestMeter:
    """Count and time every request by its route template."""

    def __init__(self, app: ASGIApp, *, meters: Meters) -> None:
        self.app = app
        self.meters = meters

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on; note the answer when it begins."""
        if scope["type"] != "http":
            return self.app(scope, receive, send)
        began = time.perf_counter()

        def send_and_note(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", None) or "other"
                self.meters.note(route, scope["method"], message["status"], time.perf_counter() - began)
            return send(message)

        return self.app(scope, receive, send_and_note)
