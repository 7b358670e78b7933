"""The link of a letter by which a person says that they have read a warning, without logging in.

Whoever holds it may say so about this one warning until it expires, and nothing else: it shows nothing and
opens no other door. Looking does nothing either, as scanners of mail open every link; the page has a button.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from alerts.errors import InvalidSignature, LinkExpired

#: Where the page is; the token follows.
PATH = "/seen/"
#: So long after the warning: every step of escalation has been taken by then.
LASTS = timedelta(hours=48)
#: What its key is derived for.
PURPOSE = "anxin acknowledgement link"
_HEAD = struct.Struct(">16sI")  # warning, seconds since 1970
_SIGNATURE_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AckLinks:
    """Makes the links of one installation."""

    key: bytes  #: of this purpose alone, see ``PushKeys.derive``
    base_url: str

    def url_of(self, warning_id: UUID, warned_at: datetime) -> str:
        """Return the link; the same for each repetition of a letter."""
        return f"{self.base_url}{PATH}{make_token(self.key, warning_id, expires=warned_at + LASTS)}"


def make_token(key: bytes, warning_id: UUID, *, expires: datetime) -> str:
    """Return a token of 48 characters that are safe in a URL.

    >>> make_token(b"key", UUID(int=1), expires=datetime(2026, 1, 1, tzinfo=UTC))[:28]
    'AAAAAAAAAAAAAAAAAAAAAWlVuQA_'
    """
    head = _HEAD.pack(warning_id.bytes, int(expires.timestamp()))
    return base64.urlsafe_b64encode(head + _sign(key, head)).decode()


def read_token(key: bytes, token: str, *, now: datetime) -> UUID:
    """Return the warning that a token is about.

    Args:
        key: As it was made with.
        token: As it came in.
        now: Wall time.

    Raises:
        InvalidSignature: It is none of ours.
        LinkExpired: It was one of ours.
    """
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    head, signature = raw[: _HEAD.size], raw[_HEAD.size :]
    if len(raw) != _HEAD.size + _SIGNATURE_BYTES or not hmac.compare_digest(signature, _sign(key, head)):
        raise InvalidSignature("this link is not one of ours, or not whole")
    warning, seconds = _HEAD.unpack(head)
    expires = datetime.fromtimestamp(seconds, UTC)
    if now >= expires:
        raise LinkExpired(f"this link was good until {expires:%Y-%m-%d %H:%M} UTC")
    return UUID(bytes=warning)


def _sign(key: bytes, head: bytes) -> bytes:
    return hmac.new(key, head, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
