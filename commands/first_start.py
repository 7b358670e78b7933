"""A first start: reference data, logins of the people who work with it, a key."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from commands.running import TENANT


def prepare(database_url: str) -> dict[str, str]:
    """Load the reference data; make the logins of a first start and return their passwords."""
    from api.account_store import has_users
    from data.db import connect
    from data.reference import load_reference

    with connect(database_url, name="anxin-setup") as connection:
        load_reference(connection, tenant=TENANT)
        if has_users(connection, TENANT):
            return {}
        return {role: make_login(connection, role) for role in ("operations", "engineer")}


def make_login(connection: Any, role: str, **bounds: int | None) -> str:
    """Make the login that is called like its role and return its password."""
    from api.access import create_user

    password = secrets.token_urlsafe(12)
    create_user(connection, tenant=TENANT, login=role, password=password, role=role, **bounds)
    return password


def make_key(database_url: str) -> str:
    """Make an API key for operations and return it."""
    from api.access import create_api_key
    from data.db import connect

    with connect(database_url, name="anxin-setup") as connection:
        return create_api_key(
            connection, tenant=TENANT, role="operations", name="demo", now=datetime.now(UTC)
        )
