"""What the stored history teaches: feature days as scored, and what workshops had found by a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from data.db import Connection, connect, wrap_errors
from data.records import Origin, VehicleSpec
from models import store, store_backtest, store_features
from models.features.days import to_datetime
from models.features.registry import feature_sets, pair
from models.learning.labels import WorkshopLabel, label_outcomes
from models.learning.train import Learned, add_up, learn_panel
from models.panels import panels_of, rows_of, with_main
from models.predictors import day_predictors
from models.predictors.base import DayPanel, Predictor

#: Longer than any history: all stored days.
_ALL_DAYS = 100_000
#: Groups of vehicles, each of which is held out once: what seeds are of simulated fleets.
FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningWork:
    """Some vehicles of a database: what one process works on."""

    url: str
    vehicle_ids: tuple[int, ...]
    versions: tuple[str, ...]  #: of the predictors that learn
    cut_us: int  #: the present of the training
    origin: Origin  #: vehicles of another one are left out: what is simulated says nothing of what is real
    every: int = 3  #: so many days lie between two that are learned from
    with_examples: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLearned:
    """What came out of some vehicles; adds up."""

    learned: Mapping[str, Learned] = field(default_factory=dict)  #: by model version
    vehicles: int = 0
    findings: int = 0  #: decided by the cut
    undecided: int = 0  #: components with an open order at the cut, of which nothing is taken

    def __add__(self, other: StoredLearned) -> StoredLearned:
        return StoredLearned(
            learned=add_up([self.learned, other.learned]),
            vehicles=self.vehicles + other.vehicles,
            findings=self.findings + other.findings,
            undecided=self.undecided + other.undecided,
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """What was known at the cut."""

    findings: Sequence[WorkshopLabel]
    undecided: set[tuple[int, str]]
    cut_us: int


def learn_stored(work: LearningWork) -> StoredLearned:
    """Return what some stored vehicles teach, from nothing that was decided or measured after the cut.

    Features are those stored, of days whose newest sample is not after the cut; rows that came late are in
    them, whenever they came. A vehicle is of one fold with all its days.

    Raises:
        DatabaseAway: The database does not answer.
    """
    until = to_datetime(work.cut_us)
    with connect(work.url, name="anxin-train") as connection, wrap_errors():
        states = store.fetch_states(connection, work.vehicle_ids)
        ids = [v for v in work.vehicle_ids if v in states and states[v].origin is work.origin]
        specs = store.fetch_specs(connection, ids)
        known = _Known(
            store_backtest.fetch_labels(connection, ids, until),
            store_backtest.fetch_undecided(connection, ids, until),
            work.cut_us,
        )
        found: list[dict[str, Learned]] = []
        for _, members in groupby(sorted(ids, key=lambda v: repr(specs[v])), key=lambda v: repr(specs[v])):
            vehicles = sorted(members)
            found += _learn_model(connection, vehicles, specs[vehicles[0]], known, work)
    return StoredLearned(
        learned=add_up(found),
        vehicles=len(ids),
        findings=len(known.findings),
        undecided=len(known.undecided),
    )


def _learn_model(
    connection: Connection,
    vehicles: Sequence[int],
    spec: VehicleSpec,
    known: _Known,
    work: LearningWork,
) -> list[dict[str, Learned]]:
    """Return what vehicles of one model teach."""
    predictors = [p for p in day_predictors() if p.model_version in work.versions]
    found = []
    for one, mine in pair(feature_sets(), predictors):
        if not mine:
            continue
        days = store_features.fetch_days(connection, vehicles, one, spec, history_days=_ALL_DAYS)
        for panel in panels_of(days.part(days.last_us <= work.cut_us), one.features, spec):
            for predictor in mine:
                found += _learn_panel(predictor, with_main(panel, predictor.main), known, work)
    return found


def _learn_panel(
    predictor: Predictor, panel: DayPanel, known: _Known, work: LearningWork
) -> list[dict[str, Learned]]:
    """Return what a panel teaches: vehicles with a confirmed fault by that component, others as healthy."""
    labels = label_outcomes(predictor, panel, known.findings, cut_us=known.cut_us, undecided=known.undecided)
    has_fault = labels.is_faulty.any(1)
    fold = panel.vehicle_id % FOLDS
    found = []
    for is_enriched in (True, False):
        for number in np.unique(fold).tolist():
            rows = np.flatnonzero((has_fault == is_enriched) & (fold == number))
            if len(rows):
                learned = learn_panel(
                    predictor,
                    rows_of(panel, rows.tolist()),
                    labels.rows(rows),
                    is_enriched=is_enriched,
                    seed=number,
                    every=work.every,
                    with_examples=work.with_examples,
                )
                found.append({predictor.model_version: learned})
    return found
