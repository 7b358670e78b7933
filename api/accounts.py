"""Logins and API keys from the command line: made, listed, revoked; each with its audit event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api import account_store as store
from api.access import create_api_key, create_user
from api.errors import BadRequest
from data.audit import Deed
from data.db import Connection, wrap_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a login or key is for; owners and stations are named as people know them."""

    role: str
    owner_of: str | None = None  #: VIN of a vehicle of the owner
    station: str | None = None  #: code of the station


def add_login(
    connection: Connection, *, tenant: str, login: str, password: str, bounds: Bounds, deed: Deed
) -> None:
    """Make a login, or give the one of this name another password; its sessions end.

    Raises:
        BadRequest: A rule is broken; names the field.
    """
    with wrap_errors():
        narrowed = _narrow(connection, tenant, bounds)
        create_user(connection, tenant=tenant, login=login, password=password, role=bounds.role, **narrowed)
        _record(connection, tenant, deed, "login.create", login, role=bounds.role)


def add_key(connection: Connection, *, tenant: str, name: str, bounds: Bounds, deed: Deed) -> str:
    """Make an API key and return it; it is not shown again.

    Raises:
        BadRequest: A rule is broken; names the field.
    """
    if not 1 <= len(name.strip()) <= 100:
        raise BadRequest(f"name {name[:40]!r}: must have 1 to 100 characters")
    with wrap_errors():
        narrowed = _narrow(connection, tenant, bounds)
        key = create_api_key(
            connection, tenant=tenant, role=bounds.role, name=name.strip(), now=deed.now, **narrowed
        )
        _record(connection, tenant, deed, "key.create", key.split("_")[1], role=bounds.role, name=name)
        return key


def revoke_login(connection: Connection, *, tenant: str, login: str, deed: Deed) -> None:
    """End a login and its sessions.

    Raises:
        BadRequest: There is no such login, or it is revoked already.
    """
    with wrap_errors():
        if store.find_one(connection, "revoke_user", tenant=tenant, login=login) is None:
            raise BadRequest(f"login {login[:64]!r}: there is none that could be revoked")
        _record(connection, tenant, deed, "login.revoke", login)


def revoke_key(connection: Connection, *, tenant: str, key: str, deed: Deed) -> None:
    """End an API key, named whole or by its public half.

    Raises:
        BadRequest: There is no such key, or it is revoked already.
    """
    key_id = key.removeprefix("anx_").split("_")[0]
    with wrap_errors():
        if store.find_one(connection, "revoke_key", tenant=tenant, key_id=key_id, now=deed.now) is None:
            raise BadRequest(f"key {key_id[:32]!r}: there is none that could be revoked")
        _record(connection, tenant, deed, "key.revoke", key_id)


def _narrow(connection: Connection, tenant: str, bounds: Bounds) -> dict[str, int]:
    if bounds.owner_of is not None:
        owner_id = store.find_one(connection, "find_owner_of", tenant=tenant, vin=bounds.owner_of)
        if owner_id is None:
            raise BadRequest(f"owner-of {bounds.owner_of[:40]!r}: must be a vehicle in service with an owner")
        return {"owner_id": owner_id}
    if bounds.station is not None:
        station_id = store.find_one(connection, "find_station", tenant=tenant, code=bounds.station)
        if station_id is None:
            raise BadRequest(f"station {bounds.station[:40]!r}: must be the code of a station")
        return {"station_id": station_id}
    return {}


def _record(connection: Connection, tenant: str, deed: Deed, action: str, subject: str, **data: Any) -> None:
    tenant_id = store.fetch_tenant_id(connection, tenant)
    if tenant_id is not None:
        deed.record(connection, tenant_id, action, subject, data)
