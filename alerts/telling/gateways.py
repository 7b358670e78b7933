"""Gateways that the operator has at other services (SMS, WeChat, a voice call …), reached through apprise.

An owner names a gateway and their number there, never an address of a server: that and the account are the
operator's, in a TOML file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from alerts.errors import AddressRefused, DeliveryError, PolicyError
from alerts.telling.messages import message_of
from alerts.telling.outbox_store import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """One service, with the operator's account there."""

    url: str  #: of apprise, with ``{address}`` where the owner's number goes
    pattern: re.Pattern[str]  #: what such a number looks like


def load_gateways(path: str) -> Mapping[str, Gateway]:
    r"""Return the gateways of a TOML file, by name; none where no file is set.

    A gateway is a table with ``url`` and ``pattern``::

        [sms]
        url = "twilio://ACCOUNT:TOKEN@+15550100/{address}"
        pattern = '\+[1-9][0-9]{7,14}'

    Raises:
        PolicyError: The file cannot be read, or an entry breaks a rule; names it.
    """
    if not path:
        return MappingProxyType({})
    try:
        entries = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: {error}") from error
    return MappingProxyType({name: _gateway(path, name, entry) for name, entry in entries.items()})


def _gateway(path: str, name: str, entry: Any) -> Gateway:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", name):
        raise PolicyError(f"{path}: gateway {name!r}: must be up to 20 of a-z, 0-9 and -")
    if not isinstance(entry, dict) or set(entry) != {"url", "pattern"}:
        raise PolicyError(f"{path}: gateway {name}: must have url and pattern, nothing else")
    if "{address}" not in entry["url"]:
        raise PolicyError(f"{path}: gateway {name}.url: must hold {{address}}")
    try:
        return Gateway(url=entry["url"], pattern=re.compile(entry["pattern"]))
    except (re.error, TypeError) as error:
        raise PolicyError(f"{path}: gateway {name}.pattern: {error}") from error


def gateway_url(gateways: Mapping[str, Gateway], address: str) -> str:
    """Return the URL of an owner's ``gateway:number``.

    Raises:
        AddressRefused: There is no such gateway, or the number is none of its kind.
    """
    name, _, number = address.partition(":")
    gateway = gateways.get(name)
    if gateway is None:
        known = ", ".join(sorted(gateways)) or "none"
        raise AddressRefused(f"gateway {name[:20]!r}: there is none such; there are: {known}")
    if not gateway.pattern.fullmatch(number):
        raise AddressRefused(f"gateway {name}: {number[:40]!r} must match {gateway.pattern.pattern}")
    return gateway.url.replace("{address}", quote(number, safe=""))


@dataclass(frozen=True, slots=True, kw_only=True)
class AppriseSender:
    """Sends through apprise, which must be installed (``anxin[apprise]``)."""

    gateways: Mapping[str, Gateway]
    base_url: str
    timeout_s: float

    def send(self, delivery: Delivery) -> str:
        """Hand the message to the gateway.

        Raises:
            AddressRefused: The gateway is not set up any more, or the number is none of its kind.
            DeliveryError: Not taken, or apprise is not installed.
        """
        url = gateway_url(self.gateways, delivery.address)
        try:
            import apprise
        except ImportError as error:
            raise DeliveryError("apprise is not installed: pip install 'anxin[apprise]'") from error
        services = apprise.Apprise()
        if not services.add(url):
            raise AddressRefused(f"gateway {delivery.address.partition(':')[0]}: apprise cannot read its URL")
        message = message_of(delivery, self.base_url)
        body = message.body + (f"\n{message.url}" if message.url else "")
        result = services.notify(body=body, title=message.title, timeout=self.timeout_s)
        if not result:
            raise DeliveryError(f"gateway: {result.status.name.lower()}")
        return "taken"
