"""What every request handler needs, made once by ``create_app`` and carried by the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Depends, Request
from jinja2 import Environment

from alerts.work.actions import Action, Details
from api.access import Accounts
from api.live import Hub
from api.metrics import Meters
from data.db import Pool
from data.settings import Settings


class Answered(Protocol):
    """What an answer led to."""

    @property
    def is_changed(self) -> bool:
        """Tell whether time, place or price are no longer those shown, so that the owner is asked again."""


class Requested(Protocol):
    """What asking for an appointment led to."""

    @property
    def order_id(self) -> int:
        """Return the order that is about it."""


class Commands(Protocol):
    """What the API asks the alerts side to do; everything else it only reads."""

    def answer(
        self,
        *,
        order_id: int,
        answer: str,
        actor: str,
        version: int,
        now: datetime,
        shares_data: bool = False,
    ) -> Answered:
        """Take the owner's yes, no or later.

        Raises:
            AlertError: The order has moved on since ``version``, or does not wait for this answer.
        """

    def request_order(self, *, alert_id: int, actor: str, now: datetime) -> Requested:
        """Order what could wait for the next visit.

        Raises:
            AlertError: There is nothing to order for the alert.
        """

    def act(
        self,
        *,
        order_id: int,
        action: Action,
        details: Details,
        actor: str,
        version: int,
        key: str,
        now: datetime,
    ) -> object:
        """Do one action of the work on an order.

        Raises:
            AlertError: It is not possible now, does not fit, or the order has moved on since ``version``.
        """

    def ask_vehicle(self, *, order_id: int, signals: Sequence[str], actor: str, now: datetime) -> object:
        """Ask the vehicle of an order for readings.

        Raises:
            AlertError: It cannot be asked now, or not for these signals.
        """

    def rate(
        self,
        *,
        order_id: int,
        station_stars: int,
        warning_stars: int,
        comment: str,
        actor: str,
        now: datetime,
    ) -> None:
        """Keep what an owner thinks of station and warning."""

    def receive(self, *, warning_id: UUID, endpoint: str | None, now: datetime) -> bool:
        """Note that a browser showed a warning."""

    def acknowledge(self, *, warning_id: UUID, actor: str, now: datetime) -> bool:
        """Note that a person knows of a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts of one running API."""

    settings: Settings
    pool: Pool
    clock: Callable[[], datetime]
    accounts: Accounts
    commands: Commands
    hub: Hub
    meters: Meters
    pages: Environment
    texts: Mapping[str, Mapping[str, str]]  #: language -> key -> text
    link_key: bytes  #: signs the links of letters
    push_key: str  #: VAPID public key, base64url; empty where Web Push is off
    assets: str  #: changes when a static file changes; part of asset URLs


def get_context(request: Request) -> Context:
    """Return the parts that ``create_app`` put into the application."""
    context = request.app.state.context
    if not isinstance(context, Context):
        raise TypeError("app.state.context: make the application with create_app")
    return context


Ctx = Annotated[Context, Depends(get_context)]
