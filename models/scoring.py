"""One scoring of some vehicles: what is known of them, and what it has come to so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from data.db import Connection
from data.records import VehicleSpec
from models import store
from models.assess import Told
from models.backlog import Touched
from models.features.days import to_datetime
from models.predictors.base import Predictor


@dataclass(frozen=True, slots=True)
class Scoring:
    """What one scoring knows of its vehicles."""

    connection: Connection
    touched: Mapping[int, Touched]
    specs: Mapping[int, VehicleSpec]
    states: Mapping[int, store.VehicleState]
    repairs: Mapping[int, Mapping[str, int]]
    alerts: Mapping[tuple[int, str], set[str]]
    off: Mapping[tuple[int, str, str], bool]  #: (vehicle, mode, model version or *)
    now: datetime
    failures: dict[tuple[int, str], str] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    scores: list[store.Score] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        connection: Connection,
        touched: Mapping[int, Touched],
        specs: Mapping[int, VehicleSpec],
        *,
        now: datetime,
    ) -> Scoring:
        """Return a scoring with what the database knows of the vehicles."""
        vehicles = sorted(touched)
        return cls(
            connection,
            touched,
            specs,
            store.fetch_states(connection, vehicles),
            store.fetch_repairs(connection, vehicles),
            store.fetch_open_alerts(connection, vehicles),
            store.fetch_off(connection, vehicles),
            now,
        )

    def is_on(self, vehicle: int, predictor: Predictor) -> bool:
        """Tell whether a predictor is switched on for a vehicle: itself, else its mode as a whole."""
        mode, version = predictor.failure_mode.value, predictor.model_version
        return not self.off.get((vehicle, mode, version), self.off.get((vehicle, mode, "*"), False))

    def is_fresh(self, vehicle: int, fresh: timedelta) -> bool:
        """Tell whether the newest live sample of a vehicle is young enough."""
        live = self.states[vehicle].live_time
        return live is not None and self.now - live <= fresh

    def add_score(
        self, predictor: Predictor, vehicle: int, probability: float, component: str | None
    ) -> None:
        """Note the worst component of a vehicle; NaN and None: nothing is known."""
        self.scores.append(
            store.Score(
                vehicle,
                predictor.failure_mode.value,
                to_datetime(self.touched[vehicle].data_us),
                probability,
                component,
                predictor.model_version,
            )
        )
