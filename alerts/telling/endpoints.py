"""Which addresses that others chose may be called: nothing inside the operator's own network."""

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
        raise AddressRefused(f"push endpoint or webhook: not a host: {error}") from error
    except OSError as error:
        raise DeliveryError(f"host {host}: not found: {error}") from error
    return [str(entry[4][0]) for entry in found]


def is_local(url: str) -> bool:
    """Tell whether a URL names this machine."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def check_endpoint(
    url: str,
    *,
    allow_loopback: bool,
    allow_private: bool = False,
    resolve: Resolve = resolve_host,
    what: str = "push endpoint",
) -> list[str]:
    """Make sure that an endpoint lies outside: a subscriber chose this address, not the operator.

    Args:
        url: Must be https; http only on loopback where that is allowed.
        allow_loopback: The demo's own endpoint may be called.
        allow_private: It may lie in the operator's own network: operations chose it.
        resolve: Gives the addresses of a host.
        what: Names it in errors.

    Returns:
        The host's addresses, all of them checked.

    Raises:
        AddressRefused: Another scheme, credentials in the URL, or an address that is not public.
        DeliveryError: The host has no address for now.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise AddressRefused(f"{what}: not a URL: {error}") from error
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise AddressRefused(f"{what}: must be https://host/…")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused(f"{what}: must not hold a user name or password")
    found = list(resolve(parts.hostname, port))
    addresses = [ipaddress.ip_address(a.partition("%")[0]) for a in found]
    is_loopback = bool(addresses) and all(_plain(a).is_loopback for a in addresses)
    if is_loopback and allow_loopback:
        return found
    if parts.scheme != "https":
        raise AddressRefused(f"{what}: must be https")
    for address in addresses:
        plain = _plain(address)
        is_own = allow_private and plain.is_private and not (plain.is_loopback or plain.is_link_local)
        if (not plain.is_global and not is_own) or plain.is_multicast:
            raise AddressRefused(f"{what} {parts.hostname}: its address is not public")
    return found


def _plain(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that an IPv6 address wraps, so that wrapping hides nothing."""
    if not isinstance(address, ipaddress.IPv6Address) or address.is_loopback:
        return address
    if any(address in network for network in _WRAPPING):
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.sixtofour or address
