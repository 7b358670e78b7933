"""Model cards: what a predictor sees, by which figures it decides, and what it cannot see."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.errors import EvaluationError
from models.features.sets import Feature, FeatureSet
from models.predictors.base import Predictor

#: Fields of a predictor that are its names, not its thresholds.
_NAMES = frozenset(
    {"failure_mode", "model_version", "feature_set", "main", "horizon_h", "blind_spots", "windows"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the page of one predictor tells besides its figures."""

    name: str  #: model version
    failure_mode: str
    finds: str  #: its docstring
    sees: str  #: the feature set or the signals
    features: tuple[Feature, ...]
    thresholds: Mapping[str, Any]
    learned: str  #: training span, or that nothing is learned
    blind_spots: tuple[str, ...]
    horizon_h: float


def cards_of(predictors: Iterable[Predictor], sets: Sequence[FeatureSet]) -> list[Card]:
    """Return a card for each predictor of days.

    Raises:
        EvaluationError: A predictor names a set that there is none of.
    """
    by_name = {one.name: one for one in sets}
    out = []
    for predictor in predictors:
        if predictor.feature_set not in by_name:
            raise EvaluationError(
                f"{predictor.model_version}: feature set {predictor.feature_set!r}: unknown"
            )
        out.append(
            _card(
                predictor,
                name=predictor.model_version,
                sees=f"feature set {predictor.feature_set}, above all {predictor.main}",
                features=by_name[predictor.feature_set].features,
            )
        )
    return out


def live_cards_of(rules: Iterable[Any]) -> list[Card]:
    """Return a card for each rule of the live watch."""
    return [
        _card(
            rule,
            name=rule.model_version,
            sees=f"every reading: {', '.join((*rule.columns, *rule.context))}",
            features=(),
        )
        for rule in rules
    ]


def _card(subject: Any, *, name: str, sees: str, features: tuple[Feature, ...]) -> Card:
    thresholds = {
        f.name: getattr(subject, f.name)
        for f in (dataclasses.fields(subject) if dataclasses.is_dataclass(subject) else ())
        if f.name not in _NAMES and isinstance(getattr(subject, f.name), (int, float, tuple, str))
    }
    return Card(
        name=name,
        failure_mode=str(subject.failure_mode),
        finds=inspect.getdoc(type(subject)) or "",
        sees=sees,
        features=features,
        thresholds=thresholds,
        learned=getattr(
            subject,
            "training",
            "Nothing is learned: thresholds come from physics and the noise of healthy "
            "development vehicles (seeds from 1000 on), none of which is judged here.",
        ),
        blind_spots=tuple(getattr(subject, "blind_spots", ())),
        horizon_h=float(subject.horizon_h),
    )
