"""Robust trends over sliding windows of days, for many vehicles and channels at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, FloatArray, IntArray

#: Pairs of days that are worked on at a time: a megabyte.
_BLOCK_PAIRS = 1 << 17


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
    if weights.size == 1:
        return _median(values, usable)
    mass = np.where(usable, weights, 0.0)
    return _median(values, usable, mass, _is_uneven(mass))


def _median(
    values: FloatArray,
    usable: BoolArray,
    weights: FloatArray | None = None,
    uneven: BoolArray | None = None,
    *,
    count: IntArray | None = None,
) -> FloatArray:
    """Return the median of what is usable along the last axis, weighted in the rows that are uneven.

    Most days count fully, and the median of what has one weight needs no weights.
    """
    count = usable.sum(-1) if count is None else count
    is_whole = bool((count == values.shape[-1]).all())
    ranked = np.sort(values if is_whole else np.where(usable, values, np.inf), axis=-1)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, values.shape[-1] - 1)
    with np.errstate(invalid="ignore"):
        out = np.where(count > 0, (_pick(ranked, low) + _pick(ranked, high)) / 2, np.nan)
    if weights is not None and uneven is not None and uneven.any():
        out[uneven] = _uneven_median(values[uneven], weights[uneven])
    return out


def _is_uneven(weights: FloatArray) -> BoolArray:
    """Mark the rows with different weights; 0 is none."""
    low = np.where(weights > 0, weights, np.inf).min(-1)
    return np.asarray(weights.max(-1) > low, dtype=np.bool_)


def _pick(ranked: FloatArray, index: IntArray) -> FloatArray:
    return np.asarray(np.take_along_axis(ranked, index[..., None], -1)[..., 0])


def _uneven_median(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted median of rows with some weight each; weight 0: not known."""
    filled = np.where(np.isfinite(values) & (weights > 0), values, np.inf)
    order = np.argsort(filled, axis=-1, kind="stable")
    ranked = np.take_along_axis(filled, order, -1)
    mass = np.cumsum(np.take_along_axis(weights, order, -1), axis=-1)
    total = mass[..., -1:]
    slack = 1e-9 * total
    low = np.argmax(mass >= total / 2 - slack, axis=-1)
    high = np.argmax(mass > total / 2 + slack, axis=-1)
    return (_pick(ranked, low) + _pick(ranked, high)) / 2


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
    # vehicles in blocks whose pairs stay in the cache
    block = max(1, _BLOCK_PAIRS // max(1, n_channels * window * (window - 1) // 2))
    for begin in range(0, n_vehicles, block):
        some = slice(begin, begin + block)
        for position, day in enumerate(as_of.tolist()):
            first = max(0, day - window + 1)
            part = np.ascontiguousarray(np.moveaxis(values[some, first : day + 1], 1, -1))
            weight = np.broadcast_to(np.moveaxis(weights[some, first : day + 1], 1, -1), part.shape)
            weight = np.where(np.isfinite(part), weight, 0.0)
            stretch = segment[some, None, first : day + 1]
            fitted = _fit(part, weight, stretch, least=least, noise=noise[some, position])
            for target, found in zip(
                (out.slope, out.slope_error, out.concordance, out.steepest_rise, out.count),
                fitted,
                strict=True,
            ):
                target[some, position] = found
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


def _centres(residual: FloatArray, weight: FloatArray, stretch: IntArray, uneven: BoolArray) -> FloatArray:
    """Return, for each day, the weighted median of the residuals in its segment."""
    centre = np.repeat(_median(residual, weight > 0, weight, uneven)[..., None], residual.shape[-1], axis=-1)
    parted = (stretch != stretch[..., :1]).any((1, 2))
    if parted.any():
        is_one = stretch[parted][..., :, None] == stretch[parted][..., None, :]
        among = np.where(is_one, weight[parted][..., None, :], 0.0)
        centre[parted] = weighted_median(np.broadcast_to(residual[parted][..., None, :], among.shape), among)
    return centre


def _pairs(
    part: FloatArray, weight: FloatArray, stretch: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return slopes and weights of all pairs of days, nearest pairs first, and the steepest rise.

    Worked out pair by pair for all channels at once, as long rows of memory, and turned round at the end.
    """
    n_days = part.shape[-1]
    n_pairs = n_days * (n_days - 1) // 2
    by_day = np.ascontiguousarray(part.reshape(-1, n_days).T)
    weight_by_day = np.ascontiguousarray(weight.reshape(-1, n_days).T)
    slope, mass = np.empty((n_pairs, by_day.shape[1])), np.empty((n_pairs, by_day.shape[1]))
    parted = (stretch != stretch[..., :1]).any()
    of_day = np.broadcast_to(stretch, part.shape).reshape(-1, n_days).T if parted else None
    begin = 0
    for apart in range(1, n_days):
        at = slice(begin, begin + n_days - apart)
        np.subtract(by_day[apart:], by_day[:-apart], out=slope[at])
        slope[at] /= apart
        np.multiply(weight_by_day[apart:], weight_by_day[:-apart], out=mass[at])
        if of_day is not None:
            mass[at] *= of_day[apart:] == of_day[:-apart]
        begin = at.stop
    steepest = np.where(mass > 0, slope, -np.inf).max(0).reshape(part.shape[:-1])
    shape = (*part.shape[:-1], n_pairs)
    turned = (np.ascontiguousarray(values.T).reshape(shape) for values in (slope, mass))
    return *turned, steepest


def _pair_sums(
    weight: FloatArray, pair_weight: FloatArray, stretch: IntArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return how many pairs are used, the sum of their squared distances in days, and of their weights.

    Of a vehicle in one segment they follow from its days; each vehicle's sums are made in the same way
    whoever else is looked at.
    """
    day = np.arange(weight.shape[-1], dtype=np.float64)
    known = (weight > 0).astype(np.float64)
    n, first, second = known.sum(-1), (known * day).sum(-1), (known * day**2).sum(-1)
    count = np.asarray(n * (n - 1) / 2, dtype=np.int64)
    square = n * second - first**2
    mass = (weight.sum(-1) ** 2 - (weight**2).sum(-1)) / 2
    parted = (stretch != stretch[..., :1]).any((1, 2))
    if parted.any():
        used = pair_weight[parted] > 0
        apart = np.repeat(day[1:], np.arange(len(day) - 1, 0, -1))
        count[parted] = used.sum(-1)
        square[parted] = (used * apart**2).sum(-1)
        mass[parted] = pair_weight[parted].sum(-1)
    return count, square, mass


def _fit(
    part: FloatArray, weight: FloatArray, stretch: IntArray, *, least: int, noise: FloatArray
) -> tuple[FloatArray | IntArray, ...]:
    """Return slope, its error, concordance, steepest rise and days used of one window.

    Args:
        part: Shape (n_vehicles, n_channels, n_days).
        weight: Same shape; 0: not known.
        stretch: Shape (n_vehicles, 1, n_days).
        least: As in ``theil_sen``.
        noise: Shape (n_vehicles, 1 or n_channels).
    """
    n_days = part.shape[-1]
    count = (weight > 0).sum(-1)
    nothing = np.full(count.shape, np.nan)
    if n_days < 2 or not (count >= least).any():
        return nothing, nothing, nothing, nothing, count
    pair_slope, pair_weight, steepest_rise = _pairs(part, weight, stretch)
    is_used = pair_weight > 0
    uneven = _is_uneven(weight)
    pair_count, square, mass = _pair_sums(weight, pair_weight, stretch)
    enough = (count >= least) & (pair_count >= least * (least - 1) // 2)
    slope = _median(pair_slope, is_used, pair_weight, uneven, count=pair_count)
    all_used = bool((pair_count == pair_slope.shape[-1]).all())
    with np.errstate(invalid="ignore", divide="ignore"):
        sign = np.sign(pair_slope if all_used else np.where(is_used, pair_slope, 0.0))
        concordance = np.einsum("vcp,vcp->vc", sign, pair_weight) / mass
        residual = np.where(weight > 0, part - slope[..., None] * np.arange(n_days), np.nan)
        apart = np.abs(residual - _centres(residual, weight, stretch, uneven))
        scatter = 1.4826 * _median(apart, weight > 0, weight, uneven, count=count)
        # the residuals of few days about their own line are optimistic
        scatter = np.maximum(scatter * np.sqrt(count / np.maximum(count - 2, 1)), noise)
        # sum of squared distances from the mean, from the squares of all pairs
        slope_error = 1.05 * scatter / np.sqrt(square / count)
    return (*(np.where(enough, v, np.nan) for v in (slope, slope_error, concordance, steepest_rise)), count)
