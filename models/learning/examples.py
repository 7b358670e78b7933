"""Rows to learn from: what a predictor knew of a component on a day, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, FloatArray, IntArray
from models.errors import LearningError
from models.learning.labels import Labels
from models.learning.scale import log_odds
from models.predictors.base import DayPanel, Predictor, Risk

#: Vehicles of different draws are told apart by this much.
_PER_SEED = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Component-days as rows; the first feature is the physical score."""

    names: tuple[str, ...]  #: of the features
    x: FloatArray  #: shape (n, n_features); NaN is missing
    is_event: FloatArray  #: shape (n,), 1 or 0
    vehicle: IntArray  #: shape (n,), the same number for no two vehicles
    component: IntArray  #: shape (n,)
    day: IntArray  #: shape (n,), days since 1970-01-01
    known_day: IntArray  #: shape (n,), from when on the label is known
    is_faulty: BoolArray  #: shape (n,), the component has the fault
    left_h: FloatArray  #: shape (n,), hours until the limit; NaN: none
    seed: IntArray  #: shape (n,), of the draw; 0: real

    def __len__(self) -> int:
        return len(self.vehicle)

    def rows(self, which: BoolArray | IntArray) -> Examples:
        """Return some of the rows."""
        values = {name: getattr(self, name)[which] for name in _COLUMNS}
        return Examples(names=self.names, **values)


_COLUMNS = (
    "x", "is_event", "vehicle", "component", "day", "known_day", "is_faulty", "left_h", "seed",
)  # fmt: skip


def gather(
    predictor: Predictor,
    panel: DayPanel,
    risk: Risk,
    labels: Labels,
    *,
    is_enriched: bool,
    seed: int = 0,
) -> Examples:
    """Return the rows of a part: of faulty components all days, of healthy vehicles the worst component's.

    Features are the log-odds of the risk, the parts of it that ``explain`` uses, and the features of the set,
    all as of the day. The vehicle, its age and its odometer are none of them: they would tell vehicles apart,
    not faults.

    Args:
        predictor: Whose risk.
        panel: Of the predictor.
        risk: As of some of its days.
        labels: Of the whole panel.
        is_enriched: The vehicles have faults: rows of the faulty components only.
        seed: Of the draw.
    """
    score = log_odds(risk.probability)
    event = labels.is_event[:, risk.as_of]
    here = np.isfinite(score) & np.isfinite(event) & (panel.last_us[:, risk.as_of] > 0)[..., None]
    if is_enriched:
        here &= labels.is_faulty[:, None, :]
    else:
        worst = np.where(here, score, -np.inf).argmax(2)
        here &= np.arange(score.shape[2]) == worst[..., None]
    vehicle, position, component = np.nonzero(here)
    day = panel.day[risk.as_of[position]]
    left = labels.left_h[:, risk.as_of][here]
    columns = _features(panel, risk, score)
    late_h = labels.late_h[vehicle, component]
    known_h = np.where(event[here] == 1, left + late_h, predictor.horizon_h)
    return Examples(
        names=tuple(columns),
        x=np.stack([values[here] for values in columns.values()], axis=1),
        is_event=event[here],
        vehicle=seed * _PER_SEED + panel.vehicle_id[vehicle],
        component=component.astype(np.int64),
        day=day,
        known_day=day + np.ceil(known_h / 24.0).astype(np.int64),
        is_faulty=np.broadcast_to(labels.is_faulty[:, None, :], score.shape)[here],
        left_h=left,
        seed=np.full(len(day), seed, dtype=np.int64),
    )


def feature_rows(panel: DayPanel, risk: Risk) -> tuple[tuple[str, ...], FloatArray]:
    """Return names and features of every element of a risk, shape (n_vehicles, n_as_of, n_components, n)."""
    columns = _features(panel, risk, log_odds(risk.probability))
    return tuple(columns), np.stack(list(columns.values()), axis=-1)


def _features(panel: DayPanel, risk: Risk, score: FloatArray) -> dict[str, FloatArray]:
    shape = score.shape
    out = {"score": score}
    out |= {
        f"risk {name}": np.broadcast_to(values, shape)
        for name, values in sorted(risk.detail.items())
        if values.ndim == 3
    }
    for name, values in sorted(panel.extra.items()):
        wide = values if values.ndim == 3 else values[..., None]
        if wide.shape[2] in {1, shape[2]}:
            out[name] = np.broadcast_to(wide[:, risk.as_of], shape)
    return {name: np.where(np.isfinite(values), values, np.nan) for name, values in out.items()}


def concatenate(parts: Sequence[Examples]) -> Examples:
    """Return all rows; features that only some parts have are missing in the others.

    Raises:
        LearningError: There is no part.
    """
    if not parts:
        raise LearningError("examples: there are none")
    names = tuple(dict.fromkeys(name for part in parts for name in part.names))
    x = np.concatenate([arranged(part.x, part.names, names) for part in parts])
    values = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS if name != "x"
    }
    return Examples(names=names, x=x, **values)


def arranged(x: FloatArray, given: Sequence[str], wanted: Sequence[str]) -> FloatArray:
    """Return features in the order in which something was trained; what is not given is missing."""
    out = np.full((*x.shape[:-1], len(wanted)), np.nan)
    for i, name in enumerate(wanted):
        if name in given:
            out[..., i] = x[..., list(given).index(name)]
    return out
