"""The registry as the gateway reads it: vehicles by VIN, platforms by name."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import argon2
from psycopg.rows import dict_row

from data.db import Connection, Pool, load_queries, transaction
from ingest.errors import IngestError
from ingest.gateway.logins import Platform, Registration

_Q = load_queries("ingest.gateway")
#: A platform's name and password have fixed places in its login frame.
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,12}")
_PASSWORD_CHARACTERS = 20


def fetch_registrations(
    pool: Pool, vins: Sequence[str], *, tenant: str
) -> Mapping[str, Sequence[Registration]]:
    """Return what is known of each VIN; VINs nobody registered are left out.

    Args:
        pool: The database.
        vins: 17 characters each.
        tenant: Only of this tenant; empty: of any.

    Raises:
        DatabaseAway: Try again.
    """
    found: dict[str, list[Registration]] = {}
    with transaction(pool) as connection:
        for vin, of_tenant, iccid, retired_at in connection.execute(
            _Q["fetch_registrations"], {"vins": list(vins), "tenant": tenant}
        ):
            registration = Registration(tenant=of_tenant, iccid=iccid, retired_at=retired_at)
            found.setdefault(vin, []).append(registration)
    return found


def fetch_platform(pool: Pool, name: str, *, tenant: str) -> Platform | None:
    """Return a platform that is not revoked.

    Raises:
        DatabaseAway: Try again.
    """
    with transaction(pool) as connection:
        row = connection.execute(_Q["fetch_platform"], {"name": name, "tenant": tenant}).fetchone()
    return None if row is None else Platform(name=row[0], tenant=row[1], secret_hash=row[2])


def is_password(platform: Platform, password: str) -> bool:
    """Tell whether the password is the platform's; takes tens of milliseconds on purpose."""
    try:
        return argon2.PasswordHasher().verify(platform.secret_hash, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def add_platform(connection: Connection, name: str, *, tenant: str, now: datetime) -> str:
    """Let a platform in and return its password, which is stored as a hash only.

    Raises:
        IngestError: The name does not fit a login frame or is taken, or there is no such tenant.
    """
    if not _NAME.fullmatch(name):
        raise IngestError(f"platform {name!r}: must be 1-12 of letters, digits, '-' and '_'")
    password = secrets.token_urlsafe(_PASSWORD_CHARACTERS)[:_PASSWORD_CHARACTERS]
    values = {
        "name": name,
        "tenant": tenant,
        "secret_hash": argon2.PasswordHasher().hash(password),
        "now": now,
    }
    if connection.execute(_Q["insert_platform"], values).fetchone() is None:
        raise IngestError(f"platform {name!r}: must be a new name, of a tenant that exists")
    return password


def revoke_platform(connection: Connection, name: str, *, tenant: str, now: datetime) -> None:
    """Keep a platform out from its next login on.

    Raises:
        IngestError: There is no such platform, or it is revoked already.
    """
    values = {"name": name, "tenant": tenant, "now": now}
    if connection.execute(_Q["revoke_platform"], values).fetchone() is None:
        raise IngestError(f"platform {name!r}: must be one of the tenant's that is not revoked")


def list_platforms(connection: Connection, *, tenant: str) -> list[dict[str, Any]]:
    """Return name, time of making and of revocation of each platform."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_Q["fetch_platforms"], {"tenant": tenant}).fetchall()
