"""What was learned about one predictor: probability, p-value and width of the interval from its risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from data.records import BoolArray, FloatArray
from models.errors import LearningError
from models.learning.calibration import Curve, fit_curve
from models.learning.conformal import Healthy, fit_healthy
from models.learning.coverage import fit_stretch, stretched
from models.learning.evidence import DayCounts, Evidence, VehicleDays
from models.learning.scale import BINS, group_names, log_odds
from models.predictors.base import DayPanel, Risk

#: The group that stands in for every other.
ALL = "all"
#: A chemistry has a curve of its own from so many faults, a group p-values from so many vehicle-days.
LEAST_FAULTS = 30
LEAST_VEHICLE_DAYS = 2000
HOURS_OF_YEAR = 8766.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskMaps:
    """Maps of one predictor version; each may be missing."""

    model_version: str  #: the predictor that they belong to
    curves: Mapping[str, Curve] = field(default_factory=dict)  #: by chemistry, and ``ALL``
    healthy: Mapping[str, Healthy] = field(default_factory=dict)  #: by chemistry and season, and ``ALL``
    stretch: float | None = None  #: of the interval of the time to threshold

    def apply(self, panel: DayPanel, risk: Risk) -> Risk:
        """Return the risk with calibrated probabilities, p-values and the interval stretched.

        The risk index, ``probability``, stays as it is: alerts are raised on it.
        """
        score = log_odds(risk.probability)
        curve = self.curves.get(panel.spec.chemistry) or self.curves.get(ALL)
        p_value, is_tail = self._p_values(panel, risk, score)
        return replace(
            risk,
            ttt_h=risk.ttt_h if self.stretch is None else stretched(risk.ttt_h, self.stretch),
            calibrated=None if curve is None else curve.at(score),
            p_value=p_value,
            is_tail=is_tail,
        )

    def _p_values(
        self, panel: DayPanel, risk: Risk, score: FloatArray
    ) -> tuple[FloatArray | None, BoolArray | None]:
        if not self.healthy:
            return None, None
        p_value = np.full(score.shape, np.nan)
        is_tail = np.zeros(score.shape, dtype=np.bool_)
        group = group_names(panel.spec.chemistry, panel.day[risk.as_of])
        for name in np.unique(group).tolist():
            known = self.healthy.get(name) or self.healthy.get(ALL)
            if known is not None:
                here = group == name
                p_value[:, here], is_tail[:, here] = known.p_value(score[:, here])
        return p_value, is_tail

    def to_dict(self) -> dict[str, Any]:
        """Return plain values and arrays, as an artefact holds them."""
        return {
            "model_version": self.model_version,
            "curves": {
                name: {"probability": c.probability, "prevalence": c.prevalence, "method": c.method}
                for name, c in self.curves.items()
            },
            "healthy": {name: {key: getattr(h, key) for key in _HEALTHY} for name, h in self.healthy.items()},
            "stretch": self.stretch,
        }

    @staticmethod
    def from_dict(found: Mapping[str, Any]) -> RiskMaps:
        """Return the maps of an artefact.

        Raises:
            LearningError: It holds something else; names what.
        """
        try:
            curves = {name: Curve(**one) for name, one in found["curves"].items()}
            healthy = {name: Healthy(**one) for name, one in found["healthy"].items()}
            maps = RiskMaps(
                model_version=str(found["model_version"]),
                curves=curves,
                healthy=healthy,
                stretch=None if found["stretch"] is None else float(found["stretch"]),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise LearningError(f"maps: {type(error).__name__} {error}: not what maps hold") from error
        for name, values in (
            *((f"curve {n}", c.probability) for n, c in curves.items()),
            *((f"healthy {n}", h.above) for n, h in healthy.items()),
        ):
            if np.shape(values) != (BINS,) or not np.isfinite(values).all():
                raise LearningError(f"maps {name}: shape {np.shape(values)}: must be {BINS} finite numbers")
        return maps


_HEALTHY = ("above", "highest", "tail_from", "tail_share", "tail_shape", "tail_scale")


def fit_maps(
    evidence: Evidence, *, model_version: str, horizon_h: float, faults_per_vehicle_year: float
) -> RiskMaps:
    """Return the maps that evidence supports.

    Args:
        evidence: Of vehicles that the maps will not be judged on.
        model_version: Of the predictor.
        horizon_h: Of its probability.
        faults_per_vehicle_year: Prevalence in the field that the probabilities are to hold at.
    """
    prevalence = min(0.5, faults_per_vehicle_year * horizon_h / HOURS_OF_YEAR / evidence.n_components)
    pooled = sum(evidence.components.values(), DayCounts())
    parts = {ALL: pooled} | {
        name: found for name, found in evidence.components.items() if found.faults >= LEAST_FAULTS
    }
    curves = {
        name: fit_curve(
            found.positive, found.before, found.healthy, prevalence=prevalence, faults=found.faults
        )
        for name, found in parts.items()
        if found.faults >= LEAST_FAULTS and found.healthy.sum() and found.positive.sum()
    }
    groups = dict(evidence.vehicles)
    everyone = sum(groups.values(), VehicleDays(counts=np.zeros(BINS), top=np.zeros(0)))
    healthy = {
        name: fit_healthy(found.counts, found.top)
        for name, found in {ALL: everyone, **groups}.items()
        if found.counts.sum() >= LEAST_VEHICLE_DAYS
    }
    return RiskMaps(
        model_version=model_version,
        curves=curves,
        healthy=healthy,
        stretch=fit_stretch(evidence.needed, evidence.fault),
    )
