"""From risk arrays to predictions: which components to speak of, and since when they have been failing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np

from data.records import BoolArray, FloatArray, IntArray, Origin, Prediction, Severity
from models.features.days import DAY_US, to_datetime
from models.predictors.base import RAISE_LEVEL, DayPanel, Predictor, Risk, to_quantiles

#: Components from this probability up are written besides the worst one.
TELL_LEVEL = 0.2
#: A component that stays healthy is told of this often.
_HEALTHY_EVERY = timedelta(days=1)
_SEVERITIES = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Told:
    """A prediction and the series behind it."""

    prediction: Prediction
    evidence: Mapping[str, Any]


class Earlier(Protocol):
    """What was last told of a component."""

    @property
    def probability(self) -> float:
        """Of the newest prediction."""
        ...

    @property
    def data_time(self) -> datetime:
        """Newest sample behind it."""
        ...

    @property
    def is_fresh(self) -> bool:
        """It was backed by a live sample."""
        ...


def is_news(probability: float, data_time: datetime, last: Earlier | None, *, is_fresh: bool) -> bool:
    """Tell whether a component is worth a prediction: one that was healthy and still is, once a day.

    Args:
        probability: As of now.
        data_time: Newest sample behind it.
        last: What was last told of the component; None: nothing.
        is_fresh: A live sample is behind it.
    """
    if last is None or probability >= TELL_LEVEL or last.probability >= TELL_LEVEL:
        return True
    return is_fresh != last.is_fresh or data_time - last.data_time >= _HEALTHY_EVERY


def has_data(panel: DayPanel, as_of: IntArray) -> BoolArray:
    """Mark the days on which a vehicle has data, shape (n_vehicles, n_as_of)."""
    return panel.last_us[:, as_of] > 0


def run_starts(probability: FloatArray, is_known: BoolArray) -> IntArray:
    """Return for each day the first one of its run.

    A run lasts while the component stays on one side of the raise level.

    Args:
        probability: Shape (n_days, n_components).
        is_known: Shape (n_days,); other days neither begin nor break a run.

    Returns:
        Shape (n_days, n_components), indices into the day axis.
    """
    n_days = len(probability)
    known = np.where(is_known, np.arange(n_days), -1)
    latest = np.maximum.accumulate(known) if n_days else known
    previous = np.concatenate(([-1], latest[:-1])) if n_days else latest
    is_high = np.nan_to_num(probability) >= RAISE_LEVEL
    before = is_high[np.maximum(previous, 0)]
    begins = is_known[:, None] & ((previous < 0)[:, None] | (is_high != before))
    first = int(np.argmax(is_known)) if is_known.any() else 0
    return np.asarray(
        np.maximum.accumulate(np.where(begins, np.arange(n_days)[:, None], first), axis=0), dtype=np.int64
    )


def choose(probability: FloatArray, earlier: Collection[int]) -> list[int]:
    """Return the components to tell of: the worst, the likely ones, and those told of as likely before.

    Of a component that nothing is known of nothing is told: that would read as healthy.

    Args:
        probability: Shape (n_components,); NaN is not known.
        earlier: Components whose newest prediction was likely.
    """
    known = np.where(np.isfinite(probability), probability, -1.0)
    chosen = {int(np.argmax(known)), *np.flatnonzero(known >= TELL_LEVEL).tolist(), *earlier}
    return sorted(i for i in chosen if known[i] >= 0)


def tell(
    predictor: Predictor,
    panel: DayPanel,
    risk: Risk,
    place: tuple[int, int, int],
    *,
    since_us: int,
    now: datetime,
    origin: Origin,
    is_fresh: bool,
) -> Told:
    """Return the prediction for one vehicle, as-of position and component of ``risk``."""
    vehicle, position, component = place
    day = int(risk.as_of[position])
    why = predictor.explain(panel, risk, vehicle, position, component)
    data_us = int(panel.last_us[vehicle, day])
    probability = float(np.nan_to_num(risk.probability[place]))
    return Told(
        Prediction(
            vehicle_id=int(panel.vehicle_id[vehicle]),
            component=predictor.component_name(panel.spec, component),
            failure_mode=predictor.failure_mode,
            severity=_SEVERITIES[int(risk.severity[place])],
            probability=round(probability, 6),
            horizon_h=predictor.horizon_h,
            time_to_threshold_h=to_quantiles(risk.ttt_h[:, vehicle, position, component]),
            predicted_at=now,
            data_time=to_datetime(data_us),
            since=to_datetime(since_us),
            window_from=to_datetime(data_us - why.window_days * DAY_US),
            window_to=to_datetime(data_us),
            reasons=why.reasons,
            model_version=predictor.model_version,
            origin=origin,
            is_fresh=is_fresh,
            calibrated=_learned(risk.calibrated, place),
            p_value=_learned(risk.p_value, place),
            is_tail=risk.is_tail is not None and bool(risk.is_tail[place]),
        ),
        why.evidence,
    )


def _learned(values: FloatArray | None, place: tuple[int, int, int]) -> float | None:
    if values is None or not np.isfinite(values[place]):
        return None
    return float(f"{values[place]:.4g}")


def replay_days(
    predictor: Predictor, panel: DayPanel, *, clock: Callable[[int], datetime], origin: Origin
) -> list[Told]:
    """Return what the running system would have written of one vehicle, at the end of each day with data.

    Args:
        predictor: Whose predictions.
        panel: Of one vehicle.
        clock: Gives ``predicted_at`` for a data time in microseconds.
        origin: Of the data.
    """
    as_of = np.flatnonzero(panel.last_us[0] > 0).astype(np.int64)
    risk = predictor.predict(panel, as_of)
    probability = risk.probability[0]
    starts = run_starts(probability, np.ones(len(as_of), dtype=np.bool_))
    times = panel.last_us[0, as_of]
    out: list[Told] = []
    # a component that was likely once is told of from then on: its alert ends by what is told
    earlier: set[int] = set()
    for position in range(len(as_of)):
        for component in choose(probability[position], earlier):
            is_high = probability[position, component] >= RAISE_LEVEL
            out.append(
                tell(
                    predictor,
                    panel,
                    risk,
                    (0, position, component),
                    since_us=int(times[starts[position, component] if is_high else position]),
                    now=clock(int(times[position])),
                    origin=origin,
                    is_fresh=True,
                )
            )
        earlier |= set(np.flatnonzero(np.nan_to_num(probability[position]) >= TELL_LEVEL).tolist())
    return out
