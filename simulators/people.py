"""A person at the HTTP API: logged in like anybody, with a session and its token against forged requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Protocol

import requests

from simulators.errors import RefusalError

_TOKEN = re.compile(r'"X-CSRF-Token": "([^"]+)"')
_TIMEOUT_S = 30.0


class Caller(Protocol):
    """One role's way into the API."""

    def get(self, path: str) -> Mapping[str, Any]:
        """Return the JSON object behind a path."""

    def post(self, path: str, **body: Any) -> Mapping[str, Any]:
        """Send a JSON object and return the one that is answered."""


class Person:
    """Logs in as a browser does and calls the JSON API from then on.

    Args:
        base_url: Where the pages are.
        login: Name of the login.
        password: Its password.

    Raises:
        RefusalError: The login is wrong.
    """

    def __init__(self, base_url: str, login: str, password: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._session = requests.Session()
        home = self._session.post(
            f"{self._base_url}/login", data={"login": login, "password": password}, timeout=_TIMEOUT_S
        )
        token = _TOKEN.search(home.text)
        if not home.ok or token is None:
            raise RefusalError(home.status_code, f"login {login!r}: the site does not let them in")
        self._session.headers["X-CSRF-Token"] = token[1]

    def get(self, path: str) -> Mapping[str, Any]:
        """Return the JSON object behind a path.

        Raises:
            RefusalError: The API refuses; carries what it says.
        """
        return _told(self._session.get(f"{self._base_url}/api/v1/{path}", timeout=_TIMEOUT_S))

    def post(self, path: str, **body: Any) -> Mapping[str, Any]:
        """Send a JSON object and return the one that is answered.

        Raises:
            RefusalError: The API refuses; carries what it says.
        """
        return _told(self._session.post(f"{self._base_url}/api/v1/{path}", json=body, timeout=_TIMEOUT_S))

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()


@contextmanager
def log_in(base_url: str, passwords: Mapping[str, str]) -> Iterator[tuple[Person, Person]]:
    """Log the owner and the station in, whose logins are called like their roles."""
    with ExitStack() as stack:
        owner, station = (
            stack.enter_context(closing(Person(base_url, role, passwords[role])))
            for role in ("owner", "station")
        )
        yield owner, station


def _told(answer: requests.Response) -> Mapping[str, Any]:
    told = answer.json()
    if not answer.ok:
        raise RefusalError(answer.status_code, str(told.get("detail") or told))
    return dict(told)
