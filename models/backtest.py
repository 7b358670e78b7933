"""The stored history once more: rows to features to predictions as of each day, beside what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from data.db import Connection, connect, wrap_errors
from data.records import FailureMode, Origin, Truth, VehicleSpec
from models import recompute, store, store_backtest, store_features
from models.evaluation.detectors import Detected, Detector, PredictorDetector
from models.evaluation.evaluate import ANXIN, Tallies, add_up, judge_mixed
from models.evaluation.part import EvaluationPart, Levels
from models.features.days import DAY_US, to_datetime
from models.features.registry import feature_sets
from models.features.sets import DayFeatures, FeatureSet
from models.panels import NEVER, feature_panel, repaired_days, since_repair, with_main
from models.predictors import day_predictors
from models.predictors.base import DayPanel

#: Longer than any history: all stored days.
_ALL_DAYS = 100_000
_MOST_EXAMPLES = 5
#: Local days begin and end up to 14 h off those of UTC.
_MARGIN_DAYS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestWork:
    """Some vehicles of a database and a span of days: what one process works on."""

    url: str
    vehicle_ids: tuple[int, ...]
    first_day: int  #: days since 1970-01-01, local to each vehicle
    last_day: int  #: included
    levels: Mapping[FailureMode, Levels]
    truths: tuple[Truth, ...] | None = None  #: None: what workshops found
    baselines: Mapping[str, Sequence[Detector]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far the stored features and predictions are those of the backtest, to the last bit."""

    days: int = 0  #: days of feature sets compared
    days_different: int = 0
    predictions: int = 0  #: predictions from all samples of their day
    predictions_different: int = 0
    predictions_within_day: int = 0  #: made before the day was over: nothing to compare with
    examples: tuple[str, ...] = ()

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            days=self.days + other.days,
            days_different=self.days_different + other.days_different,
            predictions=self.predictions + other.predictions,
            predictions_different=self.predictions_different + other.predictions_different,
            predictions_within_day=self.predictions_within_day + other.predictions_within_day,
            examples=(self.examples + other.examples)[:_MOST_EXAMPLES],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """What came out of some vehicles; adds up."""

    tallies: Tallies = field(default_factory=dict)
    agreement: Agreement = field(default_factory=Agreement)
    vehicles: Mapping[Origin, int] = field(default_factory=dict)  #: with features in the span, by origin
    truths: int = 0

    def __add__(self, other: BacktestResult) -> BacktestResult:
        origins = {*self.vehicles, *other.vehicles}
        return BacktestResult(
            tallies=add_up([self.tallies, other.tallies]),
            agreement=self.agreement + other.agreement,
            vehicles={o: self.vehicles.get(o, 0) + other.vehicles.get(o, 0) for o in origins},
            truths=self.truths + other.truths,
        )


@dataclass(frozen=True, slots=True)
class RepairMindingDetector(PredictorDetector):
    """A predictor to which a repaired part has no past from the day after its last repair on, as live."""

    repairs: Mapping[int, Mapping[str, int]]
    specs: Mapping[int, VehicleSpec]
    seen: list[tuple[DayPanel, Detected]] = field(default_factory=list)  #: everything it was asked

    def detect(self, panel: DayPanel) -> Detected:
        """Return what the predictor would have said as of every day."""
        own = with_main(panel, self.predictor.main)
        said = PredictorDetector.detect(self, own)
        repaired = repaired_days(own, self.predictor, self.repairs, self.specs)
        if (repaired != NEVER).any():
            cut = since_repair(own, repaired)
            after = self.predictor.predict(cut, np.arange(len(own.day), dtype=np.int64))
            is_after = (own.day[None, :] > repaired.max(1)[:, None])[..., None]
            said = replace(
                said,
                probability=np.where(is_after, after.probability, said.probability),
                severity=None if said.severity is None else np.where(is_after, after.severity, said.severity),
                ttt_h=None if said.ttt_h is None else np.where(is_after[None], after.ttt_h, said.ttt_h),
            )
        self.seen.append((panel, said))
        return said


def backtest_vehicles(work: BacktestWork) -> BacktestResult:
    """Return what predictors and baselines would have said of stored vehicles, and how that compares.

    Features are worked out anew from the stored rows by the functions of the live system. Vehicles with a
    fault in the truth count for recall, all others for false alerts.

    Raises:
        DatabaseAway: The database does not answer.
    """
    sets, predictors = feature_sets(), day_predictors()
    with connect(work.url, name="anxin-backtest") as connection, wrap_errors():
        ids = work.vehicle_ids
        specs = store.fetch_specs(connection, ids)
        states = store.fetch_states(connection, ids)
        repairs = store.fetch_repairs(connection, ids)
        until = to_datetime((work.last_day + 1 + _MARGIN_DAYS) * DAY_US)
        truths = store_backtest.fetch_outcomes(connection, ids, until) if work.truths is None else work.truths
        result = BacktestResult()
        for _, members in groupby(sorted(ids, key=lambda v: repr(specs[v])), key=lambda v: repr(specs[v])):
            vehicles = sorted(members)
            spec = specs[vehicles[0]]
            found = {
                v: recompute.fetch_features(connection, v, (work.first_day, work.last_day), spec, sets)
                for v in vehicles
            }
            agreement = Agreement()
            for vehicle in vehicles:
                agreement += _compare_days(connection, vehicle, found[vehicle], spec, sets)
            present = [v for v in vehicles if any(len(f.day) for f in found[v].values())]
            panels = {
                one.name: feature_panel(
                    spec,
                    present,
                    [found[v][one.name] for v in present],
                    features=one.features,
                    main=one.features[0].name,
                    first_day=work.first_day,
                    last_day=work.last_day,
                )
                for one in sets
            }
            detectors = [RepairMindingDetector(p, repairs, specs) for p in predictors]
            systems = {ANXIN: detectors, **work.baselines}
            part = EvaluationPart(
                spec=spec,
                panels=panels,
                truths=[t for t in truths if t.vehicle in present],
                seed=0,
                is_enriched=False,
                origin="stored",
            )
            tallies = judge_mixed(part, systems, work.levels)
            agreement += _compare_predictions(connection, work, present, detectors)
            origins = [states[v].origin for v in present if v in states]
            result += BacktestResult(
                tallies=tallies,
                agreement=agreement,
                vehicles={o: origins.count(o) for o in set(origins)},
                truths=len(part.truths),
            )
    return result


def _compare_days(
    connection: Connection,
    vehicle: int,
    found: Mapping[str, DayFeatures],
    spec: VehicleSpec,
    sets: Sequence[FeatureSet],
) -> Agreement:
    """Hold the stored features of a vehicle against those worked out anew."""
    days = different = 0
    examples = []
    for one in sets:
        stored = store_features.fetch_days(connection, [vehicle], one, spec, history_days=_ALL_DAYS)
        mine = found[one.name]
        both, at, here = np.intersect1d(stored.day, mine.day, return_indices=True)
        if not len(both):
            continue
        anew = np.concatenate([mine.value[f.name].reshape(len(mine.day), -1) for f in one.features], axis=1)
        old, new = stored.value[at], anew[here]
        is_same = ((old == new) | (np.isnan(old) & np.isnan(new))).all(1)
        days += len(both)
        different += int((~is_same).sum())
        examples += [f"vehicle {vehicle}, {one.name}, day {d}" for d in both[~is_same][:1].tolist()]
    return Agreement(days=days, days_different=different, examples=tuple(examples[:_MOST_EXAMPLES]))


def _compare_predictions(
    connection: Connection,
    work: BacktestWork,
    vehicles: Sequence[int],
    detectors: Sequence[RepairMindingDetector],
) -> Agreement:
    """Hold the stored predictions that saw their whole day against those of the same samples."""
    since, until = (to_datetime(d * DAY_US) for d in (work.first_day - 1, work.last_day + 2))
    stored = store_backtest.fetch_predictions(connection, vehicles, since, until)
    said: dict[tuple[str, int, int], tuple[Detected, int, int]] = {}
    for detector in detectors:
        for panel, detected in detector.seen:
            for row, vehicle in enumerate(panel.vehicle_id.tolist()):
                for day in np.flatnonzero(detected.data_us[row]).tolist():
                    said[detector.name, vehicle, int(detected.data_us[row, day])] = (detected, row, day)
    same = different = within = 0
    examples = []
    for one in stored:
        mine = said.get((one.model_version, one.vehicle_id, one.data_us))
        if mine is None or one.component not in mine[0].names:
            within += 1
            continue
        detected, row, day = mine
        anew = detected.probability[row, day, detected.names.index(one.component)]
        # stored in single precision, rounded as ``tell`` rounds
        if np.float32(round(float(np.nan_to_num(anew)), 6)) == np.float32(one.probability):
            same += 1
            continue
        different += 1
        examples.append(
            f"vehicle {one.vehicle_id}, {one.component}: {one.probability:.6f} live, {anew:.6f} anew"
        )
    return Agreement(
        predictions=same + different,
        predictions_different=different,
        predictions_within_day=within,
        examples=tuple(examples[:_MOST_EXAMPLES]),
    )
