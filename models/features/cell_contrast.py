"""What days of a pack's cells say together: level, growth, and how far the level follows the charge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.records import BoolArray, FloatArray, IntArray
from models.features.trend import theil_sen, weighted_median

#: Days between two that are still compared; a leak adds up over longer.
_LONGEST_GAP = 14
#: Parts of a growth within which a component has not left yet, and has arrived.
_LEFT, _ARRIVED = 0.1, 0.8
#: Differences of days that tell the scatter of a pack.
_LEAST_STEPS = 40


def windowed_level(
    value: FloatArray, weight: FloatArray, as_of: IntArray, *, oldest: int, newest: int, least: int = 1
) -> FloatArray:
    """Return the weighted median of ``oldest`` to ``newest`` days before each as-of day.

    Args:
        value: Shape (n_vehicles, n_days, n_components); NaN is missing.
        weight: Same shape.
        as_of: Shape (n_as_of,), indices into the day axis.
        oldest: Days back to the first one.
        newest: Days back to the last one; 0 is the as-of day.
        least: Fewest days with a value.

    Returns:
        Shape (n_vehicles, n_as_of, n_components).
    """
    out = np.full((value.shape[0], len(as_of), value.shape[2]), np.nan)
    for position, day in enumerate(as_of.tolist()):
        rows = slice(max(0, day - oldest), max(0, day - newest + 1))
        values = np.moveaxis(value[:, rows], 1, -1)
        weights = np.where(np.isfinite(values), np.moveaxis(weight[:, rows], 1, -1), 0.0)
        if values.shape[-1]:
            enough = (weights > 0).sum(-1) >= least
            out[:, position] = np.where(enough, weighted_median(values, weights), np.nan)
    return out


def lowest_known(levels: Sequence[FloatArray]) -> FloatArray:
    """Return the lowest of several levels of one shape, NaN where none is known."""
    lowest = np.minimum.reduce([np.where(np.isfinite(level), level, np.inf) for level in levels])
    return np.asarray(np.where(np.isfinite(lowest), lowest, np.nan))


def day_count(value: FloatArray, as_of: IntArray, *, window: int) -> IntArray:
    """Return on how many of the last ``window`` days each component has a value, (vehicles, as-of, …)."""
    known = np.concatenate((np.zeros_like(value[:, :1]), np.cumsum(np.isfinite(value), axis=1)), axis=1)
    return np.asarray(known[:, as_of + 1] - known[:, np.maximum(as_of + 1 - window, 0)], dtype=np.int64)


def known_steps(value: FloatArray, as_of: IntArray, *, window: int) -> tuple[FloatArray, FloatArray]:
    """Return the sum of squared differences of days next to each other with data, and how many there are.

    Args:
        value: Shape (n_vehicles, n_days, n_components); NaN is missing.
        as_of: Shape (n_as_of,), indices into the day axis.
        window: Days looked back, the as-of day included.

    Returns:
        Shape (n_vehicles, n_as_of, n_components) each; a difference counts as 1 at most.
    """
    shape = (value.shape[0], len(as_of), value.shape[2])
    square, count = np.zeros(shape), np.zeros(shape)
    for position, day in enumerate(as_of.tolist()):
        part = value[:, max(0, day - window + 1) : day + 1]
        # values of days with data moved together, so that parked days leave no hole
        order = np.argsort(~np.isfinite(part), axis=1, kind="stable")
        step = np.diff(np.take_along_axis(part, order, 1), axis=1)
        square[:, position] = np.where(np.isfinite(step), np.minimum(step**2, 1.0), 0.0).sum(1)
        count[:, position] = np.isfinite(step).sum(1)
    return square, count


def surest_trend(
    values: FloatArray, as_of: IntArray, *, windows: Sequence[int], least: int, noise: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the Theil-Sen slope of the window that tells it best from 0, and its error.

    Args:
        values: Shape (n_vehicles, n_days, n_channels), one value a day; NaN is missing.
        as_of: Shape (n_as_of,), indices into the day axis.
        windows: Days looked back, each in turn.
        least: Fewest days with values.
        noise: As for ``theil_sen``.

    Returns:
        Value per day, shape (n_vehicles, n_as_of, n_channels) each; NaN where every window has too few days.
    """
    weights, still = np.isfinite(values).astype(np.float64), np.zeros(values.shape[:2], dtype=np.int64)
    trends = [
        theil_sen(values, weights, still, window=days, least=least, as_of=as_of, noise=noise)
        for days in windows
    ]
    slopes, errors = (
        np.stack(found) for found in zip(*((t.slope, t.slope_error) for t in trends), strict=True)
    )
    best = np.where(np.isfinite(slopes), np.abs(slopes) / errors, -np.inf).argmax(0)[None]
    return np.take_along_axis(slopes, best, 0)[0], np.take_along_axis(errors, best, 0)[0]


def rise_days(value: FloatArray, past: FloatArray, growth: FloatArray) -> IntArray:
    """Return on how many days each component was on its way from its past level to its present one.

    A leak takes days for it; a module that was changed, a wire that came off, a scale that an update changed
    take none. The way begins after the last day within 10 % of the growth and ends with the first one beyond
    80 % of it: days scatter, and the typical curve is not the cell's own.

    Args:
        value: Shape (n_vehicles, n_days, n_components), the as-of day the last; NaN is missing.
        past: Shape (n_vehicles, n_components), level before.
        growth: Same shape, present level less the past one.

    Returns:
        Shape (n_vehicles, n_components); 0 where nothing grew.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        part = (value - past[:, None]) / np.where(growth > 0, growth, np.nan)[:, None]
        is_low, is_high = part <= _LEFT, part >= _ARRIVED
    days = np.arange(value.shape[1])[None, :, None]
    begin = np.where(is_low, days, -1).max(1, initial=-1)
    end = np.where(is_high & (days > begin[:, None]), days, value.shape[1]).min(1, initial=value.shape[1])
    between = np.isfinite(part) & (days > begin[:, None]) & (days < end[:, None])
    return np.asarray(between.sum(1), dtype=np.int64)


def charge_slope(
    value: FloatArray,
    weight: FloatArray,
    soc_percent: FloatArray,
    as_of: IntArray,
    *,
    window: int,
    noise: float,
    spread: float,
    least_noise: float | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return how the deficit of each cell changes with the pack's state of charge, and its error.

    A cell of less capacity falls behind as the pack empties: its deficit goes down by its missing part of
    capacity with every percent of charge. Differences of days next to each other with data know little of a
    slow drift; they are regressed on the difference of the state of charge and drawn towards 0 by what is
    known of healthy cells.

    Args:
        value: Shape (n_vehicles, n_days, n_cells), deficit, %.
        weight: Same shape, trust 0-1.
        soc_percent: Shape (n_vehicles, n_days), at rest.
        as_of: Shape (n_as_of,).
        window: Days looked back.
        noise: Standard deviation of a day's deficit, %.
        spread: Standard deviation of the slope over healthy cells, part.
        least_noise: Where given, the scatter of the vehicle's own days, down to it, takes the place of
            ``noise``.

    Returns:
        Slope (deficit % per % of charge; a cell of 10 % less capacity has -0.10) and its standard error,
        shape (n_vehicles, n_as_of, n_cells); 0 and ``spread`` where nothing is known.
    """
    shape = (value.shape[0], len(as_of), value.shape[2])
    slope, error = np.zeros(shape), np.full(shape, spread)
    needed = (
        slice(max(0, int(as_of.min()) - window - _LONGEST_GAP), int(as_of.max()) + 1)
        if len(as_of)
        else slice(0)
    )
    known = np.isfinite(value) & (weight > 0) & np.isfinite(soc_percent)[..., None]
    step, soc_step, pair = _steps(
        value[:, needed], soc_percent[:, needed], weight[:, needed], known[:, needed]
    )
    # the difference of two days has twice the variance of one
    power_part, both_part = pair * soc_step**2 / 2.0, pair * soc_step * step / 2.0
    for position, day in enumerate((as_of - needed.start).tolist()):
        rows = slice(max(0, day - window + 1), day + 1)
        power = power_part[:, rows].sum(1)
        own: FloatArray | float = noise
        if least_noise is not None:
            own = _scatter(step[:, rows], pair[:, rows], least=least_noise, prior=noise)
        prior = (own / spread) ** 2
        slope[:, position] = both_part[:, rows].sum(1) / (power + prior)
        error[:, position] = own / np.sqrt(power + prior)
    return slope, error


def _steps(
    value: FloatArray, soc: FloatArray, trust: FloatArray, known: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return differences to the day known before, of value and state of charge, and their weights."""
    days = np.arange(known.shape[1])
    index = np.where(known, days[None, :, None], -1)
    before = np.full(known.shape, -1, dtype=np.int64)
    before[:, 1:] = np.maximum.accumulate(index, axis=1)[:, :-1]
    usable = known & (before >= 0) & (days[None, :, None] - before <= _LONGEST_GAP)
    at = np.maximum(before, 0)
    wide_soc = np.broadcast_to(soc[..., None], value.shape)
    step = np.where(usable, value - np.take_along_axis(value, at, 1), 0.0)
    soc_step = np.where(usable, wide_soc - np.take_along_axis(wide_soc, at, 1), 0.0)
    both = np.minimum(trust, np.take_along_axis(np.broadcast_to(trust, value.shape), at, 1))
    # a step of the deficit that no capacity explains (a session misread) must not tilt the slope
    limit = 1.0 + 0.3 * np.abs(soc_step)
    return np.clip(step, -limit, limit), soc_step, np.where(usable, both, 0.0)


def _scatter(step: FloatArray, pair: FloatArray, *, least: float, prior: float) -> FloatArray:
    """Return the standard deviation of a day's value from differences of days, pooled over the cells.

    Of shape (n_vehicles, 1); few cells of a pack follow the state of charge, most do not. ``prior`` while
    little is known.
    """
    known = (pair > 0).reshape(len(pair), -1)
    sizes = np.where(known, np.abs(step).reshape(known.shape), np.nan)
    scatter = 1.4826 * weighted_median(sizes, np.ones(1))[:, None] / np.sqrt(2.0)
    is_enough = known.sum(1, keepdims=True) >= _LEAST_STEPS
    return np.asarray(np.where(is_enough, np.maximum(scatter, least), prior))
