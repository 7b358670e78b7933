"""A predictor together with what was learned about it; scored, inspected and judged like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.records import IntArray
from models.learning.maps import RiskMaps
from models.learning.wrapped import WrappedPredictor
from models.predictors.base import DayPanel, Predictor, Risk


@dataclass(frozen=True)
class MappedPredictor(WrappedPredictor):
    """A predictor whose risk carries calibrated probabilities and p-values; its index is unchanged."""

    maps: RiskMaps

    def predict(self, panel: DayPanel, as_of: IntArray) -> Risk:
        """Return the predictor's risk with the maps applied."""
        return self.maps.apply(panel, self.base.predict(panel, as_of))


def with_maps(predictors: Sequence[Predictor], maps: Mapping[str, RiskMaps]) -> tuple[Predictor, ...]:
    """Return the predictors, those that have maps for their version together with them."""
    return tuple(
        MappedPredictor(one, maps[one.model_version]) if one.model_version in maps else one
        for one in predictors
    )
