"""Who hears of a warning: the owner's ways, the vehicle, the emergency contact, the operations desk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from data.records import parse_vin
from data.topics import Down, down


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a message goes."""

    channel: str
    address: str
    audience: str  #: ``owner``, ``vehicle``, ``emergency``, ``desk``
    webhook_id: int | None = None  #: of the desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One address of the owner."""

    channel: str
    address: str
    place: int  #: in the order of fallback, from 1; browsers share one
    state: str | None  #: of what was sent there of the warning in question; None: nothing was


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Who a warning is about, as far as telling needs it."""

    tenant_id: int
    tenant: str
    vin: str
    owner_id: int | None

    def vehicle(self) -> Target:
        """Return the head unit."""
        return Target(
            channel="mqtt", address=down(self.tenant, parse_vin(self.vin), Down.WARNING), audience="vehicle"
        )


def failed_places(ways: Sequence[Way]) -> set[int]:
    """Return the ways of which nothing came but failures."""
    told = {w.place for w in ways if w.state is not None}
    return told - {w.place for w in ways if w.state in ("pending", "sent", "received")}


def columns_of(targets: Sequence[Target]) -> dict[str, list[Any]]:
    """Return targets as the columns that queries take."""
    return {
        "channels": [t.channel for t in targets],
        "addresses": [t.address for t in targets],
        "audiences": [t.audience for t in targets],
        "webhook_ids": [t.webhook_id for t in targets],
    }
