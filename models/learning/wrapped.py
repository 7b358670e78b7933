"""What a predictor with something learned on top takes over from the predictor below."""

from __future__ import annotations

from dataclasses import dataclass

from data.records import FailureMode, VehicleSpec
from models.predictors.base import DayPanel, Explanation, Predictor, Risk, history_days


@dataclass(frozen=True)
class WrappedPredictor:
    """A predictor in all but its risk, which whoever builds on this gives."""

    base: Predictor

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

    def explain(
        self, panel: DayPanel, risk: Risk, vehicle: int, position: int, component: int
    ) -> Explanation:
        """Return the predictor's reasons; times in them are those of the risk that is given."""
        return self.base.explain(panel, risk, vehicle, position, component)

    def component_name(self, spec: VehicleSpec, component: int) -> str:
        """As the predictor's."""
        return self.base.component_name(spec, component)
