"""Which systems are told by webhooks: those of stations, and of the operations desk."""

from __future__ import annotations

from typing import Any

from psycopg.rows import dict_row

from alerts.errors import InvalidDetails, UnknownContact
from data.audit import Deed
from data.db import Connection, load_queries


class WebhookBook:
    """Registered webhooks on one connection; the caller owns the transaction."""

    def __init__(self, connection: Connection, *, tenant_id: int, station_id: int | None) -> None:
        """Narrow everything to a tenant, and to a station where one is given."""
        self._connection = connection
        self._queries = load_queries("alerts", "telling/contacts.sql")
        self._scope = {"tenant_id": tenant_id, "station_id": station_id}

    def _rows(self, name: str, **values: Any) -> list[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(self._queries[name], {**self._scope, **values}).fetchall()

    def list(self) -> list[dict[str, Any]]:
        """Return them with how many messages wait and why."""
        return self._rows("fetch_webhooks")

    def add(self, *, station: str | None, url: str, secret: str, deed: Deed) -> int:
        """Register a webhook; return its id.

        Args:
            station: Whose orders it hears of; None: the warnings that nobody has acknowledged. A caller who
                is bound to a station registers for that one.
            url: Checked before.
            secret: The key that its messages are signed with.
            deed: For the audit trail.

        Raises:
            InvalidDetails: No such station, or the same webhook is there already.
        """
        station_id = self._scope["station_id"]
        if station_id is None and station is not None:
            found = self._rows("find_station", code=station)
            if not found:
                raise InvalidDetails(f"station {station[:40]!r}: there is none")
            station_id = found[0]["station_id"]
        made = self._rows("insert_webhook", station_id=station_id, url=url, secret=secret, now=deed.now)
        if not made:
            raise InvalidDetails(f"url {url[:80]!r}: is registered already")
        webhook_id: int = made[0]["webhook_id"]
        self._note(deed, "webhook.add", webhook_id, station_id=station_id)
        return webhook_id

    def remove(self, webhook_id: int, *, deed: Deed) -> None:
        """Forget a webhook with all that waits for it.

        Raises:
            UnknownContact: There is none, or it is another's.
        """
        if not self._rows("delete_webhook", webhook_id=webhook_id):
            raise UnknownContact(f"webhook {webhook_id}: there is none")
        self._note(deed, "webhook.remove", webhook_id)

    def _note(self, deed: Deed, action: str, webhook_id: int, **data: Any) -> None:
        deed.record(
            self._connection, int(self._scope["tenant_id"] or 0), action, f"webhook {webhook_id}", data
        )
