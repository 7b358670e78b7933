"""What a scorer remembers: what late data, a repair or its own predictions alone can change."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from data.db import Connection
from models import store, store_features
from models.assess import Told
from models.features.sets import FeatureSet
from models.likely_past import LikelyPast
from models.predictors.base import HISTORY_DAYS, Predictor, history_days
from models.scoring import Scoring

#: Days of another version that are brought up to date along with one scoring of their vehicle.
_STALE_DAYS = 8


@dataclass(slots=True)
class Memory:
    """Of many vehicles; all of it can be read or worked out again."""

    past: LikelyPast = field(default_factory=LikelyPast)
    #: (vehicle, model version) -> component -> its newest prediction
    last: dict[tuple[int, str], dict[str, store.LastTold]] = field(default_factory=dict)
    repairs: dict[int, Mapping[str, int]] = field(default_factory=dict)
    #: vehicles all of whose days are of the present versions
    current: set[int] = field(default_factory=set)

    def forget(self, vehicles: Collection[int]) -> None:
        """Drop all that is known of some vehicles."""
        gone = set(vehicles)
        self.past.forget(gone)
        for last in [k for k in self.last if k[0] in gone]:
            del self.last[last]
        for vehicle in gone:
            self.repairs.pop(vehicle, None)
        self.current -= gone

    def forget_predictions(self) -> None:
        """Drop what predictors said, as others run from now on."""
        self.last.clear()
        self.past.clear()

    def read(self, scoring: Scoring, predictors: Sequence[Predictor]) -> None:
        """Read what was last told of vehicles that are met for the first time; mind new repairs."""
        versions = [p.model_version for p in predictors]
        new = [v for v in scoring.touched if (v, versions[0]) not in self.last] if versions else []
        if new:
            self.last.update(store.fetch_newest_predictions(scoring.connection, new, versions))
        for vehicle in scoring.touched:
            repairs = scoring.repairs.get(vehicle, {})
            if self.repairs.get(vehicle, {}) != repairs:
                self.repairs[vehicle] = repairs
                self.past.forget({vehicle})

    def keep(self, told: Sequence[Told]) -> None:
        """Note what was told now."""
        for one in told:
            p = one.prediction
            self.last[p.vehicle_id, p.model_version][p.component] = store.LastTold(
                p.probability, p.data_time, p.is_fresh
            )

    def stale_days(
        self,
        connection: Connection,
        vehicle: int,
        sets: Sequence[FeatureSet],
        predictors: Sequence[Predictor],
    ) -> list[tuple[int, tuple[str, ...]]]:
        """Return some days that a new version of a set, or a new set, has to be worked out for."""
        if vehicle in self.current:
            return []
        histories = {
            one.name: max(
                (history_days(p) for p in predictors if p.feature_set == one.name), default=HISTORY_DAYS
            )
            for one in sets
        }
        found = store_features.fetch_stale_days(connection, vehicle, sets, histories, limit=_STALE_DAYS)
        if len(found) < _STALE_DAYS:
            self.current.add(vehicle)
        if found:
            self.past.forget({vehicle})
        return found
