"""Topic grammar: ``anxin/v1/{tenant}/{vin}/{direction}/{kind}[/{bus}]``, built and parsed here only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from data.errors import TopicError, VinError
from data.records import Vin, parse_vin

PREFIX = "anxin/v1"
_TENANT = re.compile(r"^[a-z0-9][a-z0-9-]{0,31}$")
_BUS = re.compile(r"^[A-Za-z0-9_-]{1,16}$")


class Up(StrEnum):
    """What a vehicle publishes."""

    BIRTH = "birth"
    TELE = "tele"
    CAN = "can"
    GBT32960 = "gbt32960"
    EVENT = "event"
    STATUS = "status"


class Down(StrEnum):
    """What a vehicle receives."""

    WARNING = "warning"
    RESEND = "resend"
    READ = "read"
    CFG = "cfg"


@dataclass(frozen=True, slots=True)
class UpTopic:
    """A parsed upward topic; ``bus`` is set for CAN only."""

    tenant: str
    vin: Vin
    kind: Up
    bus: str = ""


def parse_up(topic: str) -> UpTopic:
    """Return the parts of an upward topic.

    Raises:
        TopicError: The topic is not ``anxin/v1/{tenant}/{vin}/up/{kind}[/{bus}]``; names the part.
    """
    parts = topic.split("/")
    if len(parts) < 6 or parts[0] != "anxin" or parts[1] != "v1":
        raise TopicError(f"topic {topic[:120]!r}: must begin with {PREFIX}/tenant/vin/up/kind")
    tenant, vin_text, direction, kind_text = parts[2:6]
    if not _TENANT.fullmatch(tenant):
        raise TopicError(f"topic tenant {tenant[:40]!r}: must be 1-32 of a-z, 0-9 and '-'")
    if direction != "up":
        raise TopicError(f"topic direction {direction[:40]!r}: must be 'up'")
    try:
        kind = Up(kind_text)
    except ValueError:
        raise TopicError(f"topic kind {kind_text[:40]!r}: must be one of {', '.join(Up)}") from None
    bus = "/".join(parts[6:])
    if kind is Up.CAN:
        if not _BUS.fullmatch(bus):
            raise TopicError(f"topic bus {bus[:40]!r}: must be 1-16 of letters, digits, '-' and '_'")
    elif bus:
        raise TopicError(f"topic rest {bus[:40]!r}: only 'can' has a further level")
    return UpTopic(tenant, parse_vin(vin_text), kind, bus)


def parse_sender(topic: str) -> tuple[str, Vin] | None:
    """Return who sent on a topic of ours, whatever kind it claims to be; None where even that is unclear."""
    parts = topic.split("/")
    if len(parts) < 6 or "/".join(parts[:2]) != PREFIX or not _TENANT.fullmatch(parts[2]) or parts[4] != "up":
        return None
    try:
        return parts[2], parse_vin(parts[3])
    except VinError:
        return None


def up(tenant: str, vin: Vin, kind: Up, bus: str = "") -> str:
    """Return an upward topic."""
    base = f"{PREFIX}/{tenant}/{vin}/up/{kind}"
    return f"{base}/{bus}" if bus else base


def down(tenant: str, vin: Vin, kind: Down) -> str:
    """Return a downward topic."""
    return f"{PREFIX}/{tenant}/{vin}/down/{kind}"


#: What ingest subscribes to: every upward topic of every tenant.
UP_FILTER = f"{PREFIX}/+/+/up/#"


def down_filter(tenant: str, vin: Vin) -> str:
    """Return what one vehicle subscribes to."""
    return f"{PREFIX}/{tenant}/{vin}/down/#"
