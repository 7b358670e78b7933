"""One failure mode a file; here is the list of those that look at days."""

from models.predictors.base import Predictor
from models.predictors.cell_internal_short import CellInternalShortPredictor
from models.predictors.tire_slow_leak import TireSlowLeakPredictor


def day_predictors() -> tuple[Predictor, Predictor]:
    """Return the predictors that score days: tires, cells."""
    return TireSlowLeakPredictor(), CellInternalShortPredictor()


__all__ = ["day_predictors"]
