"""Predictors that are tried out or switched off: who is live, and what a shadow would have done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerts.facts import VehicleFacts
from alerts.policy import Move, decide
from alerts.predictor_store import PredictorStore
from alerts.rules import Policy
from data.audit import Deed
from data.db import Pool, transaction
from data.records import FailureMode, Prediction

ANY_VERSION = "*"


class PredictorMode(StrEnum):
    """What becomes of a predictor's predictions."""

    LIVE = "live"
    SHADOW = "shadow"  #: alerts are recorded apart, nobody is told and nothing is ordered
    OFF = "off"  #: predictions are settled without effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """The modes of one tenant's predictors."""

    set_by_hand: Mapping[tuple[str, str], PredictorMode]  #: (failure mode, model version or ``*``)

    def of(self, failure_mode: FailureMode, model_version: str) -> PredictorMode:
        """Return the mode: of this version, else of all versions, else live."""
        named = self.set_by_hand.get((failure_mode, model_version))
        return named or self.set_by_hand.get((failure_mode, ANY_VERSION)) or PredictorMode.LIVE


def fetch_modes(store: PredictorStore, tenant_id: int) -> Modes:
    """Return who is live and who is not."""
    rows = store.fetch_modes(tenant_id)
    return Modes(set_by_hand={(mode, version): PredictorMode(value) for mode, version, value in rows})


def record_shadow(
    store: PredictorStore, prediction: Prediction, vehicle: VehicleFacts, policy: Policy, *, now: datetime
) -> bool:
    """Apply the policy to a shadow's prediction, apart from the real alerts; tell if it would have raised."""
    latest = store.fetch_latest_shadow(
        vehicle.vehicle_id, prediction.component, prediction.failure_mode, prediction.model_version
    )
    change = decide(prediction, latest, policy, now)
    if change.move is Move.NOTHING or change.alert is None:
        return False
    store.save_shadow(
        change.alert, vehicle, model_version=prediction.model_version, origin=prediction.origin, now=now
    )
    return change.move is Move.RAISE


def set_mode(
    pool: Pool,
    *,
    tenant_id: int,
    failure_mode: FailureMode,
    model_version: str,
    mode: PredictorMode,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    """Make a predictor live, a shadow or silent, from the next decision on; kept in the audit trail.

    What the vehicle itself alarms is not a predictor's and is not affected. Alerts that are open stay open.
    """
    with transaction(pool) as connection:
        PredictorStore(connection).insert_mode(
            tenant_id, failure_mode, model_version, mode, actor=actor, reason=reason, now=now
        )
        Deed(actor=actor, now=now).record(
            connection,
            tenant_id,
            "predictor.mode",
            f"{failure_mode} {model_version}",
            {"mode": mode, "reason": reason},
        )
