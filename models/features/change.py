"""What has changed of late: a ramp or a step in daily values that their known causes do not explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, FloatArray, IntArray

#: Pseudo-observations of each cause's effect at zero: what two equal causes share is not told apart anyway.
_RIDGE = 0.5
#: Vehicles looked at together; their windows fit the cache.
_BLOCK = 256
_SUPPORT = 3
_TREND_DAYS = 21
_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Shapes that a change may have taken, in days before the as-of day."""

    window: int  #: days looked back
    ramps: tuple[int, ...] = (7, 14, 21, 30, 45, 60, 90)  #: began so long ago and has grown since
    steps: tuple[int, ...] = (3, 5, 8, 13, 21, 34)  #: came so long ago and stayed
    least_before: int = 14  #: fewest days with values before the change
    least_after: int = 3  #: and since
    has_trend: bool = False  #: it may also have been growing since before the window, of three weeks at least
    is_share: bool = False  #: the change multiplies what is expected, and is told as a share of it
    growth_odds: float = 1.0  #: how much likelier growth is than a step before either is seen


@dataclass(frozen=True, slots=True)
class Change:
    """The most telling change of each vehicle and as-of day; NaN where the window holds too little."""

    level: FloatArray  #: shape (n_vehicles, n_as_of), size of the change by the as-of day
    level_error: FloatArray  #: same shape, standard error
    rate: FloatArray  #: same shape, growth a day; 0 for a step
    rate_error: FloatArray  #: same shape
    strength: FloatArray  #: same shape, level in standard errors, correlated days allowed for
    usual: FloatArray  #: same shape, mean of the window's days without the change
    age: FloatArray  #: same shape, days since it began
    support: FloatArray  #: same shape, median of what the newest three days show of it


def find_change(
    values: FloatArray,
    causes: Sequence[FloatArray],
    as_of: IntArray,
    course: Course,
    *,
    noise: float,
    sign: int = 1,
    at: tuple[FloatArray, BoolArray] | None = None,
) -> Change:
    """Return the change that explains the newest days best, or how much there is of a given one.

    Daily values are fitted by least squares with a constant, the causes, and one candidate: a ramp that
    began, or a step that came, some days before the as-of day. The candidate with the largest level in
    standard errors is returned (a generalised likelihood ratio over change points; Basseville and Nikiforov,
    Detection of Abrupt Changes, 1993, ch. 2.4), a step's less by as much as it is less likely beforehand.
    Residuals that follow each other widen the errors by the factor of a first-order autoregression.

    Args:
        values: Shape (n_vehicles, n_days); NaN is missing.
        causes: Each of the same shape; a day that lacks one is left out, a cause that a vehicle never has is
            not used.
        as_of: Shape (n_as_of,), indices into the day axis.
        course: The shapes.
        noise: Smallest believed standard deviation of a day's value.
        sign: 1 looks for growth, -1 for decline, 0 for either.
        at: Age of the change in days and whether it grows, shape (n_vehicles, n_as_of): the candidate that is
            taken, whatever its strength; NaN: none.

    Returns:
        Arrays of shape (n_vehicles, n_as_of).
    """
    shape = (len(values), len(as_of))
    out = np.full((8, *shape), np.nan)
    for begin in range(0, shape[0], _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        for position, day in enumerate(as_of.tolist()):
            days = slice(max(0, day - course.window + 1), day + 1)
            if day + 1 - days.start >= course.least_before + course.least_after:
                window = _window(values[rows, days], [c[rows, days] for c in causes])
                taken = None if at is None else (at[0][rows, position], at[1][rows, position])
                out[:, rows, position] = _fit(*window, course=course, noise=noise, sign=sign, at=taken)
    return Change(*out)


def _window(values: FloatArray, causes: Sequence[FloatArray]) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Return values with zeros for missing days, the days kept, and the standardised design."""
    kept = np.isfinite(values)
    for cause in causes:
        known = np.isfinite(cause)
        kept = kept & (known | ~known.any(1, keepdims=True))
    count = np.maximum(kept.sum(1, keepdims=True), 1)
    columns = [kept.astype(np.float64)]
    for cause in causes:
        used = np.where(kept & np.isfinite(cause), cause, 0.0)
        centred = np.where(kept, used - used.sum(1, keepdims=True) / count, 0.0)
        spread = np.sqrt((centred**2).sum(1, keepdims=True) / count)
        columns.append(np.where(spread > 1e-9, centred / np.maximum(spread, 1e-9), 0.0))
    return np.where(kept, values, 0.0), kept, np.stack(columns, axis=-1)


def _fit(
    values: FloatArray,
    kept: BoolArray,
    design: FloatArray,
    *,
    course: Course,
    noise: float,
    sign: int,
    at: tuple[FloatArray, BoolArray] | None,
) -> FloatArray:
    """Return the fields of ``Change`` for one window, shape (8, n_vehicles)."""
    n_days, n_terms = design.shape[1:]
    gram = design.swapaxes(1, 2) @ design + np.diag([_TINY] + [_RIDGE] * (n_terms - 1))
    gram[~kept.any(1)] = np.eye(n_terms)
    solver = np.linalg.solve(gram, design.swapaxes(1, 2))  # (v, terms, days)
    fitted = (design @ (solver @ values[..., None]))[..., 0]
    residual = np.where(kept, values - fitted, 0.0)
    pattern, age, is_ramp = _patterns(n_days, course)
    # a share of next to nothing is no measure: days that are expected to show little weigh little
    shape = np.where(kept, np.maximum(fitted, 0.0) if course.is_share else 1.0, 0.0)
    candidate = pattern[None] * shape[:, None, :]
    bare = candidate - (candidate @ solver.swapaxes(1, 2)) @ design.swapaxes(1, 2)
    bare = np.where(kept[:, None, :], bare, 0.0)
    power = np.maximum((bare**2).sum(-1), _TINY)
    level = (bare * residual[:, None, :]).sum(-1) / power
    left = residual[:, None, :] - level[..., None] * bare
    freedom = kept.sum(1)[:, None] - n_terms - 1
    spread = np.maximum(np.sqrt((left**2).sum(-1) / np.maximum(freedom, 1)), noise)
    error = spread * _widening(left) / np.sqrt(power)
    after = (kept[:, None, :] & (pattern > 0)[None]).sum(-1)
    before = kept.sum(1)[:, None] - after
    is_whole = age >= n_days
    enough = np.where(is_whole, before + after >= _TREND_DAYS, before >= course.least_before)
    is_possible = (after >= course.least_after) & enough & (freedom >= 8)
    is_possible &= power > 1e-6 * np.maximum((candidate**2).sum(-1), _TINY)
    strength = level / error
    if at is not None:
        is_possible &= (age == at[0][:, None]) & (is_ramp == at[1][:, None])
    telling = np.abs(strength) if sign == 0 else sign * strength
    handicap = np.where(is_ramp, 0.0, 2.0 * np.log(course.growth_odds))
    as_likely = np.sqrt(np.maximum(telling**2 - handicap, 0.0))
    ranked = np.where(is_possible, np.where(telling > 0, as_likely, telling), -np.inf)
    best = ranked.argmax(1)
    row = np.arange(len(best))
    lasted = age[best]
    chosen = candidate[row, best]
    count = np.maximum(kept.sum(1), 1)
    usual = (values - level[row, best][:, None] * chosen).sum(1) / count
    unit = np.ones(len(best))
    if course.is_share:
        unit = np.where(usual > 0, shape.sum(1) / count / np.maximum(usual, 1e-6), np.nan)
    size, doubt = level[row, best] * unit, error[row, best] * np.abs(unit)
    grows = np.where(is_ramp[best], 1.0 / lasted, 0.0)
    seen = left[row, best] + level[row, best][:, None] * chosen
    support = _median_of(seen, kept & (kept[:, ::-1].cumsum(1)[:, ::-1] <= _SUPPORT))
    if course.is_share:
        support = support / np.maximum(usual, 1e-6)
    strong, since = strength[row, best], lasted.astype(np.float64)
    found = np.stack((size, doubt, size * grows, doubt / lasted, strong, usual, since, support))
    return np.asarray(np.where(is_possible.any(1), found, np.nan))


def _patterns(n_days: int, course: Course) -> tuple[FloatArray, IntArray, BoolArray]:
    """Return the candidates over the days of a window, shape (n_candidates, n_days), ages and kinds."""
    back = np.arange(n_days - 1, -1, -1)
    ramps = [a for a in course.ramps if a < n_days]
    ramps += [n_days] * (course.has_trend or not ramps)
    steps = [a for a in course.steps if a < n_days]
    rows = [np.maximum(1.0 - back / a, 0.0) for a in ramps] + [(back < a).astype(np.float64) for a in steps]
    is_ramp = np.arange(len(rows)) < len(ramps)
    return np.array(rows), np.array([*ramps, *steps], dtype=np.int64), is_ramp


def _widening(left: FloatArray) -> FloatArray:
    """Return by how much correlation from day to day widens a standard error."""
    square = np.maximum((left**2).sum(-1), _TINY)
    follow = np.clip((left[..., 1:] * left[..., :-1]).sum(-1) / square, 0.0, 0.8)
    return np.asarray(np.sqrt((1.0 + follow) / (1.0 - follow)))


def _median_of(values: FloatArray, used: BoolArray) -> FloatArray:
    """Return the median of the used values of each row, NaN without any."""
    ranked = np.sort(np.where(used, values, np.inf), axis=1)
    count = used.sum(1)
    row = np.arange(len(ranked))
    low = ranked[row, np.maximum((count - 1) // 2, 0)]
    high = ranked[row, np.minimum(count // 2, ranked.shape[1] - 1)]
    return np.asarray(np.where(count > 0, (low + high) / 2, np.nan))
