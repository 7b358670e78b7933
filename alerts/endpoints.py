"""Which addresses of push services may be called: nothing inside the operator's own network."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from alerts.errors import AddressRefused, DeliveryError

Resolve = Callable[[str, int], Sequence[str]]
#: IPv6 addresses that wrap an IPv4 address in their last bytes (RFC 4291 §2.5.5, RFC 6052 §2.1).
_WRAPPING = (
    ipaddress.IPv6Network("::/96"),
    ipaddress.IPv6Network("::ffff:0:0/96"),
    ipaddress.IPv6Network("64:ff9b::/96"),
)


def resolve_host(host: str, port: int) -> list[str]:
    """Return the addresses of a host.

    Raises:
        AddressRefused: It is no name of a host.
        DeliveryError: It has none for now.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except ValueError as error:
        raise AddressRefused(f"push endpoint: not a host: {error}") from error
    except OSError as error:
        raise DeliveryError(f"push service {host}: not found: {error}") from error
    return [str(entry[4][0]) for entry in found]


def check_endpoint(url: str, *, allow_loopback: bool, resolve: Resolve = resolve_host) -> None:
    """Make sure that an endpoint lies outside: a subscriber chose this address, not the operator.

    Args:
        url: Must be https; http only on loopback where that is allowed.
        allow_loopback: The demo's own endpoint may be called.
        resolve: Gives the addresses of a host.

    Raises:
        AddressRefused: Another scheme, credentials in the URL, or an address that is not public.
        DeliveryError: The host has no address for now.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise AddressRefused(f"push endpoint: not a URL: {error}") from error
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise AddressRefused("push endpoint: must be https://host/…")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("push endpoint: must not hold a user name or password")
    addresses = [ipaddress.ip_address(a.partition("%")[0]) for a in resolve(parts.hostname, port)]
    is_loopback = bool(addresses) and all(_plain(a).is_loopback for a in addresses)
    if is_loopback and allow_loopback:
        return
    if parts.scheme != "https":
        raise AddressRefused("push endpoint: must be https")
    for address in addresses:
        if not _plain(address).is_global or _plain(address).is_multicast:
            raise AddressRefused(f"push endpoint {parts.hostname}: its address is not public")


def _plain(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that an IPv6 address wraps, so that wrapping hides nothing."""
    if not isinstance(address, ipaddress.IPv6Address) or address.is_loopback:
        return address
    if any(address in network for network in _WRAPPING):
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.sixtofour or address
