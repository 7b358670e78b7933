"""What predictors of one part of a vehicle share: its daily features, its risk, its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from data.records import FloatArray, IntArray, Reason
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
) -> Risk:
    """Return the risk of a predictor with one component from arrays of shape (n_vehicles, n_as_of).

    ``ttt_h`` has the three quantiles before that.
    """
    return Risk(
        as_of=as_of,
        probability=probability(score, heard(panel.value[..., 0], as_of))[..., None],
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
