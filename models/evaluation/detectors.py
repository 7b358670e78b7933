"""One face for predictors and baselines: panels of a part in, probabilities over all days out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from data.records import FailureMode, FloatArray, IntArray
from models.errors import EvaluationError
from models.evaluation.part import EvaluationPart
from models.panels import with_main
from models.predictors.base import DayPanel, Predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """What a detector said of every vehicle, day and component."""

    probability: FloatArray  #: shape (n_vehicles, n_days, n_components); NaN: nothing is known
    data_us: IntArray  #: shape (n_vehicles, n_days), newest sample that it used; 0: none
    names: tuple[str, ...]  #: of the components
    severity: IntArray | None = None
    ttt_h: FloatArray | None = None  #: shape (3, ...), p10, p50, p90
    detail: Mapping[str, FloatArray] = field(default_factory=dict)


class Detector(Protocol):
    """What is judged."""

    @property
    def name(self) -> str:
        """Name in the report."""
        ...

    @property
    def failure_mode(self) -> FailureMode:
        """Whose events it is judged by."""
        ...

    @property
    def feature_set(self) -> str:
        """Whose panel it takes."""
        ...

    @property
    def horizon_h(self) -> float:
        """The period that its probability refers to, hours."""
        ...

    def detect(self, panel: DayPanel) -> Detected:
        """Return what it says on each day of the panel, from that day and earlier ones only."""
        ...


@dataclass(frozen=True, slots=True)
class OfPredictor:
    """What a detector has of the predictor that it stands on."""

    predictor: Predictor

    @property
    def failure_mode(self) -> FailureMode:
        """As the predictor's."""
        return self.predictor.failure_mode

    @property
    def feature_set(self) -> str:
        """As the predictor's."""
        return self.predictor.feature_set

    @property
    def horizon_h(self) -> float:
        """As the predictor's."""
        return self.predictor.horizon_h


@dataclass(frozen=True, slots=True)
class PredictorDetector(OfPredictor):
    """A predictor of the running system."""

    @property
    def name(self) -> str:
        """Its model version: two predictors may share a failure mode."""
        return self.predictor.model_version

    def detect(self, panel: DayPanel) -> Detected:
        """Return its risk as of every day."""
        own = with_main(panel, self.predictor.main)
        risk = self.predictor.predict(own, np.arange(len(own.day), dtype=np.int64))
        names = (self.predictor.component_name(own.spec, i) for i in range(risk.probability.shape[2]))
        return Detected(
            probability=risk.probability,
            data_us=own.last_us,
            names=tuple(names),
            severity=risk.severity,
            ttt_h=risk.ttt_h,
            detail=risk.detail,
        )


def panel_of(part: EvaluationPart, feature_set: str) -> DayPanel:
    """Return the panel of a feature set.

    Raises:
        EvaluationError: The part has none.
    """
    if feature_set not in part.panels:
        raise EvaluationError(f"feature set {feature_set!r}: the part has only {sorted(part.panels)}")
    return part.panels[feature_set]


def rows_of(panel: DayPanel, begin: int, end: int) -> DayPanel:
    """Return some of the vehicles of a panel."""
    return replace(
        panel,
        vehicle_id=panel.vehicle_id[begin:end],
        value=panel.value[begin:end],
        weight=panel.weight[begin:end],
        first_us=panel.first_us[begin:end],
        last_us=panel.last_us[begin:end],
        extra={name: values[begin:end] for name, values in panel.extra.items()},
    )
