"""Accounts and access rules for the amqtt broker, the same as Mosquitto gets as files."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from functools import lru_cache

from amqtt.contexts import Action
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from data.broker import ROLES, grant_foreign
from data.topics import PREFIX


class AccountPlugin(BaseAuthPlugin):  # type: ignore[misc] # amqtt ships no types
    """Let in only who names a role and its password: amqtt keeps sessions for authenticated clients only."""

    async def authenticate(self, *, session: Session) -> bool:
        """Tell whether user name and password belong together."""
        expected = self.config.passwords.get(session.username or "")
        return expected is not None and hmac.compare_digest(expected, session.password or "")

    @dataclass
    class Config:
        """What the broker's configuration gives."""

        passwords: dict[str, str] = field(default_factory=dict)


class AccessPlugin(BaseTopicPlugin):  # type: ignore[misc] # amqtt ships no types
    """Apply ``data.broker.ROLES`` to publishing, subscribing and receiving."""

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Tell whether the session's account may do this to the topic."""
        if session is None or topic is None:
            return False
        return is_allowed(
            session.username or "",
            topic,
            is_write=action == Action.PUBLISH,
            foreign=tuple(self.config.foreign),
        )

    @dataclass
    class Config:
        """What the broker's configuration gives."""

        foreign: list[str] = field(default_factory=list)  #: topic filters that adapters read


@lru_cache(maxsize=16_384)
def is_allowed(user: str, topic: str, *, is_write: bool, foreign: tuple[str, ...] = ()) -> bool:
    """Tell whether an account may write a topic, or read a topic or filter.

    A user name that is no role is a vehicle, ``tenant/VIN``, and owns its branch only.
    """
    access = grant_foreign(ROLES, foreign).get(user)
    if access is not None:
        return any(covers(allowed, topic) for allowed in (access.write if is_write else access.read))
    is_vehicle = user.count("/") == 1 and not set(user) & {"+", "#"}
    return is_vehicle and covers(f"{PREFIX}/{user}/{'up' if is_write else 'down'}/#", topic)


def covers(allowed: str, wanted: str) -> bool:
    """Tell whether every topic that the filter ``wanted`` matches is matched by the filter ``allowed``."""
    have, want = allowed.split("/"), wanted.split("/")
    for level, granted in enumerate(have):
        if granted == "#":
            return True
        if level >= len(want) or want[level] == "#" or granted not in ("+", want[level]):
            return False
    return len(have) == len(want)
