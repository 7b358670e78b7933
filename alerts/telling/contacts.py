"""The ways an owner is reached: added, verified by a code that is sent there, put in order, removed."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from psycopg.rows import dict_row

from alerts.errors import AddressRefused, InvalidDetails, UnknownContact
from alerts.telling.gateways import Gateway, gateway_url
from data.audit import Deed
from data.db import CHANNEL_OUTBOX, Connection, load_queries, notify

CODE_VALID = timedelta(minutes=15)
CODE_PAUSE = timedelta(minutes=1)
CODE_TRIES = 5
MOST_WAYS = 10
#: Stands for the owner's browsers in the order of fallback.
PUSH = "push"
#: One address, no display name: local part of RFC 5321's dot-string, a domain with a dot.
_MAIL = re.compile(
    r"(?=.{3,254}$)[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What an owner may set."""

    locale: str  #: ``zh`` or ``en``
    quiet: tuple[time, time] | None  #: local; None: as the policy says; both the same: never
    time_zone: str | None  #: of the quiet hours; None: the vehicle's
    order: Sequence[int | str]  #: contact ids and ``push``, the first to be told first


def check_address(channel: str, address: str, gateways: Mapping[str, Gateway], *, has_mail: bool) -> None:
    """Pass for an address of mail or of a gateway that this installation can reach.

    Raises:
        InvalidDetails: Another address, or the channel is not set up here; names the rule.
    """
    if channel == "email":
        if not has_mail:
            raise InvalidDetails("channel email: this installation sends no mail")
        if not _MAIL.fullmatch(address) or ".." in address:
            raise InvalidDetails(f"address {address[:80]!r}: must be a mail address such as li@example.com")
    elif channel == "apprise":
        try:
            gateway_url(gateways, address)
        except AddressRefused as error:
            raise InvalidDetails(f"address {address[:80]!r}: {error}") from error


class ContactBook:
    """An owner's contact ways on one connection; the caller owns the transaction.

    Every change is a deed in the audit trail, without the address.

    Raises:
        UnknownContact: This owner, or this way of theirs, does not exist.
    """

    def __init__(self, connection: Connection, *, tenant_id: int, owner_id: int) -> None:
        self._connection = connection
        self._queries = load_queries("alerts", "telling/contacts.sql")
        self._tenant_id = tenant_id
        self._owner_id = owner_id
        found = self._rows("lock_owner", tenant_id=tenant_id)
        if not found:
            raise UnknownContact(f"owner {owner_id}: there is none")
        self.owner = found[0]

    def _rows(self, name: str, **values: Any) -> list[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            done = cursor.execute(self._queries[name], {"owner_id": self._owner_id, **values})
            return done.fetchall() if done.description else []

    def ways(self) -> list[dict[str, Any]]:
        """Return all ways in order of fallback."""
        return self._rows("fetch_ways")

    def order(self) -> list[int | str]:
        """Return contact ids and ``push`` in order of fallback; emergency contacts are in none."""
        ranked: list[tuple[int, int, int | str]] = [(self.owner["push_rank"], 0, PUSH)]
        ranked += [
            (w["rank"], w["contact_id"], w["contact_id"]) for w in self.ways() if not w["is_emergency"]
        ]
        return [name for _, _, name in sorted(ranked, key=lambda entry: entry[:2])]

    def add(
        self, *, channel: str, address: str, secret: str | None, is_emergency: bool, code: str, deed: Deed
    ) -> int:
        """Add a way and send its code there; return its id.

        Raises:
            InvalidDetails: It is there already, or there are too many.
        """
        if len(self.ways()) >= MOST_WAYS:
            raise InvalidDetails(f"ways: an owner has at most {MOST_WAYS}")
        made = self._rows(
            "insert_way",
            channel=channel,
            address=address,
            secret=secret,
            is_emergency=is_emergency,
            now=deed.now,
        )
        if not made:
            raise InvalidDetails(f"address {address[:80]!r}: is there already")
        contact_id: int = made[0]["contact_id"]
        self._send_code(contact_id, code, deed.now)
        self._note(deed, "contact.add", contact_id=contact_id, channel=channel, is_emergency=is_emergency)
        return contact_id

    def send_code(self, contact_id: int, *, code: str, now: datetime) -> None:
        """Send another code; the one before is void.

        Raises:
            InvalidDetails: It is verified already, or the last code is less than a minute old.
        """
        way = self._way(contact_id)
        if way["verified_at"] is not None:
            raise InvalidDetails(f"way {contact_id}: is verified already")
        if way["code_sent_at"] is not None and now - way["code_sent_at"] < CODE_PAUSE:
            raise InvalidDetails(f"way {contact_id}: a code was sent less than a minute ago")
        self._send_code(contact_id, code, now)

    def verify(self, contact_id: int, *, code: str, deed: Deed) -> bool:
        """Take the code that arrived there; False where it is not that one, or void.

        A wrong one counts against the five tries of a code: commit it all the same.
        """
        way, now = self._way(contact_id), deed.now
        if way["verified_at"] is not None:
            return True
        is_void = (
            way["code"] is None or way["code_tries"] >= CODE_TRIES or now - way["code_sent_at"] > CODE_VALID
        )
        if is_void or not hmac.compare_digest(way["code"].encode(), code.encode()):
            self._rows("count_try", contact_id=contact_id)
            return False
        self._rows("mark_verified", contact_id=contact_id, now=now)
        self._note(deed, "contact.verify", contact_id=contact_id)
        return True

    def remove(self, contact_id: int, *, deed: Deed) -> None:
        """Forget a way; what waits to be sent there is not sent any more."""
        if not self._rows("delete_way", contact_id=contact_id):
            raise UnknownContact(f"way {contact_id}: there is none")
        self._note(deed, "contact.remove", contact_id=contact_id)

    def wish(self, wishes: Wishes, *, deed: Deed) -> None:
        """Set language, quiet hours and order of fallback.

        Raises:
            InvalidDetails: A field breaks a rule; names it.
        """
        known = self.order()
        if sorted(map(str, wishes.order)) != sorted(map(str, known)):
            raise InvalidDetails(f"order {list(wishes.order)}: must hold each of {known} once")
        if wishes.time_zone is not None:
            try:
                ZoneInfo(wishes.time_zone)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise InvalidDetails(
                    f"time_zone {wishes.time_zone[:40]!r}: must be a name such as Asia/Shanghai"
                ) from error
        start, end = wishes.quiet or (None, None)
        self._rows(
            "update_owner",
            locale=wishes.locale,
            quiet_from=start,
            quiet_to=end,
            time_zone=wishes.time_zone,
            push_rank=list(wishes.order).index(PUSH),
        )
        ranks = {int(name): rank for rank, name in enumerate(wishes.order) if name != PUSH}
        self._rows("rank_ways", contact_ids=list(ranks), ranks=list(ranks.values()))
        self._note(deed, "contact.wishes", locale=wishes.locale, order=list(wishes.order))
        self.owner = self._rows("lock_owner", tenant_id=self._tenant_id)[0]

    def preference(self) -> dict[str, Any]:
        """Return code of the owner's ``station`` and ``mode``; None: the nearest, as the urgency asks."""
        return self._rows("fetch_preference")[0]

    def prefer(self, *, station: str | None, mode: str | None, deed: Deed) -> None:
        """Set where and how this owner likes their vehicles repaired; counts from the next planning on.

        Raises:
            InvalidDetails: No active station has that code.
        """
        if not self._rows("update_preference", station=station, mode=mode):
            raise InvalidDetails(f"station {(station or '')[:40]!r}: must be the code of an active station")
        self._note(deed, "contact.preference", station=station, mode=mode)

    def _way(self, contact_id: int) -> dict[str, Any]:
        found = self._rows("lock_way", contact_id=contact_id)
        if not found:
            raise UnknownContact(f"way {contact_id}: there is none")
        return found[0]

    def _send_code(self, contact_id: int, code: str, now: datetime) -> None:
        self._rows("set_code", contact_id=contact_id, code=code, now=now)
        self._rows("queue_code", contact_id=contact_id, now=now)
        notify(self._connection, CHANNEL_OUTBOX)

    def _note(self, deed: Deed, action: str, **data: Any) -> None:
        deed.record(self._connection, self._tenant_id, action, f"owner {self._owner_id}", data)
