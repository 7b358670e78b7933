"""A predictor together with what was learned about it; scored, inspected and judged like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.records import FailureMode, IntArray, VehicleSpec
from models.learning.maps import RiskMaps
from models.predictors.base import DayPanel, Explanation, Predictor, Risk, history_days


@dataclass(frozen=True)
class MappedPredictor:
    """A predictor whose risk carries calibrated probabilities and p-values; its index is unchanged."""

    base: Predictor
    maps: RiskMaps

    @property
    def failure_mode(self) -> FailureMode:
        """As the predictor's."""
        return self.base.failure_mode

    @property
    def model_version(self) -> str:
        """As the predictor's."""
        return self.base.model_version

    @property
    def feature_set(self) -> str:
        """As the predictor's."""
        return self.base.feature_set

    @property
    def main(self) -> str:
        """As the predictor's."""
        return self.base.main

    @property
    def horizon_h(self) -> float:
        """As the predictor's."""
        return self.base.horizon_h

    @property
    def history_days(self) -> int:
        """As the predictor's."""
        return history_days(self.base)

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the predictor's risk with the maps applied."""
        return self.maps.apply(panel, self.base.predict(panel, as_of))

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the predictor's reasons; times in them are those of the stretched interval."""
        return self.base.explain(panel, risk, vehicle, position, component)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """As the predictor's."""
        return self.base.component_name(spec, component)


def with_maps(predictors: Sequence[Predictor], maps: Mapping[str, RiskMaps]) -> tuple[Predictor, ...]:
    """Return the predictors, those that have maps for their version together with them."""
    return tuple(
        MappedPredictor(one, maps[one.model_version]) if one.model_version in maps else one
        for one in predictors
    )
