"""What is judged: vehicles with known truth, as panels of daily features, and the levels of the alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from data.records import FloatArray, Truth, VehicleSpec
from models.errors import EvaluationError
from models.predictors.base import DayPanel


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """When a probability becomes an alert and when the alert ends; dwell in event time."""

    raise_level: float = 0.7
    clear_level: float = 0.3
    raise_dwell_h: float = 0.0
    urgent_dwell_h: float | None = None  #: of S0 to S2; None: the same
    clear_dwell_h: float = 24.0

    def __post_init__(self) -> None:
        if not 0 <= self.clear_level < self.raise_level <= 1:
            raise EvaluationError(
                f"levels: clear {self.clear_level}, raise {self.raise_level}: must be 0 <= clear < raise <= 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPart:
    """Some vehicles of one model with all that is known of them.

    ``DayPanel.vehicle_id`` and ``Truth.vehicle`` are the same number. A vehicle without a fault in ``truths``
    is healthy or carries decoys only. The truths reach no predictor.
    """

    spec: VehicleSpec
    panels: Mapping[str, DayPanel]  #: by feature set; all on the same vehicles and days
    truths: Sequence[Truth]
    seed: int  #: of the draw
    is_enriched: bool  #: every vehicle has a fault: for recall; else healthy ones and decoys: for false rates
    origin: str = "simulated"
    #: true states by name, shape (n_vehicles, n_days): ``soh_percent``
    states: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = {name: (len(p.vehicle_id), len(p.day)) for name, p in self.panels.items()}
        if len(set(shapes.values())) > 1:
            raise EvaluationError(f"panels: {shapes}: must have the same vehicles and days")
