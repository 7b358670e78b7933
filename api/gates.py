"""The gate in front of every route: declares who may call, finds out who calls, refuses forged requests."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.context import get_context
from api.errors import Forbidden, ForgedRequest, Unauthenticated, UndeclaredRoute
from api.roles import Principal, Role

COOKIE = "anxin_session"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Open:
    """Declare a route that anyone may call, such as the login page."""

    roles: tuple[Role, ...] = ()

    def __call__(self) -> None:
        """Let everyone in."""


class Gate:
    """Declare a route's roles; as a dependency it returns the caller.

    A browser session counts for unsafe methods only with its CSRF token in ``X-CSRF-Token``; an API key needs
    none, because no other site can make a browser send it.

    Raises:
        Unauthenticated: Nobody, or a wrong key.
        Forbidden: Somebody, of another role.
        ForgedRequest: A browser session without its CSRF token.
    """

    def __init__(self, *roles: Role) -> None:
        self.roles = roles

    def __call__(self, request: Request) -> Principal:
        """Return the caller."""
        principal = self.identify(request)
        if principal.csrf is not None and request.method not in _SAFE:
            check_token(principal, request.headers.get("x-csrf-token", ""))
        return principal

    def identify(self, request: Request) -> Principal:
        """Return the caller when the role is right; whether the request is forged is not looked at."""
        principal = find_principal(request)
        if principal is None:
            raise Unauthenticated
        if principal.role not in self.roles:
            raise Forbidden(f"role {principal.role}: this needs {' or '.join(self.roles)}")
        return principal


class FormGate(Gate):
    """A gate for HTML forms, which carry the CSRF token in the field ``csrf``."""

    def __call__(self, request: Request, csrf: Annotated[str, Form()] = "") -> Principal:
        """Return the caller."""
        principal = self.identify(request)
        if principal.csrf is not None:
            check_token(principal, csrf or request.headers.get("x-csrf-token", ""))
        return principal


class SameOriginGate(Gate):
    """A gate for service workers, which have no page to read a token from.

    The browser must say that the request comes from this site.
    """

    def __call__(self, request: Request) -> Principal:
        """Return the caller."""
        principal = self.identify(request)
        if principal.csrf is not None:
            check_same_origin(request, is_proof_needed=True)
        return principal


class LoopbackGate(Gate):
    """A gate that also lets in programs on this machine, for scraping metrics."""

    def __call__(self, request: Request) -> Principal:
        """Return the caller; a program on this machine counts as an engineer of no tenant."""
        is_direct = not {"x-forwarded-for", "forwarded"} & set(request.headers.keys())
        if is_direct and request.client and request.client.host in {"127.0.0.1", "::1"}:
            return Principal(tenant_id=0, role=Role.ENGINEER, name="loopback")
        return super().__call__(request)


def find_principal(request: Request) -> Principal | None:
    """Return who calls, or None where nobody says so.

    Raises:
        Unauthenticated: An API key is sent and is wrong.
    """
    accounts = get_context(request).accounts
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return accounts.by_key(key.strip())
    token = request.cookies.get(COOKIE)
    return accounts.by_cookie(token) if token else None


def check_token(principal: Principal, token: str) -> None:
    """Pass when the token is the session's own.

    Raises:
        ForgedRequest: It is not.
    """
    if not hmac.compare_digest((principal.csrf or "").encode(), token.encode()):
        raise ForgedRequest


def check_same_origin(request: Request, *, is_proof_needed: bool = False) -> None:
    """Pass when the browser says the request came from this site.

    Browsers send ``Sec-Fetch-Site`` and ``Origin`` with unsafe requests (Fetch Standard); old ones may send
    neither, which passes unless ``is_proof_needed``.

    Raises:
        ForgedRequest: Another site sent it.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site not in {"same-origin", "none"}:
        raise ForgedRequest
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise ForgedRequest
    if is_proof_needed and site is None and origin is None:
        raise ForgedRequest


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """One line of the table of routes and roles."""

    method: str
    path: str
    roles: tuple[Role, ...]  #: empty: open to anyone

    @property
    def is_open(self) -> bool:
        """Tell whether no login is needed."""
        return not self.roles


def declare(routers: Iterable[APIRouter]) -> list[RouteEntry]:
    """Return the table of routes and roles, and show the roles in OpenAPI as ``x-roles``.

    Raises:
        UndeclaredRoute: A route has no gate, or more than one; names it.
    """
    table: list[RouteEntry] = []
    for router in routers:
        for route in router.routes:
            if not isinstance(route, APIRoute):
                raise UndeclaredRoute(
                    f"route {getattr(route, 'path', route)}: only API routes can declare roles"
                )
            gates = [call for call in _calls(route.dependant) if isinstance(call, (Gate, Open))]
            if len(gates) != 1 or (isinstance(gates[0], Gate) and not gates[0].roles):
                raise UndeclaredRoute(f"route {route.path}: must declare its roles with exactly one gate")
            roles = gates[0].roles
            route.openapi_extra = {
                **(route.openapi_extra or {}),
                "x-roles": [str(r) for r in roles] or ["anyone"],
            }
            table.extend(RouteEntry(method, route.path, roles) for method in sorted(route.methods or ()))
    return table


def _calls(dependant: Dependant) -> list[object]:
    found: list[object] = []
    for inner in dependant.dependencies:
        found += [inner.call, *_calls(inner)]
    return found
