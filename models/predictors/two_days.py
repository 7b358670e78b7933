"""Two days of a tire that loses gas fast: what each night and each day took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FloatArray, IntArray
from models.predictors.base import DayPanel
from models.predictors.wheels import carried


@dataclass(frozen=True, slots=True)
class TwoDays:
    """A loss that goes on through a day, a night and today; thresholds in kPa."""

    drop_kpa: float = 12.0
    night_kpa: float = 2.5
    half_day_kpa: float = 1.0
    noises: float = 8.0
    even: float = 0.25
    certain_kpa: float = 45.0

    def score(self, panel: DayPanel, as_of: IntArray, noise: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the score of a loss of two days in a row, NaN where it is not known, and its rate.

        Sun and brakes warm a wheel by day and let it cool by night; a leak takes its part of both. A sensor
        that reads low for a day loses nothing within it; from ``certain_kpa`` on the tire is to be looked at
        anyway. Wheels that change places gain what another loses.
        """
        shape = (len(panel.vehicle_id), len(as_of), panel.value.shape[2])
        begin, end = panel.extra.get("begin_contrast_kpa"), panel.extra.get("end_contrast_kpa")
        if begin is None or end is None:
            return np.full(shape, np.nan), np.zeros(shape)
        gas, first = panel.extra["gas_kpa"], np.zeros((shape[0], 1, shape[2]))
        # as known before each day: the last day that the wheel was heard
        begun, ended, held = (
            np.concatenate((np.nan * first, carried(values)[:, :-1]), axis=1)[:, as_of]
            for values in (begin, end, gas)
        )
        by_day, by_night, today = begun - ended, ended - begin[:, as_of], begin[:, as_of] - end[:, as_of]
        lost = held - gas[:, as_of]
        # wheels that change places gain what this one loses; a sensor that reads low all day stands still
        gained = -np.fmin.reduce(np.where(np.isfinite(lost), lost, 0.0), axis=2, keepdims=True)
        even = np.where(by_day + by_night + today < self.certain_kpa, self.even * by_night, 0.0)
        least_today = np.maximum(np.maximum(self.half_day_kpa, noise), even)
        parts = (
            (by_day + by_night + today) / np.maximum(self.drop_kpa, self.noises * noise),
            by_night / np.maximum(self.night_kpa, 2.0 * noise),
            today / least_today,
            np.broadcast_to(1.5 - gained / (0.3 * self.drop_kpa), shape),
            1.2 + by_day / self.half_day_kpa,
            lost / (0.3 * self.drop_kpa),
        )
        score = np.minimum.reduce(parts)
        score = np.where(np.isfinite(score), score, -1.0)
        return score, (by_day + by_night + today) / 1.4
