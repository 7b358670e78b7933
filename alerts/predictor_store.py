"""SQL of predictors' modes and of shadow alerts."""

from __future__ import annotations

from datetime import datetime

from alerts.facts import VehicleFacts
from alerts.policy import Alert
from alerts.rows import alert_from
from alerts.sql_store import SqlStore
from data.records import FailureMode


class PredictorStore(SqlStore):
    """Reads and writes modes and shadow alerts on one connection; the caller owns the transaction."""

    FILE = "predictors.sql"

    def fetch_modes(self, tenant_id: int) -> list[tuple[str, str, str]]:
        """Return failure mode, model version and mode of all that were ever set."""
        rows = self._rows("fetch_modes", tenant_id=tenant_id)
        return [(row["failure_mode"], row["model_version"], row["mode"]) for row in rows]

    def insert_mode(
        self,
        tenant_id: int,
        failure_mode: FailureMode,
        model_version: str,
        mode: str,
        *,
        actor: str,
        reason: str,
        now: datetime,
    ) -> None:
        """Append a mode; the newest counts."""
        values = {"mode": mode, "actor": actor, "reason": reason, "now": now}
        key = {"tenant_id": tenant_id, "failure_mode": failure_mode, "model_version": model_version}
        self._connection.execute(self._queries["insert_mode"], {**key, **values})

    def fetch_latest_shadow(
        self, vehicle_id: int, component: str, failure_mode: FailureMode, model_version: str
    ) -> Alert | None:
        """Return the open shadow alert of this key, else the newest cleared one."""
        rows = self._rows(
            "fetch_latest_shadow",
            vehicle_id=vehicle_id,
            component=component,
            failure_mode=failure_mode,
            model_version=model_version,
        )
        return alert_from(rows[0]) if rows else None

    def save_shadow(
        self, alert: Alert, vehicle: VehicleFacts, *, model_version: str, origin: str, now: datetime
    ) -> None:
        """Insert a new shadow alert or update the known one."""
        values = {
            "severity": alert.severity,
            "state": alert.state,
            "raised_at": alert.raised_at,
            "cleared_at": alert.cleared_at,
            "last_seen": alert.last_seen,
            "quiet_since": alert.quiet_since,
            "occurrence_count": alert.occurrence_count,
            "now": now,
        }
        if alert.alert_id:
            self._connection.execute(self._queries["update_shadow"], {"shadow_id": alert.alert_id, **values})
            return
        key = {
            "tenant_id": vehicle.tenant_id,
            "vehicle_id": vehicle.vehicle_id,
            "component": alert.component,
            "failure_mode": alert.failure_mode,
            "model_version": model_version,
            "first_seen": alert.first_seen,
            "origin": origin,
        }
        self._connection.execute(self._queries["insert_shadow"], {**key, **values})
