"""Passwords, API keys, browser sessions and the limits on guessing them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from api import account_store as store
from api.errors import BadRequest, TooManyAttempts, Unauthenticated
from api.roles import Principal, Role
from data.db import Connection, Pool, transaction

SESSION_HOURS = 12
PASSWORD_MIN_LENGTH = 10

#: argon2id, 19 MiB, two passes, one lane: OWASP Password Storage Cheat Sheet, first choice for argon2id.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_KEY = re.compile(r"^anx_([a-z0-9]{8,32})_([A-Za-z0-9-]{32,64})$")
_LOGIN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$")


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password.

    Raises:
        BadRequest: Shorter than 10 or longer than 256 characters.
    """
    if not PASSWORD_MIN_LENGTH <= len(password) <= 256:
        raise BadRequest(f"password: must have {PASSWORD_MIN_LENGTH} to 256 characters, has {len(password)}")
    return _HASHER.hash(password)


def verify_password(stored_hash: str, password: str) -> bool:
    """Tell whether the password fits the hash; a broken hash fits nothing."""
    try:
        return _HASHER.verify(stored_hash, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def create_user(
    connection: Connection,
    *,
    tenant: str,
    login: str,
    password: str,
    role: Role | str,
    owner_id: int | None = None,
    station_id: int | None = None,
) -> int:
    """Add a user, or set the password, role and bounds of the one with this login; return the user id.

    Raises:
        BadRequest: Unknown tenant, bad login or password, or a role without its owner or station.
    """
    if not _LOGIN.match(login):
        raise BadRequest(f"login {login[:64]!r}: must be 1-64 of letters, digits and . _ @ + -")
    return store.upsert_user(
        connection,
        login=login,
        password_hash=hash_password(password),
        **_bounds(connection, tenant, role, owner_id, station_id),
    )


def create_api_key(
    connection: Connection,
    *,
    tenant: str,
    role: Role | str,
    name: str,
    now: datetime,
    owner_id: int | None = None,
    station_id: int | None = None,
) -> str:
    """Add an API key and return it, ``anx_<id>_<secret>``; the secret is not stored and not shown again.

    Raises:
        BadRequest: Unknown tenant, or a role without its owner or station.
    """
    key_id = secrets.token_hex(6)
    secret = secrets.token_urlsafe(32).replace("_", "-")
    store.insert_api_key(
        connection,
        key_id=key_id,
        secret_hash=_HASHER.hash(secret),
        name=name,
        created_at=now,
        **_bounds(connection, tenant, role, owner_id, station_id),
    )
    return f"anx_{key_id}_{secret}"


def _bounds(
    connection: Connection, tenant: str, role: Role | str, owner_id: int | None, station_id: int | None
) -> dict[str, int | str | None]:
    tenant_id = store.fetch_tenant_id(connection, tenant)
    if tenant_id is None:
        raise BadRequest(f"tenant {tenant[:40]!r}: unknown")
    try:
        Principal(tenant_id=tenant_id, role=Role(role), owner_id=owner_id, station_id=station_id)
    except ValueError as error:
        raise BadRequest(str(error)) from error
    return {
        "tenant_id": tenant_id,
        "role": str(role),
        "owner_id": owner_id,
        "station_id": station_id,
    }


class AttemptLimit:
    """Counts failures per name in a sliding window; bounded memory; safe among threads."""

    def __init__(self, *, failures: int, window_s: float, names: int = 10_000) -> None:
        self._failures = failures
        self._window = timedelta(seconds=window_s)
        self._names = names
        self._seen: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, name: str, *, now: datetime) -> None:
        """Pass while the name may still try.

        Raises:
            TooManyAttempts: The window is full of failures; says for how long.
        """
        with self._lock:
            times = self._seen.get(name)
            while times and times[0] <= now - self._window:
                times.popleft()
            if times and len(times) >= self._failures:
                raise TooManyAttempts((times[0] + self._window - now).total_seconds() + 1)

    def fail(self, name: str, *, now: datetime) -> None:
        """Count one failure."""
        with self._lock:
            times = self._seen.setdefault(name, deque(maxlen=self._failures))
            times.append(now)
            self._seen.move_to_end(name)
            while len(self._seen) > self._names:
                self._seen.popitem(last=False)

    def forget(self, name: str) -> None:
        """Start afresh after a success."""
        with self._lock:
            self._seen.pop(name, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A fresh browser session; the token goes into the cookie and nowhere else."""

    token: str
    principal: Principal
    expires_at: datetime


class Accounts:
    """Tells who calls: by login, by session cookie or by API key."""

    def __init__(self, pool: Pool, *, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._clock = clock
        self._per_login = AttemptLimit(failures=5, window_s=60)
        self._per_address = AttemptLimit(failures=30, window_s=60)
        self._per_key = AttemptLimit(failures=10, window_s=60)
        self._verified: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._nobody = _HASHER.hash(secrets.token_urlsafe(16))

    def log_in(self, login: str, password: str, *, address: str) -> Session:
        """Return a new session.

        Raises:
            Unauthenticated: No such user, or a wrong password; both take equally long.
            TooManyAttempts: Five failures a minute for one login and address, or 30 from one address.
        """
        now = self._clock()
        name = f"{address} {login[:64].lower()}"
        self._per_login.check(name, now=now)
        self._per_address.check(address, now=now)
        with transaction(self._pool) as connection:
            user = store.fetch_user(connection, login)
        is_right = verify_password(user.secret_hash if user else self._nobody, password[:256])
        if user is None or not is_right:
            self._per_login.fail(name, now=now)
            self._per_address.fail(address, now=now)
            raise Unauthenticated("login or password is wrong")
        self._per_login.forget(name)
        token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        expires_at = now + timedelta(hours=SESSION_HOURS)
        with transaction(self._pool) as connection:
            store.insert_session(
                connection,
                token_hash=_digest(token),
                user_id=user.user_id,
                csrf=csrf,
                created_at=now,
                expires_at=expires_at,
            )
        return Session(token=token, principal=user.principal(csrf=csrf), expires_at=expires_at)

    def log_out(self, token: str) -> None:
        """End the session; an unknown token is no error."""
        with transaction(self._pool) as connection:
            store.delete_session(connection, _digest(token))

    def by_cookie(self, token: str) -> Principal | None:
        """Return whose session this is, or None when it ended."""
        with transaction(self._pool) as connection:
            user = store.fetch_session_user(connection, _digest(token), now=self._clock())
        return user.principal(csrf=user.csrf) if user else None

    def by_key(self, key: str) -> Principal:
        """Return whose API key this is; revocation takes effect with the next call.

        The slow hash is verified once; afterwards a SHA-256 of the verified secret, kept in memory only,
        answers in microseconds.

        Raises:
            Unauthenticated: Malformed, unknown or revoked key, or a wrong secret.
            TooManyAttempts: Ten wrong secrets a minute for one key id.
        """
        match = _KEY.match(key)
        if not match:
            raise Unauthenticated("API key: must look like anx_<id>_<secret>")
        key_id, secret = match.groups()
        with transaction(self._pool) as connection:
            row = store.fetch_api_key(connection, key_id)
        if row is None:
            raise Unauthenticated("API key: unknown or revoked")
        entry, seen = (key_id, row.secret_hash), _digest(secret)
        with self._lock:
            known = self._verified.get(entry)
        if known is None or not hmac.compare_digest(known, seen):
            now = self._clock()
            self._per_key.check(key_id, now=now)
            if not verify_password(row.secret_hash, secret):
                self._per_key.fail(key_id, now=now)
                raise Unauthenticated("API key: unknown or revoked")
            with self._lock:
                self._verified[entry] = seen
                while len(self._verified) > 10_000:
                    self._verified.popitem(last=False)
        return row.principal()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
