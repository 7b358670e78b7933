"""SQL of users, browser sessions and API keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from api.errors import BadRequest
from api.roles import Principal, Role
from data.db import Connection, fetch_rows, load_queries

_SQL = load_queries("api", "account_queries.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user, session or API key as the tables hold it."""

    user_id: int  #: 0 for API keys
    tenant_id: int
    name: str
    role: str
    owner_id: int | None
    station_id: int | None
    secret_hash: str
    csrf: str | None

    def principal(self, *, csrf: str | None = None) -> Principal:
        """Return the caller this account stands for."""
        return Principal(
            tenant_id=self.tenant_id,
            role=Role(self.role),
            owner_id=self.owner_id,
            station_id=self.station_id,
            name=self.name,
            csrf=csrf,
        )


def _account(connection: Connection, query: str, parameters: Mapping[str, Any]) -> Account | None:
    with connection.cursor(row_factory=class_row(Account)) as cursor:
        return cursor.execute(_SQL[query], parameters).fetchone()


def fetch_tenant_id(connection: Connection, tenant: str) -> int | None:
    """Return the id of a tenant by name."""
    row = connection.execute(_SQL["fetch_tenant_id"], {"tenant": tenant}).fetchone()
    return int(row[0]) if row else None


def has_users(connection: Connection, tenant: str) -> bool:
    """Tell whether anybody may log in at this tenant."""
    row = connection.execute(_SQL["has_users"], {"tenant": tenant}).fetchone()
    return bool(row and row[0])


def upsert_user(connection: Connection, **values: Any) -> int:
    """Add or replace a user; return its id.

    Raises:
        BadRequest: The login is taken by another tenant.
    """
    row = connection.execute(_SQL["upsert_user"], values).fetchone()
    if row is None:
        raise BadRequest(f"login {values['login']!r}: taken by another tenant")
    return int(row[0])


def fetch_user(connection: Connection, login: str) -> Account | None:
    """Return the active user of a login."""
    return _account(connection, "fetch_user", {"login": login})


def insert_session(connection: Connection, **values: Any) -> None:
    """Store a browser session."""
    connection.execute(_SQL["insert_session"], values)


def delete_session(connection: Connection, token_hash: bytes) -> None:
    """Forget a browser session."""
    connection.execute(_SQL["delete_session"], {"token_hash": token_hash})


def fetch_session_user(connection: Connection, token_hash: bytes, *, now: datetime) -> Account | None:
    """Return the active user of a session that has not ended."""
    return _account(connection, "fetch_session_user", {"token_hash": token_hash, "now": now})


def insert_api_key(connection: Connection, **values: Any) -> None:
    """Store an API key."""
    connection.execute(_SQL["insert_api_key"], values)


def fetch_api_key(connection: Connection, key_id: str) -> Account | None:
    """Return the key unless it was revoked."""
    return _account(connection, "fetch_api_key", {"key_id": key_id})


def fetch_users(connection: Connection, tenant: str) -> list[dict[str, Any]]:
    """Return the logins of a tenant, without their hashes."""
    return fetch_rows(connection, _SQL["fetch_users"], {"tenant": tenant})


def fetch_keys(connection: Connection, tenant: str) -> list[dict[str, Any]]:
    """Return the API keys of a tenant, without their secrets."""
    return fetch_rows(connection, _SQL["fetch_keys"], {"tenant": tenant})


def find_one(connection: Connection, query: str, **values: Any) -> int | None:
    """Return the number that a statement such as ``find_owner_of`` gives, None without a row."""
    row = connection.execute(_SQL[query], values).fetchone()
    return None if row is None or row[0] is None else int(row[0])
