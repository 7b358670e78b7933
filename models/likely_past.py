"""Since when a component has been likely to fail; earlier days are predicted for the likely only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from data.records import FloatArray, IntArray
from models.assess import run_starts
from models.predictors.base import RAISE_LEVEL, DayPanel, Predictor


@dataclass(slots=True)
class LikelyPast:
    """Remembers the risk of past days, which late data and repairs alone can change."""

    #: (model version, vehicle) -> day -> probability of each component, of vehicles that are likely to fail
    _known: dict[tuple[str, int], dict[int, FloatArray]] = field(default_factory=dict)

    def clear(self) -> None:
        """Drop everything, as other predictors run from now on."""
        self._known.clear()

    def forget(self, vehicles: Collection[int]) -> None:
        """Drop all that is known of some vehicles."""
        for key in [k for k in self._known if k[1] in vehicles]:
            del self._known[key]

    def forget_from(self, vehicle: int, day: int) -> None:
        """Drop what is known of a vehicle from a day on, whose features have changed."""
        for key in [k for k in self._known if k[1] == vehicle]:
            self._known[key] = {d: p for d, p in self._known[key].items() if d < day}

    def since(self, predictor: Predictor, panel: DayPanel, day: int, probability: FloatArray) -> IntArray:
        """Return the event time from which each component has been likely; else of the newest sample.

        Args:
            predictor: Whose risk.
            panel: Of one vehicle.
            day: Index of its newest day.
            probability: Shape (n_components,), as of that day.
        """
        newest = np.full(len(probability), panel.last_us[0, day], dtype=np.int64)
        key = (predictor.model_version, int(panel.vehicle_id[0]))
        if not (np.nan_to_num(probability) >= RAISE_LEVEL).any():
            self._known.pop(key, None)
            return newest
        past = self._known.setdefault(key, {})
        for gone in [d for d in past if not int(panel.day[0]) <= d < int(panel.day[day])]:
            del past[gone]
        indices = np.flatnonzero(panel.last_us[0, : day + 1] > 0)
        unknown = np.array([i for i in indices[:-1] if int(panel.day[i]) not in past], dtype=np.int64)
        if len(unknown):
            risk = predictor.predict(panel, unknown)
            past.update({int(panel.day[d]): risk.probability[0, i] for i, d in enumerate(unknown)})
        series = np.stack([*(past[int(panel.day[i])] for i in indices[:-1]), probability])
        starts = run_starts(series, np.ones(len(indices), dtype=np.bool_))[-1]
        return np.where(series[-1] >= RAISE_LEVEL, panel.last_us[0, indices[starts]], newest)
