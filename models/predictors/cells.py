"""What predictors of cells share: charge that follows neither state of charge nor a loose wire, evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from data.records import BoolArray, FloatArray, IntArray
from models.features.cell_contrast import charge_slope
from models.predictors.base import DayPanel, Risk, evidence_time, logistic, rounded

#: State of charge at which deficits of cells with another capacity are compared, %: where charges end and
#: balancing works, a smaller cell has caught up.
REFERENCE_SOC = 85.0
SLOPE_WINDOW = 28
_DAY_NOISE = 0.25
_SLOPE_SPREAD = 0.01


def cell_name(component: int) -> str:
    """Return ``cell`` and its number from 1."""
    return f"cell {component + 1}"


def measured_charge(panel: DayPanel) -> tuple[FloatArray, FloatArray]:
    """Return the missing charge of each cell (% of capacity) and the trust in it.

    NCM shows it at rest. The rested voltage of LFP is flat over most of the charge; there it is read at the
    top of a charge.
    """
    if panel.spec.chemistry != "LFP":
        return panel.extra["deficit_percent"], _trust(panel, panel.extra["deficit_percent"])
    lag = panel.extra["lag_percent"]
    return lag, np.where(np.isfinite(lag), 1.0, 0.0)


def capacity_slope(
    panel: DayPanel, as_of: IntArray, *, least_noise: float | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the slope of each cell's deficit over the state of charge as of each day, and its error.

    With ``least_noise`` the vehicle's own days tell how far to trust them, down to it, in %.
    LFP is compared at one state of charge only, the top: there is none.
    """
    value, weight = measured_charge(panel)
    soc = panel.extra["rest_soc_percent"][..., 0]
    if panel.spec.chemistry == "LFP":
        soc = np.full_like(soc, np.nan)
    return charge_slope(
        value,
        weight,
        soc,
        as_of,
        window=SLOPE_WINDOW,
        noise=_DAY_NOISE,
        spread=_SLOPE_SPREAD,
        least_noise=least_noise,
    )


def at_reference(panel: DayPanel, slope: FloatArray) -> FloatArray:
    """Return the missing charge as it would be at ``REFERENCE_SOC``.

    Args:
        panel: Of cells.
        slope: Shape (n_vehicles, n_cells), as of one day.

    Returns:
        Shape (n_vehicles, n_days, n_cells).
    """
    value, _ = measured_charge(panel)
    soc = panel.extra["rest_soc_percent"][..., 0]
    away = np.where(np.isfinite(soc), np.clip(soc - REFERENCE_SOC, -60.0, 15.0), 0.0)
    return np.asarray(value - slope[:, None, :] * away[..., None])


def mirrored(change: FloatArray) -> FloatArray:
    """Return how far the change of each cell is the opposite of a neighbour's, 0-1.

    The tap between two cells belongs to both: a loose sense wire takes from one what it adds to the other.
    No leak does.

    Args:
        change: Shape (..., n_cells).
    """
    up = np.nan_to_num(change)
    opposite = np.zeros_like(up)
    opposite[..., 1:] = np.maximum(opposite[..., 1:], -up[..., :-1])
    opposite[..., :-1] = np.maximum(opposite[..., :-1], -up[..., 1:])
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(up > 0, opposite / up, 0.0)
    return np.asarray(np.clip(share, 0.0, 1.0))


def peer_range(row: FloatArray, component: int) -> tuple[float, float]:
    """Return the 5 and 95 % quantiles of the other components, NaN where there are none."""
    others = np.delete(row, component)
    others = others[np.isfinite(others)]
    if not len(others):
        return float("nan"), float("nan")
    low, high = np.quantile(others, [0.05, 0.95])
    return float(low), float(high)


def component_evidence(
    panel: DayPanel,
    feature: str,
    *,
    vehicle: int,
    last: int,
    component: int,
    name: str,
    unit: str,
    titles: tuple[str, str],
    digits: int = 2,
) -> Mapping[str, Any]:
    """Return the series of one component and of its peers over sixty days.

    Args:
        panel: That holds the feature.
        feature: Name of a feature with one value a component.
        vehicle: Row of the panel.
        last: Day that the series ends with.
        component: That is suspected.
        name: Of the component.
        unit: Of the feature.
        titles: English and Chinese.
        digits: Kept of each value.
    """
    rows = slice(max(0, last - 59), last + 1)
    part = panel.extra[feature][vehicle, rows]
    others = np.delete(part, component, axis=1)
    return {
        "time": evidence_time(panel, vehicle, rows),
        "series": {
            name: rounded(part[:, component], digits),
            "peers p5": rounded(_quantile(others, 0.05), digits),
            "peers p50": rounded(_quantile(others, 0.5), digits),
            "peers p95": rounded(_quantile(others, 0.95), digits),
        },
        "unit": unit,
        "title_en": titles[0],
        "title_zh": titles[1],
        "suspect": name,
    }


def repeated(score: FloatArray, as_of: IntArray, *, least_days: int, window: int) -> FloatArray:
    """Return the score that ``least_days`` of the last ``window`` days reach.

    Args:
        score: Shape (n_vehicles, n_days, n_components); NaN is missing.
        as_of: Shape (n_as_of,), indices into the day axis.
        least_days: Days that must reach it.
        window: Days looked back, the as-of day included.

    Returns:
        Shape (n_vehicles, n_as_of, n_components); NaN where fewer days are known.
    """
    out = np.full((score.shape[0], len(as_of), score.shape[2]), np.nan)
    for position, day in enumerate(as_of.tolist()):
        part = score[:, max(0, day - window + 1) : day + 1]
        if part.shape[1] >= least_days:
            found = np.sort(np.where(np.isfinite(part), part, -np.inf), axis=1)[:, -least_days]
            out[:, position] = np.where(np.isfinite(found), found, np.nan)
    return out


def unknown_risk(panel: DayPanel, as_of: IntArray, detail: Sequence[str]) -> Risk:
    """Return a risk that says nothing: a pack of so few cells has no peers to compare with."""
    shape = (len(panel.vehicle_id), len(as_of), panel.value.shape[2])
    return Risk(
        as_of=as_of,
        probability=np.full(shape, np.nan),
        severity=np.full(shape, 4, dtype=np.int64),
        ttt_h=np.full((3, *shape), np.nan),
        detail={name: np.full(shape, np.nan) for name in detail},
    )


def component_risk(
    as_of: IntArray,
    *,
    score: FloatArray,
    is_heard: BoolArray,
    detail: Mapping[str, FloatArray],
    severity: IntArray | None = None,
    ttt_h: FloatArray | None = None,
) -> Risk:
    """Return the risk of cells or probes from their scores; shapes (n_vehicles, n_as_of, n_components).

    Args:
        as_of: Shape (n_as_of,), indices into the day axis.
        score: 1 at the raise level; NaN: the history is too short, which is no risk where it is heard.
        is_heard: What has been heard of lately; the others are unknown.
        detail: What ``explain`` needs.
        severity: S4 where there is none.
        ttt_h: Three quantiles before the shape; None: no time is foreseen.
    """
    known = np.where(np.isfinite(score), logistic(np.nan_to_num(score)), 0.0)
    return Risk(
        as_of=as_of,
        probability=np.where(is_heard, known, np.nan),
        severity=np.full(score.shape, 4, dtype=np.int64) if severity is None else severity,
        ttt_h=np.full((3, *score.shape), np.nan) if ttt_h is None else ttt_h,
        detail=detail,
    )


def vehicles_of(panel: DayPanel, rows: IntArray) -> DayPanel:
    """Return the panel of some of its vehicles."""
    return replace(
        panel,
        vehicle_id=panel.vehicle_id[rows],
        value=panel.value[rows],
        weight=panel.weight[rows],
        first_us=panel.first_us[rows],
        last_us=panel.last_us[rows],
        extra={name: values[rows] for name, values in panel.extra.items()},
    )


def newest_row(values: FloatArray, last: int, component: int) -> FloatArray:
    """Return the newest row up to a day in which a component is known, all NaN where there is none."""
    known = np.flatnonzero(np.isfinite(values[: last + 1, component]))
    return values[known[-1]] if len(known) else np.full(values.shape[1], np.nan)


def _trust(panel: DayPanel, value: FloatArray) -> FloatArray:
    return np.asarray(np.where(np.isfinite(value), np.nan_to_num(panel.extra["weight"]), 0.0))


def _quantile(values: FloatArray, share: float) -> FloatArray:
    """Return the quantile of each row of what is there."""
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    ranked = np.sort(values, axis=1)
    count = np.isfinite(ranked).sum(1)
    index = np.clip(np.round(share * (count - 1)), 0, None).astype(np.int64)
    return np.asarray(np.where(count > 0, np.take_along_axis(ranked, index[:, None], 1)[:, 0], np.nan))
