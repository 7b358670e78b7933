"""Who calls, and who may: every route declares its roles through a gate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a caller is."""

    GATEWAY = "gateway"  #: a vehicle gateway
    OWNER = "owner"
    STATION = "station"
    OPERATIONS = "operations"
    ENGINEER = "engineer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whoever calls, after login or by API key; narrows every query to what is theirs."""

    tenant_id: int
    role: Role
    owner_id: int | None = None  #: set for owners only
    station_id: int | None = None  #: set for stations only
    name: str = ""  #: login, or the name of the key
    csrf: str | None = None  #: set when a browser session stands behind the call

    def __post_init__(self) -> None:
        if (self.role is Role.OWNER) != (self.owner_id is not None):
            raise ValueError(f"owner_id {self.owner_id!r}: owners, and only they, have one")
        if (self.role is Role.STATION) != (self.station_id is not None):
            raise ValueError(f"station_id {self.station_id!r}: stations, and only they, have one")

    @property
    def scope(self) -> dict[str, int | None]:
        """Return the parameters that narrow a query: tenant always, owner or station where bound to one."""
        return {"tenant_id": self.tenant_id, "owner_id": self.owner_id, "station_id": self.station_id}

    @property
    def actor(self) -> str:
        """Return how this caller is named in event logs."""
        return f"{self.role}:{self.name}"


#: Roles that see the whole fleet of their tenant.
FLEET = (Role.OPERATIONS, Role.ENGINEER)
#: Roles that log in with a browser.
PEOPLE = (Role.OWNER, Role.STATION, Role.OPERATIONS, Role.ENGINEER)
EVERYONE = tuple(Role)

#: Where each role begins after login.
HOMES = {Role.OWNER: "/owner", Role.STATION: "/station", Role.OPERATIONS: "/", Role.ENGINEER: "/"}
