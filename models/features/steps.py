"""Tell a step from a slope, and coarse readings from quiet ones."""

from __future__ import annotations

import numpy as np

from data.records import BoolArray, FloatArray, IntArray

_LEAST_BENDS = 8


def step_over_line(
    values: FloatArray, segment: IntArray, *, window: int, as_of: IntArray, noise: FloatArray
) -> FloatArray:
    """Return how much worse one step explains the last days than a straight line does.

    Sums of squared residuals about the best single step (the mean before and the mean after a split with two
    days and more on either side) over those about the least-squares line, both with the noise of
    ``n - 2`` days added: 1 where neither is better, above 1 for a steady fall, below 1 for a level that
    jumped and stays.

    Args:
        values: Shape (n_vehicles, n_days, n_channels), one value a day; NaN is missing.
        segment: Shape (n_vehicles, n_days); days of another segment than the as-of day are left out.
        window: Days in the window, the as-of day included.
        as_of: Shape (n_as_of,), indices into the day axis.
        noise: Shape (n_vehicles, n_as_of, 1 or n_channels), standard deviation of a day's value.

    Returns:
        Shape (n_vehicles, n_as_of, n_channels); 1 where fewer than four days are left.
    """
    out = np.ones((values.shape[0], len(as_of), values.shape[2]))
    for position, day in enumerate(as_of.tolist()):
        first = max(0, day - window + 1)
        part = np.moveaxis(values[:, first : day + 1], 1, -1)
        same = segment[:, None, first : day + 1] == segment[:, None, day : day + 1]
        out[:, position] = _ratio(np.where(same, part, np.nan), noise[:, position])
    return out


def refill_days(gas_kpa: FloatArray, *, least_kpa: float) -> BoolArray:
    """Mark the days on which most wheels hold more gas than on the day with readings before: a refill.

    Args:
        gas_kpa: Shape (n_vehicles, n_days, n_wheels), newest known value up to each day.
        least_kpa: Gain of a wheel that counts.

    Returns:
        Shape (n_vehicles, n_days).
    """
    n_wheels = gas_kpa.shape[2]
    out = np.zeros(gas_kpa.shape[:2], dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        gains = (np.diff(gas_kpa, axis=1) > least_kpa).sum(2)
    out[:, 1:] = gains >= max(2, round(0.75 * n_wheels))
    return out


def coarse_noise(values: FloatArray, as_of: IntArray, *, window: int, largest: float) -> FloatArray:
    """Return the standard deviation of a day's value where most days fall on the same step of a coarse grid.

    The median of the second differences is zero there; their mean square is not. Single steps and odd days
    count as ``largest`` at most.

    Args:
        values: Shape (n_vehicles, n_days, n_channels), one value a day; NaN is missing.
        as_of: Shape (n_as_of,), indices into the day axis.
        window: Days looked back.
        largest: Second difference that larger ones are taken for.

    Returns:
        Shape (n_vehicles, n_as_of, 1), pooled over the channels; 0 where fewer than eight differences are
        known.
    """
    out = np.zeros((values.shape[0], len(as_of), 1))
    bend = np.abs(values[:, 2:] - 2 * values[:, 1:-1] + values[:, :-2])
    square = np.where(np.isfinite(bend), np.minimum(bend, largest) ** 2, 0.0)
    for position, day in enumerate(as_of.tolist()):
        part = slice(max(0, day - window + 1), max(0, day - 1))
        count = np.isfinite(bend[:, part]).sum((1, 2))
        found = np.sqrt(square[:, part].reshape(len(values), -1).sum(1) / np.maximum(count, 1) / 6.0)
        out[:, position, 0] = np.where(count >= _LEAST_BENDS, found, 0.0)
    return out


def _ratio(part: FloatArray, noise: FloatArray) -> FloatArray:
    known = np.isfinite(part)
    count = known.sum(-1)
    time = np.arange(part.shape[-1], dtype=np.float64)
    least = np.maximum(count, 1)
    mean = np.where(known, part, 0.0).sum(-1) / least
    centred = np.where(known, part - mean[..., None], 0.0)
    apart = np.where(known, time - ((known * time).sum(-1) / least)[..., None], 0.0)
    total = (centred**2).sum(-1)
    spread = np.maximum((apart**2).sum(-1), 1e-9)
    line = np.maximum(total - (centred * apart).sum(-1) ** 2 / spread, 0.0)
    before = np.cumsum(known, axis=-1)
    after = count[..., None] - before
    left = np.cumsum(centred, axis=-1)
    # what a split takes off the squares about the common mean: both sides' means are left, -left in sum
    gain = left**2 / np.maximum(before, 1) + left**2 / np.maximum(after, 1)
    best = np.where((before >= 2) & (after >= 2), gain, 0.0).max(-1)
    base = np.maximum(count - 2, 1) * noise**2
    ratio = (np.maximum(total - best, 0.0) + base) / (line + base)
    return np.asarray(np.where(count >= 4, ratio, 1.0))
