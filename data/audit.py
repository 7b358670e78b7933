"""The audit trail: what people and commands did to vehicles, owners, logins and keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from data.db import Connection, load_queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Who does something, and when; becomes an audit event in the transaction of what is done."""

    actor: str  #: ``command:root``, ``operations:li``
    now: datetime  #: timezone-aware

    def record(
        self, connection: Connection, tenant_id: int, action: str, subject: str, data: Mapping[str, Any]
    ) -> None:
        """Write the event.

        Args:
            connection: Inside the transaction of the deed.
            tenant_id: Whose.
            action: ``vehicle.transfer``, ``login.revoke``, …
            subject: VIN, ``owner 7``, login or key id.
            data: What to tell beside; no secrets, no positions.
        """
        connection.execute(
            load_queries("data", "fleet.sql")["insert_audit"],
            {
                "tenant_id": tenant_id,
                "at": self.now,
                "actor": self.actor,
                "action": action,
                "subject": subject,
                "data": Jsonb(dict(data)),
            },
        )
