"""Compare detectors on a recording whose bad wheels are labelled, as the published tire data sets are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from data.records import FloatArray, IntArray
from models.evaluation.episodes import find_episodes, merge
from models.evaluation.part import Levels

_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledWheel:
    """A wheel that is bad from a day on."""

    vehicle: int  #: row of the panel
    wheel: int
    day: int  #: index into the panel's days
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one detector says, with the levels at which it is an alert."""

    probability: FloatArray  #: shape (n_vehicles, n_days, n_wheels)
    severity: IntArray | None = None
    levels: Levels = field(default_factory=Levels)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakScore:
    """How one system did."""

    name: str
    found: tuple[bool, ...]  #: by label
    delay_h: tuple[float, ...]  #: from the begin of the labelled day; NaN: not found
    false_alerts: int  #: on wheels without a label by then
    vehicle_days: int


def compare_on_labels(
    name: str,
    opinions: Sequence[Opinion],
    labels: Sequence[LabelledWheel],
    first_us: IntArray,
    last_us: IntArray,
) -> LeakScore:
    """Return how the alerts of some detectors, taken together, meet the labels.

    Args:
        name: Of the system.
        opinions: Of its detectors.
        labels: Bad wheels; an alert from the labelled day on is right, any other is false.
        first_us: Shape (n_vehicles, n_days), oldest sample of each day.
        last_us: Same shape, newest sample; 0: no data.
    """
    begun = {(label.vehicle, label.wheel): label.day for label in labels}
    first: dict[tuple[int, int], float] = {}
    false = 0
    for opinion in opinions:
        found = merge(find_episodes(opinion.probability, opinion.severity, last_us, opinion.levels))
        rows = zip(
            found.vehicle.tolist(),
            found.component.tolist(),
            found.position.tolist(),
            found.raised_us.tolist(),
            strict=True,
        )
        for vehicle, wheel, position, raised_us in rows:
            day = begun.get((vehicle, wheel))
            if day is None or position < day:
                false += 1
                continue
            delay = (raised_us - int(first_us[vehicle, day])) / _HOUR_US
            first[vehicle, wheel] = min(delay, first.get((vehicle, wheel), np.inf))
    places = [(label.vehicle, label.wheel) for label in labels]
    return LeakScore(
        name=name,
        found=tuple(place in first for place in places),
        delay_h=tuple(first.get(place, float("nan")) for place in places),
        false_alerts=false,
        vehicle_days=int((last_us > 0).sum()),
    )


def as_table(labels: Sequence[LabelledWheel], scores: Sequence[LeakScore]) -> str:
    """Return a small text table: recall, delay and false alerts of each system, by kind of label."""
    kinds = sorted({label.kind for label in labels})
    lines = [f"{'system':<12}{'kind':<16}{'found':>8}{'delay h p50':>13}{'false':>7}{'per 1000 days':>15}"]
    for score in scores:
        rate = 1000.0 * score.false_alerts / max(score.vehicle_days, 1)
        for kind in kinds:
            mine = [i for i, label in enumerate(labels) if label.kind == kind]
            delays = np.array([score.delay_h[i] for i in mine])
            middle = (
                float(np.median(delays[np.isfinite(delays)])) if np.isfinite(delays).any() else float("nan")
            )
            found = f"{sum(score.found[i] for i in mine)}/{len(mine)}"
            lines.append(
                f"{score.name:<12}{kind:<16}{found:>8}{middle:>13.1f}{score.false_alerts:>7}{rate:>15.2f}"
            )
    return "\n".join(lines)
