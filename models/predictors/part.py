"""What predictors of one part of a vehicle share: its daily features, its risk, its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from data.records import FloatArray, IntArray, Reason
from models.features.recent import latest_known
from models.predictors.base import DayPanel, Risk, evidence_time, logistic, rounded

#: A part that nothing has been heard of for so many days is unknown, not healthy.
SILENT_DAYS = 14


def daily(panel: DayPanel, name: str) -> FloatArray:
    """Return a feature of the vehicle itself, shape (n_vehicles, n_days)."""
    return np.asarray(panel.extra[name][..., 0])


def heard(values: FloatArray, as_of: IntArray, within: int = SILENT_DAYS) -> FloatArray:
    """Return on how many of the last ``within`` days there was a value.

    Args:
        values: Shape (n_vehicles, n_days, ...).
        as_of: Shape (n_as_of,), indices into the day axis.
        within: Days.

    Returns:
        Shape (n_vehicles, n_as_of, ...).
    """
    count = np.cumsum(np.isfinite(values), axis=1)
    before = np.where(
        (as_of >= within)[(None, slice(None)) + (None,) * (values.ndim - 2)],
        count[:, np.maximum(as_of - within, 0)],
        0,
    )
    return np.asarray(count[:, as_of] - before, dtype=np.float64)


def probability(score: FloatArray, is_heard: FloatArray) -> FloatArray:
    """Return the probability of a score; 0 while a history is too short for one, NaN where it fell silent."""
    known = np.where(np.isfinite(score), logistic(score), 0.0)
    return np.asarray(np.where(is_heard > 0, known, np.nan))


def part_risk(
    panel: DayPanel,
    as_of: IntArray,
    *,
    score: FloatArray,
    severity: IntArray,
    ttt_h: FloatArray,
    detail: Mapping[str, FloatArray],
    known_by: tuple[str, ...] = (),
) -> Risk:
    """Return the risk of a predictor with one component from arrays of shape (n_vehicles, n_as_of).

    ``ttt_h`` has the three quantiles before that. The part is unknown where none of the features of
    ``known_by``, or the panel's value, has been heard of lately.
    """
    sources = [daily(panel, name) for name in known_by] or [panel.value[..., 0]]
    is_heard = np.maximum.reduce([heard(values, as_of) for values in sources])
    return Risk(
        as_of=as_of,
        probability=probability(score, is_heard)[..., None],
        severity=severity[..., None],
        ttt_h=ttt_h[..., None],
        detail={name: values[..., None] for name, values in detail.items()},
    )


def weakest(*parts: FloatArray) -> FloatArray:
    """Return the smallest of several conditions; NaN where one is unknown."""
    return np.asarray(np.minimum.reduce(parts))


def strongest(*parts: FloatArray) -> FloatArray:
    """Return the largest of several scores that are known."""
    return np.asarray(np.fmax.reduce(parts))


def evidence(
    panel: DayPanel,
    vehicle: int,
    last: int,
    *,
    days: int,
    series: Mapping[str, FloatArray],
    titles: tuple[str, str, str],
    limit: float | None = None,
) -> dict[str, Any]:
    """Return daily series to plot, the as-of day the last.

    Args:
        panel: Whose days.
        vehicle: Row of the panel.
        last: Index of the as-of day.
        days: How many days.
        series: By name, shape (n_vehicles, n_days).
        titles: Unit, English and Chinese title.
        limit: Level from which it counts, in the same unit.
    """
    rows = slice(max(0, last - days + 1), last + 1)
    unit, english, chinese = titles
    found: dict[str, Any] = {
        "time": evidence_time(panel, vehicle, rows),
        "series": {name: rounded(values[vehicle, rows], 3) for name, values in series.items()},
        "unit": unit,
        "title_en": english,
        "title_zh": chinese,
    }
    if limit is not None and np.isfinite(limit):
        found["limit"] = round(float(limit), 3)
    return found


def until(ttt_h: FloatArray, goal_en: str, goal_zh: str) -> tuple[str, str]:
    """Return when a limit is reached, in both languages; empty where that is not foreseeable."""
    if not np.isfinite(ttt_h).all():
        return "", ""
    p10, p50, p90 = (float(v) / 24 for v in ttt_h)
    if p50 <= 0:
        return f"; past {goal_en}", f"；已超过{goal_zh}"
    return (
        f"; reaches {goal_en} in {p50:.0f} days ({p10:.0f}–{p90:.0f})",
        f"；{p50:.0f} 天后（{p10:.0f}–{p90:.0f}）达到{goal_zh}",
    )


def clears(feature: str, value: float, unit: str, texts: tuple[str, str]) -> Reason:
    """Return what would clear a finding."""
    return Reason(feature=feature, value=value, unit=unit, text_en=texts[0], text_zh=texts[1])


def newest(values: FloatArray, as_of: IntArray, *, count: int = 3, within: int = SILENT_DAYS) -> FloatArray:
    """Return the last known values of each as-of day, newest first.

    Args:
        values: Shape (n_vehicles, n_days).
        as_of: Shape (n_as_of,), indices into the day axis.
        count: How many.
        within: Days that they must lie in.

    Returns:
        Shape (count, n_vehicles, n_as_of); all NaN where there are not so many.
    """
    found, days = latest_known(values[..., None], count)
    is_young = as_of[None] - days[-1, :, as_of, 0].T < within
    enough = (days[-1, :, as_of, 0].T >= 0) & is_young
    return np.asarray(np.where(enough, found[:, :, as_of, 0], np.nan))


def past_median(values: FloatArray, as_of: IntArray, *, skip: int, window: int, least: int) -> FloatArray:
    """Return the median of the days before the newest ``skip`` ones, of ``window`` days in all.

    Args:
        values: Shape (n_vehicles, n_days).
        as_of: Shape (n_as_of,), indices into the day axis.
        skip: Days left out at the end.
        window: Days looked back, those left out included.
        least: Fewest known days.

    Returns:
        Shape (n_vehicles, n_as_of); NaN where there are fewer.
    """
    out = np.full((len(values), len(as_of)), np.nan)
    for position, day in enumerate(as_of.tolist()):
        part = np.sort(values[:, max(0, day - window + 1) : max(0, day - skip + 1)], axis=1)
        count = np.isfinite(part).sum(1)
        if part.shape[1]:
            row = np.arange(len(part))
            middle = (
                part[row, np.maximum((count - 1) // 2, 0)]
                + part[row, np.minimum(count // 2, part.shape[1] - 1)]
            ) / 2
            out[:, position] = np.where(count >= least, middle, np.nan)
    return out
