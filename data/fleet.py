"""Life of a registered vehicle: out of service, back again, to another owner; each with its audit event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from data.audit import Deed
from data.db import Connection, load_queries, wrap_errors
from data.errors import FleetError
from data.records import parse_vin

_Q = load_queries("data", "fleet.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOwner:
    """Who a vehicle goes to."""

    name: str
    reference: str | None = None  #: an owner known by it is taken, else a new one is made
    locale: str | None = None  #: ``zh`` or ``en``
    home: tuple[float, float] | None = None  #: latitude and longitude, WGS-84


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """What a change of owner did."""

    owner_id: int
    former_owner_id: int | None
    open_orders: Sequence[int]  #: made for the former owner; the new one does not see them
    withheld_pushes: int


def retire(
    connection: Connection, *, tenant: str, vin: str, deed: Deed, reason: str, is_undone: bool
) -> Sequence[int]:
    """Take a vehicle out of service, or back in (``is_undone``); its history stays.

    Returns:
        The orders that are still open.

    Raises:
        VinError: Not a VIN.
        FleetError: No such vehicle, or it is so already.
    """
    with wrap_errors():
        vehicle = _lock(connection, tenant, vin)
        if (vehicle["retired_at"] is not None) != is_undone:
            state = (
                f"retired since {vehicle['retired_at']:%F %T} UTC" if vehicle["retired_at"] else "in service"
            )
            raise FleetError(f"vehicle {vin}: is {state}")
        key = {"vehicle_id": vehicle["vehicle_id"]}
        connection.execute(_Q["set_retired"], key | {"retired_at": None if is_undone else deed.now})
        connection.execute(_Q["close_streams"], key)
        action = "vehicle.reinstate" if is_undone else "vehicle.retire"
        deed.record(connection, vehicle["tenant_id"], action, vin, {"reason": reason})
        return _open_orders(connection, key)


def transfer(connection: Connection, *, tenant: str, vin: str, owner: NewOwner, deed: Deed) -> Transferred:
    """Give a vehicle to another owner; what is older than the deed stays with the former one.

    The former owner sees nothing of it from the commit on, and what waits for their devices is not sent.

    Raises:
        VinError: Not a VIN.
        FleetError: No such vehicle, it is retired, the owner is the one it has, or the name or locale breaks
            its rule.
    """
    if not 1 <= len(owner.name.strip()) <= 200:
        raise FleetError(f"owner {owner.name[:40]!r}: must be a name of 1 to 200 characters")
    if owner.locale not in (None, "zh", "en"):
        raise FleetError(f"locale {owner.locale!r}: must be zh or en")
    with wrap_errors():
        vehicle = _lock(connection, tenant, vin)
        if vehicle["retired_at"] is not None:
            raise FleetError(f"vehicle {vin}: is retired since {vehicle['retired_at']:%F %T} UTC")
        owner_id = _find_or_make(connection, vehicle["tenant_id"], owner)
        if owner_id == vehicle["owner_id"]:
            raise FleetError(f"vehicle {vin}: belongs to this owner already")
        key = {"vehicle_id": vehicle["vehicle_id"]}
        withheld = 0
        if vehicle["owner_id"] is not None:
            old = key | {"owner_id": vehicle["owner_id"]}
            connection.execute(
                _Q["insert_former_owner"], old | {"since": vehicle["owner_since"], "now": deed.now}
            )
            withheld = len(connection.execute(_Q["withhold_messages"], old).fetchall())
        connection.execute(_Q["set_owner"], key | {"owner_id": owner_id, "now": deed.now})
        connection.execute(_Q["forget_position"], key)
        told = {"from": vehicle["owner_id"], "to": owner_id}
        deed.record(connection, vehicle["tenant_id"], "vehicle.transfer", vin, told)
        return Transferred(
            owner_id=owner_id,
            former_owner_id=vehicle["owner_id"],
            open_orders=_open_orders(connection, key),
            withheld_pushes=withheld,
        )


def _lock(connection: Connection, tenant: str, vin: str) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_Q["lock_vehicle"], {"tenant": tenant, "vin": parse_vin(vin)}).fetchone()
    if row is None:
        raise FleetError(f"vehicle {vin}: is not registered")
    return row


def _find_or_make(connection: Connection, tenant_id: int, owner: NewOwner) -> int:
    lat, lon = owner.home or (None, None)
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "names": [owner.name.strip()],
        "references": [owner.reference],
        "locales": [owner.locale],
        "lats": [lat],
        "lons": [lon],
    }
    found = None
    if owner.reference is not None:
        found = connection.execute(_Q["fetch_references"], values).fetchone()
        if found is not None and found[2] != owner.name.strip():
            raise FleetError(f"owner_ref {owner.reference!r}: is of an owner with another name")
    if found is not None:
        owner_id = int(found[1])
    else:
        made = connection.execute(_Q["next_owner_ids"], {"count": 1}).fetchone()
        owner_id = int(made[0]) if made else 0
        connection.execute(_Q["insert_owners"], values | {"owner_ids": [owner_id]})
    connection.execute(_Q["update_owners"], values | {"owner_ids": [owner_id]})
    return owner_id


def _open_orders(connection: Connection, key: dict[str, Any]) -> list[int]:
    return [row[0] for row in connection.execute(_Q["fetch_open_orders"], key)]
