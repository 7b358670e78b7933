"""One scoring of some vehicles: touched rows to features, features to risk, risk to predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import psycopg
import structlog

from data.db import Connection
from data.errors import DatabaseError
from data.records import IntArray, VehicleSpec
from models import store, store_features
from models.assess import TELL_LEVEL, Told, choose, is_news, tell
from models.backlog import Touched
from models.champions import Champions
from models.errors import describe_error
from models.features.days import to_datetime
from models.features.registry import feature_sets, pair
from models.features.sets import FeatureSet
from models.memory import Memory
from models.panels import newest_days, panels_of, repaired_days, rows_of, since_repair, with_main
from models.predictors import day_predictors
from models.predictors.base import DayPanel, Predictor, history_days
from models.recompute import following_days, recompute_days, touched_days
from models.scoring import Scoring

_LOG = structlog.get_logger("models")


@dataclass(slots=True)
class Scorer:
    """Scores vehicles."""

    fresh: timedelta
    sets: Sequence[FeatureSet] = field(default_factory=feature_sets)
    predictors: Sequence[Predictor] = field(default_factory=day_predictors)
    _memory: Memory = field(default_factory=Memory)
    #: (vehicle, feature set or model version) that failed when it was last scored
    _failing: set[tuple[int, str]] = field(default_factory=set)
    #: what was learned, and what of it runs
    _champions: Champions = field(default_factory=Champions)

    def forget(self, vehicles: Sequence[int]) -> None:
        """Drop what is remembered, after a failed transaction or a lost partition."""
        self._memory.forget(vehicles)

    def score(
        self,
        connection: Connection,
        touched: Mapping[int, Touched],
        specs: Mapping[int, VehicleSpec],
        *,
        now: datetime,
    ) -> int:
        """Bring features, predictions and scores of some vehicles up to date; return new predictions.

        All in the caller's transaction.
        """
        if not touched:
            return 0
        vehicles = sorted(touched)
        found = self._champions.refresh(connection, self.predictors, now=now)
        if found is not None:
            self.predictors = found
            self._memory.forget_predictions()
        paired = pair(self.sets, self.predictors)
        context = Scoring.begin(connection, touched, specs, now=now)
        changed = self._recompute(context)
        self._memory.read(context, self.predictors)
        groups: dict[tuple[object, ...], list[int]] = {}
        for vehicle in vehicles:
            spec = specs[vehicle]
            key = (spec.model_id, spec.cell_count, spec.probe_count, spec.wheels, spec.placard_kpa)
            groups.setdefault(key, []).append(vehicle)
        for members in groups.values():
            for one, predictors in paired:
                mine = [v for v in members if one.name in changed[v]]
                if mine and predictors:
                    self._predict_set(context, one, predictors, mine)
        written = store.insert_predictions(connection, context.told)
        store.upsert_scores(connection, context.scores, scored_at=now)
        store.delete_old_scores(connection, vehicles, [p.model_version for p in self.predictors])
        store.write_failures(connection, vehicles, context.failures, now=now)
        self._log_failures(context)
        return written

    def _log_failures(self, context: Scoring) -> None:
        """Log what fails for the first time; what goes on failing is counted in its table."""
        for (vehicle, part), error in context.failures.items():
            if (vehicle, part) not in self._failing:
                _LOG.error("left out of scoring", vehicle_id=vehicle, part=part, error=error)
        self._failing = {k for k in self._failing if k[0] not in context.touched} | context.failures.keys()

    def _recompute(self, context: Scoring) -> dict[int, set[str]]:
        """Bring days up to date; return the sets of each vehicle that have something to say."""
        days = {v: touched_days(self.sets, entry.days) for v, entry in context.touched.items()}
        later = {v: following_days(self.sets, of_sets) for v, of_sets in days.items()}
        known = store_features.fetch_known_days(
            context.connection,
            {(v, d) for v, of_sets in later.items() for d in set().union(*of_sets.values())},
        )
        changed: dict[int, set[str]] = {}
        for vehicle in sorted(days):
            wanted = days[vehicle]
            touched = set().union(*wanted.values())
            for one in self.sets:
                # every set has a row for each day that any has one for
                wanted[one.name] |= {d for d in later[vehicle][one.name] if (vehicle, one.name, d) in known}
            if touched:
                self._memory.past.forget_from(vehicle, min(touched))
            for day, names in self._memory.stale_days(
                context.connection, vehicle, self.sets, self.predictors
            ):
                for name in names:
                    wanted[name].add(day)
            failed = recompute_days(context.connection, vehicle, wanted, context.specs[vehicle], self.sets)
            context.failures.update({(vehicle, name): error for name, error in failed.items()})
            changed[vehicle] = {name for name, of_set in wanted.items() if of_set}
        return changed

    def _predict_set(
        self, context: Scoring, one: FeatureSet, predictors: Sequence[Predictor], vehicles: Sequence[int]
    ) -> None:
        spec = context.specs[vehicles[0]]
        days = store_features.fetch_days(
            context.connection, vehicles, one, spec, history_days=max(map(history_days, predictors))
        )
        for panel in panels_of(days, one.features, spec):
            for predictor in predictors:
                self._predict(context, predictor, panel)
        for vehicle in set(vehicles) - set(days.vehicle_id.tolist()):
            for predictor in predictors:
                context.add_score(predictor, vehicle, float("nan"), None)

    def _predict(self, context: Scoring, predictor: Predictor, panel: DayPanel) -> None:
        rows = [
            row for row, vehicle in enumerate(panel.vehicle_id.tolist()) if context.is_on(vehicle, predictor)
        ]
        if not rows:
            return
        part = with_main(rows_of(panel, rows), predictor.main)
        part = since_repair(part, repaired_days(part, predictor, context.repairs, context.specs))
        newest = newest_days(part)
        for day in np.unique(newest).tolist():
            some = rows_of(part, np.flatnonzero(newest == day).tolist())
            self._predict_day(context, predictor, some, day)

    def _predict_day(self, context: Scoring, predictor: Predictor, panel: DayPanel, day: int) -> None:
        """Predict vehicles as of one day, their newest; where one of them cannot be, each alone."""
        try:
            self._tell(context, predictor, panel, day)
        except (DatabaseError, psycopg.Error):
            raise
        except Exception as error:
            failure = describe_error(error)
        else:
            return
        if len(panel.vehicle_id) > 1:
            for row in range(len(panel.vehicle_id)):
                self._predict_day(context, predictor, rows_of(panel, [row]), day)
            return
        context.failures[int(panel.vehicle_id[0]), predictor.model_version] = failure

    def _tell(self, context: Scoring, predictor: Predictor, panel: DayPanel, day: int) -> None:
        mode, version = predictor.failure_mode.value, predictor.model_version
        risk = predictor.predict(panel, np.array([day], dtype=np.int64))
        names = [predictor.component_name(panel.spec, i) for i in range(panel.value.shape[2])]
        told: list[Told] = []
        scores: list[tuple[int, float, str | None]] = []
        for row, vehicle in enumerate(panel.vehicle_id.tolist()):
            probability = risk.probability[row, 0]
            known = np.where(np.isfinite(probability), probability, -1.0)
            worst = int(np.argmax(known))
            is_known = bool(known[worst] >= 0)
            worst_probability = float(known[worst]) if is_known else float("nan")
            scores.append((vehicle, worst_probability, names[worst] if is_known else None))
            last = self._memory.last[vehicle, version]
            alerts = context.alerts.get((vehicle, mode), ())
            earlier = [
                i
                for i, name in enumerate(names)
                if name in alerts or (name in last and last[name].probability >= TELL_LEVEL)
            ]
            is_fresh = context.is_fresh(vehicle, self.fresh)
            data_time = to_datetime(int(panel.last_us[row, day]))
            since: IntArray | None = None
            for i in choose(probability, earlier):
                if not is_news(float(probability[i]), data_time, last.get(names[i]), is_fresh=is_fresh):
                    continue
                if since is None:
                    since = self._memory.past.since(predictor, rows_of(panel, [row]), day, probability)
                told.append(
                    tell(
                        predictor,
                        panel,
                        risk,
                        (row, 0, i),
                        since_us=int(since[i]),
                        now=context.now,
                        origin=context.states[vehicle].origin,
                        is_fresh=is_fresh,
                    )
                )
        context.told.extend(told)
        for vehicle, worst_probability, component in scores:
            context.add_score(predictor, vehicle, worst_probability, component)
        self._memory.keep(told)
