"""Sign what goes to webhooks, and verify it at the other end: HMAC-SHA256 over time and body.

The scheme is that of most webhooks in use: the header names the time of sending and the signature of that
time, a dot and the body, so that an old message cannot be sent again by somebody who overheard it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

from alerts.errors import InvalidSignature

HEADER = "Anxin-Signature"
_HEADER = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")
#: How old or how far ahead a message may be when it is verified.
WINDOW = timedelta(minutes=5)


def sign(secret: str, body: bytes, *, at: datetime) -> str:
    """Return the value of the signature header.

    >>> sign("s3cret", b"{}", at=datetime(2026, 1, 1, tzinfo=UTC))[:25]
    't=1767225600,v1=29ee05578'
    """
    seconds = str(int(at.timestamp()))
    return f"t={seconds},v1={_digest(secret, seconds, body)}"


def verify(secret: str, header: str, body: bytes, *, now: datetime, window: timedelta = WINDOW) -> datetime:
    """Return when a message was sent; whoever receives it still collapses repeats on its id.

    >>> body = b'{"type": "warning"}'
    >>> sent = datetime(2026, 1, 1, tzinfo=UTC)
    >>> verify("s3cret", sign("s3cret", body, at=sent), body, now=sent + timedelta(seconds=30)) == sent
    True

    Args:
        secret: The key of the webhook, as given when it was registered.
        header: The value of ``Anxin-Signature``.
        body: As received, byte for byte, before it is parsed.
        now: Wall time of the receiver.
        window: Older messages, and such from the future, are refused.

    Raises:
        InvalidSignature: The header is none of ours, the signature is another's, or the message is too old.
    """
    found = _HEADER.fullmatch(header)
    if found is None:
        raise InvalidSignature(f"{HEADER}: must be t=<seconds>,v1=<64 hex digits>")
    seconds, signature = found.groups()
    if not hmac.compare_digest(signature, _digest(secret, seconds, body)):
        raise InvalidSignature(f"{HEADER}: the signature does not fit key, time and body")
    sent = datetime.fromtimestamp(int(seconds), UTC)
    if abs(now - sent) > window:
        raise InvalidSignature(f"{HEADER}: sent at {sent:%Y-%m-%dT%H:%M:%SZ}, more than {window} from now")
    return sent


def _digest(secret: str, seconds: str, body: bytes) -> str:
    return hmac.new(secret.encode(), seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
