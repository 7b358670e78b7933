"""Where the broker is and who we are there."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A broker's address with the account to use."""

    host: str
    port: int
    is_tls: bool
    user: str | None
    password: str | None


def parse_address(url: str) -> BrokerAddress:
    """Return what ``mqtt[s]://user:password@host:port`` says; without a port 1883, with TLS 8883."""
    parts = urlsplit(url)
    is_tls = parts.scheme == "mqtts"
    return BrokerAddress(
        parts.hostname or "127.0.0.1",
        parts.port or (8883 if is_tls else 1883),
        is_tls,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )
