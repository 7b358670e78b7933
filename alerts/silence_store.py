"""SQL of vehicles that send nothing any more."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from alerts.orders.order_store import ACTOR
from alerts.silence import COMPONENT, FAILURE_MODE, Hours, LastWords, Silence
from alerts.sql_store import SqlStore
from data.audit import Deed
from data.locks import LOCK_SILENCE
from data.records import Severity


class SilenceStore(SqlStore):
    """Reads last words and writes alerts of silence on one connection; the caller owns the transaction."""

    FILE = "silence.sql"

    def _about(self, query: str, /, **values: Any) -> list[dict[str, Any]]:
        return self._rows(query, component=COMPONENT, failure_mode=FAILURE_MODE, actor=ACTOR, **values)

    def try_lock(self) -> bool:
        """Be the one that looks for silence, to the end of the transaction."""
        return bool(self._rows("try_lock", lock=LOCK_SILENCE)[0]["pg_try_advisory_xact_lock"])

    def fetch_silent(self, now: datetime) -> list[tuple[LastWords, Severity | None]]:
        """Return vehicles that may be silent, with the urgency of the alert that is open about it."""
        found = []
        for row in self._about("fetch_silent", now=now):
            known, worst, readings = row.pop("severity"), row.pop("worst"), row.pop("readings")
            last = LastWords(
                **row,
                readings={k: float(v) for k, v in readings.items() if isinstance(v, (int, float))},
                worst=None if worst is None else Severity(worst),
            )
            found.append((last, None if known is None else Severity(known)))
        return found

    def raise_silence(self, last: LastWords, silence: Silence, now: datetime) -> list[int]:
        """Open the alert of a silence, or make it more urgent; return it if that changed anything."""
        rows = self._about(
            "raise_silence",
            vehicle_id=last.vehicle_id,
            tenant_id=last.tenant_id,
            heard_at=last.heard_at,
            origin=last.origin,
            severity=silence.severity,
            is_lost=silence.is_lost or silence.severity is Severity.S1,
            reason=silence.reason,
            now=now,
        )
        return [row["alert_id"] for row in rows]

    def fetch_hours(self, tenant_id: int) -> Hours:
        """Return the hours of a tenant."""
        return Hours(**self._rows("fetch_hours", tenant_id=tenant_id)[0])

    def set_hours(self, tenant_id: int, hours: Hours, deed: Deed) -> Hours:
        """Set the hours of a tenant, and note who did."""
        told = asdict(hours)
        deed.record(self._connection, tenant_id, "silence.hours", "vehicles", told)
        return Hours(**self._rows("set_hours", tenant_id=tenant_id, **told)[0])

    def end_silence(self, now: datetime) -> list[int]:
        """Clear the alerts of vehicles that are heard again; return them."""
        return [row["alert_id"] for row in self._about("end_silence", now=now)]
