"""Robust trends over sliding windows of days, for many vehicles and channels at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Trend:
    """Trend of the window that ends with each as-of day; NaN where there are too few days."""

    slope: FloatArray  #: shape (n_vehicles, n_as_of, n_channels), value per day
    slope_error: FloatArray  #: same shape, standard error from the residuals, value per day
    concordance: FloatArray  #: same shape, share of rising minus share of falling pairs, -1..1
    steepest_rise: FloatArray  #: same shape, largest slope of any pair of days
    count: IntArray  #: same shape, days used


def weighted_median(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted median along the last axis.

    Args:
        values: Any shape; NaN counts for nothing.
        weights: Broadcastable, not negative.

    Returns:
        The shape without the last axis; NaN where no weight is left. Where half of the weight lies on each
        side, the middle of the two neighbours.
    """
    usable = np.isfinite(values) & (weights > 0)
    filled = np.where(usable, values, np.inf)
    order = np.argsort(filled, axis=-1, kind="stable")
    ranked = np.take_along_axis(filled, order, -1)
    mass = np.cumsum(np.take_along_axis(np.where(usable, weights, 0.0), order, -1), axis=-1)
    total = mass[..., -1:]
    slack = 1e-9 * total
    low = np.argmax(mass >= total / 2 - slack, axis=-1)[..., None]
    high = np.argmax(mass > total / 2 + slack, axis=-1)[..., None]
    with np.errstate(invalid="ignore"):
        middle = (np.take_along_axis(ranked, low, -1) + np.take_along_axis(ranked, high, -1)) / 2
    return np.where(total > 0, middle, np.nan)[..., 0]


def theil_sen(
    values: FloatArray,
    weights: FloatArray,
    segment: IntArray,
    *,
    window: int,
    least: int,
    as_of: IntArray,
    noise: FloatArray,
) -> Trend:
    """Return the Theil-Sen trend of the last ``window`` days before each as-of day.

    Slope: weighted median of the slopes of all pairs of days (Sen, JASA 63 (1968) 1379), weight of a pair =
    product of the weights of its days. Pairs of days in different segments are left out: a step between them
    is no slope, and what was known before it stays known.

    Args:
        values: Shape (n_vehicles, n_days, n_channels), one value a day; NaN is missing.
        weights: Same shape, or (n_vehicles, n_days, 1).
        segment: Shape (n_vehicles, n_days); changes where the values step (a refill).
        window: Days in the window, the as-of day included.
        least: Fewest days with values in one segment, or as many pairs in several; fewer give NaN.
        as_of: Shape (n_as_of,), indices into the day axis.
        noise: Shape (n_vehicles, n_as_of, 1 or n_channels), smallest believed standard deviation of a day's
            value.

    Returns:
        Trends of shape (n_vehicles, n_as_of, n_channels).
    """
    n_vehicles, _, n_channels = values.shape
    shape = (n_vehicles, len(as_of), n_channels)
    out = Trend(
        slope=np.full(shape, np.nan),
        slope_error=np.full(shape, np.nan),
        concordance=np.full(shape, np.nan),
        steepest_rise=np.full(shape, np.nan),
        count=np.zeros(shape, dtype=np.int64),
    )
    for position, day in enumerate(as_of.tolist()):
        first = max(0, day - window + 1)
        part = np.moveaxis(values[:, first : day + 1], 1, -1)
        weight = np.broadcast_to(np.moveaxis(weights[:, first : day + 1], 1, -1), part.shape)
        weight = np.where(np.isfinite(part), weight, 0.0)
        stretch = segment[:, None, first : day + 1]
        _fit(part, weight, stretch, out, position, least=least, noise=noise[:, position])
    return out


def day_noise(values: FloatArray, as_of: IntArray, *, window: int, floor: float, prior: float) -> FloatArray:
    """Return the standard deviation of a day's value, whatever its trend.

    Second differences of three days in a row know nothing of level and slope; their spread is sqrt(6) times
    that of one value. Pooled over the channels of a vehicle, robust against single odd days.

    Args:
        values: Shape (n_vehicles, n_days, n_channels).
        as_of: Shape (n_as_of,), indices into the day axis.
        window: Days looked back.
        floor: Smallest value returned.
        prior: Value returned while fewer than eight differences are known; counts as eight of them after
            that.

    Returns:
        Shape (n_vehicles, n_as_of, 1).
    """
    out = np.full((values.shape[0], len(as_of), 1), prior)
    bend = np.abs(values[:, 2:] - 2 * values[:, 1:-1] + values[:, :-2])
    for position, day in enumerate(as_of.tolist()):
        part = bend[:, max(0, day - window + 1) : max(0, day - 1)].reshape(len(values), -1)
        if not part.shape[1]:
            continue
        count = np.isfinite(part).sum(1)
        found = weighted_median(part, np.ones(1)) * 1.4826 / np.sqrt(6.0)
        blended = np.sqrt((count * found**2 + 8 * prior**2) / (count + 8))
        out[:, position, 0] = np.where(count >= 8, np.maximum(blended, floor), max(prior, floor))
    return out


def _centres(residual: FloatArray, weight: FloatArray, stretch: IntArray) -> FloatArray:
    """Return, for each day, the weighted median of the residuals in its segment."""
    if (stretch == stretch[..., :1]).all():
        return weighted_median(residual, weight)[..., None]
    is_one = stretch[..., :, None] == stretch[..., None, :]
    return weighted_median(residual[..., None, :], np.where(is_one, weight[..., None, :], 0.0))


def _fit(
    part: FloatArray,
    weight: FloatArray,
    stretch: IntArray,
    out: Trend,
    position: int,
    *,
    least: int,
    noise: FloatArray,
) -> None:
    n_days = part.shape[-1]
    count = (weight > 0).sum(-1)
    out.count[:, position] = count
    if n_days < 2 or not (count >= least).any():
        return
    early, late = np.triu_indices(n_days, 1)
    apart = (late - early).astype(np.float64)
    step = part[..., late] - part[..., early]
    is_one = stretch[..., late] == stretch[..., early]
    pair_weight = np.where(is_one, weight[..., late] * weight[..., early], 0.0)
    is_used = pair_weight > 0
    enough = (count >= least) & (is_used.sum(-1) >= least * (least - 1) // 2)
    pair_slope = step / apart
    slope = weighted_median(pair_slope, pair_weight)
    steepest_rise = np.where(is_used, pair_slope, -np.inf).max(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        sign = np.where(is_used, np.sign(step), 0.0)
        concordance = (sign * pair_weight).sum(-1) / pair_weight.sum(-1)
        residual = np.where(weight > 0, part - slope[..., None] * np.arange(n_days), np.nan)
        scatter = 1.4826 * weighted_median(np.abs(residual - _centres(residual, weight, stretch)), weight)
        # the residuals of few days about their own line are optimistic
        scatter = np.maximum(scatter * np.sqrt(count / np.maximum(count - 2, 1)), noise)
        # sum of squared distances from the mean, from the squares of all pairs
        spread = np.where(is_used, apart**2, 0.0).sum(-1) / count
        slope_error = 1.05 * scatter / np.sqrt(spread)
    for target, source in (
        (out.slope, slope),
        (out.slope_error, slope_error),
        (out.concordance, concordance),
        (out.steepest_rise, steepest_rise),
    ):
        target[:, position] = np.where(enough, source, np.nan)
