"""What can go wrong at the HTTP edge, and which status each error of the project becomes.

AnxinError
└── ApiError
    ├── CannotListen        the address of the server is taken or not of this machine
    ├── UndeclaredRoute     a route does not say who may call it; fails when the app is made
    ├── BadRequest          a field of the request breaks its rule; names field, value and rule
    ├── Unauthenticated     nobody is logged in, or the key is unknown or revoked
    ├── Forbidden           the caller's role may not do this
    │   └── ForgedRequest   a form or script of another site sent this (CSRF)
    ├── NotFound            there is no such thing, or it belongs to someone else
    └── TooManyAttempts     too many wrong passwords or keys; says when to try again
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from alerts.errors import (
    BookingConflict,
    InvalidAnswer,
    InvalidDetails,
    InvalidTransition,
    KeyReused,
    UnknownAlert,
    UnknownArrival,
    UnknownContact,
    UnknownOrder,
    UnknownTrip,
    VersionConflict,
)
from data.errors import AnxinError, DatabaseAway, VinError


class ApiError(AnxinError):
    """The request cannot be answered."""


class CannotListen(ApiError):  # noqa: N818 - it reads as a fact
    """The server cannot listen there."""


class UndeclaredRoute(ApiError):  # noqa: N818 - it reads as a fact
    """A route does not declare its roles."""


class BadRequest(ApiError):  # noqa: N818 - it reads as a fact
    """The request breaks a rule."""


class Unauthenticated(ApiError):  # noqa: N818 - it reads as a fact
    """Log in or send a valid API key."""


class Forbidden(ApiError):  # noqa: N818 - it reads as a fact
    """This role may not do this."""


class ForgedRequest(Forbidden):
    """The request did not come from a page of this site; reload the page and try again."""


class NotFound(ApiError):  # noqa: N818 - it reads as a fact
    """There is no such thing here."""


class TooManyAttempts(ApiError):  # noqa: N818 - it reads as a fact
    """Too many failed attempts."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many failed attempts: try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Answer:
    """How an error looks to an HTTP client."""

    status: int
    title: str


#: The one table from error to HTTP status; a subclass without a line of its own takes its parent's.
ANSWERS: Mapping[type[AnxinError], Answer] = MappingProxyType(
    {
        BadRequest: Answer(422, "Request breaks a rule"),
        VinError: Answer(422, "Not a vehicle identification number"),
        Unauthenticated: Answer(401, "Not logged in"),
        Forbidden: Answer(403, "Not allowed"),
        NotFound: Answer(404, "Not found"),
        UnknownAlert: Answer(404, "Not found"),
        UnknownOrder: Answer(404, "Not found"),
        UnknownTrip: Answer(404, "Not found"),
        UnknownArrival: Answer(404, "Not found"),
        UnknownContact: Answer(404, "Not found"),
        VersionConflict: Answer(409, "Changed meanwhile"),
        InvalidTransition: Answer(409, "Not possible now"),
        BookingConflict: Answer(409, "Taken meanwhile"),
        InvalidDetails: Answer(422, "Request breaks a rule"),
        KeyReused: Answer(409, "Key was used for another command"),
        InvalidAnswer: Answer(422, "Request breaks a rule"),
        TooManyAttempts: Answer(429, "Too many attempts"),
        DatabaseAway: Answer(503, "Database away"),
        AnxinError: Answer(500, "Internal error"),
    }
)


def answer_for(error: AnxinError) -> Answer:
    """Return the status and title of an error, by its nearest ancestor in ``ANSWERS``."""
    for kind in type(error).__mro__:
        if kind in ANSWERS:
            return ANSWERS[kind]
    return ANSWERS[AnxinError]
